//! A RetrainPolicy: what live traffic says of the model in a stage, and when to train again.
//!
//! | phase | Ready | Stalled | Suspended |
//! |---|---|---|---|
//! | Pending | False | | |
//! | Watching, CoolingDown, Retraining | True | | |
//! | Suspended | | | True |
//! | Stalled | False | True | |
//!
//! A firing is decided from the evaluations of the version in the stage, and named by the policy,
//! that version and its number. What was fired before is read from the TrainingJobs, so that a
//! breach fires once whatever is lost in between.

mod breach;
mod build;
mod figure;
mod firing;
#[cfg(test)]
mod fixtures;
mod possible;
#[cfg(test)]
mod properties;
mod run;
#[cfg(test)]
mod simulator;
mod standing;
#[cfg(test)]
mod tests;
mod trigger;
mod window;

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::{
    ModelDeployment, ModelVersion, RetrainPolicy, RetrainPolicyStatus, TrainingJob,
    model_deployment::CurrentStageVersion,
    retrain_policy::{PolicyRun, RunOutcome, TriggerStatus},
    wire::serving::GatewayProfile,
};

use crate::{Event, Object, Operation, Plan, Reason, Settings, conditions, time};
use build::Cause;
use firing::Decision;
use standing::Standing;
use trigger::{Look, Traffic};
use window::Measured;

/// What a plan for a RetrainPolicy is made from.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The policy.
    pub object: RetrainPolicy,
    /// The ModelDeployment that it names, if it exists.
    pub deployment: Option<ModelDeployment>,
    /// The ModelVersion that the stage serves, if it exists.
    pub version: Option<ModelVersion>,
    /// The TrainingJobs that carry the policy's UID.
    pub runs: Vec<TrainingJob>,
    /// What the gateways of the stage's pods told. Those of another model are ignored.
    pub profiles: Vec<GatewayProfile>,
    /// Names of the stage's pods that serve but whose gateway did not tell: nothing is evaluated
    /// without them, or what they saw would be passed over.
    pub silent: Vec<String>,
}

/// What follows for this policy.
pub fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<RetrainPolicyStatus> {
    let before = seen.object.status.clone().unwrap_or_default();
    if seen.object.metadata.deletion_timestamp.is_some() {
        return Plan::status(before);
    }
    let mut pass = Pass {
        seen,
        now,
        before: &before,
        plan: Plan::status(before.clone()),
    };
    let standing = pass.run(settings);
    pass.stand(&standing);
    pass.plan
}

struct Pass<'a> {
    seen: &'a Observed,
    now: Timestamp,
    before: &'a RetrainPolicyStatus,
    /// What follows so far.
    plan: Plan<RetrainPolicyStatus>,
}

impl<'a> Pass<'a> {
    fn run(&mut self, settings: &Settings) -> Standing {
        let policy = &self.seen.object;
        let runs = &self.seen.runs;
        let last = run::last(runs, self.before.last_run.as_ref(), self.now);
        self.tell_end(last.as_ref());
        self.plan.status.last_run = last;
        let asked = firing::asked(policy, self.before.answered.as_deref(), runs);
        if asked.is_some() {
            self.plan.status.answered.clone_from(&asked);
        }

        if let Err(error) = build::check(policy, settings) {
            let standing = Standing::invalid(&error);
            return self.refuse(asked, Some(Reason::InvalidSpec), standing);
        }
        if policy.spec.suspend {
            return self.refuse(asked, None, Standing::suspended());
        }
        let Some((deployment, stage)) = self.stage() else {
            let stages = self.seen.deployment.as_ref().map(|deployment| {
                let stages = deployment.spec.stages.iter();
                stages.map(|stage| stage.name.as_str()).collect::<Vec<_>>()
            });
            let standing = Standing::stage_missing(policy, stages.as_deref());
            return self.refuse(asked, Some(Reason::StageMissing), standing);
        };
        if let Err(error) = possible::check(policy, deployment) {
            let standing = Standing::invalid(&error);
            return self.refuse(asked, Some(Reason::InvalidSpec), standing);
        }
        let Some(current) = stage else {
            self.plan.status.version = None;
            self.plan.status.triggers.clear();
            return self.refuse(asked, None, Standing::waiting(policy));
        };
        self.watch(deployment, current, asked)
    }

