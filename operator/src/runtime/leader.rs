//! Leader election through a Lease: losing it stops all writes before another can start.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use parking_lot::Mutex;
use tokio::sync::watch;

/// How long a lease lasts without renewal. The defaults of client-go: 15 s, 10 s and 2 s.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long stops writing, before its lease ends.
const DEADLINE: Duration = Duration::from_secs(10);
/// Time between two tries.
const PERIOD: Duration = Duration::from_secs(2);
/// Name of the Lease.
const NAME: &str = "millwright-operator";

/// Whether this replica leads.
#[derive(Clone)]
pub(crate) struct Leadership {
    renewed: Arc<Mutex<Option<Instant>>>,
    changed: watch::Receiver<bool>,
}

impl Leadership {
    /// Whether a write may start now. Checked before each: the process may have been paused.
    pub(crate) fn may_write(&self) -> bool {
        self.renewed
            .lock()
            .is_some_and(|renewed| renewed.elapsed() < DEADLINE)
    }

    /// Returns when this replica leads.
    pub(crate) async fn acquired(&mut self) {
        while !*self.changed.borrow_and_update() {
            if self.changed.changed().await.is_err() {
                // The election is over: it ends only with the process.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns when this replica, having led, leads no more.
    pub(crate) async fn lost(&mut self) {
        while *self.changed.borrow_and_update() {
            if self.changed.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Takes part in the election until the process ends.
pub(crate) fn elect(client: Client, namespace: &str, identity: String) -> Leadership {
    let (sender, changed) = watch::channel(false);
    let renewed = Arc::new(Mutex::new(None));
    let leadership = Leadership {
        renewed: renewed.clone(),
        changed,
    };
    let api = Api::<Lease>::namespaced(client, namespace);
    tokio::spawn(async move {
        let mut candidate = Candidate {
            api,
            identity,
            seen: None,
        };
        loop {
            // The lease counts from before the request: an answer may take long.
            let asked = Instant::now();
            match tokio::time::timeout(DEADLINE / 2, candidate.try_acquire()).await {
                Ok(Ok(true)) => {
                    *renewed.lock() = Some(asked);
                    sender.send_replace(true);
                }
                Ok(Ok(false)) => {
                    *renewed.lock() = None;
                    sender.send_replace(false);
                }
                Ok(Err(error)) => tracing::warn!("the Lease {NAME} can't be renewed: {error}"),
                Err(_) => tracing::warn!("the Lease {NAME} can't be renewed: no answer"),
            }
            let overdue = renewed
                .lock()
                .is_some_and(|renewed| renewed.elapsed() >= DEADLINE);
            if overdue {
                *renewed.lock() = None;
                sender.send_replace(false);
            }
            tokio::time::sleep(PERIOD).await;
        }
    });
    leadership
}

struct Candidate {
    api: Api<Lease>,
    identity: String,
    /// The holder's last renewal and when we saw it: clocks of two machines are never compared.
    seen: Option<(Option<MicroTime>, Instant)>,
}

impl Candidate {
    /// Tries to get or renew the lease; says whether it is ours.
    async fn try_acquire(&mut self) -> kube::Result<bool> {
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
        if holder != self.identity && !holder.is_empty() {
            match &self.seen {
                Some((renewal, since)) if *renewal == spec.renew_time => {
                    if since.elapsed() < DURATION {
                        return Ok(false);
                    }
                }
                _ => {
                    self.seen = Some((spec.renew_time.clone(), Instant::now()));
                    return Ok(false);
                }
            }
        }
        lease.spec = Some(self.spec(Some(&spec)));
        // The resourceVersion of what was read is the precondition.
        won(self.api.replace(NAME, &PostParams::default(), &lease).await)
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let same = before.is_some_and(|spec| spec.holder_identity.as_ref() == Some(&self.identity));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
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
}

/// A conflict means that somebody else was quicker.
fn won(result: kube::Result<Lease>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
