//! The Deployment of a stage: what it runs, what is wrong with its pods, and how it should be.

use millwright_crds::{LABEL_ROLE, LABEL_STAGE, model_deployment::NextPhase};

use super::{Pass, version_of};
use crate::{
    Operation,
    model_deployment::{
        LABEL_REVISION, SERVING, deployment,
        problem::{self, Problem},
        put_back,
        revision::Revision,
        stamp,
        target::Version,
    },
    observed::Edited,
};

impl Pass<'_> {
    /// Whether the Deployment runs these pods, all of them, and no others.
    pub(super) fn runs(&self, revision: &str) -> bool {
        self.deployment.is_some_and(|deployment| {
            deployment.complete()
                && deployment.replicas == deployment::replicas(self.stage)
                && self
                    .remembered
                    .first()
                    .is_some_and(|running| running.revision == revision)
        })
    }

    /// Whether the Deployment was to run these pods, and its controller has given up.
    pub(super) fn late(&self, revision: &str) -> bool {
        let running = self.remembered.first();
        self.deployment.is_some_and(|deployment| deployment.late)
            && running.is_some_and(|running| running.revision == revision)
    }

    /// The pods of the version that serves, if they can still be made.
    pub(super) fn serving(&self) -> Option<Revision> {
        let current = self.current.as_ref()?;
        let version = Version::serving(current);
        if self.context.pods.revision(&version) == current.revision {
            return Some(self.context.pods.make(&self.stage.name, &version));
        }
        self.remembered
            .iter()
            .find(|one| one.version() == version && one.revision == current.revision)
            .cloned()
    }

    /// The Deployment as it should be, when it isn't.
    pub(super) fn deploy(&mut self) -> Option<Operation> {
        let serving = self.serving();
        let (running, before) = match &self.next {
            Some(next) if next.phase == NextPhase::RollingOut => {
                let version = version_of(next);
                let made = self.context.pods.make(&self.stage.name, &version);
                // Pods that the spec can't make any more stay as they are.
                (Some(made).filter(|m| m.revision == next.revision)?, serving)
            }
            // Pods of a first version that was given up stay, until they serve or another comes.
            _ => {
                let serving = serving?;
                // To forget what it replaced would cost a write at the end of every rollout, and a
                // wait for the Deployment's controller, which has nothing to do.
                let before = match self.remembered.as_slice() {
                    [running, before] if *running == serving => Some(before.clone()),
                    _ => None,
                };
                (serving, before)
            }
        };
        let object = deployment::build(
            &self.context.seen.object,
            self.stage,
            &running,
            before.as_ref(),
        );
        let (object, hash) = stamp::stamp(object);
        let known = self.deployment;
        let applied = known.filter(|d| d.annotations.get(stamp::ANNOTATION) == Some(&hash));
        if let Some(applied) = applied {
            // A stage has the pods that the spec says, and as many of them.
            let scaled = applied.replicas != deployment::replicas(self.stage);
            let labels = applied.labels.get(LABEL_STAGE) != Some(&self.stage.name);
            let what = match (scaled, labels, applied.edited) {
                (true, _, _) => Some("the number of pods"),
                (_, true, _) => Some("the label of the stage"),
                (_, _, Edited::Yes) => Some("the spec"),
                // Nothing may have to be put back.
                (_, _, Edited::Perhaps) => None,
                (_, _, Edited::No) => return None,
            };
            let event = what.map(|what| put_back("Deployment", &applied.name, what));
            self.events.extend(event);
        }
        Some(Operation::Apply(object))
    }

    pub(super) fn problem(&self, revision: &str) -> Option<Problem> {
        let (role, stage) = (SERVING, self.stage.name.as_str());
        let refused = self.deployment.and_then(|d| d.refused.as_deref());
        let paused = self.deployment.filter(|d| d.paused);
        problem::of_pods(self.context.seen.pods.iter().filter(|pod| {
            pod.label(LABEL_ROLE) == Some(role)
                && pod.label(LABEL_STAGE) == Some(stage)
                && pod.label(LABEL_REVISION) == Some(revision)
        }))
        .or_else(|| refused.map(problem::of_refusal))
        .or_else(|| paused.map(|d| problem::of_pause(&self.context.owner.namespace, &d.name)))
    }

    pub(super) fn available(&self) -> i32 {
        self.deployment.map_or(0, |d| d.available.max(0))
    }
}
