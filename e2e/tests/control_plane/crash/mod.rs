//! The operator is killed before and after each of its writes of a whole loop.
//!
//! The loop is told once undisturbed, which gives the writes and the end. Then it is told once for
//! each write and each side of it, in a namespace with an operator of its own: that is killed there
//! and started again, and the end must be the same.

mod gateway;
mod node;
mod state;
mod story;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt, stream};
use millwright_e2e::{
    cluster::Cluster,
    fault::{Proxy, Side, Verdict, Write},
    installation::Installation,
    operator::{LOG_LEVEL, Operator, Replica},
    quiet::ensure_quiet,
    scene::Scene,
    suite::Test,
};

use crate::{commands::Commands, world::World};
use node::Node;
use state::State;

/// Loops side by side. They wait most of their time for others: for the Job controller, and for
/// windows of traffic to close.
const SIDE_BY_SIDE: usize = 12;
/// Most lines told of an end that differs, as soon as it is there.
const LINES: usize = 20;
/// The variable with how many points one is tried of; all by default.
const ONE_OF: &str = "MILLWRIGHT_CRASH_ONE_OF";
/// One of so many points may never come: two changes that come at once are one write.
const MISSED: usize = 20;
/// Longest time until the end is the same.
const REST: Duration = Duration::from_secs(60);

/// The test of crashes.
pub fn tests() -> Vec<Test<World>> {
    vec![Test::new(
        "crash::a_crash_at_any_write_changes_nothing",
        |world: Arc<World>| async move { a_crash_at_any_write_changes_nothing(&world).await },
    )]
}

/// Where the operator is killed.
#[derive(Clone, Debug)]
struct Point {
    write: Write,
    side: Side,
}

/// How a loop ended.
struct End {
    /// Whether the operator was killed.
    killed: bool,
    state: State,
    started: BTreeMap<String, usize>,
    writes: Vec<Write>,
}

async fn a_crash_at_any_write_changes_nothing(world: &World) -> Result<()> {
    let cluster = world.faults().await?;
    let port = gateway::model_server().await?;
    let begin = Instant::now();
    let undisturbed = tell(cluster, "undisturbed", port, None, None).await?;
    let writes = &undisturbed.writes;
    eprintln!(
        "the loop takes {:.0} s and these {} writes:\n{}",
        begin.elapsed().as_secs_f64(),
        writes.len(),
        lines(writes)
    );
    let points = writes.iter().flat_map(|write| {
        [Side::Before, Side::After].map(|side| Point {
            write: write.clone(),
            side,
        })
    });
    let points: Vec<Point> = points.step_by(one_of()?).collect();
    let begin = Instant::now();
    let told = stream::iter(points.iter().enumerate()).map(|(index, point)| {
        let undisturbed = &undisturbed;
        async move {
            let namespace = format!("crash-{index}");
            let told = tell(cluster, &namespace, port, Some(point), Some(undisturbed)).await;
            match told {
                Ok(end) if end.killed => Outcome::Same,
                Ok(_) => Outcome::NotReached(format!("{} {}", point.side, point.write)),
                Err(error) => Outcome::Other(format!(
                    "{namespace}: killed {} {}: {error:?}",
                    point.side, point.write
                )),
            }
        }
    });
    let mut told = told.buffer_unordered(SIDE_BY_SIDE);
    let (mut same, mut missed, mut others) = (0, vec![], vec![]);
    while let Some(outcome) = told.next().await {
        match outcome {
            Outcome::Same => same += 1,
            Outcome::NotReached(point) => missed.push(point),
            Outcome::Other(failure) => {
                // The others take minutes yet.
                let told = failure.lines().enumerate();
                let told =
                    told.filter(|(n, line)| *n == 0 || line.trim_start().starts_with(['-', '+']));
                for (_, line) in told.take(LINES) {
                    eprintln!("{line}");
                }
                others.push(failure);
            }
        }
    }
    eprintln!(
        "the operator was killed at {} of {} points of a loop, in {:.0} s; these never came:\n{}",
        points.len() - missed.len(),
        points.len(),
        begin.elapsed().as_secs_f64(),
        missed.join("\n")
    );
    ensure!(
        others.is_empty(),
        "{} of {} points end in another way:\n{}",
        others.len(),
        points.len(),
        others.join("\n\n")
    );
    ensure!(
        missed.len() <= points.len() / MISSED,
        "only {same} of {} points end the same: too many writes never came",
        points.len()
    );
    Ok(())
}

