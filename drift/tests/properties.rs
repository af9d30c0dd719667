//! What must hold for any input.
#![allow(clippy::unwrap_used)]

use drift::distance::{self, ZeroBins};
use drift::evidently::{Column, StatTest};
use drift::profile::{BinRule, LiveBuilder, Profile, ReferenceBuilder, ReferenceOptions};
use drift::quality::{Binary, Cbpe, Regression};
use drift::sample::{Comparison, Sorted};
use drift::test::{self, Correction2x2, Exactness};
use drift::verdict::{Correction, Data, Method, Rule};
use proptest::collection::vec;
use proptest::prelude::*;

/// Any float at all, and often one of few values, so that there are ties.
fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        (-3..3_i32).prop_map(f64::from),
        Just(f64::INFINITY)
    ]
}

fn ordered() -> impl Strategy<Value = f64> {
    any_float().prop_filter("NaN has no order", |value| !value.is_nan())
}

fn moderate() -> impl Strategy<Value = f64> {
    prop_oneof![-1e6..1e6_f64, (-3..3_i32).prop_map(f64::from)]
}

fn counts() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    let some = |bins| vec(prop_oneof![Just(0), 0..1000_u64], bins);
    (1..12_usize)
        .prop_flat_map(move |bins| (some(bins), some(bins)))
        .prop_filter("both sides have rows", |(r, c)| {
            r.iter().sum::<u64>() > 0 && c.iter().sum::<u64>() > 0
        })
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-6)
}

