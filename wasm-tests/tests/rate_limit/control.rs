//! A control plane that answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use weir_policy::proxy::{KeyGrant, LeaseAnswer, LeaseReport, LimitGrant, Share};
use weir_quota::lease::{LeaseBook, LeaseSettings};
use weir_wasm_tests::{Answer, Cluster, UpstreamRequest};

/// The cluster of [`crate::fixture::controlled`].
pub(crate) const CLUSTER: &str = "weir-control";

/// The cluster `weir-control` of any number of processes.
#[derive(Clone, Default)]
pub(crate) struct Control(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    /// Answers to polls, each after some time; then polls are held.
    pages: VecDeque<(Duration, Value)>,
    /// The cursors of all polls.
    polls: Vec<Option<u64>>,
    reports: Vec<LeaseReport>,
    leases: Leases,
    /// Nobody is answered.
    silent: bool,
}

/// Who answers reports.
#[derive(Default)]
enum Leases {
    #[default]
    Nobody,
    /// The same shares to all.
    Fixed(LeaseAnswer),
    Book(LeaseBook),
}

impl Control {
    pub(crate) fn cluster(&self) -> Cluster {
        let script = Arc::clone(&self.0);
        Cluster::new(move |request| script.lock().unwrap().answer(request))
    }

    /// The next poll that has no answer yet gets this page.
    pub(crate) fn tell(&self, after: Duration, page: Value) {
        self.0.lock().unwrap().pages.push_back((after, page));
    }

    /// The cursors of the polls so far.
    pub(crate) fn polls(&self) -> Vec<Option<u64>> {
        self.0.lock().unwrap().polls.clone()
    }

    pub(crate) fn reports(&self) -> Vec<LeaseReport> {
        self.0.lock().unwrap().reports.clone()
    }

    /// From now on all reports get this share of all limits.
    pub(crate) fn grant(&self, share: Share, proxies: u32, lease_ms: u64) {
        let answer = LeaseAnswer {
            lease_ms,
            proxies,
            limits: vec![grant(share)],
        };
        self.0.lock().unwrap().leases = Leases::Fixed(answer);
    }

    /// From now on reports are refused.
    pub(crate) fn go_down(&self) {
        self.0.lock().unwrap().leases = Leases::Nobody;
    }

    /// Whether nobody is answered, while it still knows what it knew.
    pub(crate) fn be_silent(&self, silent: bool) {
        self.0.lock().unwrap().silent = silent;
    }

    /// Reports are answered as the real control plane does.
    pub(crate) fn keep_a_book(&self, settings: LeaseSettings) {
        self.0.lock().unwrap().leases = Leases::Book(LeaseBook::new(settings, 0));
    }

    /// The fingerprints that each instance reported last, by instance.
    pub(crate) fn keys_reported(&self) -> BTreeMap<String, Vec<String>> {
        let keys = |report: LeaseReport| {
            let keys = report.limits.into_iter().flat_map(|limit| limit.keys);
            (report.instance, keys.map(|key| key.key).collect())
        };
        self.reports().into_iter().map(keys).collect()
    }
}

/// Of the limit `user` of `default/api`.
fn grant(share: Share) -> LimitGrant {
    LimitGrant {
        limit: "default/api/user".to_owned(),
        share,
        keys: Vec::<KeyGrant>::new(),
    }
}

impl Script {
    fn answer(&mut self, request: &UpstreamRequest) -> Answer {
        if self.silent {
            return Answer::status(503);
        }
        let path = request.headers.text(":path").unwrap();
        if path == "/v1/proxy/leases" {
            return self.lease(request);
        }
        let query = path.strip_prefix("/v1/proxy/events?").unwrap();
        let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="));
        self.polls.push(cursor.map(|cursor| cursor.parse().unwrap()));
        match self.pages.pop_front() {
            Some((after, page)) => Answer::ok().body(page.to_string()).after(after),
            None => Answer::never(),
        }
    }

    fn lease(&mut self, request: &UpstreamRequest) -> Answer {
        let report: LeaseReport = serde_json::from_slice(&request.body).unwrap();
        let answer = match &mut self.leases {
            Leases::Nobody => return Answer::status(503),
            Leases::Fixed(answer) => answer.clone(),
            Leases::Book(book) => book.report(&report, u64::try_from(request.at.as_millis()).unwrap()),
        };
        self.reports.push(report);
        Answer::ok().body(serde_json::to_vec(&answer).unwrap())
    }
}

/// A page without events.
pub(crate) fn empty_page(cursor: u64) -> Value {
    json!({"cursor": cursor, "reset": false, "events": []})
}

/// A page whose only event is a reset of the limit `user`.
pub(crate) fn reset_page(cursor: u64, key: Value) -> Value {
    let reset = json!({"policy": "default/api", "limit": "user", "key": key});
    json!({"cursor": cursor, "reset": false, "events": [{"revision": cursor, "quotaReset": reset}]})
}
