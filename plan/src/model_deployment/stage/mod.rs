//! One stage: which version it serves, which one is on its way in, and what follows.

mod deployed;
mod recover;
mod rollout;
mod summary;

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::model_deployment::{
    CurrentStageVersion, GateStatus, HistoryEntry, NextPhase, NextStageVersion, Outcome, Rollback,
    Stage, StageStatus,
};

use super::{
    Observed,
    gate::{self, Case, test::Tests},
    names,
    pod::Pods,
    revision::{self, Revision},
    target::{self, Version},
    text::cut,
    verdict::Summary,
};
use crate::{
    Event, Operation, Reason,
    observed::DeploymentState,
    pod::{inject::Owner, refused},
    time,
};

/// What all stages of a deployment share in a pass.
pub(super) struct Context<'a> {
    /// What was observed.
    pub seen: &'a Observed,
    /// Makes pods.
    pub pods: &'a Pods<'a>,
    /// The deployment as an owner.
    pub owner: &'a Owner,
    /// Whether the spec is another one than in the last pass: what was refused or taken back is
    /// tried again.
    pub changed: bool,
    /// The time.
    pub now: Timestamp,
}

/// A version that may enter a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The version.
    pub version: Version,
    /// Hash of what its pods are made from.
    pub revision: String,
    /// Whether the stage before serves it with all its pods and nothing else.
    pub steady: bool,
}

/// Where the versions of a stage come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// From what `spec.model` asks for: the first stage.
    Model,
    /// From the stage before, which has this name and offers this.
    Stage(&'a str, Option<Candidate>),
}

/// What follows for a stage.
pub(super) struct StagePlan {
    /// Its status.
    pub status: StageStatus,
    /// What to write.
    pub operations: Vec<Operation>,
    /// What happened, newest first.
    pub history: Vec<HistoryEntry>,
    /// What to tell people.
    pub events: Vec<Event>,
    /// When to look again.
    pub requeue: Option<Duration>,
    /// How it stands.
    pub summary: Summary,
    /// What may enter the next stage.
    pub candidate: Option<Candidate>,
}

/// Plans a stage.
pub(super) fn plan(
    context: &Context<'_>,
    stage: &Stage,
    source: &Source<'_>,
    before: Option<&StageStatus>,
) -> StagePlan {
    let mut pass = Pass::new(context, stage, source, before);
    pass.make_anew();
    pass.follow_rollout();
    pass.recover();
    if !context.seen.object.spec.paused {
        pass.consider();
    }
    let deployed = pass.deploy();
    let operations = deployed.into_iter().chain(pass.test.take()).collect();
    pass.finish(operations)
}

struct Pass<'a> {
    context: &'a Context<'a>,
    stage: &'a Stage,
    source: &'a Source<'a>,
    deployment: Option<&'a DeploymentState>,
    remembered: Vec<Revision>,
    current: Option<CurrentStageVersion>,
    next: Option<NextStageVersion>,
    last_rollback: Option<Rollback>,
    /// The rollout is late, and there is nothing to return to.
    stuck: bool,
    test: Option<Operation>,
    history: Vec<HistoryEntry>,
    events: Vec<Event>,
    requeue: Option<Duration>,
}

impl<'a> Pass<'a> {
    fn new(
        context: &'a Context<'a>,
        stage: &'a Stage,
        source: &'a Source<'a>,
        before: Option<&StageStatus>,
    ) -> Self {
        let name = names::stage(&context.owner.name, &stage.name);
        let deployment = context.seen.deployments.iter().find(|d| d.name == name);
        let remembered = deployment
            .map(|d| revision::read(&d.annotations))
            .unwrap_or_default();
        Self {
            context,
            stage,
            source,
            deployment,
            remembered,
            current: before.and_then(|status| status.current.clone()),
            next: before.and_then(|status| status.next.clone()),
            last_rollback: before
                .and_then(|status| status.last_rollback.clone())
                .filter(|_| !context.changed),
            stuck: false,
            test: None,
            history: vec![],
            events: vec![],
            requeue: None,
        }
    }

    /// The version that may enter. The first stage's follows from what it serves, so it is another
    /// one as soon as a rollout has ended.
    fn candidate(&self) -> Option<Candidate> {
        match self.source {
            Source::Stage(_, offered) => offered.clone(),
            Source::Model => {
                let version = target::target(self.context.seen, self.current.as_ref()).ok()?;
                Some(Candidate {
                    revision: self.context.pods.revision(&version),
                    version,
                    steady: true,
                })
            }
        }
    }

    /// Whether the spec makes these pods of the version, and doesn't ask for another one.
    fn asked_for(&self, version: &Version, revision: &str) -> bool {
        let pinned = self.context.seen.object.spec.model.version;
        pinned.is_none_or(|number| number == version.number)
            && self.context.pods.revision(version) == revision
    }

