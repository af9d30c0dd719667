//! The runs that a policy started, as their TrainingJobs tell: a lost status loses nothing.

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::{
    ANNOTATION_TRIGGER, LABEL_FIRING, TrainingJob,
    retrain_policy::{PolicyRun, RunOutcome},
    training_job::TrainingJobPhase,
};

use crate::time;

/// Number of the firing that a run comes from; 0 when its label was taken away.
fn firing(run: &TrainingJob) -> u32 {
    run.labels()
        .get(LABEL_FIRING)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The run that hasn't ended. One that is suspended or being deleted hasn't.
pub(super) fn active(runs: &[TrainingJob]) -> Option<&TrainingJob> {
    runs.iter()
        .filter(|run| !phase(run).is_final())
        .max_by_key(|run| (firing(run), run.name_any()))
}

/// Number of the last firing that left a trace.
pub(super) fn last_firing(runs: &[TrainingJob], before: Option<&PolicyRun>) -> u32 {
    let known = before.map_or(0, |run| run.firing);
    runs.iter().map(firing).max().unwrap_or(0).max(known)
}

/// The run that was started last.
pub(super) fn last(
    runs: &[TrainingJob],
    before: Option<&PolicyRun>,
    now: Timestamp,
) -> Option<PolicyRun> {
    // A run whose label was taken away is still the one that status speaks of.
    let number = |run: &TrainingJob| {
        let known = before.filter(|before| before.training_job == run.name_any());
        firing(run).max(known.map_or(0, |known| known.firing))
    };
    let newest = runs.iter().max_by_key(|run| (number(run), run.name_any()));
    let newest = newest.filter(|run| before.is_none_or(|before| number(run) >= before.firing));
    let Some(run) = newest else {
        // The one in status is gone.
        return before.cloned().map(|mut gone| {
            gone.outcome.get_or_insert(RunOutcome::Deleted);
            gone.finished_at.get_or_insert_with(|| time::format(now));
            gone
        });
    };
    let known = before.filter(|before| before.training_job == run.name_any());
    let created = || run.creation_timestamp().map(|created| created.0);
    let outcome = match phase(run) {
        TrainingJobPhase::Succeeded => Some(RunOutcome::Succeeded),
        TrainingJobPhase::Failed => Some(RunOutcome::Failed),
        _ => None,
    };
    let completed = run.status.as_ref().and_then(|s| s.completion_time.clone());
    let finished = || {
        completed
            .or_else(|| known.and_then(|known| known.finished_at.clone()))
            .unwrap_or_else(|| time::format(now))
    };
    Some(PolicyRun {
        training_job: run.name_any(),
        firing: number(run),
        trigger: run
            .annotations()
            .get(ANNOTATION_TRIGGER)
            .cloned()
            .unwrap_or_default(),
        started_at: known.map_or_else(
            || time::format(created().unwrap_or(now)),
            |known| known.started_at.clone(),
        ),
        finished_at: outcome.map(|_| finished()),
        outcome,
        model_version: run.status.as_ref().and_then(|s| s.model_version.clone()),
    })
}

/// When the run that ended last did so.
pub(super) fn ended(runs: &[TrainingJob], last: Option<&PolicyRun>) -> Option<Timestamp> {
    runs.iter()
        .filter(|run| phase(run).is_final())
        .filter_map(|run| run.status.as_ref()?.completion_time.as_deref())
        .chain(last.and_then(|run| run.finished_at.as_deref()))
        .filter_map(time::parse)
        .max()
}

/// Why a run failed, in words.
pub(super) fn failure(runs: &[TrainingJob], name: &str) -> Option<String> {
    let run = runs.iter().find(|run| run.name_any() == name)?;
    let failure = run.status.as_ref()?.failure.as_ref()?;
    Some(format!("{:?}: {}", failure.reason, failure.message))
}

fn phase(run: &TrainingJob) -> TrainingJobPhase {
    run.status
        .as_ref()
        .map_or(TrainingJobPhase::Pending, |status| status.phase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrain_policy::fixtures::{at, run};

    fn end(mut run: TrainingJob, phase: TrainingJobPhase, second: i64) -> TrainingJob {
        let mut status = run.status.take().unwrap_or_default();
        status.phase = phase;
        status.completion_time = Some(time::format(at(second)));
        status.model_version = Some("m-v2".into());
        run.status = Some(status);
        run
    }

    #[test]
    fn what_the_training_jobs_tell() {
        let runs = [end(run(1, 100), TrainingJobPhase::Failed, 200), run(2, 300)];
        let last = last(&runs, None, at(999)).unwrap();
        assert_eq!((last.firing, last.training_job.as_str()), (2, "p-2"));
        assert_eq!(last.started_at, "1970-01-01T00:05:00Z");
        assert_eq!((last.outcome, &last.finished_at), (None, &None));
        assert_eq!(active(&runs).unwrap().name_any(), "p-2");
        assert_eq!(ended(&runs, Some(&last)), Some(at(200)));
        assert_eq!(last_firing(&runs, None), 2);
    }

    #[test]
    fn how_a_run_ended() {
        for (phase, outcome) in [
            (TrainingJobPhase::Succeeded, RunOutcome::Succeeded),
            (TrainingJobPhase::Failed, RunOutcome::Failed),
        ] {
            let runs = [end(run(1, 100), phase, 200)];
            let last = last(&runs, None, at(999)).unwrap();
            assert_eq!(last.outcome, Some(outcome));
            assert_eq!(last.finished_at.as_deref(), Some("1970-01-01T00:03:20Z"));
            assert_eq!(last.model_version.as_deref(), Some("m-v2"));
            assert!(active(&runs).is_none());
        }
    }

    #[test]
    fn a_run_that_is_gone_has_ended_when_that_was_seen() {
        let started = last(&[run(3, 100)], None, at(100)).unwrap();
        let gone = last(&[], Some(&started), at(150)).unwrap();
        assert_eq!(gone.outcome, Some(RunOutcome::Deleted));
        assert_eq!(ended(&[], Some(&gone)), Some(at(150)));
        // An older one doesn't take its place, and later looks change nothing.
        let older = [end(run(1, 10), TrainingJobPhase::Succeeded, 20)];
        assert_eq!(last(&older, Some(&gone), at(999)), Some(gone.clone()));
        assert_eq!(last_firing(&older, Some(&gone)), 3);
    }
}
