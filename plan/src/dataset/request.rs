//! What a sync is for, and when one is due.
//!
//! A request is what was asked: the parts of the spec that say what is read, the value of the
//! refresh annotation, and for a refresh by interval the sync that it follows. Its text is on the
//! Job and in `status.lastSync`, so that the same request is never answered twice, whatever was
//! lost in between.

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use millwright_crds::{
    ANNOTATION_REFRESH, Dataset,
    dataset::{DatasetSpec, LastSync},
};

use crate::{names, time};

/// Waiting time after the first failure; doubles with each one after it, as Jobs do.
const BACKOFF_FIRST: Duration = Duration::from_secs(10);
/// Longest waiting time.
const BACKOFF_MOST: Duration = Duration::from_secs(300);

/// What a sync is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Hash of what is read, and how.
    pub spec: String,
    /// Hash of the refresh annotation's value.
    refresh: Option<String>,
    /// Hash of the end of the sync that this one follows.
    tick: Option<String>,
}

/// When a sync is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Now, for this.
    Now(Request),
    /// Not before that time.
    At(Timestamp),
    /// When somebody asks.
    WhenAsked,
}

impl Request {
    /// What the object asks for now. An annotation that was taken away asks for nothing: the
    /// value that was answered stands.
    fn of(dataset: &Dataset, answered: Option<&Self>) -> Self {
        let annotation = dataset
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(ANNOTATION_REFRESH));
        Self {
            spec: spec_hash(&dataset.spec),
            refresh: match annotation {
                Some(value) => Some(names::hash8(value)),
                None => answered.and_then(|answered| answered.refresh.clone()),
            },
            tick: None,
        }
    }
}

/// Hash of the parts of the spec that say what is read, and how. How many versions are kept, or
/// when the source is read again, changes no version.
pub(super) fn spec_hash(spec: &DatasetSpec) -> String {
    let parts = (
        &spec.source,
        &spec.format,
        &spec.snapshot,
        &spec.expectations,
    );
    // Strings and whole numbers always have a JSON form.
    names::hash8(&serde_json::to_string(&parts).unwrap_or_default())
}

/// When a sync is due, given the one that ended last.
pub(super) fn due(dataset: &Dataset, last: Option<&LastSync>, now: Timestamp) -> Due {
    let answered = last.and_then(|last| Some((last, last.request.parse::<Request>().ok()?)));
    let wanted = Request::of(dataset, answered.as_ref().map(|(_, request)| request));
    let Some((last, answered)) = answered else {
        return Due::Now(wanted);
    };
    if (&wanted.spec, &wanted.refresh) != (&answered.spec, &answered.refresh) {
        return Due::Now(wanted);
    }
    let (at, request) = if last.failures > 0 {
        (retry_at(last), answered)
    } else if let Some(refresh) = &dataset.spec.refresh {
        let next = Request {
            tick: Some(names::hash8(&last.finished_at)),
            ..wanted
        };
        (time::after(finished(last), refresh.interval.as_std()), next)
    } else {
        return Due::WhenAsked;
    };
    if at <= now {
        Due::Now(request)
    } else {
        Due::At(at)
    }
}

/// When a failed sync is tried again.
pub(super) fn retry_at(last: &LastSync) -> Timestamp {
    let doublings = last.failures.saturating_sub(1).min(16);
    let wait = BACKOFF_FIRST
        .saturating_mul(1 << doublings)
        .min(BACKOFF_MOST);
    time::after(finished(last), wait)
}

/// When it ended; long ago when that can't be read.
fn finished(last: &LastSync) -> Timestamp {
    time::parse(&last.finished_at).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec)?;
        if let Some(refresh) = &self.refresh {
            write!(f, "-r{refresh}")?;
        }
        if let Some(tick) = &self.tick {
            write!(f, "-t{tick}")?;
        }
        Ok(())
    }
}

