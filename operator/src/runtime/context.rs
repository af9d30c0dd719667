//! What every controller shares.

use std::sync::{Arc, atomic::AtomicBool};

use kube::Client;
use millwright_plan::Settings;

use super::{
    edits::Edits, events::Events, fresh::Fresh, health::Health, leader::Leadership,
    metrics::Metrics, pull::Pace,
};
use crate::stores::Stores;

/// What every controller shares.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) stores: Stores,
    pub(crate) fresh: Fresh,
    pub(crate) edits: Edits,
    pub(crate) health: Health,
    pub(crate) leadership: Leadership,
    pub(crate) metrics: Metrics,
    pub(crate) events: Events,
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
        Arc::new(Self {
            events: Events::start(client.clone(), leadership.identity()),
            client,
            settings,
            stores,
            fresh: Fresh::default(),
            edits: Edits::default(),
            health,
            leadership,
            metrics,
            pace: Pace::default(),
            works: AtomicBool::new(false),
        })
    }
}
