//! `agent fetch`.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use millwright_crds::wire::{
    attempt::{FetchItem, FetchTask},
    contract::key,
    sync::SyncResult,
};

use crate::{
    pod::{Ended, Pod, files, sha256},
    sync,
};

/// A store with a version of three files, and its digest.
fn published() -> (Pod, String) {
    let pod = Pod::new();
    for name in ["a.csv", "b.csv", "c/d.csv"] {
        pod.write(&format!("/mnt/source/data/{name}"), format!("x\n{name}\n"));
    }
    let result: SyncResult = pod.run(pod.agent(&sync::task(), &["sync"])).result();
    (pod, result.version.digest)
}

pub fn data(digest: &str) -> FetchItem {
    FetchItem {
        what: "input train (dataset flights v1)".into(),
        digest: Some(digest.into()),
        key: None,
        path: "/mnt/inputs/train".into(),
        optional: false,
    }
}

pub fn fetch(pod: &Pod, items: Vec<FetchItem>) -> Ended {
    let task = FetchTask {
        v: 1,
        install_agent: false,
        parameters: None,
        items,
    };
    pod.run(pod.agent(&task, &["fetch"]))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_are_verified_and_read_only() {
    let (store, digest) = published();
    let pod = store.beside();
    let ended = fetch(&pod, vec![data(&digest)]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.message, None);
    let folder = pod.path("/mnt/inputs/train");
    assert_eq!(files(&folder).len(), 3);
    let file = folder.join("c/d.csv");
    assert_eq!(fs::read_to_string(&file).unwrap(), "x\nc/d.csv\n");
    assert_eq!(mode(&file), 0o444);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_interrupted_fetch_goes_on() {
    let (store, digest) = published();
    let pod = store.beside();
    assert_eq!(fetch(&pod, vec![data(&digest)]).code, Some(0));
    let folder = pod.path("/mnt/inputs/train");
    let inode = |name: &str| folder.join(name).metadata().unwrap().ino();
    let kept = inode("a.csv");
    // As a kill in mid-write leaves it, and as nobody should.
    fs::remove_file(folder.join("c/d.csv")).unwrap();
    fs::write(folder.join("c/d.csv.millwright-partial"), "x\nc/").unwrap();
    fs::remove_file(folder.join("b.csv")).unwrap();
    fs::write(folder.join("b.csv"), "x\nB.csv\n").unwrap();
    let ended = fetch(&pod, vec![data(&digest)]);
    assert!(ended.log.contains("1 of them were there"), "{}", ended.log);
    assert_eq!(inode("a.csv"), kept);
    assert_eq!(
        fs::read_to_string(folder.join("b.csv")).unwrap(),
        "x\nb.csv\n"
    );
    assert_eq!(files(&folder).len(), 3);
}

#[test]
fn corrupted_bytes_are_named_and_never_get_the_file_s_name() {
    let (store, digest) = published();
    let name = sha256(&store.path("/mnt/source/data/b.csv"));
    fs::write(store.key(&key::blob(&name)), "x\nB.csv\n").unwrap();
    let pod = store.beside();
    let ended = fetch(&pod, vec![data(&digest)]);
    ended.fails(
        69,
        &[
            "input train (dataset flights v1)",
            "file b.csv",
            &name,
            "corrupted",
            &digest,
        ],
    );
    assert!(!pod.path("/mnt/inputs/train/b.csv").exists());

    let manifest = store.key(&key::manifest(&digest));
    fs::write(&manifest, fs::read_to_string(&manifest).unwrap() + " ").unwrap();
    fetch(&store.beside(), vec![data(&digest)]).fails(69, &["manifests/", "corrupted"]);
    fs::remove_file(&manifest).unwrap();
    fetch(&store.beside(), vec![data(&digest)]).fails(69, &["not in the artifact store"]);
}

#[test]
fn parameters_binary_and_documents() {
    let (pod, _) = published();
    let document = |key: &str, optional| FetchItem {
        what: "the list".into(),
        digest: None,
        key: Some(key.into()),
        path: "/millwright/reference/list.json".into(),
        optional,
    };
    let key = key::dataset_versions("team", "flights");
    let task = FetchTask {
        v: 1,
        install_agent: true,
        parameters: Some(BTreeMap::from([("learning.rate".into(), "0.1".into())])),
        items: vec![document(&key, false), document("no/such", true)],
    };
    let ended = pod.run(pod.agent(&task, &["fetch"]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let parameters = pod.path("/etc/millwright/params.json");
    assert_eq!(
        fs::read_to_string(parameters).unwrap(),
        r#"{"learning.rate":"0.1"}"#
    );
    let binary = pod.path("/millwright/bin/millwright-agent");
    assert_eq!(mode(&binary), 0o755);
    let version = Command::new(&binary).arg("--version").output().unwrap();
    assert!(version.status.success());
    let list = pod.path("/millwright/reference/list.json");
    assert_eq!(fs::read(list).unwrap(), fs::read(pod.key(&key)).unwrap());
    fetch(&pod, vec![document("no/such", false)]).fails(69, &["the list", "no/such"]);
}
