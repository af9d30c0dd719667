//! The distance of live inputs from the training data.

use drift::profile::Profile;
use millwright_crds::retrain_policy::{ColumnDrift, DriftMethod, DriftTrigger};

use super::Outcome;
use crate::retrain_policy::{figure, window::Span};

/// Most columns in a status: an object is written whole each time.
const COLUMNS: usize = 10;

/// Why a trigger can't be evaluated, or not as it was meant; `None` when all is well.
pub(super) fn problem(trigger: &DriftTrigger, reference: Option<&Profile>) -> Option<String> {
    let Some(reference) = reference else {
        return Some(
            "the model in the stage came without a profile of its training data, so there is \
             nothing to compare with"
                .into(),
        );
    };
    let unknown: Vec<&str> = trigger
        .columns
        .iter()
        .map(String::as_str)
        .filter(|name| reference.column(name).is_err())
        .collect();
    if unknown.is_empty() {
        return None;
    }
    let known: Vec<&str> = reference.columns().map(|(name, _)| name).collect();
    Some(format!(
        "columns has {}, which the training data doesn't have; it has {}",
        unknown.join(", "),
        known.join(", ")
    ))
}

/// Measures a span against the reference. A column without a usable live value is left out.
pub(super) fn measure(trigger: &DriftTrigger, reference: &Profile, span: &Span) -> Outcome {
    let Some(live) = &span.inputs else {
        return Outcome::Nothing("no inputs were profiled yet".into());
    };
    if span.rows < trigger.min_samples {
        return Outcome::Nothing(format!(
            "fewer than {} rows so far, which minSamples asks for",
            trigger.min_samples
        ));
    }
    let chosen =
        |name: &str| trigger.columns.is_empty() || trigger.columns.iter().any(|c| c == name);
    let mut columns: Vec<ColumnDrift> = reference
        .columns()
        .filter(|(name, _)| chosen(name))
        .filter_map(|(name, column)| {
            let DriftMethod::Psi = trigger.method;
            let distance = column.psi(live.column(name).ok()?).ok()?;
            let value = Some(figure::round(distance)).filter(|value| value.is_finite())?;
            Some(ColumnDrift {
                name: name.into(),
                value,
                drifted: value > trigger.threshold,
            })
        })
        .collect();
    columns.sort_by(|a, b| {
        b.value
            .total_cmp(&a.value)
            .then_with(|| a.name.cmp(&b.name))
    });
    let Some(worst) = columns.first() else {
        return Outcome::Nothing("none of the columns has usable values yet".into());
    };
    let value = worst.value;
    let drifted = columns.iter().filter(|column| column.drifted).count();
    let breach = drifted as f64 > trigger.share * columns.len() as f64;
    columns.truncate(COLUMNS);
    Outcome::Value {
        value,
        breach,
        samples: span.rows,
        columns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrain_policy::fixtures::{live, reference};

    fn trigger() -> DriftTrigger {
        DriftTrigger {
            method: DriftMethod::Psi,
            columns: vec![],
            threshold: 0.2,
            share: 0.0,
            min_samples: 100,
        }
    }

    /// Rows of which column `a` is moved by `a`, and so on.
    fn span(rows: u64, a: f64, b: f64) -> Span {
        Span {
            end: 20,
            rows,
            pending: 0,
            inputs: Some(live(&reference(), rows, &[("a", a), ("b", b)])),
            quality: None,
        }
    }

    fn value(outcome: Outcome) -> (f64, bool, Vec<(String, bool)>) {
        match outcome {
            Outcome::Value {
                value,
                breach,
                columns,
                ..
            } => (
                value,
                breach,
                columns.into_iter().map(|c| (c.name, c.drifted)).collect(),
            ),
            Outcome::Nothing(why) => panic!("{why}"),
        }
    }

    fn nothing(outcome: Outcome) -> String {
        match outcome {
            Outcome::Nothing(why) => why,
            other @ Outcome::Value { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_worst_column_comes_first_and_decides() {
        let (worst, breach, columns) =
            value(measure(&trigger(), &reference(), &span(1_000, 0.0, 50.0)));
        assert!(worst > 0.2 && breach);
        assert_eq!(columns[0], ("b".into(), true));
        assert_eq!(columns[1], ("a".into(), false));
        let (worst, breach, _) = value(measure(&trigger(), &reference(), &span(1_000, 0.0, 0.0)));
        assert!(worst < 0.01 && !breach, "{worst}");
    }

    #[test]
    fn more_than_the_share_must_have_drifted() {
        for (share, b, expected) in [
            (0.0, 0.0, true),
            (0.5, 0.0, false),
            (0.5, 50.0, true),
            (0.99, 50.0, true),
            (1.0, 50.0, false),
        ] {
            let trigger = DriftTrigger { share, ..trigger() };
            let (_, breach, _) = value(measure(&trigger, &reference(), &span(1_000, 50.0, b)));
            assert_eq!(breach, expected, "share {share}, b moved by {b}");
        }
    }

    #[test]
    fn only_the_chosen_columns_are_compared() {
        let only = DriftTrigger {
            columns: vec!["a".into(), "z".into()],
            ..trigger()
        };
        let (_, breach, columns) = value(measure(&only, &reference(), &span(1_000, 0.0, 50.0)));
        assert!(!breach);
        assert_eq!(columns.len(), 1);
        let said = problem(&only, Some(&reference())).unwrap();
        assert!(
            said.contains("has z,") && said.ends_with("it has a, b"),
            "{said}"
        );
        assert_eq!(problem(&trigger(), Some(&reference())), None);
        assert!(
            problem(&trigger(), None)
                .unwrap()
                .contains("without a profile")
        );
    }

    #[test]
    fn what_is_missing_is_neither_good_nor_bad() {
        let few = nothing(measure(&trigger(), &reference(), &span(99, 50.0, 50.0)));
        assert!(few.contains("fewer than 100 rows"), "{few}");
        let unprofiled = Span {
            inputs: None,
            ..span(1_000, 50.0, 50.0)
        };
        nothing(measure(&trigger(), &reference(), &unprofiled));
        let empty = Span {
            inputs: Some(live(&reference(), 0, &[])),
            ..span(1_000, 0.0, 0.0)
        };
        nothing(measure(&trigger(), &reference(), &empty));
    }
}
