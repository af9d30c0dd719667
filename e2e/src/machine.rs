//! Where things are on this machine.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use anyhow::{Context as _, Result};
use tokio::sync::Mutex;

use crate::command::Command;

/// The programs that were built, or found current, by this process.
static PROGRAMS: Mutex<BTreeMap<String, PathBuf>> = Mutex::const_new(BTreeMap::new());

/// The repository: of the clone that cargo runs this in, which need not be the one that it was
/// compiled in.
pub fn repository() -> &'static Path {
    static REPOSITORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        package.parent().map_or(package.clone(), Path::to_path_buf)
    });
    &REPOSITORY
}

/// The directory of all that is built, cached or run: `$MILLWRIGHT_HOME`, by default
/// `~/.cache/millwright`.
pub fn home() -> PathBuf {
    let default = || {
        let user = env::home_dir().unwrap_or_else(env::temp_dir);
        user.join(".cache/millwright")
    };
    env::var_os("MILLWRIGHT_HOME").map_or_else(default, PathBuf::from)
}

/// A program that `hack/tools.sh` builds.
pub fn tool(name: &str) -> PathBuf {
    home().join("bin").join(name)
}

/// Builds a program of this workspace, unless it is current, and says where it is. A program is
/// built once, so that all that a run of tests starts is one.
///
/// # Errors
/// When it can't be built; the message has cargo's.
pub async fn program(name: &str) -> Result<PathBuf> {
    let mut programs = PROGRAMS.lock().await;
    if let Some(path) = programs.get(name) {
        return Ok(path.clone());
    }
    let path = build(name).await?;
    programs.insert(name.into(), path.clone());
    Ok(path)
}

async fn build(name: &str) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The whole workspace is selected, as when its tests are built: a selection of packages would
    // have other features and compile the dependencies anew.
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--workspace"])
        .args(["--bin", name, "--message-format", "json-render-diagnostics"])
        .directory(repository())
        .output()
        .await?;
    output
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("the workspace has no program {name}"))
}
