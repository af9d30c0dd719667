//! Objects that rest cost nothing: looking at them again and again writes nothing.
//!
//! A look is asked for by changing an annotation that means nothing to the operator: what follows
//! is what a resync does. Resyncs of a second would be no more, and would hide a change that the
//! operator doesn't hear of.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use millwright_crds::{Dataset, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob};
use regex::Regex;
use serde_json::json;

use crate::{
    audit::AuditLog,
    operator::Operator,
    scene::{Kind, Scene},
};

/// Looks at each object that must write nothing.
const LOOKS: usize = 10;
/// How often the looks are begun again because something else changed meanwhile.
const TRIES: usize = 4;
/// The annotation that asks for a look.
const ANNOTATION: &str = "millwright-e2e/look";
/// How long nothing was written when all has come to rest.
const REST: Duration = Duration::from_millis(1_500);
/// Longest time until all has come to rest.
const RESTS: Duration = Duration::from_secs(90);
/// Longest time for one look at each object.
const LOOKED: Duration = Duration::from_secs(90);

/// A controller and the name of an object.
type Seen = (String, String);

/// Waits until the operator rests, has it look ten times at each object of the scene, and fails
/// when it wrote something although nothing else had changed meanwhile. `writes` says what it has
/// written in the namespace so far.
///
/// # Errors
/// With what it wrote.
pub async fn ensure_quiet(
    scene: &Scene,
    operator: &Operator,
    writes: impl Fn() -> Result<Vec<String>>,
) -> Result<()> {
    let mut tries = TRIES;
    loop {
        scene
            .wait_until("the operator rests", RESTS, async || {
                let before = writes()?.len();
                tokio::time::sleep(REST).await;
                Ok((writes()?.len() == before).then_some(()))
            })
            .await?;
        let log = AuditLog::from_now(operator.audit_log())?;
        let written = look(scene, operator, &writes).await?;
        if written.is_empty() {
            return Ok(());
        }
        // What a scheduler or a controller was late with is a good reason to write. Where a look
        // itself is the reason, it is one every time.
        let others = log.all()?.into_iter().filter(|request| {
            request.namespace == scene.namespace()
                && request.user.starts_with("system:")
                && request.user != operator.user()
                && request.is_write()
                && !request.is_aside()
        });
        let others: Vec<_> = others.map(|request| request.to_string()).collect();
        tries -= 1;
        ensure!(
            tries > 0 && !others.is_empty(),
            "{LOOKS} looks at objects that rest write in {}:\n{}\nOthers wrote meanwhile:\n{}",
            scene.namespace(),
            written.join("\n"),
            others.join("\n")
        );
    }
}

/// Has the operator look ten times at each object of the scene, and returns what it wrote meanwhile.
async fn look(
    scene: &Scene,
    operator: &Operator,
    writes: &impl Fn() -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let objects = Objects::of(scene).await?;
    let looks = Looks::new(scene.namespace())?;
    let start = looks.count(&operator.log().await?);
    let written = writes()?.len();
    for round in 1..=LOOKS {
        objects.ask(scene, round).await?;
        let looked = async || {
            let now = looks.count(&operator.log().await?);
            let of = |counts: &BTreeMap<Seen, usize>, seen| counts.get(seen).copied().unwrap_or(0);
            let mut all = objects.0.iter();
            Ok(all
                .all(|seen| of(&now, seen) >= of(&start, seen) + round)
                .then_some(()))
        };
        let what = format!("look {round} at each object");
        scene.wait_until(&what, LOOKED, looked).await?;
    }
    Ok(writes()?.split_off(written))
}

/// The objects that the operator looks at.
struct Objects(Vec<Seen>);

impl Objects {
    async fn of(scene: &Scene) -> Result<Self> {
        let mut all = vec![];
        all.extend(list::<Dataset>(scene).await?);
        all.extend(list::<TrainingJob>(scene).await?);
        all.extend(list::<Model>(scene).await?);
        all.extend(list::<ModelVersion>(scene).await?);
        all.extend(list::<ModelDeployment>(scene).await?);
        all.extend(list::<RetrainPolicy>(scene).await?);
        Ok(Self(all))
    }

    async fn ask(&self, scene: &Scene, round: usize) -> Result<()> {
        for seen in &self.0 {
            ask::<Dataset>(scene, seen, round).await?;
            ask::<TrainingJob>(scene, seen, round).await?;
            ask::<Model>(scene, seen, round).await?;
            ask::<ModelVersion>(scene, seen, round).await?;
            ask::<ModelDeployment>(scene, seen, round).await?;
            ask::<RetrainPolicy>(scene, seen, round).await?;
        }
        Ok(())
    }
}

async fn list<K: Kind>(scene: &Scene) -> Result<Vec<Seen>> {
    let list = scene.api::<K>().list(&ListParams::default()).await?;
    let live = list
        .iter()
        .filter(|object| object.meta().deletion_timestamp.is_none());
    Ok(live
        .map(|object| (controller::<K>(), object.name_any()))
        .collect())
}

async fn ask<K: Kind>(scene: &Scene, (kind, name): &Seen, round: usize) -> Result<()> {
    if *kind != controller::<K>() {
        return Ok(());
    }
    let patch = json!({"metadata": {"annotations": {ANNOTATION: round.to_string()}}});
    scene
        .api::<K>()
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map(drop)
        .with_context(|| format!("annotate {kind} {name}"))
}

/// The name that a kind's controller has in the log.
fn controller<K: Kind>() -> String {
    format!("millwright-{}", K::kind(&()).to_lowercase())
}

/// Reads looks at the objects of a namespace from the operator's log.
struct Looks {
    colour: Regex,
    look: Regex,
}

impl Looks {
    fn new(namespace: &str) -> Result<Self> {
        let namespace = regex::escape(namespace);
        Ok(Self {
            colour: Regex::new("\x1b\\[[0-9;]*m")?,
            look: Regex::new(&format!(
                "looked at controller=\"([^\"]*)\" namespace=\"{namespace}\" name=\"([^\"]*)\""
            ))?,
        })
    }

    fn count(&self, log: &str) -> BTreeMap<Seen, usize> {
        let plain = self.colour.replace_all(log, "");
        let mut counts = BTreeMap::new();
        for look in self.look.captures_iter(&plain) {
            let seen = (look[1].to_owned(), look[2].to_owned());
            *counts.entry(seen).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_counted_by_object() {
        let log = "\x1b[2m2026\x1b[0m looked at \x1b[3mcontroller\x1b[0m=\"millwright-dataset\" \
                   namespace=\"a\" name=\"x\" outcome=\"ok\"\n\
                   2026 looked at controller=\"millwright-dataset\" namespace=\"ab\" name=\"x\"\n";
        let counts = Looks::new("a").unwrap().count(log);
        let seen = ("millwright-dataset".to_owned(), "x".to_owned());
        assert_eq!(counts, BTreeMap::from([(seen, 1)]));
    }
}
