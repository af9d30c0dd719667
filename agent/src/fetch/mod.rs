//! `agent fetch`: puts what a pod needs at its paths before anything else starts.

mod files;

use std::{env, fs};

use millwright_crds::wire::{attempt::FetchItem, attempt::FetchTask, contract};

use crate::{
    environment::{self, Layout, write_whole},
    failure::Failure,
    store::{Patience, Store, with_retry},
};

/// Fetches everything that the task names.
///
/// # Errors
/// When something is not in the store, is corrupted there, or can't be written here; the message
/// names the item and the file.
pub(crate) async fn run(layout: &Layout) -> Result<(), Failure> {
    let task: FetchTask = environment::task()?;
    if task.install_agent {
        install(layout)?;
    }
    if let Some(parameters) = &task.parameters {
        let bytes = serde_json::to_vec(parameters).map_err(Failure::usage)?;
        put(layout, contract::PARAMS_FILE, &bytes, 0o444)?;
        tracing::info!(
            "{} parameters at {}",
            parameters.len(),
            contract::PARAMS_FILE
        );
    }
    if task.items.is_empty() {
        return Ok(());
    }
    let store = environment::store()?;
    for item in &task.items {
        match (&item.digest, &item.key) {
            (Some(digest), None) => files::fetch(&store, layout, item, digest).await?,
            (None, Some(key)) => document(&store, layout, item, key).await?,
            _ => {
                return Err(Failure::usage(format!(
                    "{}: an item needs either a digest or a key",
                    item.what
                )));
            }
        }
    }
    Ok(())
}

/// Puts this binary where the user's container starts it from.
fn install(layout: &Layout) -> Result<(), Failure> {
    let binary = env::current_exe().and_then(fs::read).map_err(|error| {
        Failure::unavailable(format!("the agent's own binary can't be read: {error}"))
    })?;
    put(layout, contract::AGENT_BIN, &binary, 0o755)?;
    tracing::info!("the agent is at {}", contract::AGENT_BIN);
    Ok(())
}

async fn document(
    store: &Store,
    layout: &Layout,
    item: &FetchItem,
    key: &str,
) -> Result<(), Failure> {
    let found = with_retry(Patience::default(), || store.get(key))
        .await
        .map_err(|error| Failure::unavailable(format!("{}: {error}", item.what)))?;
    match found {
        Some(bytes) => {
            put(layout, &item.path, &bytes, 0o444)?;
            let size = bytes.len();
            tracing::info!("{}: {size} bytes at {}", item.what, item.path);
            Ok(())
        }
        None if item.optional => {
            tracing::info!("{}: there is none", item.what);
            Ok(())
        }
        None => Err(Failure::unavailable(format!(
            "{}: {key} is not in the artifact store",
            item.what
        ))),
    }
}

fn put(layout: &Layout, path: &str, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    write_whole(&layout.path(path), bytes, mode)
        .map_err(|error| Failure::unavailable(format!("{path} can't be written: {error}")))
}
