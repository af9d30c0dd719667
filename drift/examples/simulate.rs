//! Measures how often each method alarms for nothing and what it finds: the tables of
//! `docs/drift.md`. Seeded, so every run prints the same.
//!
//! ```sh
//! cargo run --release -p millwright-drift --example simulate
//! ```
#![allow(clippy::unwrap_used)]

use drift::sample::Sorted;
use drift::verdict::{Data, Method, Outcome, Rule};

/// Rows of the reference.
const REFERENCE: usize = 10_000;
/// Sizes of the current window, and how many windows are drawn of each.
const WINDOWS: [(usize, usize); 4] = [(200, 2000), (1000, 2000), (10_000, 500), (100_000, 200)];
const NUMERIC: [Method; 11] = [
    Method::KolmogorovSmirnov,
    Method::CramerVonMises,
    Method::AndersonDarling,
    Method::ChiSquared,
    Method::GTest,
    Method::Wasserstein,
    Method::Psi,
    Method::JensenShannon,
    Method::Hellinger,
    Method::TotalVariation,
    Method::LInfinity,
];
const CATEGORICAL: [Method; 8] = [
    Method::Auto,
    Method::ChiSquared,
    Method::GTest,
    Method::Psi,
    Method::JensenShannon,
    Method::Hellinger,
    Method::TotalVariation,
    Method::LInfinity,
];
/// Shares of the categories.
const SHARES: [f64; 5] = [0.4, 0.3, 0.15, 0.1, 0.05];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * 2.0_f64.powi(-53)
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn normals(&mut self, n: usize, shift: f64) -> Sorted {
        let values: Vec<f64> = (0..n).map(|_| self.normal() + shift).collect();
        Sorted::new(&values).unwrap()
    }

    /// Counts of `n` rows; a share `new` of them is of a sixth category.
    fn categories(&mut self, n: usize, new: f64) -> Vec<u64> {
        let mut counts = vec![0; SHARES.len() + 1];
        for _ in 0..n {
            if self.uniform() < new {
                counts[SHARES.len()] += 1;
                continue;
            }
            let mut u = self.uniform();
            let index = SHARES.iter().position(|share| {
                u -= share;
                u < 0.0
            });
            counts[index.unwrap_or(SHARES.len() - 1)] += 1;
        }
        counts
    }
}

fn alarms(rule: Rule, data: Data<'_>) -> u32 {
    u32::from(rule.score(data).unwrap().outcome == Outcome::Drift)
}

/// The rule without its safeguards: the customary threshold alone, or the p-value alone.
fn bare(method: Method) -> Rule {
    let tests = [
        Method::Auto,
        Method::KolmogorovSmirnov,
        Method::CramerVonMises,
        Method::AndersonDarling,
        Method::ChiSquared,
        Method::GTest,
    ];
    let threshold = if tests.contains(&method) {
        0.0
    } else {
        method.default_threshold()
    };
    Rule {
        method,
        threshold: Some(threshold),
        alpha: 0.05,
        ..Rule::default()
    }
}

fn percent(hits: u32, of: usize) -> String {
    format!("{:.1}", 100.0 * f64::from(hits) / of as f64)
}

fn numeric(title: &str, shifts: &[f64], windows: &[(usize, usize)], rule: fn(Method) -> Rule) {
    println!("\n{title}\n");
    let heads: Vec<String> = shifts
        .iter()
        .flat_map(|shift| {
            windows
                .iter()
                .map(move |(n, _)| format!("{shift} σ, n = {n}"))
        })
        .collect();
    println!(
        "| method | {} |\n|---|{}",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    let mut rows: Vec<String> = NUMERIC
        .iter()
        .map(|method| format!("| {method:?}"))
        .collect();
    for shift in shifts {
        for (n, times) in windows {
            let mut hits = [0; NUMERIC.len()];
            for window in 0..*times {
                let mut random = Random(((window as u64) << 32) + *n as u64);
                let reference = random.normals(REFERENCE, 0.0);
                let current = random.normals(*n, *shift);
                for (hits, method) in hits.iter_mut().zip(NUMERIC) {
                    *hits += alarms(rule(method), Data::Numbers(&reference, &current));
                }
            }
            for (row, hits) in rows.iter_mut().zip(hits) {
                row.push_str(&format!(" | {}", percent(hits, *times)));
            }
        }
    }
    rows.iter().for_each(|row| println!("{row} |"));
}

fn categorical(title: &str, new: f64, rule: fn(Method) -> Rule) {
    println!("\n{title}\n");
    let heads: Vec<String> = WINDOWS.iter().map(|(n, _)| format!("n = {n}")).collect();
    println!(
        "| method | {} |\n|---|{}",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    let mut rows: Vec<String> = CATEGORICAL
        .iter()
        .map(|method| format!("| {method:?}"))
        .collect();
    for (n, times) in WINDOWS {
        let mut hits = [0; CATEGORICAL.len()];
        for window in 0..times {
            let mut random = Random(((window as u64) << 32) + n as u64 + 7);
            let reference = random.categories(REFERENCE, 0.0);
            let current = random.categories(n, new);
            for (hits, method) in hits.iter_mut().zip(CATEGORICAL) {
                *hits += alarms(rule(method), Data::Counts(&reference, &current));
            }
        }
        for (row, hits) in rows.iter_mut().zip(hits) {
            row.push_str(&format!(" | {}", percent(hits, times)));
        }
    }
    rows.iter().for_each(|row| println!("{row} |"));
}

fn main() {
    let by_default: fn(Method) -> Rule = |method| Rule {
        method,
        ..Rule::default()
    };
    numeric(
        "False alarms, %: p ≤ 0.05 alone, fixed threshold alone; normal",
        &[0.0],
        &WINDOWS,
        bare,
    );
    numeric(
        "False alarms, %: defaults; normal",
        &[0.0],
        &WINDOWS,
        by_default,
    );
    numeric(
        "Found, %: defaults; normal, shifted",
        &[0.1, 0.2, 0.5],
        &WINDOWS[..3],
        by_default,
    );
    categorical(
        "False alarms, %: p ≤ 0.05 alone, fixed threshold alone; five categories",
        0.0,
        bare,
    );
    categorical(
        "False alarms, %: defaults; five categories",
        0.0,
        by_default,
    );
    categorical(
        "Found, %: defaults; a new category with 5 % of the rows",
        0.05,
        by_default,
    );
}
