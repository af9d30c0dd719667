//! A small HTTP client for what pods and programs answer.

use std::time::Duration;

use anyhow::{Context as _, Result};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// Longest time for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client that keeps its connections, as the clients of a model do.
#[derive(Clone)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Default for Http {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Http {
    /// The answer to a GET.
    ///
    /// # Errors
    /// When there is none.
    pub async fn get(&self, url: &str) -> Result<(StatusCode, String)> {
        self.send(Method::GET, url, None).await
    }

    /// The answer to a POST of JSON.
    ///
    /// # Errors
    /// When there is none.
    pub async fn post(&self, url: &str, body: &serde_json::Value) -> Result<(StatusCode, String)> {
        self.send(Method::POST, url, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<(StatusCode, String)> {
        let what = format!("{method} {url}");
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", "application/json")
            .body(Full::from(bytes))?;
        let answer = async {
            let response = self.0.request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        tokio::time::timeout(TIMEOUT, answer)
            .await
            .with_context(|| format!("{what}: no answer in {} s", TIMEOUT.as_secs()))?
            .with_context(|| format!("{what}: no answer"))
    }
}
