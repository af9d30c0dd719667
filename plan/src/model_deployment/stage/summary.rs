//! How a stage stands, in a word and a sentence.

use millwright_crds::model_deployment::{NextPhase, NextStageVersion};

use super::Pass;
use crate::{
    Reason,
    model_deployment::{
        gate,
        problem::Problem,
        target::Version,
        verdict::{Standing, Summary},
    },
};

impl Pass<'_> {
    /// How the stage stands.
    pub(super) fn summary(&self) -> Summary {
        let serves = self
            .current
            .as_ref()
            .map(|_| self.stage.replicas == 0 || self.available() > 0);
        let (standing, sentence) = self.standing(serves == Some(false));
        Summary {
            standing,
            sentence: format!("{} {sentence}", self.stage.name),
            serves,
        }
    }

    fn standing(&self, down: bool) -> (Standing, String) {
        if let (Some(current), true) = (&self.current, down) {
            let problem = self.problem(&current.revision);
            let words = format!(
                "should serve v{}, but none of its {} pods is ready{}",
                current.version,
                self.stage.replicas,
                why(problem.as_ref())
            );
            return (degraded(problem.as_ref()), words);
        }
        match &self.next {
            Some(next) => match next.phase {
                NextPhase::RollingOut => self.rolling_out(next),
                NextPhase::Gating => (Standing::Gating, self.gating(next)),
                NextPhase::Refused => (Standing::Refused, self.refused(next)),
            },
            None => self.settled(),
        }
    }

    fn rolling_out(&self, next: &NextStageVersion) -> (Standing, String) {
        let problem = self.problem(&next.revision);
        let why = why(problem.as_ref());
        if self.stuck {
            let nothing = match &self.current {
                None => "there is no version before to return to: mend what is named here, or \
                         register another version"
                    .to_owned(),
                Some(current) => format!(
                    "what v{}'s pods were made from is not known any more, so they can't be \
                     brought back: mend spec.server",
                    current.version
                ),
            };
            let words = format!(
                "does not serve v{} with all its pods, and none more of them began to within \
                 {}{why}; {nothing}",
                next.version, self.stage.rollback.on_unavailable
            );
            return (degraded(problem.as_ref()), words);
        }
        let meanwhile = match &self.current {
            Some(current) if current.version == next.version => {
                format!(
                    "new pods of v{}, the old ones serve meanwhile",
                    next.version
                )
            }
            Some(current) => format!("v{}, v{} serves meanwhile", next.version, current.version),
            None => format!("v{}", next.version),
        };
        (
            Standing::RollingOut(problem.map(|problem| problem.reason)),
            format!("rolls out {meanwhile}{why}"),
        )
    }

    fn gating(&self, next: &NextStageVersion) -> String {
        let keeps = self.keeps();
        match gate::open(&next.gates) {
            Some(gate) => format!(
                "{keeps}, v{} waits for gate {}: {}",
                next.version, gate.name, gate.message
            ),
            None => format!(
                "{keeps}, v{} waits until the stage before serves it with all its pods",
                next.version
            ),
        }
    }

    fn refused(&self, next: &NextStageVersion) -> String {
        let keeps = self.keeps();
        match gate::refusal(&next.gates) {
            Some(gate) => format!(
                "{keeps}, gate {} refused v{}: {}",
                gate.name, next.version, gate.message
            ),
            None => format!("{keeps}, v{} was refused", next.version),
        }
    }

    fn settled(&self) -> (Standing, String) {
        let Some(current) = &self.current else {
            return (Standing::Empty, "has no version yet".into());
        };
        if let Some(rollback) = &self.last_rollback
            && self.candidate().is_some_and(|one| self.taken_back(&one))
        {
            let words = format!("{}: {}", self.keeps(), rollback.message);
            return (Standing::TakenBack, words);
        }
        let (version, replicas) = (current.version, self.stage.replicas);
        if self.runs(&current.revision) {
            return (
                Standing::Serving,
                format!(
                    "serves v{version} with {}{}",
                    pods(replicas),
                    self.record_gone()
                ),
            );
        }
        let problem = self.problem(&current.revision);
        let standing = match &problem {
            Some(problem) => Standing::Degraded(problem.reason),
            None => Standing::RollingOut(None),
        };
        let words = format!(
            "serves v{version} with {} of {}{}",
            self.available(),
            pods(replicas),
            why(problem.as_ref())
        );
        (standing, words)
    }

    /// That nobody can look up any more what serves.
    fn record_gone(&self) -> String {
        let serving = self.current.as_ref().map(Version::serving);
        let versions = &self.context.seen.versions;
        match serving.filter(|version| version.record(versions).is_none()) {
            Some(version) => format!(
                " (its ModelVersion {}-{version} was deleted; its files are in the artifact store)",
                self.context.seen.object.spec.model.name
            ),
            None => String::new(),
        }
    }

    fn keeps(&self) -> String {
        match &self.current {
            Some(current) => format!("serves v{}", current.version),
            None => "is empty".into(),
        }
    }
}

fn pods(count: u32) -> String {
    if count == 1 {
        "1 pod".into()
    } else {
        format!("{count} pods")
    }
}

fn why(problem: Option<&Problem>) -> String {
    problem.map_or_else(String::new, |problem| format!(": {}", problem.message))
}

fn degraded(problem: Option<&Problem>) -> Standing {
    Standing::Degraded(problem.map_or(Reason::Unavailable, |problem| problem.reason))
}
