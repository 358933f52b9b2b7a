//! Answers that are fetched before anybody asks for them.
//!
//! The worker that speaks for its process asks the proxy's own listener for each URL, so that the request takes the way that a
//! client's would: it is limited, sharded, and its answer is kept. What is still to be asked for stands in the root: it goes
//! with its configuration, and the control plane sees that the run was not completed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write;
use std::rc::Rc;

use weir_host::HostError;
use weir_host::control::Report;
use weir_host::pairs;
use weir_host::port::{Answer, RootHost};
use weir_policy::proxy::{CacheWarm, EventPage};

use crate::EdgeCacheFilter;
use crate::policy::Policy;
use crate::work::{Outgoing, Work, send};

/// The most URLs that wait: one run's.
const MAX_WAITING: usize = 10_000;
/// Of how many runs the counts are kept.
const MAX_JOBS: usize = 16;
/// The pause before a request is made again; each one is twice as long.
const PAUSE_MS: u64 = 1_000;
const PATH: &str = "/v1/proxy/cache-reports";

/// A request to be made.
#[derive(Debug)]
pub(crate) struct WarmCall {
    pub(crate) policy: Rc<Policy>,
    warm: Rc<CacheWarm>,
    index: usize,
    tries: u32,
    /// Not before, Unix milliseconds; then when it was made.
    pub(crate) at_ms: u64,
}

/// What became of a request.
#[derive(Clone, Copy)]
enum End {
    Fetched,
    Hit,
    Failed,
}

/// The requests that are still to be made; of them, the first may be one that waits.
#[derive(Debug, Default)]
pub(crate) struct Warming {
    waiting: RefCell<VecDeque<WarmCall>>,
    under_way: Cell<u32>,
}

/// What a VM has done, over all configurations.
#[derive(Debug, Default)]
pub(crate) struct Warmed {
    /// The last event that was taken: one may come again.
    last: Cell<u64>,
    jobs: RefCell<VecDeque<(String, [u32; 4])>>,
    /// How often the counts changed, and how often they had when they were reported, and when that report was answered.
    changed: Cell<u32>,
    sent: Cell<u32>,
    reported: Cell<u32>,
}

/// The place of how many there are to make.
const URLS: usize = 3;

impl Warmed {
    fn count(&self, job: &str, place: usize, count: u32) {
        self.changed.set(self.changed.get().wrapping_add(1));
        let mut jobs = self.jobs.borrow_mut();
        let counts = jobs.iter_mut().find(|(known, _)| known == job);
        if let Some(number) = counts.and_then(|(_, counts)| counts.get_mut(place)) {
            *number = number.saturating_add(count);
            return;
        }
        let mut counts = [0; 4];
        if let Some(number) = counts.get_mut(place) {
            *number = count;
        }
        jobs.push_back((job.to_owned(), counts));
        if jobs.len() > MAX_JOBS {
            jobs.pop_front();
        }
    }
}

impl WarmCall {
    pub(crate) fn outgoing(&self) -> Option<Outgoing> {
        let spec = self.policy.spec();
        let mut outgoing = Outgoing::new(spec.warm_cluster.as_deref()?, spec.call_timeout_ms);
        outgoing.field(":method", "GET");
        outgoing.field(":path", self.warm.urls.get(self.index)?);
        outgoing.field(":authority", &self.warm.host);
        for (name, value) in &self.warm.headers {
            outgoing.field(name, value);
        }
        Some(outgoing)
    }
}

/// What an answer says: anything but an error of the server is one that clients would get.
fn end_of(answer: &Answer) -> End {
    if answer.status >= 500 || answer.status == 429 {
        return End::Failed;
    }
    let mut told = pairs::values(&answer.headers, "cache-status");
    let is_hit = told.any(|value| value.windows(5).any(|part| part == b"; hit"));
    if is_hit { End::Hit } else { End::Fetched }
}

