//! The measured error, from predictions joined with labels.

use millwright_crds::{
    metric::Goal,
    model_version::ModelVersion,
    retrain_policy::{QualityMetric, QualityTrigger},
    wire::serving::Quality,
};

use super::Outcome;
use crate::retrain_policy::{figure, window::Span};

/// The limit that measured values are compared with.
///
/// # Errors
/// When a ratio has nothing to be a ratio of; says what is missing.
pub(super) fn limit(
    trigger: &QualityTrigger,
    version: Option<&ModelVersion>,
) -> Result<f64, String> {
    if let Some(value) = trigger.limit.value {
        return Ok(figure::round(value));
    }
    let metric = trigger.metric.as_str();
    let Some(ratio) = trigger.limit.ratio else {
        return Err("limit has neither value nor ratio".into());
    };
    let Some(version) = version else {
        return Err(
            "the ModelVersion that the stage serves is gone, so limit.ratio has nothing to be a \
             ratio of: use limit.value"
                .into(),
        );
    };
    let spec = &version.spec;
    let recorded = spec
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.metrics.get(metric))
        .or_else(|| spec.metrics.get(metric))
        .filter(|recorded| recorded.is_finite());
    match recorded {
        Some(recorded) => Ok(figure::round(ratio * recorded)),
        None => Err(format!(
            "v{} has no {metric} in its evaluation or its metrics, so limit.ratio has nothing to \
             be a ratio of: let the evaluator write {metric}, or use limit.value",
            spec.version
        )),
    }
}

/// Measures a span against the limit.
pub(super) fn measure(trigger: &QualityTrigger, limit: f64, span: &Span) -> Outcome {
    let metric = trigger.metric;
    let Some(quality) = &span.quality else {
        return Outcome::Nothing(format!("no {} yet: no label has come", metric.as_str()));
    };
    let (labels, value) = match (quality, metric) {
        (Quality::Regression(all), QualityMetric::Mae) => (all.count(), all.mae()),
        (Quality::Regression(all), QualityMetric::Mse) => (all.count(), all.mse()),
        (Quality::Regression(all), QualityMetric::Rmse) => (all.count(), all.rmse()),
        (Quality::Regression(all), QualityMetric::R2) => (all.count(), all.r2()),
        (Quality::Classification(all), QualityMetric::Accuracy) => (all.count(), all.accuracy()),
        (Quality::Regression(_), QualityMetric::Accuracy) => {
            return Outcome::Nothing(
                "accuracy is not measured of a Regression: set monitoring.task of the \
                 ModelDeployment to Classification, or choose mae, mse, rmse or r2"
                    .into(),
            );
        }
        (Quality::Classification(_), _) => {
            return Outcome::Nothing(format!(
                "{} is not measured of a Classification: choose accuracy, or set \
                 monitoring.task of the ModelDeployment to Regression",
                metric.as_str()
            ));
        }
    };
    if labels < trigger.min_labels {
        return Outcome::Nothing(format!(
            "fewer than {} labels so far, which minLabels asks for",
            trigger.min_labels
        ));
    }
    let Some(value) = value.map(figure::round).filter(|value| value.is_finite()) else {
        return Outcome::Nothing(format!(
            "{} can't be computed of the labels so far",
            metric.as_str()
        ));
    };
    Outcome::Value {
        value,
        breach: worse(metric.goal(), value, limit),
        samples: labels,
        columns: vec![],
    }
}

/// Whether a value is worse than the limit; the limit itself is not.
fn worse(goal: Goal, value: f64, limit: f64) -> bool {
    goal.improvement(value, limit) < 0.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drift::quality::Classification;
    use millwright_crds::retrain_policy::Limit;

    use super::*;
    use crate::retrain_policy::fixtures::{errors, version};

    fn trigger(metric: QualityMetric, value: Option<f64>, ratio: Option<f64>) -> QualityTrigger {
        QualityTrigger {
            metric,
            limit: Limit { value, ratio },
            min_labels: 4,
        }
    }

    fn span(quality: Option<Quality>) -> Span {
        Span {
            end: 20,
            rows: 9,
            pending: 0,
            inputs: None,
            quality,
        }
    }

    #[test]
    fn limits() {
        let absolute = trigger(QualityMetric::Mae, Some(12.0), None);
        assert_eq!(limit(&absolute, None), Ok(12.0));
        let ratio = trigger(QualityMetric::Mae, None, Some(1.3));
        // The evaluation's figure goes before the training's own.
        assert_eq!(limit(&ratio, Some(&version(1))), Ok(13.0));
        let mut trained = version(1);
        trained.spec.evaluation = None;
        assert_eq!(limit(&ratio, Some(&trained)), Ok(6.5));
        trained.spec.metrics = BTreeMap::new();
        let missing = limit(&ratio, Some(&trained)).unwrap_err();
        assert!(missing.contains("v1 has no mae"), "{missing}");
        assert!(limit(&ratio, None).unwrap_err().contains("is gone"));
    }

    #[test]
    fn which_side_is_bad_follows_from_the_metric() {
        for (goal, value, limit, expected) in [
            (Goal::Minimize, 12.1, 12.0, true),
            (Goal::Minimize, 12.0, 12.0, false),
            (Goal::Minimize, 11.9, 12.0, false),
            (Goal::Maximize, 0.89, 0.9, true),
            (Goal::Maximize, 0.9, 0.9, false),
        ] {
            assert_eq!(worse(goal, value, limit), expected, "{value} {limit}");
        }
    }

    #[test]
    fn every_metric_is_read_from_its_accumulator() {
        let regression = Some(Quality::Regression(errors(4, 3.0)));
        let mut classes = Classification::default();
        for label in ["a", "a", "b", "c"] {
            classes.observe(label, "a");
        }
        let classes = Some(Quality::Classification(classes));
        for (metric, quality, expected) in [
            (QualityMetric::Mae, &regression, 3.0),
            (QualityMetric::Mse, &regression, 9.0),
            (QualityMetric::Rmse, &regression, 3.0),
            (QualityMetric::R2, &regression, -6.2),
            (QualityMetric::Accuracy, &classes, 0.5),
        ] {
            let trigger = trigger(metric, Some(1.0), None);
            let Outcome::Value { value, samples, .. } =
                measure(&trigger, 1.0, &span(quality.clone()))
            else {
                panic!("{metric:?}");
            };
            assert_eq!((value, samples), (expected, 4), "{metric:?}");
        }
    }

    #[test]
    fn what_is_missing_is_neither_good_nor_bad() {
        let few = Some(Quality::Regression(errors(3, 3.0)));
        let regression = Some(Quality::Regression(errors(9, 3.0)));
        let classes = Some(Quality::Classification(Classification::default()));
        for (metric, quality, part) in [
            (QualityMetric::Mae, None, "no label"),
            (QualityMetric::Mae, few, "fewer than 4 labels"),
            (QualityMetric::Accuracy, regression, "monitoring.task"),
            (QualityMetric::Mae, classes, "monitoring.task"),
        ] {
            match measure(&trigger(metric, Some(1.0), None), 1.0, &span(quality)) {
                Outcome::Nothing(why) => assert!(why.contains(part), "{why}"),
                other @ Outcome::Value { .. } => panic!("{other:?}"),
            }
        }
    }
}
