//! Where a status and a Deployment disagree: one of them was lost.

use millwright_crds::model_deployment::CurrentStageVersion;

use super::{Pass, version_of};
use crate::{
    model_deployment::{revision::Revision, target::Version},
    time,
};

impl Pass<'_> {
    /// Brings what the status says together with what the Deployment remembers.
    pub(super) fn recover(&mut self) {
        match (self.current.clone(), &self.next, self.deployment) {
            (None, None, Some(deployment)) => {
                let complete = deployment.complete();
                let serving = match &self.remembered[..] {
                    [running, ..] if complete => Some(running),
                    [_, before, ..] => Some(before),
                    _ => None,
                };
                self.current = serving.map(|revision| self.serves_now(revision));
            }
            (Some(current), _, None) => self.make_anew(current),
            _ => {}
        }
    }

    /// Keeps the pods that run as those that the stage serves, when what served before is not
    /// known any more: a pass had ended the rollout already and was not committed, or somebody
    /// changed the Deployment.
    pub(super) fn keep_what_runs(&mut self) {
        if self.current.is_some()
            && self.serving().is_none()
            && let Some(running) = self.remembered.first()
        {
            self.current = Some(self.serves_now(running));
        }
    }

    fn serves_now(&self, revision: &Revision) -> CurrentStageVersion {
        CurrentStageVersion {
            version: revision.version,
            digest: revision.digest.clone(),
            since: time::format(self.context.now),
            revision: revision.revision.clone(),
        }
    }

    /// The Deployment is gone, and with it what its pods were made from. They are made from the
    /// spec as it is now: the stage is down, so they are neither rolled out nor taken back.
    fn make_anew(&mut self, mut current: CurrentStageVersion) {
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
