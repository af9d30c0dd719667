//! The queue between traffic and profiler.

use std::{
    borrow::Cow,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use tokio::sync::watch;

use super::{
    metrics::Dropped,
    monitor::{Inference, Monitor},
};

/// Longest time that feedback or a profile waits for the profiler to catch up.
const CATCH_UP: Duration = Duration::from_secs(2);

/// How a response's body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// zlib, which HTTP calls deflate.
    Deflate,
}

/// An inference that was answered with 200, to be profiled.
pub(super) struct Job {
    pub model: String,
    pub id: String,
    /// When the response was complete, in seconds since the Unix epoch.
    pub time: u64,
    pub request: Bytes,
    pub response: Vec<u8>,
    pub encoding: Encoding,
    /// What the two bodies take from the budget, until they are profiled.
    pub _reservation: Reservation,
}

/// Hands inferences to the profiler, a thread of its own.
pub(super) struct Recorder {
    queue: SyncSender<Job>,
    offered: AtomicU64,
    done: watch::Receiver<u64>,
}

impl Recorder {
    /// Starts the profiler. It ends with the recorder.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(monitor: Arc<Monitor>, queue: usize, body: usize) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(queue);
        let (finished, done) = watch::channel(0);
        thread::Builder::new()
            .name("profiler".into())
            .spawn(move || profile(&monitor, &receiver, body, &finished))?;
        Ok(Self {
            queue: sender,
            offered: AtomicU64::new(0),
            done,
        })
    }

    /// Hands an inference over; `false` when the profiler is too far behind.
    pub fn offer(&self, job: Job) -> bool {
        let taken = self.queue.try_send(job).is_ok();
        if taken {
            self.offered.fetch_add(1, Ordering::SeqCst);
        }
        taken
    }

    /// Waits until what was offered so far is profiled, so that who has seen a response finds its
    /// prediction. Gives up after two seconds.
    pub async fn catch_up(&self) {
        let offered = self.offered.load(Ordering::SeqCst);
        let mut done = self.done.clone();
        let caught_up = done.wait_for(|done| *done >= offered);
        if tokio::time::timeout(CATCH_UP, caught_up).await.is_err() {
            tracing::warn!("the profiler is more than {CATCH_UP:?} behind");
        }
    }
}

fn profile(monitor: &Monitor, jobs: &Receiver<Job>, body: usize, finished: &watch::Sender<u64>) {
    for job in jobs {
        match decompress(&job.response, job.encoding, body) {
            Ok(response) => monitor.record(&Inference {
                model: &job.model,
                id: &job.id,
                time: job.time,
                request: &job.request,
                response: &response,
            }),
            Err(reason) => monitor.dropped(reason),
        }
        // Room is given back before anyone who waits goes on.
        drop(job);
        finished.send_modify(|done| *done += 1);
    }
}

/// A body as it was before it was compressed, at most `limit` bytes of it.
fn decompress(body: &[u8], encoding: Encoding, limit: usize) -> Result<Cow<'_, [u8]>, Dropped> {
    let mut plain = Vec::new();
    let most = limit as u64 + 1;
    let read = match encoding {
        Encoding::Identity => return Ok(Cow::Borrowed(body)),
        Encoding::Gzip => MultiGzDecoder::new(body).take(most).read_to_end(&mut plain),
        Encoding::Deflate => ZlibDecoder::new(body).take(most).read_to_end(&mut plain),
    };
    match read {
        Ok(_) if plain.len() <= limit => Ok(Cow::Owned(plain)),
        Ok(_) => Err(Dropped::Size),
        Err(_) => Err(Dropped::Encoding),
    }
}

/// Bytes that bodies under way and waiting may take together.
#[derive(Clone)]
pub(super) struct Budget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            used: Arc::default(),
            limit,
        }
    }

    /// A reservation of nothing, to grow.
    pub fn reservation(&self) -> Reservation {
        Reservation {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

/// A part of the budget, given back when it is dropped.
pub(super) struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// Takes more; `false`, and nothing taken, when the budget has not so much left.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let room = |used: usize| {
            let total = used.checked_add(bytes)?;
            (total <= self.budget.limit).then_some(total)
        };
        let taken = self
            .budget
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_budget_is_given_back() {
        let budget = Budget::new(10);
        let mut first = budget.reservation();
        let mut second = budget.reservation();
        assert!(first.grow(6) && !second.grow(5) && second.grow(4));
        drop(first);
        assert!(second.grow(6) && !second.grow(1));
    }

    #[test]
    fn compressed_bodies_are_bounded() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[b'x'; 100]).unwrap();
        let body = encoder.finish().unwrap();
        assert_eq!(
            decompress(&body, Encoding::Gzip, 100).as_deref(),
            Ok(&[b'x'; 100][..])
        );
        assert_eq!(decompress(&body, Encoding::Gzip, 99), Err(Dropped::Size));
        assert_eq!(
            decompress(b"no gzip", Encoding::Gzip, 99),
            Err(Dropped::Encoding)
        );
    }
}
