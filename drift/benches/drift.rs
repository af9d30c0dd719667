//! Processor time of the crate's own work, one line per task: `name seconds`, the median of five
//! runs. Processor time, because other work on the machine must not count.
//! `peers.py` runs this, does the same work with other packages, and prints both.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use drift::distance::{self, PSI_FLOOR, ZeroBins};
use drift::evidently::{Column, StatTest, dataset_drift};
use drift::profile::{LiveBuilder, ReferenceBuilder};
use drift::sample::{Comparison, Sorted};
use drift::test::{Exactness, kolmogorov_smirnov};

#[path = "../tests/common/mod.rs"]
mod common;
use common::ih4;

const RUNS: usize = 5;

/// Seconds that this thread has been on a processor.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace()
        .next()
        .unwrap()
        .parse::<f64>()
        .unwrap()
        * 1e-9
}

fn time(name: &str, mut work: impl FnMut()) {
    work();
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = processor_time();
            work();
            processor_time() - start
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{name} {}", seconds[RUNS / 2]);
}

fn main() {
    let reference = ih4(1, 1_000_000);
    let current: Vec<f64> = ih4(2, 1_000_000).iter().map(|v| v + 0.001).collect();

    time("sort", || {
        black_box(Sorted::new(black_box(&reference)).unwrap());
    });
    time("ks+wasserstein", || {
        let r = Sorted::new(black_box(&reference)).unwrap();
        let c = Sorted::new(black_box(&current)).unwrap();
        let comparison = Comparison::new(&r, &c).unwrap();
        black_box(kolmogorov_smirnov(&comparison, Exactness::Auto).unwrap());
        black_box(comparison.wasserstein().unwrap());
    });
    time("psi+js", || {
        let column = Column::numeric(black_box(&reference), black_box(&current)).unwrap();
        black_box(column.run(StatTest::Psi, None).unwrap());
        black_box(column.run(StatTest::JensenShannon, None).unwrap());
    });
    time("psi", || {
        let column = Column::numeric(black_box(&reference), black_box(&current)).unwrap();
        black_box(column.run(StatTest::Psi, None).unwrap());
    });

    let mut builder = ReferenceBuilder::default();
    builder.observe_numeric("x", &reference[..50_000]).unwrap();
    let edges = match builder.finish().unwrap().column("x").unwrap() {
        drift::profile::ColumnProfile::Numeric(column) => column.histogram().cleared(),
        drift::profile::ColumnProfile::Categorical(_) => return,
    };
    time("psi+js-stored-edges", || {
        let (mut r, mut c) = (edges.clone(), edges.clone());
        r.observe(black_box(&reference));
        c.observe(black_box(&current));
        black_box(distance::psi(r.counts(), c.counts(), ZeroBins::Floor(PSI_FLOOR)).unwrap());
        black_box(distance::jensen_shannon(r.counts(), c.counts(), 2.0).unwrap());
    });

    let columns: Vec<(String, Vec<f64>)> = (0..10)
        .map(|i| (format!("c{i}"), ih4(100 + i, 1_000_000)))
        .collect();
    time("profile-reference", || {
        let mut builder = ReferenceBuilder::default();
        for (name, values) in &columns {
            builder.observe_numeric(name, black_box(values)).unwrap();
        }
        black_box(builder.finish().unwrap());
    });
    let mut builder = ReferenceBuilder::default();
    for (name, values) in &columns {
        builder.observe_numeric(name, &values[..50_000]).unwrap();
    }
    let profile = builder.finish().unwrap();
    time("profile-live-sketches", || {
        let mut live = LiveBuilder::with_sketches(&profile).unwrap();
        for (name, values) in &columns {
            live.observe_numeric(name, black_box(values)).unwrap();
        }
        black_box(live.finish());
    });
    time("profile-live-counts", || {
        let mut live = LiveBuilder::new(&profile);
        for (name, values) in &columns {
            live.observe_numeric(name, black_box(values)).unwrap();
        }
        black_box(live.finish());
    });

    let sides: Vec<(Vec<f64>, Vec<f64>)> = (0..20)
        .map(|i| (ih4(200 + i, 100_000), ih4(300 + i, 100_000)))
        .collect();
    time("report", || {
        let report: Vec<_> = sides
            .iter()
            .map(|(r, c)| {
                let column = Column::numeric(black_box(r), black_box(c)).unwrap();
                column.run(column.default_test(), None).unwrap()
            })
            .collect();
        black_box(dataset_drift(&report, 0.5));
    });
}
