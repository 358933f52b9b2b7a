//! One request to a CDN.

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use weir_core::cache::CdnPurge;
use weir_policy::document::cache_policy::cdn_purge::{CdnHeader, CdnPurgeSpec};

use crate::outbound::Outbound;

/// Posts purges.
#[derive(Clone, Debug)]
pub(super) struct Sender(pub(super) Outbound);

impl Sender {
    /// Done when the CDN has answered with a status of success; else why not. What its answer says is not read.
    pub(super) async fn send(&self, spec: &CdnPurgeSpec, purge: &CdnPurge) -> Result<(), String> {
        let request = request(spec, purge)?;
        let timeout = std::time::Duration::from_millis(spec.timeout.as_millis());
        let answer = tokio::time::timeout(timeout, self.0.request(request)).await;
        let answer = answer.map_err(|_| format!("no answer within {}", spec.timeout))?;
        let answer = answer.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("answered {status}")),
        }
    }
}

fn request(spec: &CdnPurgeSpec, purge: &CdnPurge) -> Result<Request<Full<Bytes>>, String> {
    let body = serde_json::to_vec(purge).map_err(|error| error.to_string())?;
    let mut request = Request::post(&spec.url).header(header::CONTENT_TYPE, "application/json");
    for header in &spec.headers {
        request = request.header(&header.name, value(header)?);
    }
    request
        .body(Full::new(body.into()))
        .map_err(|error| error.to_string())
}

/// A value from the environment is never shown.
fn value(header: &CdnHeader) -> Result<HeaderValue, String> {
    if let Some(variable) = &header.from_env {
        let text = std::env::var(variable)
            .map_err(|_| format!("{variable} is not set in the environment of weir serve"))?;
        let mut value =
            HeaderValue::try_from(text).map_err(|_| format!("{variable} is no header's value"))?;
        value.set_sensitive(true);
        return Ok(value);
    }
    let text = header.value.as_deref().unwrap_or_default();
    HeaderValue::try_from(text).map_err(|error| error.to_string())
}