fn one_of() -> Result<usize> {
    let Ok(text) = std::env::var(ONE_OF) else {
        return Ok(1);
    };
    let number = text.parse().ok().filter(|number| *number > 0);
    number.with_context(|| format!("{ONE_OF}={text}: it must be a whole number from 1 on"))
}

/// What came of a point.
enum Outcome {
    /// The loop ended as undisturbed.
    Same,
    /// The write never came.
    NotReached(String),
    /// The loop ended in another way, or not at all.
    Other(String),
}

/// The loop in a namespace with an operator of its own, which is killed at `point` and started
/// again. The end is awaited: that of `like`, or rest.
async fn tell(
    cluster: &Cluster,
    namespace: &str,
    port: u16,
    point: Option<&Point>,
    like: Option<&End>,
) -> Result<End> {
    Scene::new(cluster.client(), namespace, None).await?;
    let installation = Installation::within(cluster, namespace).await?;
    let proxy = Proxy::start(&installation).await?;
    let replica = Replica {
        installation: &installation,
        pod_name: "millwright-operator",
        kubeconfig: proxy.kubeconfig(),
        environment: &[("RUST_LOG", LOG_LEVEL)],
    };
    let operator = Arc::new(Operator::start(cluster, &replica).await?);
    if let Some(point) = point.cloned() {
        let killed = operator.clone();
        let rule = move |write: &Write| {
            if *write == point.write {
                Verdict::Stop(point.side)
            } else {
                Verdict::Pass
            }
        };
        proxy.set(Box::new(rule), move || killed.kill());
    }
    operator.ready().await?;
    let scene = Scene::of(cluster.client(), namespace, Some(operator.clone()));
    let node = Node::default();
    let restart = async {
        proxy.stopped().await;
        operator.start_again()
    };
    let end = async || {
        anyhow::Ok(End {
            killed: proxy.has_stopped(),
            state: State::of(&scene).await?,
            started: node.started()?,
            writes: proxy.writes(),
        })
    };
    let story = async {
        story::tell(&scene, &node, port).await?;
        if let Some(like) = like {
            let same = async || {
                let difference = like.difference(&end().await?);
                ensure!(difference.is_empty(), "it ends differently:\n{difference}");
                Ok(Some(()))
            };
            scene.wait_until("the end is the same", REST, same).await?;
        }
        let writes = || Ok(proxy.writes().iter().map(ToString::to_string).collect());
        ensure_quiet(&scene, &operator, writes).await
    };
    let story = async {
        if point.is_none() {
            return story.await;
        }
        let mut story = std::pin::pin!(story);
        tokio::select! {
            told = &mut story => return told,
            restarted = restart => restarted?,
        }
        story.await
    };
    tokio::select! {
        told = story => told?,
        played = node.run(&scene) => match played? {},
    }
    let end = end().await?;
    end.state.ensure_owned()?;
    if like.is_none() {
        let commands = Commands { cluster, namespace };
        commands.show_a_loop().await?;
        commands.retrain("delay").await?;
    }
    // The namespace goes with its cluster: deleting it would only take time from the others.
    Ok(end)
}

impl End {
    /// How another end differs; empty when it doesn't.
    fn difference(&self, other: &Self) -> String {
        let state = self.state.difference(&other.state);
        if self.started == other.started {
            return state;
        }
        format!(
            "{state}\npods were started {:?}, not {:?}",
            other.started, self.started
        )
    }
}

fn lines(writes: &[Write]) -> String {
    let lines: Vec<_> = writes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
