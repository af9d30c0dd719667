//! How far the trainer is: whom to ask, how often, and when status says so.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{
    LABEL_ROLE, TrainingJobStatus, training_job::Progress, wire::attempt::ProgressReport,
};

use super::{
    Run, TRAINING,
    outcome::{self, Waiting},
};
use crate::{
    Plan,
    observed::{JobPhase, JobState, PodState},
    time,
};

/// How often a trainer is asked, and status written at most: progress is news for people, and a
/// fleet of long runs must not become a load for the API server.
pub const EVERY: Duration = Duration::from_secs(15);

/// The pod to ask: that of an attempt under way whose trainer runs.
pub fn asked<'a>(jobs: &[JobState], pods: &'a [PodState]) -> Option<&'a PodState> {
    jobs.iter()
        .filter(|job| {
            job.label(LABEL_ROLE) == Some(TRAINING)
                && job.phase == JobPhase::Active
                && !job.deleting
        })
        .find_map(|job| outcome::pod_of(job, pods))
        .filter(|pod| !pod.deleting && pod.ip.is_some() && outcome::trainer_runs(pod))
}

/// What status says of the progress after this report. What did not move is not written again.
pub(super) fn after(
    before: Option<&Progress>,
    report: Option<&ProgressReport>,
    now: Timestamp,
) -> Option<Progress> {
    let Some(report) = report else {
        return before.cloned();
    };
    let percent = report.percent.map(|percent| percent.min(100));
    let moved = match before {
        None => percent.is_some() || !report.metrics.is_empty(),
        Some(old) => old.percent != percent || old.metrics != report.metrics,
    };
    let due = before
        .and_then(|old| time::parse(&old.updated_at))
        .is_none_or(|then| time::between(then, now) >= EVERY);
    if !moved || !due {
        return before.cloned();
    }
    Some(Progress {
        percent,
        metrics: report.metrics.clone(),
        updated_at: time::format(now),
    })
}

impl Run<'_> {
    /// The attempt goes on.
    pub(super) fn waiting(&self, attempt: u32, waiting: &Waiting) -> Plan<TrainingJobStatus> {
        if self.seen.progress.as_ref().is_some_and(|p| p.publishing) {
            return Plan::status(self.publishing(attempt, "its model is being published"))
                .within(EVERY);
        }
        let (status, event) = self.at_work(attempt, waiting);
        let mut plan = Plan::status(status);
        plan.events.extend(event);
        if let Some(delay) = waiting.look_again {
            plan = plan.within(delay);
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn report(percent: Option<u32>, loss: Option<f64>) -> ProgressReport {
        ProgressReport {
            v: 1,
            pod_uid: "pod-1".into(),
            percent,
            metrics: loss
                .map(|loss| ("loss".to_owned(), loss))
                .into_iter()
                .collect(),
            publishing: false,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn nothing_said_is_nothing_written() {
        assert_eq!(after(None, None, at(0)), None);
        assert_eq!(after(None, Some(&report(None, None)), at(0)), None);
    }

    #[test]
    fn moves_at_most_every_15_seconds() {
        let first = after(None, Some(&report(Some(10), None)), at(100)).unwrap();
        assert_eq!((first.percent, first.metrics.len()), (Some(10), 0));
        let at_and_said = |second, report| after(Some(&first), Some(report), at(second));
        let moved = report(Some(20), Some(0.5));
        assert_eq!(at_and_said(114, &moved), Some(first.clone()));
        let second = at_and_said(115, &moved).unwrap();
        assert_eq!(second.percent, Some(20));
        assert_eq!(second.metrics, BTreeMap::from([("loss".into(), 0.5)]));
        // The same again is no news, however late, and silence takes nothing back.
        assert_eq!(
            at_and_said(900, &report(Some(10), None)),
            Some(first.clone())
        );
        assert_eq!(after(Some(&first), None, at(900)), Some(first.clone()));
    }

    #[test]
    fn a_percentage_has_an_end_and_a_garbled_time_is_no_bar() {
        let mut before = after(None, Some(&report(Some(1), None)), at(0)).unwrap();
        before.updated_at = "soon".into();
        let next = after(Some(&before), Some(&report(Some(400), None)), at(1)).unwrap();
        assert_eq!(next.percent, Some(100));
    }
}
