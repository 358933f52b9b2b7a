//! Requests that change things make what is stored of them out of date (RFC 9111 section 4.4).

use weir_host::port::{Host, ResponseHost};
use weir_host::{HostError, pairs};
use weir_http_cache::{Asked, CacheKey, Headers};

use crate::EdgeCacheFilter;
use crate::find::Place;
use crate::post::Message;
use crate::response::status_of;
use crate::values::Values;
use crate::visit::Visit;

impl EdgeCacheFilter {
    /// The answer to a request that may have changed something.
    pub(crate) fn see_unsafe(&self, visit: &Visit, host: &impl ResponseHost) -> Result<(), HostError> {
        let headers: Headers = pairs::read(&host.pairs()?).collect();
        let status = status_of(&headers).ok_or(HostError::BadArgument)?;
        let rules = &visit.policy.rules;
        for url in rules.invalidated(&visit.request, status, &headers) {
            if let Some(key) = key_of(visit, &url) {
                self.invalidate(visit, &key, host)?;
            }
        }
        Ok(())
    }

    fn invalidate(&self, visit: &Visit, key: &CacheKey, host: &impl Host) -> Result<(), HostError> {
        let store = visit.policy.store(&self.slot, &self.memory, host)?;
        let place = Place {
            vary: None,
            text: key.text.clone(),
        };
        let ended = store
            .invalidate(&Values(host), &place.key())
            .map_err(|_| HostError::BadArgument)?;
        if ended.was {
            visit.policy.counts.invalidated();
        }
        let message = Message {
            policy: visit.policy.id,
            key: place.key().hash,
        };
        self.wake(message, ended.wake_others, host.now_ms()?, host);
        Ok(())
    }
}

/// The key under which the answer to a GET request for `url`, from the same client, is stored.
fn key_of(visit: &Visit, url: &[u8]) -> Option<CacheKey> {
    let path_at = url.iter().position(|byte| *byte == b'/')?;
    let path = if url == visit.request.url {
        visit.request.headers.get(":path")?
    } else {
        url.get(path_at..)?
    };
    let mut headers = visit.request.headers.clone();
    headers.set(":method", b"GET");
    headers.set(":path", path);
    headers.retain(|name, _| !matches!(name, b"content-length" | b"transfer-encoding" | b"cache-control"));
    match visit.policy.rules.read(headers) {
        Asked::Lookup(request) => Some(request.key),
        Asked::Pass(_) | Asked::Unsafe(_) => None,
    }
}
