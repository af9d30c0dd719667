//! Quality of predictions against scikit-learn (`golden/scipy.json`), and several columns at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drift::multivariate::domain_classifier;
use drift::quality::{Binary, Cbpe, Isotonic, Regression};
use serde_json::Value;

mod common;
use common::{ih4, splitmix};

fn golden(part: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("golden/scipy.json")).unwrap();
    all[part].as_array().unwrap().clone()
}

fn close(got: Option<f64>, expected: &Value, what: &str) {
    let (got, expected) = (got.unwrap(), expected.as_f64().unwrap());
    assert!(
        (got - expected).abs() <= 1e-10 * expected.abs(),
        "{what}: {got}, expected {expected}"
    );
}

fn scored(n: usize, grid: f64) -> (Vec<f64>, Vec<bool>) {
    let score = |u: f64| {
        if grid > 0.0 {
            (u * grid).floor() / grid
        } else {
            u
        }
    };
    let scores: Vec<f64> = splitmix(41, n).into_iter().map(score).collect();
    let labels = splitmix(42, n)
        .into_iter()
        .zip(&scores)
        .map(|(u, s)| u < 0.2 + 0.6 * s)
        .collect();
    (scores, labels)
}

#[test]
fn binary_metrics_and_isotonic_regression() {
    for case in golden("quality") {
        let name = case["name"].as_str().unwrap();
        let n = case["n"].as_u64().unwrap() as usize;
        let (scores, labels) = scored(n, case["grid"].as_f64().unwrap());
        // Merged out of three, so that merging is tested with it.
        let mut parts = [Binary::default(), Binary::default(), Binary::default()];
        for (index, (label, score)) in labels.iter().zip(&scores).enumerate() {
            parts[index % 3].observe(*label, *score);
        }
        let [mut quality, second, third] = parts;
        quality.merge(&second).unwrap();
        quality.merge(&third).unwrap();
        assert_eq!(quality.count(), n as u64);
        close(quality.auc(), &case["auc"], name);
        close(quality.log_loss(), &case["log_loss"], name);
        close(quality.brier(), &case["brier"], name);
        close(quality.accuracy(), &case["accuracy"], name);
        close(quality.positive().precision(), &case["precision"], name);
        close(quality.positive().recall(), &case["recall"], name);
        close(quality.positive().f1(), &case["f1"], name);
        let isotonic = Isotonic::fit(&scores, &labels).unwrap();
        let at = case["isotonic_at"].as_array().unwrap();
        for (at, expected) in at.iter().zip(case["isotonic"].as_array().unwrap()) {
            let got = isotonic.predict(at.as_f64().unwrap());
            assert!(
                (got - expected.as_f64().unwrap()).abs() < 1e-10,
                "{name} at {at}"
            );
        }
        let json = serde_json::to_string(&quality).unwrap();
        assert_eq!(serde_json::from_str::<Binary>(&json).unwrap(), quality);
    }
}

#[test]
fn regression_metrics() {
    let expected = &golden("regression")[0];
    let mut quality = Regression::default();
    for (label, noise) in ih4(51, 1000).into_iter().zip(ih4(52, 1000)) {
        quality.observe(label, label + 0.3 * (noise - 1.9));
    }
    close(quality.mae(), &expected["mae"], "mae");
    close(quality.mse(), &expected["mse"], "mse");
    close(quality.r2(), &expected["r2"], "r2");
}

#[test]
fn many_scores_are_rounded_within_the_stated_error() {
    let (scores, labels) = scored(50_000, 0.0);
    let mut quality = Binary::default();
    let mut rows: Vec<(f64, bool)> = Vec::new();
    for (label, score) in labels.iter().zip(&scores) {
        quality.observe(*label, *score);
        rows.push((*score, *label));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0_u64, 0_u64);
    for (_, label) in &rows {
        if *label { won += below } else { below += 1 }
    }
    let exact = won as f64 / (below * (rows.len() as u64 - below)) as f64;
    let error = (quality.auc().unwrap() - exact).abs();
    let bound = quality.ranking().auc_error();
    assert!(
        error <= bound && bound < 2e-4,
        "error {error}, bound {bound}"
    );
    assert!(
        quality.calibration_error().unwrap() > 0.05,
        "the scores are not calibrated"
    );
    assert!(serde_json::to_string(&quality).unwrap().len() < 150_000);
}

