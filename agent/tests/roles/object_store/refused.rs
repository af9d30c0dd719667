//! What a person set up wrong: said at once, with what to do.

use std::{fs, time::Instant};

use millwright_crds::{
    training_job::FailureReason,
    wire::{attempt::AttemptResult, contract::key, sync::SyncResult},
};

use super::server::{BUCKET, PREFIX, Server};
use crate::{
    fetch::{data, fetch},
    pod::{Ended, PATIENCE, Pod, sidecar},
    publish::{self, train},
    sync,
};

/// A sync of a folder in this pod.
fn synced(pod: &Pod) -> Ended {
    pod.write("/mnt/source/data/a.csv", "x\n1\n");
    let started = Instant::now();
    let ended = sync::sync(pod, &sync::task());
    assert!(started.elapsed() < PATIENCE / 4, "{}", ended.log);
    ended
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn credentials() {
    let server = Server::start();
    let url = format!("s3://{BUCKET}/{PREFIX}");
    let pod = server.pod().set("STORE_AWS_SECRET_ACCESS_KEY", "other");
    let says = [
        url.as_str(),
        "SignatureDoesNotMatch",
        "AWS_SECRET_ACCESS_KEY in Secret store",
    ];
    synced(&pod).fails(69, &says);
    assert!(!synced(&pod).log.contains("other"), "a secret is logged");
    let pod = server.pod().set("STORE_AWS_ACCESS_KEY_ID", "OTHER");
    let says = [
        url.as_str(),
        "XAdminUserNotFound",
        "AWS_ACCESS_KEY_ID in Secret store",
    ];
    synced(&pod).fails(69, &says);
    fetch(&pod, vec![data(&format!("sha256:{:064}", 0))]).fails(69, &says);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_secret_that_lacks_something() {
    let server = Server::start();
    let without = |name: &'static str| synced(&server.pod().without(name));
    without("STORE_AWS_SECRET_ACCESS_KEY").fails(64, &["SecretAccessKey", "Secret store"]);
    without("STORE_AWS_ALLOW_HTTP").fails(64, &["AWS_ALLOW_HTTP=true", "Secret store"]);
    let ended = synced(&server.pod().set("STORE_READ_TIMEOUT", "soon"));
    ended.fails(64, &["READ_TIMEOUT", "Secret store"]);
    assert_eq!(ended.failure(64).reason, FailureReason::InvalidSpec);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_bucket_that_is_not_there() {
    let server = Server::start();
    let pod = server.pod().set("MILLWRIGHT_STORE", "s3://none/team");
    synced(&pod).fails(
        69,
        &["s3://none/team", "has no bucket none", "artifacts.url"],
    );
    let mut task = sync::task();
    task.mount = None;
    task.source.uri = "s3://none/data/".into();
    let ended = sync::sync(&server.pod(), &task);
    ended.fails(69, &["s3://none/data/", "has no bucket none", "source.uri"]);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_certificate_that_nobody_knows_until_it_is_given() {
    let (server, certificate) = Server::start_with_tls();
    let address = format!("https://127.0.0.1:{}", server.port());
    let pod = server.pod().set("STORE_AWS_ENDPOINT_URL", &address);
    let pod = pod.without("STORE_AWS_ALLOW_HTTP");
    synced(&pod).fails(
        69,
        &[&address, "not trusted", "UnknownIssuer", "CA_CERTIFICATES"],
    );
    let pod = pod.set("STORE_CA_CERTIFICATES", certificate);
    synced(&pod).result::<SyncResult>();
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_source_has_credentials_of_its_own() {
    let server = Server::start();
    fs::create_dir(server.bucket("feed")).unwrap();
    fs::write(server.bucket("feed").join("a.csv"), "x\n1\n").unwrap();
    let mut task = sync::task();
    task.mount = None;
    task.source.uri = "s3://feed/".into();
    let ended = sync::sync(&server.pod(), &task);
    ended.result::<SyncResult>();
    let pod = server.pod().set("SOURCE_AWS_SECRET_ACCESS_KEY", "other");
    let says = [
        "s3://feed/",
        "SignatureDoesNotMatch",
        "source.credentials.secretName",
    ];
    sync::sync(&pod, &task).fails(69, &says);
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn what_is_lost_otherwise_waits_for_the_person() {
    let server = Server::start();
    let pod = server.pod().set("MILLWRIGHT_STORE", "s3://late/team");
    let (mut sidecar, _) = sidecar(&pod, &publish::task());
    let result = std::thread::scope(|scope| {
        let trainer = scope.spawn(|| train(&pod, "echo m > m"));
        sidecar.wait_for("has no bucket late");
        fs::create_dir(server.bucket("late")).unwrap();
        trainer.join().unwrap().result::<AttemptResult>()
    });
    let stored = server.bucket("late").join("team").join(result.key);
    assert!(stored.exists());
}

#[test]
#[ignore = "needs versitygw: hack/test.sh store"]
fn a_corrupted_blob_names_everything() {
    let server = Server::start();
    let pod = server.pod();
    let digest = synced(&pod).result::<SyncResult>().version.digest;
    let blob = pod.blobs().remove(0);
    let promised = blob.file_name().unwrap().to_str().unwrap().to_owned();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[0] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let found = crate::pod::sha256(&blob);
    let consumer = pod.beside();
    fetch(&consumer, vec![data(&digest)]).fails(
        69,
        &[
            "a.csv",
            &key::blob(&promised),
            &promised,
            &found,
            "corrupted",
            &format!("s3://{BUCKET}/{PREFIX}"),
        ],
    );
    assert!(!consumer.path("/mnt/inputs/train/a.csv").exists());
}