    /// Says how things stand, and to a person who asked for a run why there is none.
    fn refuse(
        &mut self,
        asked: Option<String>,
        first: Option<Reason>,
        standing: Standing,
    ) -> Standing {
        let was = self.before.phase;
        if let Some(reason) = first.filter(|_| was != standing.phase) {
            let event = Event::warning(reason, standing.message.clone());
            self.plan.events.push(event);
        }
        if asked.is_some() {
            let message = format!("asked for by hand, but no run: {}", standing.message);
            self.plan
                .events
                .push(Event::warning(standing.reason, message));
        }
        standing
    }

    /// The deployment and what the stage serves, if there is such a stage.
    fn stage(&self) -> Option<(&'a ModelDeployment, Option<&'a CurrentStageVersion>)> {
        let seen: &'a Observed = self.seen;
        let name = &seen.object.spec.deployment.stage;
        let deployment = seen.deployment.as_ref()?;
        deployment.spec.stages.iter().find(|s| &s.name == name)?;
        let stages = deployment.status.as_ref().map(|status| &status.stages);
        let stage = stages.into_iter().flatten().find(|s| &s.name == name);
        Some((deployment, stage.and_then(|stage| stage.current.as_ref())))
    }

    fn watch(
        &mut self,
        deployment: &ModelDeployment,
        current: &CurrentStageVersion,
        asked: Option<String>,
    ) -> Standing {
        let policy = &self.seen.object;
        let runs = &self.seen.runs;
        if self.plan.status.version != Some(current.version) {
            self.plan.status.version = Some(current.version);
            self.plan.status.triggers.clear();
        }
        let run_ended = run::ended(runs, self.plan.status.last_run.as_ref());
        let hold = self.hold();
        let looks = self.triggers(deployment, current, run_ended, hold.as_deref());
        let unusable = looks.iter().any(|look| look.unusable);
        self.plan.status.triggers = looks.into_iter().map(|look| look.status).collect();

        let by_hand = asked.is_some();
        let active = run::active(runs);
        let triggers = &self.plan.status.triggers;
        let decision = firing::decide(policy, triggers, active, run_ended, asked, self.now);
        let mut started = None;
        match &decision {
            Decision::Fire(cause) => started = Some(self.fire(current, cause)),
            Decision::Running(name) if by_hand => {
                let message =
                    format!("asked for by hand, but no run: TrainingJob {name} is under way");
                let event = Event::warning(Reason::Retraining, message);
                self.plan.events.push(event);
            }
            Decision::CoolingDown { until, .. } => self.look_again(time::between(self.now, *until)),
            _ => {}
        }
        self.look_again(policy.spec.evaluate.interval.as_std());
        let run = started.as_deref();
        let mut standing =
            Standing::watching(policy, &self.plan.status, &decision, run, hold.as_deref());
        if unusable && standing.reason == Reason::Watching {
            standing.reason = Reason::TriggerUnusable;
            let reason = standing.reason.as_str();
            if self
                .before
                .conditions
                .iter()
                .all(|one| one.reason != reason)
            {
                let event = Event::warning(standing.reason, standing.message.clone());
                self.plan.events.push(event);
            }
        }
        standing
    }

    /// Why nothing may be evaluated now.
    fn hold(&self) -> Option<String> {
        let mut silent = self.seen.silent.clone();
        silent.sort();
        (!silent.is_empty()).then(|| {
            format!(
                "nothing is evaluated until the gateway of {} answers",
                silent.join(", ")
            )
        })
    }

    fn triggers(
        &self,
        deployment: &ModelDeployment,
        current: &CurrentStageVersion,
        run_ended: Option<Timestamp>,
        hold: Option<&str>,
    ) -> Vec<Look> {
        let monitoring = &deployment.spec.monitoring;
        let measured = Measured {
            digest: &current.digest,
            window: monitoring.window.as_secs(),
            task: monitoring.task,
        };
        let windows = window::merged(&self.seen.profiles, &measured);
        let serving = window::serving(&self.seen.profiles, &measured);
        let interval = self.seen.object.spec.evaluate.interval;
        let (horizon, cut) = possible::horizon(monitoring, interval);
        let traffic = Traffic {
            windows: &windows,
            heard: !serving.is_empty(),
            reference: serving
                .iter()
                .find_map(|profile| profile.reference.as_ref()),
            version: self
                .seen
                .version
                .as_ref()
                .filter(|version| version.spec.version == current.version),
            horizon,
            cut: cut.as_deref(),
            run_ended,
            hold,
        };
        let spec = &self.seen.object.spec;
        let before = |name: &str| self.plan.status.triggers.iter().find(|t| t.name == name);
        spec.triggers
            .iter()
            .map(|t| trigger::look(t, before(&t.name), &traffic, &spec.evaluate, self.now))
            .collect()
    }

