//! What the root is to do for requests: calls, which only it may make.

use weir_host::HostError;
use weir_host::port::{CallId, CallRequest, Host, Level, RootHost};
use weir_http_cache::Headers;

use crate::EdgeCacheFilter;
use crate::fetch::Fetch;
use crate::policy::Policy;
use crate::tier2::TierCall;
use crate::warm::WarmCall;

/// A call is given up by the filter so long after Envoy should have ended it, milliseconds.
const GRACE_MS: u64 = 1_000;

/// What the tier that all proxies share is called in calls.
const TIER_AUTHORITY: &str = "weir-cache-tier";

/// Something that the root does.
#[derive(Debug)]
pub(crate) enum Work {
    /// The origin is asked.
    Fetch(Fetch),
    /// The tier that all proxies share is asked.
    Tier(TierCall),
    /// The proxy's own listener is asked for what nobody has asked for yet.
    Warm(WarmCall),
}

/// A call as it goes out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) cluster: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout_ms: u32,
}

impl Outgoing {
    /// A call to a cluster, by its own name.
    pub(crate) fn new(cluster: &str, timeout_ms: u32) -> Self {
        Self {
            cluster: cluster.to_owned(),
            headers: Headers::new(),
            body: Vec::new(),
            timeout_ms,
        }
    }

    /// The request line. The cluster's name is no authority (RFC 3986 section 3.2): HTTP/2 servers reset a request with `/` in it.
    pub(crate) fn line(&mut self, method: &str, path: &str) {
        self.field(":method", method);
        self.field(":path", path);
        self.field(":authority", TIER_AUTHORITY);
    }

    pub(crate) fn field(&mut self, name: &str, value: &str) {
        self.headers.push(name.as_bytes(), value.as_bytes());
    }
}

/// The headers as texts; none: one of them is no UTF-8.
fn texts(headers: &Headers) -> Option<Vec<(&str, &str)>> {
    let text = |(name, value)| Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?));
    headers.iter().map(text).collect()
}

impl Work {
    fn outgoing(&self) -> Option<Outgoing> {
        match self {
            Self::Fetch(fetch) => Some(fetch.outgoing()),
            Self::Tier(call) => call.outgoing(),
            Self::Warm(call) => call.outgoing(),
        }
    }

    const fn sent_ms(&self) -> u64 {
        match self {
            Self::Fetch(fetch) => fetch.sent_ms,
            Self::Tier(call) => call.sent_ms,
            Self::Warm(call) => call.at_ms,
        }
    }

    fn timeout_ms(&self) -> u32 {
        match self {
            Self::Tier(call) => call.timeout_ms(),
            Self::Fetch(_) | Self::Warm(_) => self.policy().spec().call_timeout_ms,
        }
    }

    fn policy(&self) -> &Policy {
        match self {
            Self::Fetch(fetch) => &fetch.visit.policy,
            Self::Tier(call) => &call.visit.policy,
            Self::Warm(call) => &call.policy,
        }
    }

    /// Whether nobody knows any more that it will end: it should have, or the clock stepped back.
    fn is_late(&self, now_ms: u64) -> bool {
        let deadline = self
            .sent_ms()
            .saturating_add(self.timeout_ms().into())
            .saturating_add(GRACE_MS);
        now_ms > deadline || now_ms < self.sent_ms()
    }
}

impl EdgeCacheFilter {
    /// Leaves work to the root; it comes back where the root can't be called.
    pub(crate) fn leave_work(&self, work: Work, host: &impl Host) -> Option<Work> {
        self.memory.work.borrow_mut().push_back(work);
        let error = self.memory.post.call_root(host).err()?;
        host.log(Level::Debug, &format!("edge-cache: no root to call: {error}"));
        self.memory.work.borrow_mut().pop_back()
    }

    /// Makes the calls that were left.
    pub(crate) fn make_calls(&self, host: &impl RootHost) {
        loop {
            let next = self.memory.work.borrow_mut().pop_front();
            let Some(work) = next else {
                return;
            };
            match send(&work, host) {
                Ok(call) => self.calls.borrow_mut().push((call, work)),
                Err(_) => self.fail_work(work, host),
            }
        }
    }

    /// A call ended.
    pub(crate) fn end_work(&self, call: CallId, host: &impl RootHost) {
        let work = {
            let mut calls = self.calls.borrow_mut();
            let place = calls.iter().position(|(known, _)| *known == call);
            place.map(|place| calls.swap_remove(place).1)
        };
        let Some(work) = work else {
            return;
        };
        // An object has a head and a key beside its body.
        let max_bytes = work.policy().spec().limits.object_bytes.saturating_add(1 << 20);
        match (
            host.answer(usize::try_from(max_bytes).unwrap_or(usize::MAX)),
            work,
        ) {
            (Ok(answer), Work::Fetch(fetch)) => self.judge_answer(fetch, answer, host),
            (Ok(answer), Work::Tier(call)) => self.take_tier_answer(call, answer, host),
            (Ok(answer), Work::Warm(call)) => self.end_warm(call, Some(&answer), host),
            (Err(_), work) => self.fail_work(work, host),
        }
        if let Ok(now_ms) = host.now_ms() {
            self.warm(now_ms, host);
        }
    }

    #[inline(never)]
    pub(crate) fn fail_work(&self, work: Work, host: &impl RootHost) {
        match work {
            Work::Fetch(fetch) => self.fail(fetch, None, host),
            Work::Tier(call) => self.fail_tier(call, host),
            Work::Warm(call) => self.end_warm(call, None, host),
        }
    }

    /// Gives up calls that took too long.
    pub(crate) fn give_up_calls(&self, now_ms: u64, host: &impl RootHost) {
        self.give_up_if(&|work| work.is_late(now_ms), host);
    }

    /// Gives up all calls: nobody will answer.
    pub(crate) fn give_up_all_calls(&self, host: &impl RootHost) {
        self.give_up_if(&|_| true, host);
    }

    #[inline(never)]
    fn give_up_if(&self, wanted: &dyn Fn(&Work) -> bool, host: &impl RootHost) {
        let given_up: Vec<_> = {
            let mut calls = self.calls.borrow_mut();
            calls.extract_if(.., |(_, work)| wanted(work)).collect()
        };
        for (_, work) in given_up {
            self.fail_work(work, host);
        }
    }
}

pub(crate) fn send(work: &Work, host: &impl RootHost) -> Result<CallId, HostError> {
    let outgoing = work.outgoing().ok_or(HostError::BadArgument)?;
    let request = CallRequest {
        cluster: &outgoing.cluster,
        headers: texts(&outgoing.headers).ok_or(HostError::BadArgument)?,
        body: &outgoing.body,
        timeout_ms: outgoing.timeout_ms,
    };
    host.call(&request)
}
