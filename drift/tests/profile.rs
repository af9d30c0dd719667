//! Profiles from end to end: build, count, merge, store, compare.
#![allow(clippy::unwrap_used)]

use drift::Error;
use drift::profile::{
    BinRule, ColumnProfile, LiveBuilder, Profile, ReferenceBuilder, ReferenceOptions,
};

fn ramp(n: u32) -> Vec<f64> {
    (0..n).map(|i| f64::from((i * 7919) % n)).collect()
}

fn reference(options: ReferenceOptions, values: &[f64]) -> Profile {
    let mut builder = ReferenceBuilder::new(options).unwrap();
    for piece in values.chunks(997) {
        builder.observe_numeric("x", piece).unwrap();
    }
    builder
        .observe_categorical("c", ["a", "b", "b", "c"])
        .unwrap();
    builder.observe_nulls("c", 2).unwrap();
    builder.finish().unwrap()
}

fn numeric(profile: &Profile) -> &drift::profile::NumericProfile {
    match profile.column("x").unwrap() {
        ColumnProfile::Numeric(column) => column,
        ColumnProfile::Categorical(_) => panic!("x is numeric"),
    }
}

#[test]
fn reference_has_ten_equal_bins() {
    let profile = reference(ReferenceOptions::default(), &ramp(10_000));
    assert_eq!(numeric(&profile).histogram().counts(), [1000; 10]);
    assert!((numeric(&profile).moments().mean().unwrap() - 4999.5).abs() < 1e-9);
}

#[test]
fn a_long_column_stays_within_the_sketch_error() {
    let options = ReferenceOptions {
        exact: 1000,
        ..ReferenceOptions::default()
    };
    let profile = reference(options, &ramp(300_000));
    let histogram = numeric(&profile).histogram();
    assert_eq!(histogram.total(), 300_000);
    for (bin, count) in histogram.counts().iter().enumerate() {
        assert!(count.abs_diff(30_000) < 1_000, "bin {bin} has {count}");
    }
    let mut live = LiveBuilder::new(&profile);
    live.observe_numeric("x", &ramp(300_000)).unwrap();
    live.observe_categorical("c", ["a", "b", "b", "c"]).unwrap();
    let live = live.finish();
    assert!(
        profile
            .column("x")
            .unwrap()
            .psi(live.column("x").unwrap())
            .unwrap()
            < 0.001
    );
    assert_eq!(
        profile
            .column("c")
            .unwrap()
            .psi(live.column("c").unwrap())
            .unwrap(),
        0.0
    );
    let sketches = numeric(&profile).sketches().unwrap();
    assert!((sketches.distinct.estimate() / 300_000.0 - 1.0).abs() < 0.05);
    assert!((sketches.quantiles.quantile(0.5).unwrap() / 150_000.0 - 1.0).abs() < 0.05);
}

#[test]
fn every_kind_of_value_is_counted_once() {
    let profile = reference(ReferenceOptions::default(), &ramp(100));
    let mut live = LiveBuilder::new(&profile);
    live.observe_numeric(
        "x",
        &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, 1e300],
    )
    .unwrap();
    live.observe_nulls("x", 5).unwrap();
    live.observe_categorical("c", ["a", "new", ""]).unwrap();
    let live = live.finish();
    let column = numeric(&live);
    assert_eq!((column.count(), column.nulls(), column.nan()), (2, 5, 1));
    assert_eq!(
        (column.positive_infinite(), column.negative_infinite()),
        (1, 1)
    );
    assert_eq!(column.unusable_share(), 0.8);
    let ColumnProfile::Categorical(column) = live.column("c").unwrap() else {
        panic!()
    };
    assert_eq!((column.count(), column.other()), (3, 2));
}

