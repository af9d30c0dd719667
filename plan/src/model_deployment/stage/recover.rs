//! Where a status and a Deployment disagree: one of them was lost.

use millwright_crds::model_deployment::{
    CurrentStageVersion, GateState, NextPhase, NextStageVersion,
};

use super::{Pass, version_of};
use crate::{model_deployment::target::Version, observed::DeploymentState, time};

impl Pass<'_> {
    /// Reads what the stage serves from its Deployment when nothing else says it: the status was
    /// lost, or is about pods that nobody can make any more, or the first rollout of all was given
    /// up and its pods serve nevertheless. They have passed the gates, or they would not be there.
    pub(super) fn recover(&mut self) {
        let phase = self.next.as_ref().map(|next| next.phase);
        if phase == Some(NextPhase::RollingOut) || self.serving().is_some() {
            return;
        }
        if let Some(next) = self.first_rollout_done() {
            self.promote(&next);
            return;
        }
        let complete = self.deployment.is_some_and(DeploymentState::complete);
        let found = match &self.remembered[..] {
            [running, ..] if complete => running,
            [_, before, ..] => before,
            // What was before is let go of when a rollout is done: that pass was not committed.
            [running] if self.current.is_some() => running,
            _ => return,
        };
        self.current = Some(CurrentStageVersion {
            version: found.version,
            digest: found.digest.clone(),
            since: time::format(self.context.now),
            revision: found.revision.clone(),
        });
    }

    /// The very first version, when its pods serve and the pass that rolled them out was not
    /// committed: it has entered in the same way as any other.
    fn first_rollout_done(&self) -> Option<NextStageVersion> {
        let candidate = self.candidate().filter(|_| self.current.is_none())?;
        if !candidate.steady || !self.runs(&candidate.revision) {
            return None;
        }
        let known = self.next.as_ref().filter(|next| candidate.is(next));
        let decided = known
            .filter(|_| !self.context.changed)
            .map(|next| next.gates.as_slice())
            .unwrap_or_default();
        let (gates, _) = self.gates(&candidate, decided);
        gates
            .iter()
            .all(|gate| gate.state == GateState::Passed)
            .then(|| candidate.moves_in(NextPhase::RollingOut, gates))
    }

    /// When the Deployment is gone, and with it what its pods were made from, they are made from
    /// the spec as it is now: the stage is down, so they are neither rolled out nor taken back.
    pub(super) fn make_anew(&mut self) {
        let (Some(mut current), None) = (self.current.clone(), self.deployment) else {
            return;
        };
        let version = Version::serving(&current);
        let revision = self.context.pods.revision(&version);
        if current.revision == revision {
            return;
        }
        self.next = self
            .next
            .take()
            .filter(|next| version_of(next) != version || next.revision != revision);
        self.last_rollback = self
            .last_rollback
            .take()
            .filter(|last| last.version != version.number || last.revision != revision);
        current.revision = revision;
        self.current = Some(current);
    }
}
