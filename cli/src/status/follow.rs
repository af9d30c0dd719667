//! `--watch`: one watch for each kind, and a new picture when something has changed.

use std::{collections::BTreeMap, time::Duration};

use futures::{Stream, StreamExt, stream};

use kube::{
    ResourceExt,
    core::DynamicObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::{
    View,
    changes::{self, Facts},
    render,
};
use crate::{
    Outcome,
    cluster::Cluster,
    kind::Kind,
    objects::Objects,
    problem::Problem,
    terminal::Terminal,
    text::{Line, Tone},
    time::clock,
};

/// Changes within this time are drawn together.
const SETTLE: Duration = Duration::from_millis(100);
/// How often a picture is drawn again only because its ages move.
const TICK: Duration = Duration::from_secs(5);

type Change = (Kind, Result<Event<DynamicObject>, watcher::Error>);

/// The objects of one kind, as a watch tells them.
#[derive(Default)]
struct Known {
    /// Whether the first list is complete.
    ready: bool,
    objects: BTreeMap<String, DynamicObject>,
    /// A list under way after a watch was interrupted.
    listing: BTreeMap<String, DynamicObject>,
    trouble: Option<Trouble>,
}

/// Why a watch is interrupted.
struct Trouble {
    message: String,
    /// Whether it was printed, where pictures are not redrawn.
    told: bool,
}

/// Follows until interrupted.
pub async fn run(cluster: &Cluster, terminal: &Terminal) -> Result<Outcome, Problem> {
    let mut changes = changes(cluster);
    let mut known: BTreeMap<Kind, Known> = Kind::ALL.map(|kind| (kind, Known::default())).into();
    let mut printed = Facts::new();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(change) = changes.next() => {
                take(&mut known, change, cluster)?;
                let settled = Instant::now() + SETTLE;
                while let Ok(Some(change)) = timeout_at(settled, changes.next()).await {
                    take(&mut known, change, cluster)?;
                }
            }
            _ = tick.tick(), if terminal.interactive => {}
            interrupted = &mut interrupted => {
                interrupted?;
                if terminal.interactive {
                    terminal.leave()?;
                }
                return Ok(Outcome::Done);
            }
        }
        if known.values().all(|kind| kind.ready) {
            show(&mut known, &mut printed, cluster, terminal)?;
        }
    }
}

fn changes(cluster: &Cluster) -> impl Stream<Item = Change> + Unpin {
    let streams = Kind::ALL.map(|kind| {
        watcher(cluster.api(kind), watcher::Config::default())
            .default_backoff()
            .map(move |event| (kind, event))
            .boxed()
    });
    stream::select_all(streams)
}

/// Takes a change in. A watch that fails before its first list is complete never worked, so that
/// is an answer; later ones are interruptions, and the watch tries again by itself.
fn take(
    known: &mut BTreeMap<Kind, Known>,
    change: Change,
    cluster: &Cluster,
) -> Result<(), Problem> {
    let (kind, event) = change;
    let state = known.entry(kind).or_default();
    let event = match event {
        Ok(event) => event,
        Err(error) if !state.ready => {
            return Err(cluster.request("watch", kind, None).watch_failed(&error));
        }
        // The API server has forgotten where the watch was, and it begins again: no trouble.
        Err(watcher::Error::WatchError(status)) if status.code == 410 => return Ok(()),
        Err(error) => {
            state.trouble.get_or_insert_with(|| Trouble {
                message: format!("the watch of {kind} is interrupted and tried again: {error}"),
                told: false,
            });
            return Ok(());
        }
    };
    state.trouble = None;
    match event {
        Event::Init => state.listing.clear(),
        Event::InitApply(object) => {
            state.listing.insert(object.name_any(), object);
        }
        Event::InitDone => {
            state.objects = std::mem::take(&mut state.listing);
            state.ready = true;
        }
        Event::Apply(object) => {
            state.objects.insert(object.name_any(), object);
        }
        Event::Delete(object) => {
            state.objects.remove(&object.name_any());
        }
    }
    Ok(())
}

fn show(
    known: &mut BTreeMap<Kind, Known>,
    printed: &mut Facts,
    cluster: &Cluster,
    terminal: &Terminal,
) -> Result<(), Problem> {
    let mut objects = Objects::default();
    for (kind, state) in known.iter() {
        for object in state.objects.values() {
            objects.insert(*kind, object.clone());
        }
    }
    let view = View::now(cluster, terminal);
    let troubles = known.values_mut().filter_map(|kind| kind.trouble.as_mut());
    if terminal.interactive {
        let mut lines = vec![header(cluster, &view)];
        lines.extend(render::lines(&objects, &view));
        lines.extend(troubles.map(|trouble| Line::new(Tone::Bad, &trouble.message)));
        terminal.redraw(&lines)?;
        return Ok(());
    }
    for trouble in troubles.filter(|trouble| !trouble.told) {
        eprintln!("{}", trouble.message);
        trouble.told = true;
    }
    let facts = changes::facts(&objects, &view);
    let time = clock(view.now, view.now, &view.zone);
    for line in changes::between(printed, &facts) {
        terminal.print(&format!("{time}  {line}"))?;
    }
    *printed = facts;
    Ok(())
}

fn header(cluster: &Cluster, view: &View) -> Line {
    let time = clock(view.now, view.now, &view.zone);
    Line::new(
        Tone::Faint,
        format!("namespace {}  {time}  (Ctrl-C ends)", cluster.namespace),
    )
}
