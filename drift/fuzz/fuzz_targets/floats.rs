//! Raw floats: no bits make a method panic, and probabilities stay probabilities.
#![no_main]

use drift::evidently::Column;
use drift::profile::{LiveBuilder, ReferenceBuilder};
use drift::quality::{Binary, Cbpe, Regression};
use drift::sample::{Comparison, Sorted};
use drift::verdict::{Data, Method, Rule};
use libfuzzer_sys::fuzz_target;

const METHODS: [Method; 14] = [
    Method::Auto,
    Method::Psi,
    Method::JensenShannon,
    Method::KullbackLeibler,
    Method::Hellinger,
    Method::TotalVariation,
    Method::LInfinity,
    Method::Wasserstein,
    Method::KolmogorovSmirnov,
    Method::CramerVonMises,
    Method::AndersonDarling,
    Method::ChiSquared,
    Method::GTest,
    Method::TwoProportions,
];

fuzz_target!(|data: &[u8]| {
    let Some((split, data)) = data.split_first() else { return };
    let values: Vec<f64> =
        data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let (r, c) = values.split_at(usize::from(*split) % (values.len() + 1));
    if let (Ok(r), Ok(c)) = (Sorted::finite(r), Sorted::finite(c)) {
        for method in METHODS {
            let rule = Rule { method, min_samples: 1, ..Rule::default() };
            if let Ok(score) = rule.score(Data::Numbers(&r, &c)) {
                assert!(score.p_value.is_none_or(|p| (0.0..=1.0).contains(&p)), "{score:?}");
                assert!(score.value >= 0.0, "{score:?}");
            }
        }
        if let Ok(comparison) = Comparison::new(&r, &c) {
            assert!(comparison.wasserstein().is_ok_and(|distance| distance >= 0.0));
        }
    }
    if let Ok(column) = Column::numeric(r, c) {
        let _ = column.run(column.default_test(), None);
    }
    let mut builder = ReferenceBuilder::default();
    let _ = builder.observe_numeric("x", r);
    if let Ok(reference) = builder.finish() {
        let mut live = LiveBuilder::new(&reference);
        let _ = live.observe_numeric("x", c);
        let live = live.finish();
        if let (Ok(r), Ok(c)) = (reference.column("x"), live.column("x")) {
            let _ = r.psi(c);
        }
    }
    let labels: Vec<bool> = r.iter().map(|value| *value > 0.0).collect();
    if let Ok(cbpe) = Cbpe::fit(r, &labels, 0.5) {
        let _ = cbpe.estimate(c);
    }
    let (mut binary, mut regression) = (Binary::default(), Regression::default());
    for (label, score) in r.iter().zip(c) {
        binary.observe(*label > 0.0, *score);
        regression.observe(*label, *score);
    }
    let _ = (binary.auc_interval(0.95), regression.r2());
});
