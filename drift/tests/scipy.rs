//! Agreement with scipy and scikit-learn on cases that are easy to get wrong; made by
//! `golden/generate.py`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drift::distance::{self, ZeroBins};
use drift::sample::{Comparison, Sorted};
use drift::test::{self, Correction2x2, Exactness, TestResult};
use serde_json::Value;

mod common;
use common::ih4;

fn golden(part: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("golden/scipy.json")).unwrap();
    all[part].as_array().unwrap().clone()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap(),
        Value::String(text) => text.parse().unwrap(),
        other => panic!("{other} is no number"),
    }
}

fn draw(spec: &Value) -> Vec<f64> {
    if let Some(values) = spec["values"].as_array() {
        return values.iter().map(number).collect();
    }
    let (shift, scale, grid) = (
        number(&spec["shift"]),
        number(&spec["scale"]),
        number(&spec["grid"]),
    );
    let n = spec["n"].as_u64().unwrap() as usize;
    let values = ih4(spec["seed"].as_u64().unwrap(), n)
        .into_iter()
        .map(|v| shift + scale * v);
    values
        .map(|v| {
            if grid > 0.0 {
                (v * grid).floor() / grid
            } else {
                v
            }
        })
        .collect()
}

/// Collects disagreements, so that one run shows all.
#[derive(Default)]
struct Check {
    compared: usize,
    wrong: Vec<String>,
}

impl Check {
    fn close(&mut self, got: f64, expected: &Value, tolerance: f64, what: &str) {
        if expected.is_null() {
            return;
        }
        self.compared += 1;
        let expected = number(expected);
        // What is zero on one side may be rounding noise, or below the range of a float, on the
        // other.
        let size = if expected.abs() < 1e-300 {
            1.0
        } else {
            expected.abs()
        };
        let error = (got - expected).abs() / size;
        if error > tolerance {
            self.wrong.push(format!(
                "{what}: {got:e}, expected {expected:e}, off by {error:.1e}"
            ));
        }
    }

    fn test(&mut self, got: TestResult, expected: &Value, statistic: f64, what: &str) {
        if !expected.is_null() {
            self.close(
                got.statistic,
                &expected[0],
                statistic,
                &format!("{what} statistic"),
            );
            self.close(got.p_value, &expected[1], 1e-6, &format!("{what} p"));
        }
    }

    fn done(self, at_least: usize) {
        assert!(
            self.wrong.is_empty(),
            "{} of {} wrong:\n{}",
            self.wrong.len(),
            self.compared,
            self.wrong.join("\n")
        );
        assert!(
            self.compared >= at_least,
            "only {} values were compared",
            self.compared
        );
    }
}

#[test]
fn raw_samples() {
    let mut check = Check::default();
    for case in golden("pairs") {
        let name = case["name"].as_str().unwrap();
        let r = Sorted::new(&draw(&case["reference"])).unwrap();
        let c = Sorted::new(&draw(&case["current"])).unwrap();
        let comparison = Comparison::new(&r, &c).unwrap();
        let ks = test::kolmogorov_smirnov(&comparison, Exactness::Auto).unwrap();
        check.test(ks, &case["ks"], 1e-12, &format!("{name}: ks"));
        let ks = test::kolmogorov_smirnov(&comparison, Exactness::Asymptotic).unwrap();
        check.close(
            ks.p_value,
            &case["ks_asymptotic"],
            1e-6,
            &format!("{name}: ks asymptotic"),
        );
        if let Ok(distance) = comparison.wasserstein() {
            check.close(
                distance,
                &case["wasserstein"],
                1e-12,
                &format!("{name}: wasserstein"),
            );
            let energy = comparison.energy().unwrap();
            check.close(energy, &case["energy"], 1e-10, &format!("{name}: energy"));
        }
        if case["cvm"].is_array() {
            let cvm = test::cramer_von_mises(&comparison).unwrap();
            check.close(
                cvm.statistic,
                &case["cvm"][0],
                1e-7, // scipy subtracts two large numbers here
                &format!("{name}: cvm"),
            );
            // Below, scipy's p is what its series leaves over.
            if number(&case["cvm"][1]) > 1e-6 {
                check.close(
                    cvm.p_value,
                    &case["cvm"][1],
                    1e-6,
                    &format!("{name}: cvm p"),
                );
            }
        }
        if case["anderson"].is_array() {
            let anderson = test::anderson_darling(&comparison).unwrap();
            check.test(
                anderson,
                &case["anderson"],
                1e-9,
                &format!("{name}: anderson"),
            );
        }
    }
    check.done(600);
}

#[test]
fn count_tables() {
    let mut check = Check::default();
    for case in golden("counts") {
        let name = case["name"].as_str().unwrap();
        let counts = |key: &str| -> Vec<u64> {
            case[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_u64().unwrap())
                .collect()
        };
        let (r, c) = (counts("reference"), counts("current"));
        let what = |method: &str| format!("{name}: {method}");
        for (key, yates) in [("", Correction2x2::None), ("_yates", Correction2x2::Yates)] {
            let chi = test::chi_squared(&r, &c, yates).unwrap();
            check.test(
                chi,
                &case[&format!("chi_squared{key}")],
                1e-10,
                &what("chi"),
            );
            let g = test::g_test(&r, &c, yates).unwrap();
            check.test(g, &case[&format!("g{key}")], 1e-9, &what("g"));
        }
        let fit = test::goodness_of_fit(&r, &c).unwrap();
        check.test(fit, &case["goodness_of_fit"], 1e-10, &what("fit"));
        let e = std::f64::consts::E;
        for (got, key) in [
            (test::cramers_v(&r, &c), "cramers_v"),
            (distance::jensen_shannon(&r, &c, 2.0), "jensen_shannon_2"),
            (distance::jensen_shannon(&r, &c, e), "jensen_shannon_e"),
            (distance::hellinger(&r, &c), "hellinger"),
            (distance::total_variation(&r, &c), "total_variation"),
            (distance::l_infinity(&r, &c), "l_infinity"),
            (
                distance::kullback_leibler(&r, &c, ZeroBins::Keep),
                "kullback_leibler",
            ),
            (
                distance::kullback_leibler(&r, &c, ZeroBins::Floor(1e-4)),
                "kl_floor",
            ),
            (distance::psi(&r, &c, ZeroBins::Floor(1e-4)), "psi_floor"),
            (
                distance::psi(&r, &c, ZeroBins::Additive(1.0)),
                "psi_laplace",
            ),
        ] {
            check.close(got.unwrap(), &case[key], 1e-10, &what(key));
        }
    }
    check.done(180);
}
