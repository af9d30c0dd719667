//! A Dataset: syncs, each a Job of one pod, and the versions that they find.
//!
//! | phase | Ready | Reconciling | Stalled | Suspended |
//! |---|---|---|---|---|
//! | Pending | False | | | |
//! | Syncing, Failed without a current version | False | True | | |
//! | Syncing, Failed with a current version | True | True | | |
//! | Ready | True | | | |
//! | Rejected | False | | | |
//! | Suspended without a current version | | | | True |
//! | Suspended with a current version | True | | | True |
//! | Stalled | False | | True | |
//!
//! Rejected is not Stalled: new data can come without a person. A Dataset whose newest version was
//! rejected while an older one is current is Ready, and its message says so.

#[cfg(test)]
mod fixtures;
mod job;
mod outcome;
#[cfg(test)]
mod properties;
mod request;
#[cfg(test)]
mod simulator;
mod source;
mod standing;
#[cfg(test)]
mod tests;
mod versions;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use millwright_crds::{
    Dataset, DatasetStatus, LABEL_ATTEMPT, LABEL_ROLE,
    dataset::{DatasetPhase, LastSync},
    wire::sync::SyncResult,
};

use crate::{
    Event, Object, Operation, Plan, Reason, Settings, SpecError, Target, conditions,
    observed::{JobPhase, JobState, PodState},
    time,
};
use outcome::{Obstacle, Outcome};
use request::{Due, Request};
use standing::Standing;

/// Role of a sync's Job, and name of its container.
pub const SYNC: &str = "sync";
/// Label of a sync's Job with the request that it answers.
pub const LABEL_REQUEST: &str = "millwright.dev/request";

/// What a plan for a Dataset is made from.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The Dataset.
    pub object: Dataset,
    /// Its Jobs.
    pub jobs: Vec<JobState>,
    /// Its pods.
    pub pods: Vec<PodState>,
    /// Whether the artifact store's claim exists in the namespace.
    pub store_claim: bool,
}

/// What follows for this Dataset.
pub fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<DatasetStatus> {
    let before = seen.object.status.clone().unwrap_or_default();
    if seen.object.metadata.deletion_timestamp.is_some() {
        return Plan::status(before);
    }
    let mut pass = Pass {
        seen,
        settings,
        now,
        plan: Plan::status(before),
    };
    match pass.run() {
        Ok(standing) => pass.stand(&standing),
        Err(error) => {
            let first = pass.plan.status.phase != DatasetPhase::Stalled;
            pass.stand(&Standing::invalid(&error));
            pass.plan.operations.clear();
            if first {
                let event = Event::warning(Reason::InvalidSpec, error.to_string());
                pass.plan.events.push(event);
            }
        }
    }
    pass.plan
}

fn is_sync(job: &JobState) -> bool {
    job.label(LABEL_ROLE) == Some(SYNC)
}

struct Pass<'a> {
    seen: &'a Observed,
    settings: &'a Settings,
    now: Timestamp,
    /// What follows so far. Its status is the one before until something is entered.
    plan: Plan<DatasetStatus>,
}

/// A sync's Job with the labels that say what it is for.
struct Sync<'a> {
    job: &'a JobState,
    request: Request,
    /// Counted from 1.
    attempt: u32,
}

impl<'a> Sync<'a> {
    fn of(job: &'a JobState) -> Option<Self> {
        Some(Self {
            job,
            request: job.label(LABEL_REQUEST)?.parse().ok()?,
            attempt: job.label(LABEL_ATTEMPT)?.parse().ok()?,
        })
    }

    /// When it ended, as status writes it; the same on every pass.
    fn finished(&self) -> String {
        let job = self.job;
        time::format(
            job.finished
                .or(job.created)
                .unwrap_or(Timestamp::UNIX_EPOCH),
        )
    }

    /// Whether status has its end already.
    fn entered(&self, last: Option<&LastSync>) -> bool {
        last.is_some_and(|last| {
            last.request == self.request.to_string()
                && (last.failures >= self.attempt
                    || (last.failures == 0 && last.finished_at == self.finished()))
        })
    }
}

impl<'a> Pass<'a> {
    fn run(&mut self) -> Result<Standing, SpecError> {
        versions::bound(&mut self.plan.status, self.seen.object.spec.retain.versions);
        source::Claim::of(&self.seen.object.spec.source)?;
        let last = self.plan.status.last_sync.clone();
        let newest = self.newest();
        self.sweep(newest.as_ref(), last.as_ref());
        let Some(sync) = newest.filter(|sync| !sync.entered(last.as_ref())) else {
            return self.next(None);
        };
        match outcome::of(sync.job, &self.seen.pods, self.now) {
            Outcome::Running {
                obstacle,
                started,
                look_again,
            } => {
                // One that is for another spec and hasn't begun would never end if that spec was
                // the mistake; one that has begun ends by itself.
                if !started && sync.request.spec != request::spec_hash(&self.seen.object.spec) {
                    self.delete(sync.job);
                    return self.next(None);
                }
                self.claim();
                self.look_again(look_again);
                Ok(self.syncing(obstacle.as_ref()))
            }
            Outcome::Settling(left) => {
                self.look_again(Some(left));
                Ok(self.syncing(None))
            }
            Outcome::Lost => {
                self.delete(sync.job);
                self.next(None)
            }
            Outcome::Failed(failure) => {
                self.enter_failure(&sync, &failure);
                self.next(Some(&failure))
            }
            Outcome::Succeeded(result) => {
                self.enter_result(&sync, &result);
                self.next(None)
            }
        }
    }

