//! What became of calls, counted: `weir_control_calls_total.filter.<filter>.call.<poll|report>.outcome.<outcome>`.

use std::rc::Rc;

use crate::counter::{Counter, Counters};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered.
    Ok,
    /// There was no answer, or none that makes sense.
    Failed,
    /// The receiver does not want it (4xx).
    Refused,
    /// There was no answer in time.
    Timeout,
}

/// The counters of one filter.
#[derive(Debug)]
pub(crate) struct Outcomes {
    pub(super) poll: Tally,
    pub(super) report: Tally,
}

/// The counters of one kind of call.
#[derive(Debug)]
pub(super) struct Tally {
    ok: Rc<Counter>,
    failed: Rc<Counter>,
    refused: Rc<Counter>,
    timeout: Rc<Counter>,
}

impl Outcome {
    /// Of a call that was answered with this status. Envoy itself says 504 where it waited too long.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            200..300 => Self::Ok,
            400..500 => Self::Refused,
            504 => Self::Timeout,
            _ => Self::Failed,
        }
    }
}

impl Outcomes {
    pub(crate) fn new(filter: &str, counters: &Counters) -> Self {
        Self {
            poll: Tally::new(filter, "poll", counters),
            report: Tally::new(filter, "report", counters),
        }
    }
}

impl Tally {
    fn new(filter: &str, call: &str, counters: &Counters) -> Self {
        let counter = |outcome: &str| {
            counters.counter(&format!(
                "weir_control_calls_total.filter.{filter}.call.{call}.outcome.{outcome}"
            ))
        };
        Self {
            ok: counter("ok"),
            failed: counter("failed"),
            refused: counter("refused"),
            timeout: counter("timeout"),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok.count(),
            Outcome::Failed => self.failed.count(),
            Outcome::Refused => self.refused.count(),
            Outcome::Timeout => self.timeout.count(),
        }
    }
}