#[test]
fn interval_covers_the_true_area() {
    let mut covered = 0;
    for seed in 0..400 {
        let mut quality = Binary::default();
        let (positive, negative) = (
            splitmix(2 * seed + 1000, 150),
            splitmix(2 * seed + 1001, 250),
        );
        // P(√u > v) for uniform u and v is 2/3.
        positive
            .iter()
            .for_each(|u| quality.observe(true, u.sqrt()));
        negative.iter().for_each(|v| quality.observe(false, *v));
        let auc = quality.auc_interval(0.95).unwrap();
        covered += u32::from(auc.low <= 2.0 / 3.0 && 2.0 / 3.0 <= auc.high);
    }
    assert!((365..=395).contains(&covered), "{covered} of 400");
}

#[test]
fn expected_performance_is_what_labels_show_later() {
    let (scores, labels) = scored(20_000, 0.0);
    let cbpe = Cbpe::fit(&scores, &labels, 0.5).unwrap();
    // Covariate shift: scores move towards the threshold, the relation stays.
    let shifted: Vec<f64> = splitmix(61, 20_000)
        .iter()
        .map(|u| 0.35 + 0.4 * u)
        .collect();
    let outcomes: Vec<bool> = splitmix(62, 20_000)
        .iter()
        .zip(&shifted)
        .map(|(u, s)| *u < 0.2 + 0.6 * s)
        .collect();
    let mut real = Binary::default();
    outcomes
        .iter()
        .zip(&shifted)
        .for_each(|(label, score)| real.observe(*label, *score));
    let expected = cbpe.estimate(&shifted).unwrap();
    let off = (expected.accuracy - real.accuracy().unwrap()).abs();
    assert!(
        off < 4.0 * expected.accuracy_deviation + 0.01,
        "off by {off}"
    );
    assert!((expected.auc.unwrap() - real.auc().unwrap()).abs() < 0.02);
    assert!((expected.f1.unwrap() - real.positive().f1().unwrap()).abs() < 0.02);
    assert!(cbpe.estimate(&[f64::NAN]).is_err());
}

#[test]
fn a_domain_classifier_sees_a_changed_correlation() {
    let n = 3000;
    let (a, b) = (ih4(71, n), ih4(72, n));
    let mixed = |sign: f64, a: &[f64], b: &[f64]| -> Vec<f64> {
        a.iter()
            .zip(b)
            .map(|(a, b)| 0.8 * sign * (a - 2.0) + 0.6 * (b - 2.0))
            .collect()
    };
    let (c, d) = (ih4(73, n), ih4(74, n));
    let together = mixed(1.0, &a, &b);
    let still = mixed(1.0, &c, &d);
    let opposite = mixed(-1.0, &c, &d);
    let same = domain_classifier(&[&a, &together], &[&c, &still]).unwrap();
    assert!(
        same.low < 0.5 && same.high > 0.5 && same.high < 0.55,
        "{same:?}"
    );
    let flipped = domain_classifier(&[&a, &together], &[&c, &opposite]).unwrap();
    assert!(flipped.low > 0.7, "{flipped:?}");
    let missing: Vec<f64> = c
        .iter()
        .enumerate()
        .map(|(i, v)| if i % 5 == 0 { f64::NAN } else { *v })
        .collect();
    let gaps = domain_classifier(&[&a], &[&missing]).unwrap();
    assert!(gaps.low > 0.55, "{gaps:?}");
    assert!(domain_classifier(&[&a], &[&a[..10]]).is_err());
}
