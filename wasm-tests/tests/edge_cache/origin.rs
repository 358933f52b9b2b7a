//! An origin that answers as it is told, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_wasm_tests::{Answer, Cluster, UpstreamRequest};

type Handler = Box<dyn Fn(&UpstreamRequest) -> Answer + Send>;

/// The cluster that all requests and all calls of the filter go to.
#[derive(Clone)]
pub(crate) struct Origin(Arc<Mutex<Script>>);

struct Script {
    answers: Handler,
    asked: Vec<UpstreamRequest>,
}

impl Origin {
    /// Until it is told otherwise, everything is fresh for a minute, and its body names the path.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Script {
            answers: Box::new(|request| fresh(60).body(path(request))),
            asked: Vec::new(),
        })))
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let script = Arc::clone(&self.0);
        Cluster::new(move |request| {
            let mut script = script.lock().unwrap();
            script.asked.push(request.clone());
            (script.answers)(request)
        })
    }

    /// From now on it answers so.
    pub(crate) fn answer(&self, answers: impl Fn(&UpstreamRequest) -> Answer + Send + 'static) {
        self.0.lock().unwrap().answers = Box::new(answers);
    }

    /// From now on it always answers the same.
    pub(crate) fn always(&self, answer: Answer) {
        self.answer(move |_| answer.clone());
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<UpstreamRequest> {
        self.0.lock().unwrap().asked.clone()
    }

    /// How many requests reached it.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }

    /// The last request that reached it.
    pub(crate) fn last(&self) -> UpstreamRequest {
        self.asked().pop().unwrap()
    }
}

pub(crate) fn path(request: &UpstreamRequest) -> String {
    request.headers.text(":path").unwrap()
}

/// 200, fresh for so many seconds.
pub(crate) fn fresh(seconds: u32) -> Answer {
    Answer::ok()
        .header("content-type", "text/plain")
        .header("cache-control", format!("max-age={seconds}"))
}

/// Fresh for ten seconds, with a tag that an origin of [`versioned`] confirms.
pub(crate) fn tagged(version: &str, cache_control: &str) -> Answer {
    Answer::ok()
        .header("content-type", "text/plain")
        .header("etag", format!("\"{version}\""))
        .header("cache-control", cache_control)
        .body(version)
}

/// Answers with this version, or 304 to whom has it.
pub(crate) fn versioned(
    version: &'static str,
    cache_control: &'static str,
) -> impl Fn(&UpstreamRequest) -> Answer + Send {
    move |request| {
        let known = request.headers.text("if-none-match");
        if known.as_deref() == Some(&format!("\"{version}\"")) {
            return Answer::status(304).header("cache-control", cache_control);
        }
        tagged(version, cache_control)
    }
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
