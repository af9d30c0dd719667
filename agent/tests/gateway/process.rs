//! The agent's binary as the kubelet runs it.

use std::process::{Command, ExitStatus, Stdio};

use millwright_crds::wire::{self, contract};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::*;

/// An address of loopback of this test's own: the ports are fixed.
const ADDRESS: [u8; 4] = [127, 43, 0, 1];

#[tokio::test]
async fn serves_from_its_environment_until_sigterm() {
    let server = Server::start().await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_millwright-agent"))
        .arg("gateway")
        .env(
            contract::ENV_TASK,
            String::from_utf8(wire::write(&task(server.port)).unwrap()).unwrap(),
        )
        .env(contract::ENV_POD_UID, "uid-1")
        .env("MILLWRIGHT_GATEWAY_ADDRESS", "127.43.0.1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let traffic = (ADDRESS, contract::GATEWAY_PORT).into();
    let admin = (ADDRESS, contract::ADMIN_PORT).into();
    wait_for(|| std::net::TcpStream::connect(admin).is_ok()).await;
    let client = TestClient::new();
    assert_eq!(client.get(admin, "/readyz").await.status, 200);
    let body = rows(None, &[1.0]).to_string();
    let answer = client.post(traffic, "/v2/models/m/infer", body).await;
    assert_eq!(answer.status, 200);

    kill(
        Pid::from_raw(process.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let mut ended: Option<ExitStatus> = None;
    wait_for(|| {
        ended = process.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

#[test]
fn says_what_is_missing() {
    let output = Command::new(env!("CARGO_BIN_EXE_millwright-agent"))
        .arg("gateway")
        .env_remove(contract::ENV_TASK)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(contract::ENV_TASK), "{text}");
}
