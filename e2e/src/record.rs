//! Recording how objects stand: one object for each way in which a kind can stand, as the API server
//! had it. What GitOps tools make of them is tested in `e2e/gitops`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt, future::try_join_all};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, TypeMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use millwright_crds::{Dataset, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob};
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::JoinSet};

use crate::{diagnose, machine, wait::wait_for};

/// With this variable, ways to stand of which there is no file yet are written to one.
const VARIABLE: &str = "MILLWRIGHT_RECORD";

type Seen = Arc<Mutex<BTreeMap<String, DynamicObject>>>;

/// Watches all kinds and keeps the first object of each way to stand.
pub struct Recorder {
    seen: Seen,
    _watches: JoinSet<()>,
}

impl Recorder {
    /// Watches a namespace, or all. Nothing that happens after this returned is missed.
    ///
    /// # Errors
    /// When the kinds can't be watched.
    pub async fn start(client: &Client, namespace: Option<&str>) -> Result<Self> {
        let seen = Seen::default();
        let mut watches = JoinSet::new();
        let mut started = vec![];
        for resource in [
            ApiResource::erase::<Dataset>(&()),
            ApiResource::erase::<TrainingJob>(&()),
            ApiResource::erase::<Model>(&()),
            ApiResource::erase::<ModelVersion>(&()),
            ApiResource::erase::<ModelDeployment>(&()),
            ApiResource::erase::<RetrainPolicy>(&()),
        ] {
            let api = crate::apply::api(client, namespace, &resource);
            let (listed, wait) = oneshot::channel();
            watches.spawn(watch(api, resource, seen.clone(), listed));
            started.push(wait);
        }
        try_join_all(started)
            .await
            .context("a kind can't be watched")?;
        Ok(Self {
            seen,
            _watches: watches,
        })
    }

    /// Whether an object has stood like this.
    pub fn has(&self, standing: &str) -> bool {
        self.seen.lock().contains_key(standing)
    }

    /// Waits until an object stands like this.
    ///
    /// # Errors
    /// After `timeout`, with all that was seen.
    pub async fn saw(&self, standing: &str, timeout: Duration) -> Result<()> {
        let found = async || Ok(self.has(standing).then_some(()));
        let explain = async || {
            let seen = self.seen.lock();
            let stand = |(name, object): (&String, &DynamicObject)| {
                format!(
                    "{name}: {}",
                    object.data["status"]["conditions"][0]["message"]
                )
            };
            seen.iter().map(stand).collect::<Vec<_>>().join("\n")
        };
        wait_for(&format!("an object is {standing}"), timeout, found, explain).await
    }

    /// Writes what there is no file of, if the environment asks for it.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write(&self) -> Result<()> {
        if std::env::var_os(VARIABLE).is_none() {
            return Ok(());
        }
        for (standing, object) in self.seen.lock().iter() {
            let path = file(standing);
            if !path.exists() {
                std::fs::write(&path, diagnose::yaml(object))
                    .with_context(|| format!("{} can't be written", path.display()))?;
            }
        }
        Ok(())
    }

    /// Every way to stand that was seen has its file.
    ///
    /// # Errors
    /// With those that have none.
    pub fn all_known(&self) -> Result<()> {
        self.write()?;
        let seen = self.seen.lock();
        let unknown: Vec<_> = seen.keys().filter(|name| !file(name).exists()).collect();
        ensure!(
            unknown.is_empty(),
            "no object is recorded for {unknown:?}: run this test once more with {VARIABLE}=1, and \
             see e2e/gitops/README.md"
        );
        Ok(())
    }
}

async fn watch(
    api: Api<DynamicObject>,
    resource: ApiResource,
    seen: Seen,
    listed: oneshot::Sender<()>,
) {
    let mut listed = Some(listed);
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(mut object) | Event::InitApply(mut object)) => {
                // Objects of a list don't say what they are.
                object.types = Some(TypeMeta {
                    api_version: resource.api_version.clone(),
                    kind: resource.kind.clone(),
                });
                seen.lock().entry(standing(&object)).or_insert(object);
            }
            Ok(Event::InitDone) => {
                // Nobody waits any more when this is not the first list.
                if let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
            }
            Ok(Event::Delete(_) | Event::Init) | Err(_) => {}
        }
    }
}

/// How an object stands, in the name of a file: kind, phase and conditions; or only that the
/// operator has not seen its spec, or that it is being deleted.
fn standing(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("", |types| &types.kind);
    let kind = kind.to_lowercase();
    let status = &object.data["status"];
    let generation = object.metadata.generation;
    if object.meta().deletion_timestamp.is_some() {
        return format!("{kind}-deleted");
    }
    if status["observedGeneration"].as_i64() != generation {
        let how = if generation == Some(1) {
            "new"
        } else {
            "changed"
        };
        return format!("{kind}-{how}");
    }
    let phase = status["phase"].as_str().unwrap_or_default().to_lowercase();
    let mut name = format!("{kind}-{phase}");
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let of = |field: &str| condition[field].as_str().unwrap_or_default().to_lowercase();
        let un = if condition["status"] == "True" {
            ""
        } else {
            "un"
        };
        name = format!("{name}-{un}{}", of("type"));
    }
    name
}

fn file(standing: &str) -> PathBuf {
    let folder = machine::repository().join("e2e/gitops/testdata");
    folder.join(format!("{standing}.yaml"))
}
