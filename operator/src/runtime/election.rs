//! Leader election through a Lease.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    answer::said,
    health::Health,
    leader::{DEADLINE, DURATION, Leadership, PERIOD, Renewal},
};

/// Name of the Lease.
const NAME: &str = "millwright-operator";
/// What `/readyz` calls the election.
const SCOPE: &str = "leader election";
/// Longest time that the API server may take for a look at the Lease and its renewal: a leader tries
/// twice before [`DEADLINE`].
const PATIENCE: Duration = Duration::from_secs(2);
/// Time until the next try after one that failed.
const RETRY: Duration = Duration::from_millis(500);
/// How often the Lease's release is tried: a renewal that was given up may come in between.
const RELEASES: usize = 3;

/// The part of a replica in the election. It never ends by itself: who can't renew stands by, and leads
/// again when it can.
pub(crate) struct Election {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Election {
    /// Takes part.
    pub(crate) fn join(
        client: Client,
        namespace: &str,
        leadership: Leadership,
        health: Health,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let candidate = Candidate {
            api: Api::namespaced(client, namespace),
            place: format!("{namespace}/{NAME}"),
            leadership,
            health,
            seen: None,
            answered: Instant::now(),
        };
        let task = tokio::spawn(candidate.run(stopped));
        Self { stop, task }
    }

    /// Gives the Lease back, when no write is on its way any more, so that another replica leads at
    /// once.
    pub(crate) async fn resign(self) {
        // The task is there as long as the process.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

struct Candidate {
    api: Api<Lease>,
    place: String,
    leadership: Leadership,
    health: Health,
    /// The holder's last renewal and when we saw it: clocks of two machines are never compared.
    seen: Option<(Option<MicroTime>, Instant)>,
    /// When the API server answered last.
    answered: Instant,
}

/// What a look at the Lease has shown.
enum Outcome {
    /// It is ours.
    Ours,
    /// It is another's, who has it for so long yet if nothing happens.
    Others(Duration),
}

impl Candidate {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        self.health.expect(SCOPE, None);
        loop {
            let wait = self.step().await;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = &mut stopped => break,
            }
        }
        self.leadership.finish_writes().await;
        self.release().await;
        self.leadership.gone();
    }

    /// One try; says how long to wait for the next.
    async fn step(&mut self) -> Duration {
        let asked = Renewal::now();
        let result = tokio::time::timeout(PATIENCE, self.try_acquire()).await;
        let problem = match result {
            Ok(Ok(outcome)) => {
                self.answered = Instant::now();
                if let Some(time) = self.health.up(SCOPE, true) {
                    tracing::info!("the Lease {} answers again after {time:.1?}", self.place);
                }
                return match outcome {
                    Outcome::Ours => {
                        self.leadership.renewed(asked);
                        jittered(PERIOD)
                    }
                    Outcome::Others(left) => {
                        self.leadership.gone();
                        jittered(PERIOD).min(left)
                    }
                };
            }
            Ok(Err(error)) => said(&error),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        self.leadership.expire();
        // One lost answer is no trouble.
        if self.answered.elapsed() >= DEADLINE / 2 {
            let text = format!("the Lease {} can't be renewed: {problem}", self.place);
            if self.health.down(SCOPE, text.clone()) {
                tracing::warn!("{text}");
            }
        }
        jittered(RETRY)
    }

    /// Tries to get or renew the lease.
    async fn try_acquire(&mut self) -> kube::Result<Outcome> {
        let Some(mut lease) = self.api.get_opt(NAME).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(NAME.into()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.spec(None)),
            };
            return won(self.api.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        self.leadership.holds(holder);
        if holder != self.leadership.identity() && !holder.is_empty() {
            let left = self.left(&spec);
            if !left.is_zero() {
                return Ok(Outcome::Others(left));
            }
        }
        lease.spec = Some(self.spec(Some(&spec)));
        // The resourceVersion of what was read is the precondition.
        won(self.api.replace(NAME, &PostParams::default(), &lease).await)
    }

    /// How long another's lease lasts yet, as we have seen it renewed. A replica of another version may
    /// count on more than ours.
    fn left(&mut self, spec: &LeaseSpec) -> Duration {
        let promised = spec.lease_duration_seconds.unwrap_or_default();
        let lasts = Duration::from_secs(u64::try_from(promised).unwrap_or_default()).max(DURATION);
        match &self.seen {
            Some((renewal, since)) if *renewal == spec.renew_time => {
                lasts.saturating_sub(since.elapsed())
            }
            _ => {
                self.seen = Some((spec.renew_time.clone(), Instant::now()));
                lasts
            }
        }
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let identity = self.leadership.identity();
        let same = before.is_some_and(|spec| spec.holder_identity.as_deref() == Some(identity));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(identity.into()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before
                .filter(|_| same)
                .and_then(|spec| spec.acquire_time.clone())
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if same { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        }
    }

    async fn release(&self) {
        for _ in 0..RELEASES {
            match tokio::time::timeout(PATIENCE, self.try_release()).await {
                Ok(Ok(())) => return,
                Ok(Err(kube::Error::Api(status))) if status.code == 409 => {}
                Ok(Err(error)) => {
                    let text = said(&error);
                    tracing::warn!("the Lease {} can't be released: {text}", self.place);
                    return;
                }
                Err(_) => {
                    tracing::warn!("the Lease {} can't be released: no answer", self.place);
                    return;
                }
            }
        }
    }

    async fn try_release(&self) -> kube::Result<()> {
        let Some(mut lease) = self.api.get_opt(NAME).await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(self.leadership.identity()) {
            return Ok(());
        }
        spec.holder_identity = Some(String::new());
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        self.api
            .replace(NAME, &PostParams::default(), &lease)
            .await?;
        tracing::info!("released the Lease {}", self.place);
        Ok(())
    }
}

/// A conflict means that somebody else was quicker.
fn won(result: kube::Result<Lease>) -> kube::Result<Outcome> {
    match result {
        Ok(_) => Ok(Outcome::Ours),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Outcome::Others(PERIOD)),
        Err(error) => Err(error),
    }
}

/// Up to a tenth more than this.
fn jittered(time: Duration) -> Duration {
    let part = Timestamp::now().subsec_nanosecond().unsigned_abs() / 1_000 % 1_000;
    time + time.mul_f64(f64::from(part) / 10_000.0)
}
