//! Agreement with values computed by scipy and Evidently (`golden/README.md` says how).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drift::evidently::{Column, StatTest};
use drift::sample::{Comparison, Sorted};
use drift::test::{self, Correction2x2, Exactness};
use serde_json::Value;

mod common;
use common::{ih4, splitmix};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/drift.json")).unwrap()
}

enum Case {
    Numeric(Vec<f64>, Vec<f64>),
    Categorical(Vec<i64>, Vec<i64>),
}

fn case(name: &str) -> Case {
    let map = |values: Vec<f64>, f: fn(f64) -> f64| values.into_iter().map(f).collect();
    let keys =
        |values: Vec<f64>, f: fn(f64) -> f64| values.into_iter().map(|u| f(u) as i64).collect();
    match name {
        "big" => Case::Numeric(ih4(1, 5000), map(ih4(2, 3000), |v| 0.3 + 1.1 * v)),
        "small" => Case::Numeric(ih4(3, 500), map(ih4(4, 300), |v| 0.1 + v)),
        "null" => Case::Numeric(ih4(5, 5000), ih4(6, 3000)),
        "int" => Case::Numeric(
            map(ih4(13, 5000), |v| (25.0 * v).floor()),
            map(ih4(14, 3000), |v| (2.0 + 25.0 * v).floor()),
        ),
        "cat" => Case::Categorical(
            keys(splitmix(7, 5000), |u| (8.0 * u * u).floor()),
            keys(splitmix(8, 3000), |u| (8.0 * u).floor()),
        ),
        "smallcat" => Case::Categorical(
            keys(splitmix(9, 500), |u| (5.0 * u).floor()),
            keys(splitmix(10, 300), |u| (5.0 * u * u).floor()),
        ),
        "binary" => Case::Categorical(
            keys(splitmix(11, 500), |u| f64::from(u8::from(u < 0.4))),
            keys(splitmix(12, 300), |u| f64::from(u8::from(u < 0.5))),
        ),
        other => panic!("no case {other}"),
    }
}

const CASES: [&str; 7] = ["big", "small", "null", "int", "cat", "smallcat", "binary"];

fn name_of(test: StatTest) -> &'static str {
    match test {
        StatTest::Ks => "ks",
        StatTest::Wasserstein => "wasserstein",
        StatTest::EnergyDistance => "ed",
        StatTest::CramerVonMises => "cvm",
        StatTest::Psi => "psi",
        StatTest::JensenShannon => "jensenshannon",
        StatTest::KlDiv => "kl_div",
        StatTest::Hellinger => "hellinger",
        StatTest::ChiSquare => "chisquare",
        StatTest::Z => "z",
        _ => "not in the file",
    }
}

fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (got - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    assert!(
        error <= tolerance,
        "{what}: {got:e}, expected {expected:e}, off by {error:e}"
    );
}

#[test]
fn inputs_are_reproduced() {
    let expected = golden()["first3_big_ref"].clone();
    for (got, expected) in ih4(1, 3).iter().zip(expected.as_array().unwrap()) {
        assert_eq!(*got, expected.as_f64().unwrap());
    }
}

#[test]
fn evidently_scores_verdicts_and_choices() {
    let golden = golden();
    for name in CASES {
        let expected = &golden[name];
        let case = case(name);
        let column = match &case {
            Case::Numeric(r, c) => Column::numeric(r, c).unwrap(),
            Case::Categorical(r, c) => Column::categorical(r, c).unwrap(),
        };
        assert_eq!(
            name_of(column.default_test()),
            expected["default"].as_str().unwrap(),
            "{name}"
        );
        for (test, tolerance) in [
            (StatTest::Psi, 1e-10),
            (StatTest::JensenShannon, 1e-10),
            (StatTest::KlDiv, 1e-10),
            (StatTest::Hellinger, 1e-10),
            (StatTest::EnergyDistance, 1e-10),
            (StatTest::Wasserstein, 1e-12),
            (StatTest::Ks, 1e-6),
            (StatTest::CramerVonMises, 1e-6),
            (StatTest::ChiSquare, 1e-6),
            (StatTest::Z, 1e-6),
        ] {
            let Some(entry) = expected[name_of(test)].as_array() else {
                continue;
            };
            let score = entry[0].as_f64().unwrap();
            let what = format!("{name} {}", name_of(test));
            let drift = column.run(test, None).unwrap();
            // scipy's series for Cramér–von Mises has a floor.
            if test != StatTest::CramerVonMises || score > 1e-6 {
                close(drift.score, score, tolerance, &what);
            }
            assert_eq!(drift.drifted, entry[1].as_bool().unwrap(), "{what}");
            assert_eq!(drift.threshold, entry[2].as_f64().unwrap(), "{what}");
        }
    }
}

#[test]
fn scipy_on_raw_values() {
    let golden = golden();
    for name in ["big", "small", "null", "int"] {
        let Case::Numeric(r, c) = case(name) else {
            panic!()
        };
        let (r, c) = (Sorted::new(&r).unwrap(), Sorted::new(&c).unwrap());
        let comparison = Comparison::new(&r, &c).unwrap();
        let expected = &golden[name];
        let ks = test::kolmogorov_smirnov(&comparison, Exactness::Auto).unwrap();
        close(
            ks.statistic,
            expected["scipy_ks"][0].as_f64().unwrap(),
            1e-12,
            name,
        );
        close(
            ks.p_value,
            expected["scipy_ks"][1].as_f64().unwrap(),
            1e-6,
            name,
        );
        let asymptotic = test::kolmogorov_smirnov(&comparison, Exactness::Asymptotic).unwrap();
        close(
            asymptotic.p_value,
            expected["scipy_ks_asymp_p"].as_f64().unwrap(),
            1e-6,
            name,
        );
        let w1 = comparison.wasserstein().unwrap();
        close(w1, expected["scipy_w1"].as_f64().unwrap(), 1e-12, name);
        let deviation = r.standard_deviation().unwrap();
        close(
            deviation,
            expected["std0_ref"].as_f64().unwrap(),
            1e-12,
            name,
        );
    }
}

#[test]
fn scipy_on_counts() {
    let golden = golden();
    let counts = |value: &Value| -> Vec<u64> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|count| count.as_u64().unwrap())
            .collect()
    };
    for name in ["cat", "smallcat", "binary"] {
        let expected = &golden[name];
        let (r, c) = (
            counts(&expected["ref_counts"]),
            counts(&expected["cur_counts"]),
        );
        let chi = test::chi_squared(&r, &c, Correction2x2::Yates).unwrap();
        close(
            chi.p_value,
            expected["chi2_contingency_p"].as_f64().unwrap(),
            1e-6,
            name,
        );
        let linf = drift::distance::l_infinity(&r, &c).unwrap();
        close(linf, expected["linf"].as_f64().unwrap(), 1e-10, name);
    }
}
