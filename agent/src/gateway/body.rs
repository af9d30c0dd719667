//! Bodies on their way through the gateway.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{
    config::Limits,
    lifecycle::Exchange,
    metrics::Dropped,
    monitor::Monitor,
    recorder::{Budget, Encoding, Job, Recorder, Reservation},
};

/// A request's body on its way to the server: pieces that were read, then what still comes.
pub(super) struct RequestBody {
    pieces: VecDeque<Bytes>,
    rest: Option<Incoming>,
}

impl RequestBody {
    /// A body of which everything still comes.
    pub fn streamed(body: Incoming) -> Self {
        Self {
            pieces: VecDeque::new(),
            rest: Some(body),
        }
    }

    /// A body that was read.
    pub fn whole(pieces: impl Into<VecDeque<Bytes>>) -> Self {
        Self {
            pieces: pieces.into(),
            rest: None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        let rest = self
            .rest
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(read + upper);
        }
        hint
    }
}

/// What became of the attempt to read a request's body.
pub(super) enum Collected {
    /// It was read.
    Whole(Bytes, Reservation),
    /// It passes unread.
    Passed(RequestBody, Dropped),
}

/// Why a request's body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The client broke off.
    #[error("the request's body ended early: {0}")]
    Off(#[from] hyper::Error),
    /// The client said nothing any more, and kept its part of the budget.
    #[error("nothing more of the request's body came for {} s", .0.as_secs())]
    Silent(Duration),
}

/// Reads a body within the limits, when the budget has room for it.
///
/// # Errors
/// When the client breaks off, or pauses for too long.
pub(super) async fn collect(
    mut body: Incoming,
    limits: &Limits,
    budget: &Budget,
) -> Result<Collected, Broken> {
    let limit = limits.body;
    let least = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if least > limit {
        return Ok(Collected::Passed(
            RequestBody::streamed(body),
            Dropped::Size,
        ));
    }
    let mut reservation = budget.reservation();
    if !reservation.grow(least) {
        return Ok(Collected::Passed(
            RequestBody::streamed(body),
            Dropped::Memory,
        ));
    }
    let mut reserved = least;
    let mut pieces: VecDeque<Bytes> = VecDeque::new();
    let mut size = 0;
    let next = async |body: &mut Incoming| {
        let frame = tokio::time::timeout(limits.pause, body.frame()).await;
        frame.map_err(|_| Broken::Silent(limits.pause))
    };
    while let Some(frame) = next(&mut body).await? {
        // Trailers have no meaning here.
        let Ok(piece) = frame?.into_data() else {
            continue;
        };
        size += piece.len();
        pieces.push_back(piece);
        let refused = if size > limit {
            Some(Dropped::Size)
        } else if size > reserved && !reservation.grow(size - reserved) {
            Some(Dropped::Memory)
        } else {
            None
        };
        if let Some(reason) = refused {
            let rest = Some(body);
            return Ok(Collected::Passed(RequestBody { pieces, rest }, reason));
        }
        reserved = reserved.max(size);
    }
    let whole = if pieces.len() == 1 {
        pieces.pop_front().unwrap_or_default()
    } else {
        let mut whole = BytesMut::with_capacity(size);
        pieces
            .iter()
            .for_each(|piece| whole.extend_from_slice(piece));
        whole.freeze()
    };
    Ok(Collected::Whole(whole, reservation))
}

/// Keeps a copy of a response for the profiler.
pub(super) struct Tee {
    pub monitor: Arc<Monitor>,
    pub recorder: Arc<Recorder>,
    /// Most bytes of the response that are kept.
    pub limit: usize,
    pub model: String,
    pub id: String,
    pub request: Bytes,
    pub encoding: Encoding,
    pub reservation: Reservation,
    pub response: Vec<u8>,
}

impl Tee {
    /// Adds a piece of the response; the reason when it can't be kept.
    fn add(&mut self, piece: &[u8]) -> Result<(), Dropped> {
        if self.response.len() + piece.len() > self.limit {
            return Err(Dropped::Size);
        }
        if !self.reservation.grow(piece.len()) {
            return Err(Dropped::Memory);
        }
        self.response.extend_from_slice(piece);
        Ok(())
    }

    /// Hands the inference to the profiler.
    fn finish(self) {
        let job = Job {
            model: self.model,
            id: self.id,
            time: self.monitor.now(),
            request: self.request,
            response: self.response,
            encoding: self.encoding,
            _reservation: self.reservation,
        };
        if !self.recorder.offer(job) {
            self.monitor.dropped(Dropped::Queue);
        }
    }
}

/// A response's body on its way to the client.
pub(super) struct ResponseBody {
    source: Source,
    tee: Option<Tee>,
    /// Ends with the body.
    _exchange: Exchange,
}

enum Source {
    Text(Option<Bytes>),
    Server(Incoming),
}

impl ResponseBody {
    /// What the server answers.
    pub fn server(body: Incoming, tee: Option<Tee>, exchange: Exchange) -> Self {
        Self {
            source: Source::Server(body),
            tee,
            _exchange: exchange,
        }
    }

    /// An answer of the gateway's own.
    pub fn text(text: Bytes, exchange: Exchange) -> Self {
        Self {
            source: Source::Text(Some(text)),
            tee: None,
            _exchange: exchange,
        }
    }

    /// Copies what the client gets. The inference is handed over before the client has the last
    /// byte: feedback that follows finds it.
    fn copy(&mut self, frame: Option<&Frame<Bytes>>) {
        let piece = frame.and_then(Frame::data_ref);
        if let (Some(tee), Some(piece)) = (&mut self.tee, piece)
            && let Err(reason) = tee.add(piece)
        {
            if let Some(tee) = self.tee.take() {
                tee.monitor.dropped(reason);
            }
            return;
        }
        if (frame.is_none() || self.is_end_stream())
            && let Some(tee) = self.tee.take()
        {
            tee.finish();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = match &mut self.source {
            Source::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Source::Server(body) => ready!(Pin::new(body).poll_frame(context)),
        };
        match &frame {
            Some(Ok(frame)) => self.copy(Some(frame)),
            None => self.copy(None),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Text(text) => text.is_none(),
            Source::Server(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Source::Server(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(tee) = self.tee.take() {
            tee.monitor.dropped(Dropped::Incomplete);
        }
    }
}
