//! Every role, when nothing is wrong.

use std::{collections::BTreeSet, fs, thread};

use millwright_crds::{
    dataset::SourceCredentials,
    wire::{
        self,
        attempt::AttemptResult,
        contract::key,
        evaluation::EvaluationReport,
        sync::{SyncResult, SyncTask, VersionList},
    },
};

use super::{
    proxy::{Fault, Proxy},
    server::{BUCKET, Server},
};
use crate::{
    evaluate::{self, SCRIPT},
    fetch::{data, fetch},
    pod::{Pod, files, sidecar},
    publish::{self, train},
    sync,
};

/// A sync of objects.
fn task(uri: &str) -> SyncTask {
    let mut task = sync::task();
    task.mount = None;
    task.source.uri = uri.into();
    task.source.credentials = Some(SourceCredentials {
        secret_name: "feed".into(),
    });
    task
}

/// CSV text of about this size.
pub fn table(bytes: usize) -> String {
    let mut text = String::from("x,y\n");
    let mut row = 0;
    while text.len() < bytes {
        text.push_str(&format!("{row},{}\n", row * 7919 % 1_000));
        row += 1;
    }
    text
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn from_a_source_in_a_bucket_to_a_pod() {
    let server = Server::start();
    let feed = server.bucket("feed").join("2013");
    fs::create_dir_all(feed.join("more")).unwrap();
    // Of more than one part, of one, and empty in the place of a folder.
    fs::write(feed.join("a.csv"), table(11 << 20)).unwrap();
    fs::write(feed.join("more/b.csv"), "x,y\n1,2\n").unwrap();
    fs::write(feed.join("more/b.txt"), "no table").unwrap();
    fs::write(feed.join("old.csv"), "z\n1\n").unwrap();
    let pod = server.pod();
    let mut task = task("s3://feed/2013/");
    task.source.include = vec!["**/*.csv".into()];
    task.source.exclude = vec!["old*".into()];
    let first: SyncResult = sync::sync(&pod, &task).result();
    assert_eq!((first.version.number, first.version.files), (1, 2));
    assert!(first.version.bytes > 11 << 20);
    pod.check_store();
    assert!(pod.key(first.profile.as_deref().unwrap()).exists());

    let again: SyncResult = sync::sync(&pod, &task).result();
    assert!(again.unchanged && again.version.number == 1);
    fs::write(feed.join("more/b.csv"), "x,y\n1,2\n3,4\n").unwrap();
    let second: SyncResult = sync::sync(&pod, &task).result();
    assert_eq!((second.version.number, second.unchanged), (2, false));

    let consumer = pod.beside();
    let ended = fetch(&consumer, vec![data(&first.version.digest)]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let folder = consumer.path("/mnt/inputs/train");
    assert_eq!(
        fs::read(folder.join("a.csv")).unwrap(),
        table(11 << 20).as_bytes()
    );
    assert_eq!(
        fs::read_to_string(folder.join("more/b.csv")).unwrap(),
        "x,y\n1,2\n"
    );
    assert_eq!(files(&folder).len(), 2);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn one_object_is_a_source_too() {
    let server = Server::start();
    fs::create_dir(server.bucket("feed")).unwrap();
    fs::write(server.bucket("feed").join("a.csv"), "x\n1\n").unwrap();
    let pod = server.pod();
    let result: SyncResult = sync::sync(&pod, &task("s3://feed/a.csv")).result();
    assert_eq!((result.version.files, result.version.rows), (1, 1));
    let ended = sync::sync(&pod, &task("s3://feed/none.csv"));
    ended.fails(69, &["s3://feed/none.csv", "no such key"]);
    let ended = sync::sync(&pod, &task("s3://feed/none/"));
    ended.fails(69, &["s3://feed/none/", "has no files"]);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_model_is_published_evaluated_and_collected() {
    let server = Server::start();
    let pod = server.pod();
    let running = sidecar(&pod, &publish::task());
    let script =
        "head -c 6000000 /dev/urandom > big; echo m > m; echo '{\"mae\": 9.5}' > metrics.json";
    let result: AttemptResult = train(&pod, script).result();
    assert_eq!(result.files, 3);
    pod.check_store();
    let stored: AttemptResult = wire::read(&fs::read(pod.key(&result.key)).unwrap()).unwrap();
    assert_eq!(stored, result);
    drop(running);

    let running = evaluate::sidecar(&pod);
    let report: EvaluationReport = evaluate::evaluate(&pod, true, SCRIPT).result();
    assert!(pod.key(report.predictions.as_deref().unwrap()).exists());
    drop(running);

    let other = pod.beside();
    let collect = |more: &[&str]| {
        let role = [&["collect", "--uid", "uid-1", "--attempt", "2"], more].concat();
        other.run(other.agent_without_task(&role))
    };
    assert_eq!(collect(&[]).result::<AttemptResult>(), result);
    assert_eq!(
        collect(&["--evaluation"]).result::<EvaluationReport>(),
        report
    );
    let ended = fetch(&other, vec![data(&result.digest)]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// Both read the list before either writes it.
#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn of_two_syncs_that_meet_one_gives_way() {
    let server = Server::start();
    let proxy = Proxy::start(&server, Fault::Meet, 2);
    let syncs = [1, 2].map(|row| {
        let pod = server.pod_through(proxy.port());
        pod.write("/mnt/source/data/a.csv", format!("x\n{row}\n"));
        thread::spawn(move || sync::sync(&pod, &sync::task()))
    });
    let ended = syncs.map(|sync| sync.join().unwrap());
    let mut numbers = ended
        .each_ref()
        .map(|ended| ended.result::<SyncResult>().version.number);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    let gave_way = ended
        .iter()
        .filter(|ended| ended.log.contains("wrote at the same time"));
    assert_eq!(gave_way.count(), 1);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn of_many_syncs_at_once_none_is_lost() {
    const SYNCS: usize = 6;
    let server = Server::start();
    let syncs: Vec<_> = (0..SYNCS)
        .map(|row| {
            let pod: Pod = server.pod();
            pod.write("/mnt/source/data/a.csv", format!("x\n{row}\n"));
            thread::spawn(move || sync::sync(&pod, &sync::task()).result::<SyncResult>())
        })
        .collect();
    let numbers: BTreeSet<u32> = syncs
        .into_iter()
        .map(|sync| sync.join().unwrap().version.number)
        .collect();
    let all: BTreeSet<u32> = (1..).take(SYNCS).collect();
    assert_eq!(numbers, all);
    let list = server.pod().key(&key::dataset_versions("team", "flights"));
    let list: VersionList = wire::read(&fs::read(list).unwrap()).unwrap();
    assert_eq!(list.versions.len(), SYNCS);
    assert!(server.bucket(BUCKET).exists());
}
