//! A real S3 server on loopback.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::pod::{Pod, eventually};

/// The bucket that is there.
pub const BUCKET: &str = "artifacts";
/// What keys of the store begin with.
pub const PREFIX: &str = "team/a";
const ACCESS_KEY: &str = "AKTEST";
const SECRET_KEY: &str = "not-a-secret";

/// A server that ends with its test.
pub struct Server {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with a certificate for loopback; the certificate, as PEM.
    pub fn start_with_tls() -> (Self, String) {
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        fs::write(&certificate, signed.cert.pem()).unwrap();
        fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        let files = [certificate, key].map(|file| file.to_str().unwrap().to_owned());
        let server = Self::start_with(&["--cert", &files[0], "--key", &files[1]]);
        (server, signed.cert.pem())
    }

    fn start_with(arguments: &[&str]) -> Self {
        let program = program();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        // Somebody else can get the port in between: then the server ends, and says so.
        let port = free_port();
        let process = Command::new(&program)
            .env_clear()
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", SECRET_KEY)
            .args([
                "--quiet",
                "--keep-alive",
                "--port",
                &format!("127.0.0.1:{port}"),
            ])
            .args(arguments)
            .arg("posix")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It tells of every connection that a test cuts.
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut server = Self {
            process,
            port,
            folder,
        };
        eventually("the server listens", || {
            assert_eq!(server.process.try_wait().unwrap(), None);
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A folder that is a bucket.
    pub fn bucket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A pod with the store in the bucket, and its Secret.
    pub fn pod(&self) -> Pod {
        self.pod_through(self.port)
    }

    /// A pod that reaches the server through another port.
    pub fn pod_through(&self, port: u16) -> Pod {
        let variables = [
            ("MILLWRIGHT_STORE", format!("s3://{BUCKET}/{PREFIX}")),
            ("MILLWRIGHT_STORE_SECRET", "store".into()),
            ("STORE_AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("STORE_AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("STORE_AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("STORE_AWS_ALLOW_HTTP", "true".into()),
            ("STORE_READ_TIMEOUT", "2s".into()),
        ];
        let mut environment = BTreeMap::from(variables.clone());
        for (name, value) in variables {
            let source = match name {
                "STORE_AWS_ACCESS_KEY_ID" => "SOURCE_AWS_ACCESS_KEY_ID",
                "STORE_AWS_SECRET_ACCESS_KEY" => "SOURCE_AWS_SECRET_ACCESS_KEY",
                "STORE_AWS_ENDPOINT_URL" => "SOURCE_AWS_ENDPOINT_URL",
                "STORE_AWS_ALLOW_HTTP" => "SOURCE_AWS_ALLOW_HTTP",
                _ => continue,
            };
            environment.insert(source, value);
        }
        Pod::of(self.bucket(BUCKET).join(PREFIX), environment)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A port of loopback that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn program() -> PathBuf {
    let home = env::var_os("MILLWRIGHT_HOME").map_or_else(
        || env::home_dir().unwrap().join(".cache/millwright"),
        PathBuf::from,
    );
    home.join("bin/versitygw")
}
