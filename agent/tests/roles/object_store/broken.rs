//! A network or a server that fails: overcome when it recovers, else a clear end, never a hang.

use std::time::{Duration, Instant};

use millwright_crds::wire::sync::SyncResult;

use super::{
    proxy::{Fault, Proxy},
    server::{Server, free_port},
    whole::table,
};
use crate::{
    fetch::{data, fetch},
    pod::{Ended, Pod},
    sync,
};

/// Longest time until an agent gives up: a minute of patience, an attempt before and one after it,
/// each within the read timeout of these pods, and a busy machine.
const END: Duration = Duration::from_secs(100);
/// Every time.
const ALWAYS: u32 = u32::MAX;

/// A version with a file of this size, and its digest.
fn published(server: &Server, bytes: usize) -> String {
    let pod = server.pod();
    pod.write("/mnt/source/data/a.csv", table(bytes));
    sync::sync(&pod, &sync::task())
        .result::<SyncResult>()
        .version
        .digest
}

/// Fetches it through a proxy.
fn fetched(server: &Server, proxy: &Proxy, digest: &str) -> (Pod, Ended) {
    let pod = server.pod_through(proxy.port());
    let started = Instant::now();
    let ended = fetch(&pod, vec![data(digest)]);
    assert!(started.elapsed() < END, "{}", ended.log);
    (pod, ended)
}

/// That a fault that stays ends with this.
fn gives_up(fault: Fault, says: &[&str]) {
    let server = Server::start();
    let digest = published(&server, 3 << 20);
    let proxy = Proxy::start(&server, fault, ALWAYS);
    let (_, ended) = fetched(&server, &proxy, &digest);
    ended.fails(69, says);
    assert!(proxy.hits() > 1, "{}", ended.log);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn silence_ends() {
    gives_up(
        Fault::Silence,
        &["too slow", "s3://artifacts/team/a at http://127.0.0.1"],
    );
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_trickle_ends() {
    gives_up(Fault::Trickle, &["too slow", "bytes came in 2 s"]);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn connections_that_always_break_end() {
    gives_up(
        Fault::CutDown(100_000),
        &["s3://artifacts/team/a", "failed"],
    );
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn no_server_ends() {
    let server = Server::start();
    let port = free_port();
    let pod = server.pod_through(port);
    pod.write("/mnt/source/data/a.csv", "x\n1\n");
    let started = Instant::now();
    let ended = sync::sync(&pod, &sync::task());
    assert!(started.elapsed() < END, "{}", ended.log);
    ended.fails(
        69,
        &[
            "can't be reached",
            &format!("http://127.0.0.1:{port}"),
            "Connection refused",
            "AWS_ENDPOINT_URL in Secret store",
        ],
    );
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_download_goes_on_where_it_broke() {
    let server = Server::start();
    let digest = published(&server, 16 << 20);
    let proxy = Proxy::start(&server, Fault::CutDown(5 << 20), 2);
    let (pod, ended) = fetched(&server, &proxy, &digest);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(
        ended.log.matches("going on after").count(),
        2,
        "{}",
        ended.log
    );
    let fetched = std::fs::read(pod.path("/mnt/inputs/train/a.csv")).unwrap();
    assert_eq!(fetched, table(16 << 20).as_bytes());
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn an_upload_survives_cuts_and_silence() {
    let server = Server::start();
    for fault in [Fault::CutUp(2 << 20), Fault::Silence] {
        let proxy = Proxy::start(&server, fault, 2);
        let pod = server.pod_through(proxy.port());
        pod.write("/mnt/source/data/a.csv", table(12 << 20));
        let ended = sync::sync(&pod, &sync::task());
        assert_eq!(ended.result::<SyncResult>().version.number, 1, "{fault:?}");
        assert_eq!(proxy.hits(), 2, "{fault:?}: {}", ended.log);
        pod.check_store();
    }
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_server_that_comes_back_is_found_again() {
    let server = Server::start();
    let digest = published(&server, 3 << 20);
    let proxy = Proxy::start(&server, Fault::Silence, ALWAYS);
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| fetched(&server, &proxy, &digest).1);
        crate::pod::eventually("a request was lost", || proxy.hits() > 0);
        proxy.switch(false);
        let ended = fetching.join().unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    });
}
