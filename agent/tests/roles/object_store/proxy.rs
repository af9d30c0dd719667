//! A network that fails: a proxy in front of the server.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use super::server::Server;

/// What it does with connections.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Takes requests, and no answer ever comes.
    Silence,
    /// Large answers come one byte at a time.
    Trickle,
    /// Connections break after this many bytes of answers.
    CutDown(usize),
    /// Connections break after this many bytes of requests.
    CutUp(usize),
    /// Answers to questions for a list of versions wait for each other, two and two.
    Meet,
}

/// The proxy. It takes connections as long as the test runs.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    fault: Fault,
    server: u16,
    /// Whether the fault is there.
    on: AtomicBool,
    /// Connections that break; the others pass.
    left: AtomicU32,
    hit: AtomicU32,
    meeting: Barrier,
}

impl Proxy {
    /// A proxy whose next `times` faults happen, from when it is switched on.
    pub fn start(server: &Server, fault: Fault, times: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            fault,
            server: server.port(),
            on: AtomicBool::new(true),
            left: AtomicU32::new(times),
            hit: AtomicU32::new(0),
            meeting: Barrier::new(2),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, state) = (client.unwrap(), shared.clone());
                thread::spawn(move || state.serve(client));
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn switch(&self, on: bool) {
        self.state.on.store(on, Ordering::SeqCst);
    }

    /// How often it has broken something.
    pub fn hits(&self) -> u32 {
        self.state.hit.load(Ordering::SeqCst)
    }
}

impl State {
    /// Counts one of the faults that are left.
    fn strikes(&self) -> bool {
        let take = |left: u32| left.checked_sub(1);
        let strikes = self.on.load(Ordering::SeqCst)
            && self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                .is_ok();
        if strikes {
            self.hit.fetch_add(1, Ordering::SeqCst);
        }
        strikes
    }

    fn serve(self: Arc<Self>, client: TcpStream) {
        let server = TcpStream::connect(("127.0.0.1", self.server)).unwrap();
        let (requests, upstream) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let up = match self.fault {
            Fault::CutUp(bytes) => Some(bytes),
            _ => None,
        };
        // Whether a list was asked for on this connection.
        let asked = Arc::new(AtomicBool::new(false));
        let (state, question) = (self.clone(), asked.clone());
        thread::spawn(move || state.copy(requests, upstream, up, &question, false));
        let down = match self.fault {
            Fault::CutDown(bytes) => Some(bytes),
            Fault::Silence => Some(0),
            // Small answers, and the beginnings of large ones, pass.
            Fault::Trickle => Some(64 << 10),
            Fault::CutUp(_) | Fault::Meet => None,
        };
        self.copy(server, client, down, &asked, true);
    }

    /// Copies until one side ends, or the fault strikes after `limit` bytes.
    fn copy(
        &self,
        mut from: TcpStream,
        mut to: TcpStream,
        limit: Option<usize>,
        asked: &AtomicBool,
        answers: bool,
    ) {
        let (mut buffer, mut copied) = (vec![0; 64 << 10], 0);
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 {
                break;
            }
            if answers && asked.swap(false, Ordering::SeqCst) {
                self.meeting.wait();
            }
            let is_question = !answers && is_for_versions(&buffer[..read]);
            if is_question && matches!(self.fault, Fault::Meet) && self.strikes() {
                asked.store(true, Ordering::SeqCst);
            }
            if limit.is_some_and(|limit| copied + read > limit) && self.strikes() {
                match self.fault {
                    Fault::Silence => continue,
                    Fault::Trickle => {
                        trickle(&buffer[..read], &mut to);
                        continue;
                    }
                    Fault::CutDown(limit) | Fault::CutUp(limit) => {
                        let rest = limit.saturating_sub(copied);
                        let _ = to.write_all(&buffer[..rest.min(read)]);
                        break;
                    }
                    Fault::Meet => {}
                }
            }
            copied += read;
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        // The other side, too, unless it only has nothing more to say.
        let how = if limit.is_some() || answers {
            Shutdown::Both
        } else {
            Shutdown::Write
        };
        for side in [&from, &to] {
            let _ = side.shutdown(how);
        }
    }
}

fn is_for_versions(request: &[u8]) -> bool {
    let line = request.split(|byte| *byte == b'\r').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    line.starts_with("GET ") && line.contains("versions.json")
}

fn trickle(bytes: &[u8], to: &mut TcpStream) {
    for byte in bytes {
        if to.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
