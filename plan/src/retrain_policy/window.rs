//! Windows of traffic, merged over the replicas of a stage.

use std::collections::BTreeMap;

use drift::profile::Profile;
use jiff::Timestamp;
use millwright_crds::{
    model_deployment::Task,
    wire::serving::{GatewayProfile, Quality, Window},
};

/// Seconds that a window stays open after its end: a gateway counts a request after it has
/// answered it, and clocks differ a little.
const MARGIN: u64 = 1;

/// What a stage serves and how it is measured: profiles of anything else are of another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measured<'a> {
    /// Digest of the model.
    pub digest: &'a str,
    /// Length of a window in seconds.
    pub window: u64,
    /// What the model does.
    pub task: Task,
}

/// Traffic of one or more windows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// End, in seconds since the Unix epoch.
    pub end: u64,
    /// Rows that were predicted.
    pub rows: u64,
    /// Rows that wait for a label.
    pub pending: u64,
    /// Inputs, over the bins of the reference.
    pub inputs: Option<Profile>,
    /// Predictions joined with labels.
    pub quality: Option<Quality>,
}

impl Span {
    fn of(window: &Window, measured: &Measured<'_>) -> Self {
        let fits = matches!(
            (&window.quality, measured.task),
            (Quality::Regression(_), Task::Regression)
                | (Quality::Classification(_), Task::Classification)
        );
        Self {
            end: window.start.saturating_add(measured.window),
            rows: window.rows,
            pending: window.pending,
            inputs: window.inputs.clone(),
            quality: fits.then(|| window.quality.clone()),
        }
    }

    /// Adds the traffic of another replica, or of a later window.
    pub fn add(&mut self, other: &Self) {
        self.end = self.end.max(other.end);
        self.rows = self.rows.saturating_add(other.rows);
        self.pending = self.pending.saturating_add(other.pending);
        self.inputs = match (self.inputs.take(), &other.inputs) {
            // Profiles of one model are over one reference, so this fails for garbage only.
            (Some(mut mine), Some(theirs)) => mine.merge(theirs).ok().map(|()| mine),
            (mine, theirs) => mine.or_else(|| theirs.clone()),
        };
        match (&mut self.quality, &other.quality) {
            (Some(Quality::Regression(mine)), Some(Quality::Regression(theirs))) => {
                mine.merge(theirs);
            }
            (Some(Quality::Classification(mine)), Some(Quality::Classification(theirs))) => {
                mine.merge(theirs);
            }
            (mine, theirs) => *mine = mine.take().or_else(|| theirs.clone()),
        }
    }

    /// Whether no more traffic comes to it.
    pub fn closed(&self, now: Timestamp) -> bool {
        self.end.saturating_add(MARGIN) <= seconds(now)
    }

    /// Whether it is closed and no more labels come to it: none is waited for, or the `horizon`
    /// (seconds) has passed.
    pub fn settled(&self, now: Timestamp, horizon: u64) -> bool {
        self.closed(now) && (self.pending == 0 || self.end.saturating_add(horizon) <= seconds(now))
    }
}

/// The windows of all replicas that serve what is measured, oldest first. The result does not
/// depend on the order of the replicas.
pub(super) fn merged(profiles: &[GatewayProfile], measured: &Measured<'_>) -> Vec<Span> {
    let mut windows: BTreeMap<u64, Span> = BTreeMap::new();
    for profile in serving(profiles, measured) {
        for window in &profile.windows {
            let span = Span::of(window, measured);
            windows
                .entry(window.start)
                .and_modify(|all| all.add(&span))
                .or_insert(span);
        }
    }
    windows.into_values().collect()
}

/// The profiles of replicas that serve what is measured, one of each, in the order of their UIDs.
pub(super) fn serving<'a>(
    profiles: &'a [GatewayProfile],
    measured: &Measured<'_>,
) -> Vec<&'a GatewayProfile> {
    let mut serving: Vec<&GatewayProfile> = profiles
        .iter()
        .filter(|p| p.digest == measured.digest && p.window_seconds == measured.window)
        .collect();
    serving.sort_by(|a, b| a.pod_uid.cmp(&b.pod_uid));
    serving.dedup_by(|a, b| a.pod_uid == b.pod_uid);
    serving
}

/// Seconds since the Unix epoch; 0 before it.
fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrain_policy::fixtures::{DIGEST, at, errors, measured, profile, window};

    #[test]
    fn replicas_add_up_by_window() {
        let profiles = [
            profile("b", vec![window(10, 4, 1, 2.0), window(20, 2, 0, 2.0)]),
            profile("a", vec![window(10, 4, 2, 4.0)]),
        ];
        let spans = merged(&profiles, &measured());
        let seen: Vec<_> = spans.iter().map(|s| (s.end, s.rows, s.pending)).collect();
        assert_eq!(seen, [(20, 8, 3), (30, 2, 0)]);
        let Some(Quality::Regression(quality)) = &spans[0].quality else {
            panic!("regression");
        };
        assert_eq!(quality.mae(), Some(3.0));
    }

    #[test]
    fn what_is_not_served_now_does_not_count() {
        let stale = GatewayProfile {
            digest: "sha256:other".into(),
            ..profile("a", vec![window(10, 4, 0, 1.0)])
        };
        let longer = GatewayProfile {
            window_seconds: 60,
            ..profile("b", vec![window(60, 4, 0, 1.0)])
        };
        let twice = profile("c", vec![window(10, 4, 0, 1.0)]);
        let spans = merged(&[stale, longer, twice.clone(), twice], &measured());
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].rows, 4);
    }

    #[test]
    fn labels_of_another_task_do_not_count() {
        let classes = Measured {
            digest: DIGEST,
            window: 10,
            task: Task::Classification,
        };
        let spans = merged(&[profile("a", vec![window(10, 4, 0, 1.0)])], &classes);
        assert_eq!(spans[0].quality, None);
        assert_eq!(errors(4, 1.0).count(), 4);
    }

    #[test]
    fn a_window_closes_after_its_end_and_settles_with_its_labels() {
        let open = &merged(&[profile("a", vec![window(10, 4, 0, 1.0)])], &measured())[0];
        for (now, closed) in [(19, false), (20, false), (21, true)] {
            assert_eq!(open.closed(at(now)), closed, "{now}");
            assert_eq!(open.settled(at(now), 100), closed, "{now}");
        }
        let waiting = &merged(&[profile("a", vec![window(10, 4, 1, 1.0)])], &measured())[0];
        for (now, settled) in [(21, false), (119, false), (120, true)] {
            assert_eq!(waiting.settled(at(now), 100), settled, "{now}");
        }
        assert!(!waiting.settled(Timestamp::MIN, 100));
    }
}
