//! Our HTTP client, as `object_store` asks for one.

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper::Response;
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use reqwest::{Client, Request, Url};

use super::client::{BodyError, Paced, Terms, client};

/// Makes clients with these terms.
#[derive(Debug)]
pub(super) struct Connector(pub Terms);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let terms = Terms {
            plain: plain.as_deref() == Some("true"),
            ..self.0.clone()
        };
        let client = client(&terms).map_err(|error| object_store::Error::Generic {
            store: "HTTP client",
            source: error.into(),
        })?;
        Ok(HttpClient::new(Service { client, terms }))
    }
}

#[derive(Debug)]
struct Service {
    client: Client,
    terms: Terms,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(body.collect().await?.to_bytes().into());
        let response = self.client.execute(request).await.map_err(sort)?;
        let response: Response<reqwest::Body> = response.into();
        let span = self.terms.read;
        Ok(response.map(|body| {
            HttpResponseBody::new(Paced::new(body, span).map_err(|error| match error {
                BodyError::Connection(error) => sort(error),
                slow @ BodyError::Slow { .. } => HttpError::new(HttpErrorKind::Timeout, slow),
            }))
        }))
    }
}

/// The error without its URL, which can hold a signature, and with the kind that people get to hear
/// of.
fn sort(error: reqwest::Error) -> HttpError {
    let kind = if error.is_connect() || error.is_builder() {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error.without_url())
}