impl FromStr for Request {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hash = |part: &str| {
            (part.len() == 8 && part.chars().all(|c| c.is_ascii_hexdigit()))
                .then(|| part.to_owned())
                .ok_or(())
        };
        let mut parts = text.split('-').peekable();
        let optional =
            |letter: char, parts: &mut std::iter::Peekable<std::str::Split<'_, char>>| match parts
                .peek()
                .and_then(|part| part.strip_prefix(letter))
            {
                Some(part) => {
                    parts.next();
                    hash(part).map(Some)
                }
                None => Ok(None),
            };
        let spec = hash(parts.next().unwrap_or_default())?;
        let refresh = optional('r', &mut parts)?;
        let tick = optional('t', &mut parts)?;
        match parts.next() {
            None => Ok(Self {
                spec,
                refresh,
                tick,
            }),
            Some(_) => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millwright_crds::dataset::Refresh;

    use super::*;
    use crate::dataset::fixtures::{at, dataset};

    fn answered(dataset: &Dataset, failures: u32) -> LastSync {
        let Due::Now(request) = due(dataset, None, at(0)) else {
            panic!("a new Dataset is due");
        };
        LastSync {
            request: request.to_string(),
            finished_at: time::format(at(100)),
            failures,
        }
    }

    fn asked(mut dataset: Dataset, value: &str) -> Dataset {
        dataset.metadata.annotations =
            Some(BTreeMap::from([(ANNOTATION_REFRESH.into(), value.into())]));
        dataset
    }

    fn every(mut dataset: Dataset, interval: &str) -> Dataset {
        dataset.spec.refresh = Some(Refresh {
            interval: interval.parse().unwrap(),
        });
        dataset
    }

    #[test]
    fn one_sync_for_each_request() {
        let plain = dataset();
        let last = answered(&plain, 0);
        assert_eq!(due(&plain, Some(&last), at(9_999)), Due::WhenAsked);

        let mut other = dataset();
        other.spec.source.include = vec!["*.parquet".into()];
        assert!(matches!(due(&other, Some(&last), at(101)), Due::Now(_)));

        let mut quiet = dataset();
        quiet.spec.retain.versions = 3;
        quiet.spec.suspend = true;
        assert_eq!(due(&quiet, Some(&last), at(101)), Due::WhenAsked);
    }

    #[test]
    fn an_annotation_asks_once_for_each_value() {
        let last = answered(&dataset(), 0);
        let one = asked(dataset(), "1");
        assert!(matches!(due(&one, Some(&last), at(101)), Due::Now(_)));
        let last = answered(&one, 0);
        assert_eq!(due(&one, Some(&last), at(101)), Due::WhenAsked);
        assert_eq!(due(&dataset(), Some(&last), at(101)), Due::WhenAsked);
        let two = asked(dataset(), "2");
        assert!(matches!(due(&two, Some(&last), at(101)), Due::Now(_)));
    }

    #[test]
    fn an_interval_counts_from_the_end_of_the_last_sync() {
        let hourly = every(asked(dataset(), "1"), "1h");
        let last = answered(&hourly, 0);
        assert_eq!(due(&hourly, Some(&last), at(3_699)), Due::At(at(3_700)));
        let Due::Now(request) = due(&hourly, Some(&last), at(3_700)) else {
            panic!("due");
        };
        let next = LastSync {
            request: request.to_string(),
            finished_at: time::format(at(3_720)),
            failures: 0,
        };
        assert_eq!(due(&hourly, Some(&next), at(3_721)), Due::At(at(7_320)));
        assert_ne!(due(&hourly, Some(&next), at(7_320)), Due::Now(request));
    }

    #[test]
    fn a_failure_is_tried_again_for_the_same_request() {
        let dataset = dataset();
        for (failures, wait) in [(1, 10), (2, 20), (3, 40), (6, 300), (4_000_000_000, 300)] {
            let last = answered(&dataset, failures);
            assert_eq!(
                due(&dataset, Some(&last), at(100)),
                Due::At(at(100 + wait)),
                "{failures}"
            );
            let Due::Now(request) = due(&dataset, Some(&last), at(100 + wait)) else {
                panic!("due");
            };
            assert_eq!(request.to_string(), last.request);
        }
    }

    #[test]
    fn what_cannot_be_read_was_not_answered() {
        let last = |request: &str, finished: &str| LastSync {
            request: request.into(),
            finished_at: finished.into(),
            failures: 0,
        };
        for text in [
            "",
            "1234567",
            "12345678-",
            "12345678-x00000000",
            "12345678-t1",
        ] {
            assert!(text.parse::<Request>().is_err(), "{text}");
            let due = due(&dataset(), Some(&last(text, "then")), at(0));
            assert!(matches!(due, Due::Now(_)), "{text}");
        }
        for text in [
            "12345678",
            "12345678-rabcdef01",
            "12345678-rabcdef01-t00000000",
        ] {
            assert_eq!(
                text.parse::<Request>().map(|r| r.to_string()),
                Ok(text.into())
            );
        }
    }
}
