//! The HTTP client of sources and object stores: what it trusts, and how long it waits.
//!
//! Nothing may hang: a connection stands within ten seconds, an answer begins within the read
//! timeout of its request, and a body brings at least [`PACE`] bytes in each span of that length.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use reqwest::Client;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::{Instant, Sleep, sleep};

/// Longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes that a body brings in each span of the read timeout, or it is too slow.
const PACE: u64 = 1 << 20;
/// The read timeout unless another is asked for. In it a part of an upload must be through.
pub(crate) const READ: Duration = Duration::from_secs(60);

/// What a client trusts, and how long it waits.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Longest time until an answer begins, and the span that a body's pace is measured in.
    pub read: Duration,
    /// Certificates to trust besides the usual ones, as PEM.
    pub authorities: Option<String>,
    /// Whether addresses without TLS are allowed.
    pub plain: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            read: READ,
            authorities: None,
            plain: true,
        }
    }
}

/// A client that trusts the certificates of the image, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`,
/// and where there are none, as in our own empty image, those that browsers trust; and those of the
/// terms.
///
/// # Errors
/// Says what can't be set up.
pub(crate) fn client(terms: &Terms) -> Result<Client, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(pem) = &terms.authorities {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            certificate
                .map_err(|error| error.to_string())
                .and_then(|found| roots.add(found).map_err(|error| error.to_string()))
                .map_err(|error| format!("its certificates can't be read as PEM: {error}"))?;
        }
    }
    let provider = rustls::crypto::ring::default_provider();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS can't be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(!terms.plain)
        .connect_timeout(CONNECT)
        .read_timeout(terms.read)
        .user_agent(concat!("millwright-agent/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("the HTTP client can't be set up: {}", chain(&error)))
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some say their cause themselves.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Why reading a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection failed.
    #[error(transparent)]
    Connection(#[from] reqwest::Error),
    /// It came too slowly.
    #[error("only {bytes} bytes came in {} s", span.as_secs_f64())]
    Slow {
        /// What came.
        bytes: u64,
        /// In this time.
        span: Duration,
    },
}

/// A body that must keep its pace.
pub(crate) struct Paced {
    body: reqwest::Body,
    span: Duration,
    end: Pin<Box<Sleep>>,
    bytes: u64,
}

impl Paced {
    /// A body that must bring [`PACE`] bytes, or end, in each span.
    pub fn new(body: reqwest::Body, span: Duration) -> Self {
        Self {
            body,
            span,
            end: Box::pin(sleep(span)),
            bytes: 0,
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(this.end.as_mut().poll(context));
                return Poll::Ready(Some(Err(BodyError::Slow {
                    bytes: this.bytes,
                    span: this.span,
                })));
            }
        };
        if let Some(Ok(frame)) = &frame {
            this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if this.bytes >= PACE {
                this.bytes = 0;
                this.end.as_mut().reset(Instant::now() + this.span);
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
