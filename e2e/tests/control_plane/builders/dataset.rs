//! What a Dataset's planner builds.

use anyhow::{Result, ensure};
use jiff::Timestamp;
use millwright_crds::Dataset;
use millwright_e2e::{apply, scene::Scene};
use millwright_plan::dataset::{Observed, plan};

use super::{ensure_same, settings, store, writer::Writer};
use crate::world::World;

const MANIFEST: &str = include_str!("../valid/dataset.yaml");

/// The syncs of all valid Datasets, and the claim, twice.
pub async fn write_twice(world: &World) -> Result<()> {
    let scene = Scene::new(world.bare().await?.client(), "builders-data", None).await?;
    let settings = settings()?;
    let mut writer = Writer::new(&scene, "millwright-dataset");
    for (index, document) in apply::parse(MANIFEST)?.into_iter().enumerate() {
        let manifest = document.to_string();
        let seen = Observed {
            object: store::<Dataset>(&scene, &manifest).await?,
            jobs: vec![],
            pods: vec![],
            store_claim: index > 0,
        };
        let next = ensure_same(|| plan(&seen, &settings, Timestamp::UNIX_EPOCH))?;
        writer.write(&next.operations).await?;
    }
    let expected = ["create Job sync", "create PersistentVolumeClaim store"];
    ensure!(
        writer.written() == expected,
        "written: {:#?}",
        writer.written()
    );
    Ok(())
}