    /// Starts a run; returns its name.
    fn fire(&mut self, current: &CurrentStageVersion, cause: &Cause) -> String {
        let policy = &self.seen.object;
        let last = self.plan.status.last_run.as_ref();
        let mut firing = run::last_firing(&self.seen.runs, last).saturating_add(1);
        // A run whose label was taken away still has its name.
        let taken = |firing| {
            let name = build::name(policy, &current.digest, firing);
            self.seen.runs.iter().any(|run| run.name_any() == name)
        };
        while taken(firing) {
            firing += 1;
        }
        let run = build::build(policy, &current.digest, firing, cause);
        let name = run.name_any();
        let create = Operation::Create(Object::custom(&run));
        self.plan.operations.push(create);
        self.plan.status.last_run = Some(PolicyRun {
            training_job: name.clone(),
            firing,
            trigger: cause.trigger.clone(),
            started_at: time::format(self.now),
            finished_at: None,
            outcome: None,
            model_version: None,
        });
        let message = format!("{} starts TrainingJob {name}", self.why(cause));
        self.plan.events.push(Event::normal(Reason::Fired, message));
        name
    }

    /// Why a run is started, with the figures.
    fn why(&self, cause: &Cause) -> String {
        let status = self.plan.status.triggers.iter();
        let status = status.filter(|_| cause.request.is_none());
        match status
            .into_iter()
            .find(|status| status.name == cause.trigger)
        {
            Some(TriggerStatus {
                value: Some(value),
                threshold: Some(threshold),
                recent,
                ..
            }) => format!(
                "{}: {} where the limit is {}, {} of the last {} evaluations were breaches;",
                cause.trigger,
                figure::text(*value),
                figure::text(*threshold),
                recent.iter().filter(|one| one.breach).count(),
                recent.len()
            ),
            _ => format!("{}: asked for by hand;", cause.trigger),
        }
    }

    /// Tells people how the run that was under way ended.
    fn tell_end(&mut self, last: Option<&PolicyRun>) {
        let running = self
            .before
            .last_run
            .as_ref()
            .filter(|run| run.outcome.is_none());
        let Some(last) = last.filter(|last| {
            running.is_some_and(|running| running.training_job == last.training_job)
        }) else {
            return;
        };
        let name = &last.training_job;
        let event = match last.outcome {
            None => return,
            Some(RunOutcome::Succeeded) => {
                let made = last.model_version.as_deref().unwrap_or("no ModelVersion");
                Event::normal(
                    Reason::Succeeded,
                    format!("TrainingJob {name} ended well: {made}"),
                )
            }
            Some(RunOutcome::Failed) => {
                let why = run::failure(&self.seen.runs, name);
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                Event::warning(
                    Reason::AttemptFailed,
                    format!("TrainingJob {name} failed{why}"),
                )
            }
            Some(RunOutcome::Deleted) => Event::warning(
                Reason::Unknown,
                format!("TrainingJob {name} was deleted before it ended"),
            ),
        };
        self.plan.events.push(event);
    }

    fn look_again(&mut self, delay: std::time::Duration) {
        let sooner = self.plan.requeue.into_iter().chain([delay]).min();
        self.plan.requeue = sooner;
    }

    fn stand(&mut self, standing: &Standing) {
        let generation = self.seen.object.metadata.generation.unwrap_or(1);
        let status = &mut self.plan.status;
        status.phase = standing.phase;
        status.observed_generation = generation;
        status.conditions = conditions::set(
            &status.conditions,
            &standing.verdict,
            standing.reason,
            &standing.message,
            generation,
            self.now,
        );
    }
}
