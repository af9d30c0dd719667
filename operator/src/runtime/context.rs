//! What every controller shares.

use std::sync::{Arc, atomic::AtomicBool};

use kube::{
    Client,
    runtime::events::{Recorder, Reporter},
};
use millwright_plan::Settings;

use super::{fresh::Fresh, health::Health, leader::Leadership, metrics::Metrics, pull::Pace};
use crate::stores::Stores;

/// What every controller shares.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) stores: Stores,
    pub(crate) fresh: Fresh,
    pub(crate) health: Health,
    pub(crate) leadership: Leadership,
    pub(crate) metrics: Metrics,
    pub(crate) recorder: Recorder,
    pub(crate) pace: Pace,
    /// Whether objects are looked at: this replica leads, and knows what there is.
    pub(crate) works: AtomicBool,
}

impl Context {
    /// A context of this client and these settings.
    pub(crate) fn new(
        client: Client,
        settings: Settings,
        stores: Stores,
        health: Health,
        leadership: Leadership,
        metrics: Metrics,
    ) -> Arc<Self> {
        let reporter = Reporter {
            controller: "millwright-operator".into(),
            instance: Some(leadership.identity().into()),
        };
        Arc::new(Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            settings,
            stores,
            fresh: Fresh::default(),
            health,
            leadership,
            metrics,
            pace: Pace::default(),
            works: AtomicBool::new(false),
        })
    }
}
