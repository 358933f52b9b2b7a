//! The control plane's events, by long poll, as a proxy asks for them.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use weir_policy::name::Name;
use weir_policy::proxy::EventPage;

use crate::settings::SetupError;

/// How long the control plane may hold a poll, seconds.
const WAIT: u64 = 20;
/// How much longer an answer may take.
const GRACE: Duration = Duration::from_secs(5);
/// The largest page that is read.
const MAX_PAGE: usize = 64 << 20;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no answer in time")]
    Timeout,
    #[error("{0}")]
    Unreachable(String),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("a page that can't be read: {0}")]
    Page(#[from] serde_json::Error),
}

/// One control plane.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    address: String,
    http: Client<HttpConnector, Empty<Bytes>>,
}

impl Control {
    pub(crate) fn try_new(address: &str) -> Result<Self, SetupError> {
        let uri = address.parse::<Uri>().ok();
        let fits = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
        if fits.is_none() {
            return Err(SetupError::Control(address.to_owned()));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(GRACE));
        Ok(Self {
            address: address.trim_end_matches('/').to_owned(),
            http: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The events after a cursor, as soon as there are any; without one: where to begin.
    pub(crate) async fn events(
        &self,
        namespace: &Name,
        cursor: Option<u64>,
    ) -> Result<EventPage, ControlError> {
        // The API takes the namespace from the slot's name; there need be no such slot.
        let slot = format!("weir/{namespace}/cache-tier/edge-cache");
        let after = cursor.map(|cursor| format!("&cursor={cursor}&wait={WAIT}"));
        let path = format!("/v1/proxy/events?slot={slot}{}", after.unwrap_or_default());
        let answer = tokio::time::timeout(Duration::from_secs(WAIT) + GRACE, self.get(&path));
        let body = answer.await.map_err(|_| ControlError::Timeout)??;
        Ok(serde_json::from_slice(&body)?)
    }

    async fn get(&self, path: &str) -> Result<Bytes, ControlError> {
        let uri = format!("{}{path}", self.address)
            .parse::<Uri>()
            .map_err(unreachable)?;
        let answer = self.http.get(uri).await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(ControlError::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), MAX_PAGE).collect().await;
        let body = body.map_err(|error| ControlError::Unreachable(error.to_string()))?;
        Ok(body.to_bytes())
    }
}

/// The cause that says most: hyper's own words are "client error (Connect)".
fn unreachable(error: impl std::error::Error + 'static) -> ControlError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    ControlError::Unreachable(cause.to_string())
}
