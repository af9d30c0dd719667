//! A rollout: it is done when all pods serve, and taken back when it makes no progress for too long.
//! The Deployment's controller measures that: pods are replaced one after the other, so how long all
//! of them take depends on their number.

use millwright_crds::model_deployment::{
    CurrentStageVersion, NextPhase, NextStageVersion, Outcome, Rollback,
};

use super::{Pass, version_of};
use crate::{Event, Reason, model_deployment::text::cut, time};

/// How far a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// All pods are new and serve.
    Done,
    /// The spec asks for something else by now.
    Withdrawn,
    /// Not yet.
    Waiting,
    /// Not yet, and its Deployment's controller has given it up.
    Late,
}

/// What became of a rollout. What is done is done, even if it is late or the spec has changed.
fn follow(done: bool, asked_for: bool, late: bool) -> Progress {
    match (done, asked_for, late) {
        (true, _, _) => Progress::Done,
        (_, false, _) => Progress::Withdrawn,
        (_, _, true) => Progress::Late,
        _ => Progress::Waiting,
    }
}

impl Pass<'_> {
    /// A version that was let in is rolled out.
    pub(super) fn begin_rollout(&mut self, next: NextStageVersion) {
        self.events.push(Event::normal(
            Reason::RollingOut,
            format!("{} rolls out {}", self.stage.name, version_of(&next)),
        ));
        self.next = Some(NextStageVersion {
            rollout_started: Some(time::format(self.context.now)),
            ..next
        });
        // A pass that asked for its pods may not have been committed: by now they serve, or are late.
        self.follow_rollout();
    }

    /// What became of the version that is being rolled out.
    pub(super) fn follow_rollout(&mut self) {
        let Some(next) = self.next.clone() else {
            return;
        };
        if next.phase != NextPhase::RollingOut {
            return;
        }
        let version = version_of(&next);
        let progress = follow(
            self.runs(&next.revision),
            self.asked_for(&version, &next.revision),
            self.late(&next.revision),
        );
        match progress {
            Progress::Done => self.promote(&next),
            Progress::Withdrawn => {
                let what = format!(
                    "{}: the rollout of {version} ends, because the spec asks for something else",
                    self.stage.name
                );
                self.events.push(Event::normal(Reason::RollingOut, what));
                self.next = None;
            }
            // Its Deployment changes when it goes on.
            Progress::Waiting => {}
            Progress::Late if self.serving().is_some() => self.take_back(&next),
            Progress::Late => {
                // Nothing to return to: it goes on trying, and another version may replace it.
                let replaced = self.candidate().is_some_and(|one| !one.is(&next));
                if self.current.is_none() && replaced {
                    self.next = None;
                } else {
                    self.stuck = true;
                }
            }
        }
    }

    pub(super) fn promote(&mut self, next: &NextStageVersion) {
        let gates: Vec<String> = next
            .gates
            .iter()
            .map(|gate| format!("{}: {}", gate.name, gate.message))
            .collect();
        let why = if gates.is_empty() {
            "all its pods serve; the stage has no gates".to_owned()
        } else {
            format!("all its pods serve; {}", gates.join("; "))
        };
        self.record(next.version, Outcome::Promoted, &why);
        self.events.push(Event::normal(
            Reason::Promoted,
            format!("{} serves v{}", self.stage.name, next.version),
        ));
        self.current = Some(CurrentStageVersion {
            version: next.version,
            digest: next.digest.clone(),
            since: time::format(self.context.now),
            revision: next.revision.clone(),
        });
        self.next = None;
        self.last_rollback = None;
    }

    fn take_back(&mut self, next: &NextStageVersion) {
        let problem = self.problem(&next.revision);
        let why = match &problem {
            Some(problem) => problem.message.clone(),
            None => {
                "its pods are not ready, though nothing is known to be wrong with them; if they \
                     need longer, raise rollback.onUnavailable of the stage"
                    .into()
            }
        };
        let again = self
            .current
            .as_ref()
            .map_or_else(String::new, |c| format!("; v{} serves on", c.version));
        let message = cut(&format!(
            "v{} did not serve with all its pods, and none more of them began to within {}: \
             {why}{again}",
            next.version, self.stage.rollback.on_unavailable
        ));
        self.record(next.version, Outcome::RolledBack, &message);
        self.events.push(Event::warning(
            Reason::RolledBack,
            format!("{}: {message}", self.stage.name),
        ));
        self.last_rollback = Some(Rollback {
            version: next.version,
            revision: next.revision.clone(),
            reason: problem
                .map_or(Reason::Unavailable, |problem| problem.reason)
                .as_str()
                .into(),
            message,
            at: time::format(self.context.now),
        });
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_rollout() {
        for (done, asked_for, late, expected) in [
            (false, true, false, Progress::Waiting),
            (false, true, true, Progress::Late),
            (true, true, true, Progress::Done),
            (true, false, true, Progress::Done),
            (false, false, true, Progress::Withdrawn),
            (false, false, false, Progress::Withdrawn),
        ] {
            let found = follow(done, asked_for, late);
            assert_eq!(found, expected, "{done} {asked_for} {late}");
        }
    }
}