    /// Whether the candidate may enter, and how far it is.
    fn consider(&mut self) {
        let phase = self.next.as_ref().map(|next| next.phase);
        if phase == Some(NextPhase::RollingOut) {
            return;
        }
        let Some(candidate) = self.candidate() else {
            // The stage before is busy with another version: a test would ask the wrong pods.
            if phase == Some(NextPhase::Gating) {
                self.next = None;
            }
            return;
        };
        let serves = self.current.as_ref().is_some_and(|current| {
            Version::serving(current) == candidate.version && current.revision == candidate.revision
        });
        if serves || self.taken_back(&candidate) {
            self.next = None;
            return;
        }
        let known = self.next.take().filter(|next| candidate.is(next));
        if known.is_none() && !candidate.steady {
            return;
        }
        let refused_before = known
            .as_ref()
            .is_some_and(|next| next.phase == NextPhase::Refused);
        if refused_before && !self.context.changed {
            self.next = known;
            return;
        }
        let decided = known
            .filter(|_| !self.context.changed)
            .map(|next| next.gates)
            .unwrap_or_default();
        self.judge(&candidate, &decided, refused_before);
    }

    /// How the gates stand towards a candidate, and the test to start.
    fn gates(
        &self,
        candidate: &Candidate,
        decided: &[GateStatus],
    ) -> (Vec<GateStatus>, Option<Operation>) {
        let seen = self.context.seen;
        let case = Case {
            versions: &seen.versions,
            candidate: &candidate.version,
            current: self.current.as_ref(),
            tests: Tests {
                object: &seen.object,
                jobs: &seen.jobs,
                pods: &seen.pods,
                revision: &candidate.revision,
                stage_before: match self.source {
                    Source::Model => None,
                    Source::Stage(name, _) => Some(name),
                },
                may_start: candidate.steady,
                now: self.context.now,
            },
            pinned: seen.object.spec.model.version,
        };
        gate::check(self.stage, decided, &case)
    }

    fn judge(&mut self, candidate: &Candidate, decided: &[GateStatus], refused_before: bool) {
        let (gates, test) = self.gates(candidate, decided);
        self.test = test;
        // No event tells that a pod was refused.
        let jobs = self.context.seen.jobs.iter();
        let jobs = jobs.filter(|job| gate::test::is_test(job));
        let left = jobs.filter_map(|job| refused::patience_left(job, self.context.now));
        self.requeue = self.requeue.into_iter().chain(left).min();
        let name = &self.stage.name;
        let version = &candidate.version;
        let phase = if let Some(refusal) = gate::refusal(&gates) {
            if !refused_before {
                let why = format!("gate {}: {}", refusal.name, refusal.message);
                self.events.push(Event::warning(
                    Reason::GateFailed,
                    format!("{name} refused {version}: {why}"),
                ));
                self.record(version.number, Outcome::Refused, &why);
            }
            NextPhase::Refused
        } else if gate::open(&gates).is_some() || !candidate.steady {
            NextPhase::Gating
        } else {
            NextPhase::RollingOut
        };
        let next = candidate.moves_in(phase, gates);
        if phase == NextPhase::RollingOut {
            self.begin_rollout(next);
        } else {
            self.next = Some(next);
        }
    }

    fn taken_back(&self, candidate: &Candidate) -> bool {
        self.last_rollback.as_ref().is_some_and(|rollback| {
            rollback.version == candidate.version.number && rollback.revision == candidate.revision
        })
    }

    fn record(&mut self, version: u32, outcome: Outcome, reason: &str) {
        self.history.insert(
            0,
            HistoryEntry {
                version,
                stage: self.stage.name.clone(),
                outcome,
                at: time::format(self.context.now),
                reason: cut(reason),
            },
        );
    }

    fn finish(self, operations: Vec<Operation>) -> StagePlan {
        let owner = self.context.owner;
        let name = &self.stage.name;
        let busy = self
            .next
            .as_ref()
            .is_some_and(|next| next.phase == NextPhase::RollingOut);
        // A later stage only gets what the spec asks for: it would end the rollout of anything
        // else at once.
        let offered = self
            .current
            .as_ref()
            .filter(|_| !busy)
            .map(|current| Candidate {
                version: Version::serving(current),
                revision: current.revision.clone(),
                steady: self.runs(&current.revision),
            })
            .filter(|one| self.asked_for(&one.version, &one.revision));
        StagePlan {
            summary: self.summary(),
            status: StageStatus {
                name: name.clone(),
                replicas: self.stage.replicas,
                ready_replicas: u32::try_from(self.available()).unwrap_or(0),
                url: Some(names::url(owner, name)),
                selector: Some(names::selector_text(owner, name)),
                current: self.current,
                next: self.next,
                last_rollback: self.last_rollback,
            },
            operations,
            history: self.history,
            events: self.events,
            requeue: self.requeue,
            candidate: offered,
        }
    }
}

impl Candidate {
    /// Whether this is the version on its way in, and of the same pods.
    fn is(&self, next: &NextStageVersion) -> bool {
        version_of(next) == self.version && next.revision == self.revision
    }

    /// The version on its way in.
    fn moves_in(&self, phase: NextPhase, gates: Vec<GateStatus>) -> NextStageVersion {
        NextStageVersion {
            version: self.version.number,
            digest: self.version.digest.clone(),
            revision: self.revision.clone(),
            phase,
            rollout_started: None,
            gates,
        }
    }
}

fn version_of(next: &NextStageVersion) -> Version {
    Version {
        number: next.version,
        digest: next.digest.clone(),
    }
}
