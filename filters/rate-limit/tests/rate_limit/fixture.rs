//! Configurations, and a filter in a process.

use std::rc::Rc;

use serde_json::{Value, json};
use weir_host::fake::{Process, Reply, Stream};
use weir_host::{Action, Counters, Filter};
use weir_rate_limit::{Exchange, RateLimitFilter};

pub(crate) const NOW_MS: u64 = 1_800_000_000_000;
pub(crate) const SLOT: &str = "weir/default/edge/rate-limit";

/// `requests` in an hour for each `x-user`.
pub(crate) fn limit(name: &str, requests: u64) -> Value {
    json!({
        "name": name, "key": [{"header": "x-user"}], "onMissingKey": "shared", "cost": {},
        "quota": {"rate": {"requests": requests, "windowMs": 3_600_000, "burst": requests}},
    })
}

/// `base` with the fields of `more` in it or in their place.
pub(crate) fn merged(mut base: Value, more: &Value) -> Value {
    let fields = base.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    base
}

/// A policy `default/api` with these limits.
pub(crate) fn config(limits: &[Value], more: &Value) -> Value {
    let policy = json!({"onError": "allow", "headers": {}, "maxKeys": 1, "limits": limits});
    json!({
        "format": 1, "slot": SLOT, "generation": 1, "rules": [{"policy": "default/api"}],
        "policies": {"default/api": merged(policy, more)},
    })
}

/// One worker.
pub(crate) struct Worker {
    pub(crate) filter: RateLimitFilter,
    pub(crate) process: Rc<Process>,
}

impl Worker {
    pub(crate) fn new(config: &Value) -> Self {
        Self::of(&Process::new(NOW_MS), config)
    }

    pub(crate) fn of(process: &Rc<Process>, config: &Value) -> Self {
        let filter = RateLimitFilter::configure(config.to_string().as_bytes(), &Counters::default());
        Self {
            filter: filter.unwrap(),
            process: Rc::clone(process),
        }
    }

    pub(crate) fn stream(&self, headers: &[(&str, &[u8])]) -> Stream {
        Stream::of(&self.process, headers)
    }

    /// A request passes, is answered and ends.
    pub(crate) fn serve(&self, stream: &Stream) -> Action {
        let mut exchange = Exchange::default();
        let action = self.filter.on_request_headers(&mut exchange, stream);
        if action == Action::Continue {
            stream.respond(&[(":status", b"200")]);
        }
        self.filter.on_response_headers(&mut exchange, true, stream);
        self.filter.on_stream_end(exchange, stream);
        action
    }

    /// Whether a request of this user passes.
    pub(crate) fn passes(&self, user: &str) -> bool {
        self.serve(&self.stream(&[("x-user", user.as_bytes())])) == Action::Continue
    }

    /// How many requests of this user pass.
    pub(crate) fn count(&self, user: &str) -> usize {
        (0..1_000).take_while(|_| self.passes(user)).count()
    }
}

/// The status, headers and problem that a stream was answered with.
pub(crate) fn problem(stream: &Stream) -> (u16, Vec<(String, String)>, Value) {
    let Some(Reply::Http {
        status,
        headers,
        body,
    }) = stream.answer()
    else {
        panic!("{:?}", stream.answer())
    };
    (status, texts(headers), serde_json::from_slice(&body).unwrap())
}

pub(crate) fn texts(headers: Vec<(String, Vec<u8>)>) -> Vec<(String, String)> {
    let text = |(name, value)| (name, String::from_utf8(value).unwrap());
    headers.into_iter().map(text).collect()
}

pub(crate) fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let mut values = headers.iter().filter(|(known, _)| known == name);
    let found = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{name} twice: {headers:?}");
    found
}
