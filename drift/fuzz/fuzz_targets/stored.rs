//! Stored profiles: whatever the bytes, reading ends in a profile that can be used or an error.
#![no_main]

use drift::profile::Profile;
use drift::verdict::{Data, Method, Rule};
use libfuzzer_sys::fuzz_target;

fn exercise(profile: &Profile) {
    let mut merged = profile.clone();
    let _ = merged.merge(profile);
    for (name, column) in profile.columns() {
        let Ok(other) = merged.column(name) else { continue };
        for method in [Method::Auto, Method::KolmogorovSmirnov, Method::Wasserstein, Method::Psi] {
            let rule = Rule { method, min_samples: 1, ..Rule::default() };
            let _ = rule.score(Data::Profiles(column, other));
        }
        if let drift::profile::ColumnProfile::Numeric(column) = column {
            if let Some(sketches) = column.sketches() {
                let _ = sketches.quantiles.quantiles(&[0.0, 0.1, 0.5, 1.0]);
                let _ = sketches.quantiles.shares_below(column.histogram().edges());
                let _ = sketches.distinct.estimate();
            }
        }
    }
    let bytes = merged.encode().expect("a profile can be written");
    Profile::decode(&bytes).expect("what was written can be read");
}

fuzz_target!(|data: &[u8]| {
    if let Ok(profile) = Profile::decode(data) {
        exercise(&profile);
    }
    let mut framed = b"MWDRIFT\0\x01\0\0\0".to_vec();
    framed.extend_from_slice(&(data.len() as u64).to_le_bytes());
    framed.extend_from_slice(data);
    framed.extend_from_slice(&crc32fast::hash(&framed).to_le_bytes());
    if let Ok(profile) = Profile::decode(&framed) {
        exercise(&profile);
    }
});
