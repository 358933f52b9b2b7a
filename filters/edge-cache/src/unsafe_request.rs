//! Requests that change things make what is stored of them out of date (RFC 9111 section 4.4).

use std::rc::Rc;

use weir_cache_store::Claim;
use weir_host::HostError;
use weir_host::port::{Host, ResponseHost};
use weir_http_cache::{Asked, CacheRequest, FwdReason, Head, Headers, Method};

use crate::EdgeCacheFilter;
use crate::capture::Capture;
use crate::find::Place;
use crate::forwarded::{Fill, Forwarded};
use crate::post::Message;
use crate::response::{came_from_upstream, status_of};
use crate::tier2::Ask;
use crate::values::Values;
use crate::visit::{State, Visit};

impl EdgeCacheFilter {
    /// The answer to a request that may have changed something. What it has made out of date goes; the answer to POST may
    /// itself be what GET would get (RFC 9110 section 9.3.3).
    pub(crate) fn see_unsafe(
        &self,
        visit: &Rc<Visit>,
        ends: bool,
        host: &impl ResponseHost,
    ) -> Result<(), HostError> {
        let headers = Headers::from_pairs(host.pairs()?);
        let status = status_of(&headers).ok_or(HostError::BadArgument)?;
        let rules = &visit.policy.rules;
        for url in rules.invalidated(&visit.request, status, &headers) {
            if let Some(request) = get_of(visit, &url) {
                self.invalidate(visit, request, host)?;
            }
        }
        if visit.request.method != Method::Post {
            return Ok(());
        }
        let now_ms = host.now_ms()?;
        match rules.judge(&visit.request, status, &headers, visit.arrived_ms, now_ms) {
            Ok(head) if came_from_upstream(host)? => self.capture_post(visit, head, ends, now_ms, host),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn capture_post(
        &self,
        visit: &Rc<Visit>,
        head: Head,
        ends: bool,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<(), HostError> {
        let place = Place::primary(&visit.request);
        let Claim::Leader(token) = self.claim(visit, &place, None, now_ms, host)? else {
            return Ok(());
        };
        let fill = Fill::new(place, token, false);
        let mut forwarded = Forwarded::filling(FwdReason::Method, visit.arrived_ms, fill);
        forwarded.capture = Some(Capture::new(head));
        if ends {
            self.complete(visit, forwarded, host);
        } else {
            visit.set(State::Forwarded(forwarded));
        }
        Ok(())
    }

    fn invalidate(&self, visit: &Visit, request: CacheRequest, host: &impl Host) -> Result<(), HostError> {
        let store = visit.policy.store(&self.slot, &self.memory, host)?;
        let place = Place::primary(&request);
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
        let now_ms = host.now_ms()?;
        self.wake(message, ended.wake_others, now_ms, host);
        if visit.policy.spec().tier2.is_some() {
            let about = Rc::new(visit.about(request));
            self.post_tier(&about, Ask::Delete, now_ms, host);
        }
        Ok(())
    }
}

/// The GET request for `url` from the same client.
fn get_of(visit: &Visit, url: &[u8]) -> Option<CacheRequest> {
    let path_at = url.iter().position(|byte| *byte == b'/')?;
    let path = if url == visit.request.url() {
        visit.request.headers.get(":path")?
    } else {
        url.get(path_at..)?
    };
    let mut headers = visit.request.headers.clone();
    headers.set(":method", b"GET");
    headers.set(":path", path);
    headers.retain(|name, _| !matches!(name, b"content-length" | b"transfer-encoding" | b"cache-control"));
    match visit.policy.rules.read(headers) {
        Asked::Lookup(request) => Some(request),
        Asked::Pass(_) | Asked::Unsafe(_) => None,
    }
}
