//! Replicas that answer as they are told, and remember what they were asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_wasm_tests::{Answer, Cluster, UpstreamRequest};

type Handler = Box<dyn Fn(&UpstreamRequest) -> Answer + Send>;

/// The hosts `one` to `four` of a cluster; they take turns.
#[derive(Clone)]
pub(crate) struct Replicas(Arc<Mutex<Script>>);

struct Script {
    answers: Handler,
    asked: Vec<UpstreamRequest>,
}

impl Replicas {
    /// Until they are told otherwise, all answer after 5 ms, with the path as the body.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Script {
            answers: Box::new(|request| whole(request).after(ms(5))),
            asked: Vec::new(),
        })))
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let hosts = ["one", "two", "three", "four"];
        hosts.into_iter().fold(Cluster::empty(), |cluster, name| {
            let script = Arc::clone(&self.0);
            cluster.host(name, move |request| {
                let mut script = script.lock().unwrap();
                script.asked.push(request.clone());
                (script.answers)(request)
            })
        })
    }

    /// From now on they answer so.
    pub(crate) fn answer(&self, answers: impl Fn(&UpstreamRequest) -> Answer + Send + 'static) {
        self.0.lock().unwrap().answers = Box::new(answers);
    }

    /// From now on a first try takes so many milliseconds, and a second one 5.
    pub(crate) fn first_takes(&self, milliseconds: u64) {
        self.answer(move |request| {
            let first = request.attempt == 1;
            whole(request).after(ms(if first { milliseconds } else { 5 }))
        });
    }

    /// From now on all take so many milliseconds.
    pub(crate) fn all_take(&self, milliseconds: u64) {
        self.answer(move |request| whole(request).after(ms(milliseconds)));
    }

    /// What they were asked so far.
    pub(crate) fn asked(&self) -> Vec<UpstreamRequest> {
        self.0.lock().unwrap().asked.clone()
    }

    /// How many second tries reached them.
    pub(crate) fn second_tries(&self) -> usize {
        self.asked().iter().filter(|request| request.attempt > 1).count()
    }
}

/// 200, with a body of two chunks that names the path and the try.
pub(crate) fn whole(request: &UpstreamRequest) -> Answer {
    let path = request.headers.text(":path").unwrap();
    Answer::ok()
        .body(path)
        .chunk(ms(1), format!(" {}", request.attempt))
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
