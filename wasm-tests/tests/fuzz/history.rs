//! What happens to a process, step by step.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::asked::{Asked, asked};
use crate::configuration::{Configuration, any_configuration, damaged, valid};
use crate::text::{Text, header_value};

/// A process with so many workers, and what happens to it. When the steps are done, stalled workers go on, and open
/// streams end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) workers: usize,
    pub(crate) steps: Vec<Step>,
}

/// One step. Numbers of workers and of open streams are taken modulo how many there are, so that a history stays one
/// when steps are left out; without an open stream a step on one does nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Step {
    Configure(Configuration),
    Open {
        worker: usize,
        request: Asked,
    },
    RequestBody {
        stream: usize,
        chunk: Text,
        end: bool,
    },
    ResponseHeaders {
        stream: usize,
        headers: Vec<(String, Text)>,
    },
    ResponseBody {
        stream: usize,
        chunk: Text,
        end: bool,
    },
    Finish {
        stream: usize,
    },
    Stall {
        worker: usize,
    },
    Resume {
        worker: usize,
    },
    Advance {
        milliseconds: u64,
    },
}

impl History {
    /// This history without some of its steps, half of them first, or without a header of one of its requests.
    pub(crate) fn smaller(&self) -> impl Iterator<Item = Self> {
        let count = self.steps.len();
        let sizes =
            std::iter::successors(Some(count / 2), |size| Some(size / 2)).take_while(|size| *size > 0);
        let parts = sizes.flat_map(move |size| {
            (0..count)
                .step_by(size)
                .map(move |from| from..count.min(from + size))
        });
        let without_steps = parts.map(|part| self.with(|steps| drop(steps.drain(part))));
        let steps = self.steps.iter().enumerate();
        let headers = steps.flat_map(|(place, step)| (0..step.headers()).map(move |at| (place, at)));
        without_steps.chain(headers.map(|(place, at)| self.with(|steps| steps[place].remove_header(at))))
    }

    fn with(&self, change: impl FnOnce(&mut Vec<Step>)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.steps);
        changed
    }
}

impl Step {
    fn headers(&self) -> usize {
        match self {
            Self::Open { request, .. } => request.headers.len(),
            _ => 0,
        }
    }

    fn remove_header(&mut self, at: usize) {
        if let Self::Open { request, .. } = self {
            request.headers.remove(at);
        }
    }
}

/// Any history: short mostly, long now and then.
pub(crate) fn history() -> impl Strategy<Value = History> {
    let steps = prop_oneof![
        20 => prop::collection::vec(step(), 1..30),
        1 => prop::collection::vec(step(), 100..250),
    ];
    (1..4_usize, valid(), steps).prop_map(|(workers, first, mut steps)| {
        steps.insert(0, Step::Configure(Configuration::Json(first)));
        History { workers, steps }
    })
}

/// A configuration, then a broken one; the same requests before and after.
pub(crate) fn break_in() -> impl Strategy<Value = History> {
    let requests = prop::collection::vec(asked(), 1..3);
    (valid(), damaged(), requests).prop_map(|(valid, damaged, requests)| {
        let open = |request: &Asked| Step::Open {
            worker: 0,
            request: request.clone(),
        };
        let mut steps = vec![Step::Configure(Configuration::Json(valid))];
        steps.extend(requests.iter().map(open));
        steps.push(Step::Configure(damaged));
        steps.extend(requests.iter().map(open));
        steps.push(Step::Advance { milliseconds: 1_100 });
        History { workers: 1, steps }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let (worker, stream) = (|| 0..4_usize, || 0..8_usize);
    prop_oneof![
        3 => any_configuration().prop_map(Step::Configure),
        12 => (worker(), asked()).prop_map(|(worker, request)| Step::Open { worker, request }),
        2 => (stream(), header_value(), any::<bool>())
            .prop_map(|(stream, chunk, end)| Step::RequestBody { stream, chunk, end }),
        2 => (stream(), prop::collection::vec(("[a-z-]{1,8}", header_value()), 0..3))
            .prop_map(|(stream, headers)| Step::ResponseHeaders { stream, headers }),
        1 => (stream(), header_value(), any::<bool>())
            .prop_map(|(stream, chunk, end)| Step::ResponseBody { stream, chunk, end }),
        6 => stream().prop_map(|stream| Step::Finish { stream }),
        1 => worker().prop_map(|worker| Step::Stall { worker }),
        1 => worker().prop_map(|worker| Step::Resume { worker }),
        4 => milliseconds().prop_map(|milliseconds| Step::Advance { milliseconds }),
    ]
}

/// Less than a tick, some ticks, so long that a silent worker counts as gone.
fn milliseconds() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => 0..50_u64,
        3 => 1_100..3_000_u64,
        1 => 6_000..60_000_u64,
    ]
}
