//! What every controller shares.

use std::sync::Arc;

use kube::Client;
use millwright_plan::Settings;

use super::{events::Events, fresh::Fresh, health::Health, leader::Leadership, metrics::Metrics};
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
    pub(crate) events: Events,
}

impl Context {
    /// A context of this client and these settings.
    pub(crate) fn new(
        client: Client,
        settings: Settings,
        stores: Stores,
        leadership: Leadership,
        metrics: Metrics,
        identity: &str,
    ) -> Arc<Self> {
        Arc::new(Self {
            events: Events::start(client.clone(), identity),
            client,
            settings,
            stores,
            fresh: Fresh::default(),
            health: Health::default(),
            leadership,
            metrics,
        })
    }
}