#[test]
fn merged_windows_equal_one_long_window() {
    let profile = reference(ReferenceOptions::default(), &ramp(5_000));
    let values: Vec<f64> = ramp(9_001).iter().map(|v| v * 0.7 + 100.0).collect();
    let mut whole = LiveBuilder::with_sketches(&profile).unwrap();
    whole.observe_numeric("x", &values).unwrap();
    let whole = whole.finish();
    let mut merged: Option<Profile> = None;
    for window in values.chunks(1234) {
        let mut live = LiveBuilder::with_sketches(&profile).unwrap();
        live.observe_numeric("x", window).unwrap();
        match &mut merged {
            None => merged = Some(live.snapshot()),
            Some(merged) => merged.merge(&live.finish()).unwrap(),
        }
    }
    let merged = merged.unwrap();
    assert_eq!(numeric(&merged).histogram(), numeric(&whole).histogram());
    let (a, b) = (numeric(&merged).moments(), numeric(&whole).moments());
    assert!((a.variance(1).unwrap() / b.variance(1).unwrap() - 1.0).abs() < 1e-12);
    let median = |p: &Profile| {
        numeric(p)
            .sketches()
            .unwrap()
            .quantiles
            .quantile(0.5)
            .unwrap()
    };
    assert!((median(&merged) - median(&whole)).abs() / 6300.0 < 0.0266);
}

#[test]
fn profiles_over_other_bins_are_refused_and_nothing_changes() {
    let mut one = reference(ReferenceOptions::default(), &ramp(1000));
    let two = reference(ReferenceOptions::default(), &ramp(2000));
    let before = one.clone();
    assert_eq!(
        one.merge(&two),
        Err(Error::DifferentBins { column: "x".into() })
    );
    assert_eq!(one, before);
    assert!(matches!(one.column("y"), Err(Error::UnknownColumn { .. })));
    let mut live = LiveBuilder::new(&one);
    assert!(matches!(
        live.observe_numeric("c", &[1.0]),
        Err(Error::ColumnKind { .. })
    ));
}

#[test]
fn bytes_and_json_round_trip() {
    let profile = reference(ReferenceOptions::default(), &ramp(100_000));
    let bytes = profile.encode().unwrap();
    assert_eq!(Profile::decode(&bytes).unwrap(), profile);
    let json = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    let small = reference(
        ReferenceOptions {
            sketches: false,
            ..ReferenceOptions::default()
        },
        &ramp(100_000),
    );
    let size = small.encode().unwrap().len();
    assert!(size < 700, "two columns without sketches take {size} bytes");
}

#[test]
fn damage_is_found() {
    let bytes = reference(ReferenceOptions::default(), &ramp(100))
        .encode()
        .unwrap();
    for index in (0..bytes.len()).step_by(61) {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0x10;
        assert!(Profile::decode(&damaged).is_err(), "byte {index}");
        assert!(Profile::decode(&bytes[..index]).is_err(), "cut at {index}");
    }
    let mut newer = bytes.clone();
    newer[8] = 9;
    let message = Profile::decode(&newer).unwrap_err().to_string();
    assert!(message.contains("version 9"), "{message}");
}

#[test]
fn a_document_with_unknown_fields_is_read() {
    let json = r#"{"version":1,"later":true,"columns":{"x":{"kind":"numeric","count":2,"min":1.0,
        "max":2.0,"mean":1.5,"m2":0.5,"histogram":{"edges":[1.5],"counts":[1,1]},"later":1}}}"#;
    let profile: Profile = serde_json::from_str(json).unwrap();
    assert_eq!(numeric(&profile).count(), 2);
    let contradictory = json.replace(r#""counts":[1,1]"#, r#""counts":[1,2]"#);
    assert!(serde_json::from_str::<Profile>(&contradictory).is_err());
}

#[test]
fn constant_and_empty_columns_compare() {
    let options = || ReferenceOptions {
        bins: BinRule::Quantile(10),
        ..Default::default()
    };
    let constant = reference(options(), &[5.0; 500]);
    let mut live = LiveBuilder::new(&constant);
    live.observe_numeric("x", &[6.0; 500]).unwrap();
    let live = live.finish();
    assert!(
        constant
            .column("x")
            .unwrap()
            .psi(live.column("x").unwrap())
            .unwrap()
            > 5.0
    );

    let mut builder = ReferenceBuilder::default();
    builder.declare_numeric("x").unwrap();
    builder.observe_nulls("x", 10).unwrap();
    let empty = builder.finish().unwrap();
    let column = empty.column("x").unwrap();
    assert!(matches!(
        column.psi(column),
        Err(Error::TooFewValues { .. })
    ));
}
