//! A Job whose pod is not let in: a quota, a security policy or an admission rule.
//!
//! The Job controller says so in Events only. What a Job itself shows is that its controller has
//! begun with it and that there is no pod, so no request is needed to see it.

use std::time::Duration;

use jiff::Timestamp;

use crate::{observed::JobState, time};

/// Longest time between the start of a Job and the moment when its pod is seen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time until a Job without a pod counts as refused; `None` when its controller hasn't begun with
/// it, or that time is over.
pub fn patience_left(job: &JobState, now: Timestamp) -> Option<Duration> {
    let waited = time::between(job.started?, now);
    PATIENCE.checked_sub(waited).filter(|left| !left.is_zero())
}

/// What to tell people of a Job that was refused its pod; `None` when it wasn't.
pub fn explain(job: &JobState, now: Timestamp) -> Option<String> {
    let waited = time::between(job.started?, now);
    (waited >= PATIENCE).then(|| {
        format!(
            "no pod can be created for Job {name}: a quota, a security policy or an admission rule \
             refuses it; its Events say which (kubectl describe job {name})",
            name = job.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{JobPhase, Labels};

    #[test]
    fn only_a_job_that_was_begun_with_can_be_refused() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let job = |started: Option<i64>| JobState {
            name: "run-1".into(),
            uid: String::new(),
            labels: Labels::default(),
            resolved: None,
            created: Some(at(0)),
            started: started.map(at),
            phase: JobPhase::Active,
            finished: None,
            deleting: false,
        };
        for (started, now, left, refused) in [
            (None, 1_000, None, false),
            (Some(5), 7, Some(8), false),
            (Some(5), 15, None, true),
            // A clock that runs behind.
            (Some(5), 1, Some(10), false),
        ] {
            let job = job(started);
            assert_eq!(patience_left(&job, at(now)), left.map(Duration::from_secs));
            assert_eq!(
                explain(&job, at(now)).is_some(),
                refused,
                "{started:?} {now}"
            );
        }
        assert!(
            explain(&job(Some(0)), at(60))
                .unwrap()
                .contains("describe job run-1")
        );
    }
}