impl EdgeCacheFilter {
    /// Takes what this proxy is to fetch.
    pub(crate) fn take_warming(&self, page: &EventPage, host: &impl RootHost) -> Result<(), HostError> {
        let warmed = &self.memory.warmed;
        for event in &page.events {
            let Some(warm) = &event.cache_warm else {
                continue;
            };
            let named = self.policies.iter().find(|known| known.name == warm.policy);
            let policy = named.filter(|policy| policy.spec().warm_cluster.is_some());
            let (Some(policy), true) = (policy, event.revision > warmed.last.get()) else {
                continue;
            };
            let node = node(host)?;
            warmed.last.set(event.revision);
            let warm = Rc::new(warm.clone());
            let mut waiting = self.warming.waiting.borrow_mut();
            for (index, url) in warm.urls.iter().enumerate() {
                if !warm.is_for(&node, url) {
                    continue;
                }
                warmed.count(&warm.job, URLS, 1);
                if waiting.len() >= MAX_WAITING {
                    warmed.count(&warm.job, End::Failed as usize, 1);
                    continue;
                }
                waiting.push_back(WarmCall {
                    policy: Rc::clone(policy),
                    warm: Rc::clone(&warm),
                    index,
                    tries: 0,
                    at_ms: 0,
                });
            }
        }
        Ok(())
    }

    /// Makes what requests may be made now.
    pub(crate) fn warm(&self, now_ms: u64, host: &impl RootHost) {
        loop {
            let mut call = {
                let mut waiting = self.warming.waiting.borrow_mut();
                let Some(at) = waiting.iter().position(|call| call.at_ms <= now_ms) else {
                    return;
                };
                let most = waiting.get(at).map_or(0, |call| call.warm.parallelism);
                if self.warming.under_way.get() >= most {
                    return;
                }
                match waiting.remove(at) {
                    Some(call) => call,
                    None => return,
                }
            };
            call.at_ms = now_ms;
            self.warming.under_way.set(self.warming.under_way.get() + 1);
            let work = Work::Warm(call);
            match send(&work, host) {
                Ok(id) => self.calls.borrow_mut().push((id, work)),
                Err(_) => self.fail_work(work, host),
            }
        }
    }

    /// A request has ended; one that failed is made again after a while, if it may be.
    pub(crate) fn end_warm(&self, mut call: WarmCall, answer: Option<&Answer>, host: &impl RootHost) {
        self.warming
            .under_way
            .set(self.warming.under_way.get().saturating_sub(1));
        let end = answer.map_or(End::Failed, end_of);
        let now_ms = host.now_ms().unwrap_or(call.at_ms);
        if matches!(end, End::Failed) && call.tries < call.warm.retries {
            call.at_ms = now_ms.saturating_add(PAUSE_MS << call.tries.min(10));
            call.tries += 1;
            return self.warming.waiting.borrow_mut().push_back(call);
        }
        self.memory.warmed.count(&call.warm.job, end as usize, 1);
    }

    /// What was fetched, where that changed since it was reported.
    pub(crate) fn warm_report(&self, host: &impl RootHost) -> Option<Report> {
        let warmed = &self.memory.warmed;
        if warmed.changed == warmed.reported {
            return None;
        }
        // What would have to be escaped is left out.
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
        let node: String = node(host)
            .ok()?
            .into_iter()
            .filter(plain)
            .map(char::from)
            .collect();
        let mut body = format!("{{\"slot\":\"{}\",\"node\":\"{node}\",\"jobs\":[", self.slot);
        let mut comma = "";
        for (job, [fetched, hit, failed, urls]) in warmed.jobs.borrow().iter() {
            let written = write!(
                body,
                "{comma}{{\"job\":\"{job}\",\"urls\":{urls},\"fetched\":{fetched},\"hit\":{hit},\"failed\":{failed}}}"
            );
            written.ok()?;
            comma = ",";
        }
        body.push_str("]}");
        warmed.sent.set(warmed.changed.get());
        Some(Report {
            path: PATH,
            body: body.into_bytes(),
        })
    }

    /// The report has arrived.
    pub(crate) fn warm_reported(&self) {
        let warmed = &self.memory.warmed;
        warmed.reported.set(warmed.sent.get());
    }
}

fn node(host: &impl RootHost) -> Result<Vec<u8>, HostError> {
    Ok(host.property(&["xds", "node", "id"])?.unwrap_or_default())
}
