//! The control plane's REST API, from the other end.

mod answer;

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use weir_core::refusal::Applied;

pub(crate) use answer::{Answer, ApiError};

use crate::failure::Failure;

/// The largest answer that is read: far above the documents of any fleet.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Speaks to one control plane.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    server: String,
    root: Option<Authority>,
    timeout: Duration,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// A client of the control plane at `server`, `http://HOST[:PORT]`.
    pub(crate) fn try_new(server: &str, timeout: Duration) -> Result<Self, Failure> {
        let expected = |found: &dyn Display| {
            Failure::Usage(format!("--server {server:?}: {found}: expected http://HOST:PORT"))
        };
        let uri: Uri = server.parse().map_err(|error| expected(&error))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(expected(&"not an http address"));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(timeout));
        connector.set_nodelay(true);
        Ok(Self {
            server: server.trim_end_matches('/').to_owned(),
            root: uri.authority().filter(|_| uri.path() == "/").cloned(),
            timeout,
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The host whose paths are the API's own; none when the API stands below a path.
    pub(crate) const fn root(&self) -> Option<&Authority> {
        self.root.as_ref()
    }

    /// Creates or changes documents, all of them or none.
    pub(crate) async fn apply(&self, documents: &[Value], dry_run: bool) -> Result<Applied, ApiError> {
        let path = format!("/v1/apply{}", query(dry_run));
        self.post(&path, &json!({ "documents": documents })).await
    }

    /// Sends `body` to `path`.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| self.failed(&error))?;
        self.call(Method::POST, path, body.into()).await?.json()
    }

    /// Puts `body` at `path`.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| self.failed(&error))?;
        self.call(Method::PUT, path, body.into()).await?.json()
    }

    /// Reads what stands at `path`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.call(Method::GET, path, Bytes::new()).await?.json()
    }

    /// Reads what stands at `path` as it is.
    pub(crate) async fn get_bytes(&self, path: &str) -> Result<Bytes, ApiError> {
        Ok(self.call(Method::GET, path, Bytes::new()).await?.body)
    }

    /// Deletes what stands at `path`.
    pub(crate) async fn delete(&self, path: &str, dry_run: bool) -> Result<(), ApiError> {
        let path = format!("{path}{}", query(dry_run));
        self.call(Method::DELETE, &path, Bytes::new()).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ApiError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header(
                header::ACCEPT,
                "application/json, application/problem+json, application/wasm",
            )
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.failed(&error))?;
        tokio::time::timeout(self.timeout, self.exchange(request))
            .await
            .map_err(|_| self.failed(&format!("no answer within {:?}", self.timeout)))??
            .or_problem()
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, ApiError> {
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| self.failed(&root(&error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(Answer {
            status: head.status,
            body: body.to_bytes(),
        })
    }

    fn failed(&self, cause: &dyn Display) -> ApiError {
        ApiError::Unreachable {
            server: self.server.clone(),
            cause: cause.to_string(),
        }
    }
}

fn query(dry_run: bool) -> &'static str {
    if dry_run { "?dryRun=true" } else { "" }
}

/// The cause that says most: hyper's own words are "client error (Connect)".
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