    /// The newest of the Dataset's syncs. Of two that were created in the same second, the one
    /// that hasn't ended came later.
    fn newest(&self) -> Option<Sync<'a>> {
        let seen: &'a Observed = self.seen;
        seen.jobs
            .iter()
            .filter(|job| is_sync(job) && !job.deleting)
            .filter_map(Sync::of)
            .max_by_key(|sync| {
                let job = sync.job;
                let active = job.phase == JobPhase::Active;
                (job.created, active, job.finished, &job.name)
            })
    }

    /// Deletes the syncs before the newest, whose pod has the log, and the newest when status has
    /// its end although it never came to one.
    fn sweep(&mut self, newest: Option<&Sync<'_>>, last: Option<&LastSync>) {
        let hopeless = |sync: &&Sync<'_>| sync.job.phase == JobPhase::Active && sync.entered(last);
        let kept = newest.filter(|sync| !hopeless(sync));
        let kept = kept.map(|sync| sync.job.uid.as_str());
        let seen: &'a Observed = self.seen;
        for job in &seen.jobs {
            if is_sync(job) && !job.deleting && Some(job.uid.as_str()) != kept {
                self.delete(job);
            }
        }
    }

    fn delete(&mut self, job: &JobState) {
        let target = Target::built_in::<Job>(self.namespace(), &job.name, &job.uid);
        self.plan.operations.push(Operation::Delete(target));
    }

    /// Starts the sync that is due, or says how things stand until it is.
    fn next(&mut self, failure: Option<&Obstacle>) -> Result<Standing, SpecError> {
        let dataset = &self.seen.object;
        let last = self.plan.status.last_sync.clone();
        let suspended = dataset.spec.suspend;
        match request::due(dataset, last.as_ref(), self.now) {
            _ if suspended => {}
            Due::WhenAsked => {}
            Due::At(at) => self.look_again(Some(time::between(self.now, at))),
            Due::Now(request) => {
                let failures = last.map_or(0, |last| last.failures);
                self.start(&request, failures.saturating_add(1))?;
                return Ok(self.syncing(None));
            }
        }
        Ok(Standing::settled(&self.plan.status, suspended, failure))
    }

    fn start(&mut self, request: &Request, attempt: u32) -> Result<(), SpecError> {
        let job = job::build(&self.seen.object, request, attempt, self.settings)?;
        self.claim();
        // When there is one of that name it is of no use any more: this pass is made again when
        // it is gone.
        let seen: &'a Observed = self.seen;
        let name = job.metadata.name.as_deref();
        match seen.jobs.iter().find(|old| Some(old.name.as_str()) == name) {
            None => {
                let create = Operation::Create(Object::built_in(&job));
                self.plan.operations.push(create);
            }
            Some(old) if !old.deleting && !self.deletes(old) => self.delete(old),
            Some(_) => {}
        }
        Ok(())
    }

    fn deletes(&self, job: &JobState) -> bool {
        self.plan.operations.iter().any(
            |operation| matches!(operation, Operation::Delete(target) if target.uid == job.uid),
        )
    }

    /// Pods that touch the store need its claim.
    fn claim(&mut self) {
        if !self.seen.store_claim {
            let create = self.settings.store.create_claim(self.namespace());
            self.plan.operations.extend(create);
        }
    }

    fn enter_failure(&mut self, sync: &Sync<'_>, failure: &Obstacle) {
        let finished = match sync.job.phase {
            // It got nowhere: its end is now.
            JobPhase::Active => {
                self.delete(sync.job);
                time::format(self.now)
            }
            _ => sync.finished(),
        };
        self.plan.status.last_sync = Some(LastSync {
            request: sync.request.to_string(),
            finished_at: finished,
            failures: sync.attempt,
        });
        let message = format!("sync {} failed: {}", sync.job.name, failure.message);
        self.plan
            .events
            .push(Event::warning(Reason::SyncFailed, message));
    }

    fn enter_result(&mut self, sync: &Sync<'_>, result: &SyncResult) {
        let meta = &self.seen.object.metadata;
        let profiles = versions::Profiles {
            namespace: self.namespace(),
            name: meta.name.as_deref().unwrap_or_default(),
        };
        let before = self.plan.status.clone();
        let status = &mut self.plan.status;
        versions::enter(status, result, &profiles);
        let events = versions::events(&before, status, result);
        versions::bound(status, self.seen.object.spec.retain.versions);
        status.last_sync = Some(LastSync {
            request: sync.request.to_string(),
            finished_at: sync.finished(),
            failures: 0,
        });
        self.plan.events.extend(events);
    }

    fn syncing(&self, obstacle: Option<&Obstacle>) -> Standing {
        let uri = &self.seen.object.spec.source.uri;
        Standing::syncing(&self.plan.status, uri, obstacle)
    }

    fn look_again(&mut self, delay: Option<std::time::Duration>) {
        let sooner = self.plan.requeue.into_iter().chain(delay).min();
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

    fn namespace(&self) -> &'a str {
        let seen: &'a Observed = self.seen;
        seen.object
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default()
    }
}