proptest! {
    #[test]
    fn tests_on_values_stay_in_bounds_and_are_symmetric(
        r in vec(ordered(), 1..60),
        c in vec(ordered(), 1..60),
    ) {
        let (r, c) = (Sorted::new(&r).unwrap(), Sorted::new(&c).unwrap());
        let one = Comparison::new(&r, &c).unwrap();
        let two = Comparison::new(&c, &r).unwrap();
        for exactness in [Exactness::Exact, Exactness::Asymptotic] {
            let (a, b) = (
                test::kolmogorov_smirnov(&one, exactness).unwrap(),
                test::kolmogorov_smirnov(&two, exactness).unwrap(),
            );
            prop_assert!((0.0..=1.0).contains(&a.statistic) && (0.0..=1.0).contains(&a.p_value));
            prop_assert!(near(a.statistic, b.statistic) && near(a.p_value, b.p_value));
        }
        prop_assert_eq!(one.ks_statistic() == 0.0, same_distribution(&r, &c));
        for method in [test::cramer_von_mises, test::anderson_darling] {
            if let (Ok(a), Ok(b)) = (method(&one), method(&two)) {
                prop_assert!((0.0..=1.0).contains(&a.p_value), "{a:?}");
                prop_assert!(near(a.statistic, b.statistic) && near(a.p_value, b.p_value));
            }
        }
    }

    #[test]
    fn distances_of_values(
        r in vec(moderate(), 1..60),
        c in vec(moderate(), 1..60),
        shift in 0.0..1000.0_f64,
    ) {
        let shifted: Vec<f64> = r.iter().map(|value| value + shift).collect();
        let (r, c) = (Sorted::new(&r).unwrap(), Sorted::new(&c).unwrap());
        let shifted = Sorted::new(&shifted).unwrap();
        let one = Comparison::new(&r, &c).unwrap();
        let two = Comparison::new(&c, &r).unwrap();
        prop_assert!(near(one.wasserstein().unwrap(), two.wasserstein().unwrap()));
        prop_assert!(near(one.energy().unwrap(), two.energy().unwrap()));
        prop_assert_eq!(one.wasserstein().unwrap() == 0.0, same_distribution(&r, &c));
        let moved = Comparison::new(&r, &shifted).unwrap().wasserstein().unwrap();
        prop_assert!((moved - shift).abs() <= 1e-9 * (1e6 + shift), "{moved} for {shift}");
    }

    #[test]
    fn order_of_values_does_not_matter(values in vec(ordered(), 1..60), seed in any::<u64>()) {
        let mut other = values.clone();
        let len = other.len();
        (0..len).for_each(|i| other.swap(i, (seed as usize).wrapping_mul(i + 1) % len));
        prop_assert_eq!(Sorted::new(&values).unwrap(), Sorted::new(&other).unwrap());
    }

    #[test]
    fn distances_of_counts((r, c) in counts()) {
        type Distance = fn(&[u64], &[u64]) -> drift::Result<f64>;
        let bounded: [Distance; 6] = [
            |r, c| distance::jensen_shannon(r, c, 2.0),
            |r, c| distance::jensen_shannon_divergence(r, c, 2.0),
            distance::hellinger,
            distance::total_variation,
            distance::l_infinity,
            test::cramers_v,
        ];
        let proportional = proportional(&r, &c);
        for (index, distance) in bounded.iter().enumerate() {
            let (a, b) = (distance(&r, &c).unwrap(), distance(&c, &r).unwrap());
            prop_assert!((0.0..=1.0).contains(&a) && near(a, b), "{index}: {a} {b}");
            // The bias correction of Cramér's V may reach zero between different counts.
            prop_assert!(!proportional || a < 1e-7, "{index}: {a}");
            prop_assert!(proportional || index == 5 || a > 0.0, "{index}");
        }
        for zero in [ZeroBins::Floor(1e-4), ZeroBins::Evidently, ZeroBins::Additive(0.5)] {
            let a = distance::psi(&r, &c, zero).unwrap();
            prop_assert!(a >= 0.0 && a.is_finite());
            prop_assert!(near(a, distance::psi(&c, &r, zero).unwrap()));
            prop_assert!(distance::kullback_leibler(&r, &c, zero).unwrap() >= -1e-12);
        }
        for method in [test::chi_squared, test::g_test] {
            let a = method(&r, &c, Correction2x2::Yates).unwrap();
            let b = method(&c, &r, Correction2x2::Yates).unwrap();
            prop_assert!((0.0..=1.0).contains(&a.p_value) && a.statistic >= 0.0);
            prop_assert!(near(a.statistic, b.statistic) || a.statistic < 1e-9);
        }
        let fit = test::goodness_of_fit(&r, &c).unwrap();
        prop_assert!((0.0..=1.0).contains(&fit.p_value));
    }

    #[test]
    fn nothing_panics_on_raw_floats(
        r in vec(any_float(), 0..40),
        c in vec(any_float(), 0..40),
        counts in vec(any::<u64>(), 0..8),
    ) {
        let methods = [
            Method::Auto, Method::Psi, Method::JensenShannon, Method::KullbackLeibler,
            Method::Hellinger, Method::TotalVariation, Method::LInfinity, Method::Wasserstein,
            Method::KolmogorovSmirnov, Method::CramerVonMises, Method::AndersonDarling,
            Method::ChiSquared, Method::GTest, Method::TwoProportions,
        ];
        if let (Ok(r), Ok(c)) = (Sorted::finite(&r), Sorted::finite(&c)) {
            for method in methods {
                let rule = Rule { method, min_samples: 1, ..Rule::default() };
                let _ = rule.score(Data::Numbers(&r, &c));
                let _ = rule.score(Data::Counts(&counts, &counts));
            }
        }
        if let Ok(column) = Column::numeric(&r, &c) {
            for test in [
                StatTest::Ks, StatTest::Wasserstein, StatTest::EnergyDistance, StatTest::Psi,
                StatTest::CramerVonMises, StatTest::Anderson, StatTest::JensenShannon,
                StatTest::KlDiv, StatTest::Hellinger, StatTest::ChiSquare, StatTest::Z,
            ] {
                let _ = column.run(test, None);
            }
        }
        let labels: Vec<bool> = r.iter().map(|value| *value > 0.0).collect();
        if let Ok(cbpe) = Cbpe::fit(&r, &labels, 0.5) {
            let _ = cbpe.estimate(&c);
        }
        let (mut binary, mut regression) = (Binary::default(), Regression::default());
        for (label, score) in r.iter().zip(&c) {
            binary.observe(*label > 0.0, *score);
            regression.observe(*label, *score);
        }
        let _ = (binary.auc_interval(0.95), binary.calibration_error(), regression.r2());
    }

    #[test]
    fn merging_is_associative_and_commutative(
        reference in vec(any_float(), 0..200),
        windows in vec(vec(any_float(), 0..40), 3),
        texts in vec(vec("[a-e]", 0..20), 3),
        rule in 0..5_usize,
    ) {
        let bins = [
            BinRule::Quantile(10), BinRule::EqualWidth(7), BinRule::Sturges, BinRule::Doane,
            BinRule::FreedmanDiaconis,
        ][rule].clone();
        let options = ReferenceOptions { bins, categories: 3, ..ReferenceOptions::default() };
        let mut builder = ReferenceBuilder::new(options).unwrap();
        builder.observe_numeric("x", &reference).unwrap();
        builder.observe_categorical("c", ["a", "b", "c", "d", "a"]).unwrap();
        let reference = builder.finish().unwrap();
        let parts: Vec<Profile> = windows.iter().zip(&texts).map(|(numbers, texts)| {
            let mut live = LiveBuilder::new(&reference);
            live.observe_numeric("x", numbers).unwrap();
            live.observe_categorical("c", texts).unwrap();
            live.finish()
        }).collect();
        let merged = |order: [usize; 3]| {
            let mut all = parts[order[0]].clone();
            all.merge(&parts[order[1]]).unwrap();
            all.merge(&parts[order[2]]).unwrap();
            all
        };
        let (one, two) = (merged([0, 1, 2]), merged([2, 1, 0]));
        for (name, column) in one.columns() {
            let other = two.column(name).unwrap();
            prop_assert_eq!(column.count(), other.count());
            prop_assert_eq!(
                reference.column(name).unwrap().paired_counts(column).unwrap(),
                reference.column(name).unwrap().paired_counts(other).unwrap()
            );
        }
        let bytes = one.encode().unwrap();
        prop_assert_eq!(Profile::decode(&bytes).unwrap(), one);
    }

    #[test]
    fn decoding_never_panics(bytes in vec(any::<u8>(), 0..200), at in 0..400_usize, by in 1..255_u8) {
        prop_assert!(Profile::decode(&bytes).is_err());
        let mut builder = ReferenceBuilder::default();
        builder.observe_numeric("x", &[1.0, 2.0]).unwrap();
        let mut altered = builder.finish().unwrap().encode().unwrap();
        let at = at % altered.len();
        altered[at] ^= by;
        prop_assert!(Profile::decode(&altered).is_err());
    }

    #[test]
    fn corrected_p_values_are_no_smaller(p in vec(0.0..=1.0_f64, 0..20)) {
        for correction in [
            Correction::None, Correction::Bonferroni, Correction::Holm,
            Correction::BenjaminiHochberg,
        ] {
            let adjusted = correction.adjust(&p);
            for (before, after) in p.iter().zip(&adjusted) {
                prop_assert!(after >= before && *after <= 1.0);
            }
        }
    }
}

/// Whether both samples have each value with the same share.
fn same_distribution(r: &Sorted, c: &Sorted) -> bool {
    let (r, c) = Comparison::new(r, c).unwrap().value_counts();
    proportional(&r, &c)
}

fn proportional(r: &[u64], c: &[u64]) -> bool {
    let (n, m) = (r.iter().sum::<u64>(), c.iter().sum::<u64>());
    r.iter().zip(c).all(|(r, c)| r * m == c * n)
}
