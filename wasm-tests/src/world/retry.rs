//! Retries and hedges, as request headers ask for them (`source/common/router/retry_state_impl.cc`).

use std::time::Duration;

use crate::header_map::HeaderMap;
use crate::process::shared::nanoseconds;
use crate::world::flag;
use crate::world::router::own_reply;
use crate::world::timeline::Event;
use crate::world::{StreamRef, World};

/// When a request is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RetryPolicy {
    on: Vec<String>,
    retriable_status_codes: Vec<u16>,
    left: u64,
    /// A retry was due, and none was left.
    pub(super) exhausted: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) per_try_timeout: Option<Duration>,
    hedge: bool,
}

impl RetryPolicy {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let number = |name: &str| {
            headers
                .text(name)
                .and_then(|value| value.trim().parse::<u64>().ok())
        };
        let list = |name: &str| {
            let values = headers.text(name).unwrap_or_default();
            values
                .split(',')
                .map(|value| value.trim().to_owned())
                .collect::<Vec<_>>()
        };
        let on: Vec<String> = list("x-envoy-retry-on")
            .into_iter()
            .filter(|name| !name.is_empty())
            .collect();
        Self {
            left: if on.is_empty() {
                0
            } else {
                number("x-envoy-max-retries").unwrap_or(1)
            },
            on,
            exhausted: false,
            retriable_status_codes: list("x-envoy-retriable-status-codes")
                .iter()
                .filter_map(|code| code.parse().ok())
                .collect(),
            timeout: number("x-envoy-upstream-rq-timeout-ms").map(Duration::from_millis),
            per_try_timeout: number("x-envoy-upstream-rq-per-try-timeout-ms")
                .filter(|limit| *limit > 0)
                .map(Duration::from_millis),
            hedge: headers.get("x-envoy-hedge-on-per-try-timeout") == Some(b"true"),
        }
    }

    fn is_on(&self, conditions: &[&str]) -> bool {
        self.on.iter().any(|name| conditions.contains(&name.as_str()))
    }

    /// Takes one of the retries that are left; false when there is none.
    fn take(&mut self) -> bool {
        let takes = self.left > 0;
        self.exhausted |= !takes && !self.on.is_empty();
        self.left = self.left.saturating_sub(1);
        takes
    }

    pub(super) fn retries_status(&mut self, status: u16) -> bool {
        let asked = (self.is_on(&["5xx"]) && (500..600).contains(&status))
            || (self.is_on(&["gateway-error"]) && (502..=504).contains(&status))
            || (self.is_on(&["retriable-4xx"]) && status == 409)
            || (self.is_on(&["retriable-status-codes"]) && self.retriable_status_codes.contains(&status));
        asked && self.take()
    }

    pub(super) fn retries_failure(&mut self, refused: bool) -> bool {
        let always = ["5xx", "gateway-error", "reset", "reset-before-request"];
        let asked = self.is_on(&always) || (refused && self.is_on(&["connect-failure"]));
        asked && self.take()
    }

    fn retries_timeout(&mut self) -> bool {
        self.is_on(&["5xx", "gateway-error", "reset"]) && self.take()
    }
}

impl World {
    /// A try has taken too long: with hedging another one starts beside it, without it the try is over.
    pub(super) fn try_timeout(&mut self, at: StreamRef, upstream: u64) {
        let waits = self.stream(at).is_some_and(|stream| !stream.response.started);
        let Some(router) = self
            .router_mut(at)
            .filter(|router| waits && router.tries.contains(&upstream))
        else {
            return;
        };
        if router.policy.hedge {
            if router.policy.take() {
                self.schedule_retry(at);
            }
            return;
        }
        let retries = router.policy.retries_timeout();
        self.drop_try(at, upstream);
        if retries {
            self.schedule_retry(at);
        } else {
            let reply = own_reply(504, "upstream request timeout", "upstream_per_try_timeout");
            self.proxy_reply(at, flag::UPSTREAM_REQUEST_TIMEOUT, reply);
        }
    }

    /// Tries again after a back-off, drawn as Envoy does: anything below the base interval.
    pub(super) fn schedule_retry(&mut self, at: StreamRef) {
        let Some(router) = self.router_mut(at) else {
            return;
        };
        router.pending_retries += 1;
        let base = router
            .route
            .as_ref()
            .map_or(0, |route| nanoseconds(route.retry_backoff));
        let due = self.now().saturating_add(self.random.below(base));
        self.timeline.add(due, Event::Retry { stream: at });
    }

    pub(super) fn start_retry(&mut self, at: StreamRef) {
        let started = self.stream(at).is_none_or(|stream| stream.response.started);
        let Some(router) = self.router_mut(at) else {
            return;
        };
        router.pending_retries = router.pending_retries.saturating_sub(1);
        if !started {
            self.start_try(at);
        }
    }
}
