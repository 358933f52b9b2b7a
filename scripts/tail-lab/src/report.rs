//! What a run says.

use serde::Serialize;

use crate::client::End;
use crate::load::Logical;
use crate::quantiles::Quantiles;
use crate::scenario::Window;
use crate::seen::{Seen, Try};

/// A run: as a whole, each window of the scenario, each second.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    whole: Part,
    windows: Vec<Part>,
    seconds: Vec<Part>,
}

/// A part of a run: requests by when they were meant to leave, tries by when they came to a replica.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    name: String,
    /// Times of logical requests.
    ms: Quantiles,
    /// Single requests.
    sent: usize,
    /// Tries that came to replicas, and those that were no first ones.
    received: usize,
    again: usize,
    /// Tries whose answer nobody waited for: first ones, since a further one had answered, and further ones.
    reset_first: usize,
    reset_again: usize,
    by_replica: Vec<usize>,
    /// `again` of the single requests, percent.
    extra_percent: f64,
    /// Single requests without their own whole answer, by what there was in its place.
    failed: Failures,
}

#[derive(Debug, Serialize)]
struct Failures {
    status: usize,
    broken: usize,
    none: usize,
}

impl Report {
    pub(crate) fn of(seen: &Seen, logical: &[Logical]) -> Self {
        let tries = seen.tries();
        let part = |window: &Window| Part::of(window, logical, &tries, seen.scenario.replicas.len());
        let second = |second: u64| part(&window(second.to_string(), second as f64, (second + 1) as f64));
        Self {
            whole: part(&window("whole".to_owned(), f64::NEG_INFINITY, f64::INFINITY)),
            windows: seen.scenario.windows.iter().map(part).collect(),
            seconds: (0..seen.scenario.seconds).map(second).collect(),
        }
    }
}

impl Part {
    fn of(window: &Window, logical: &[Logical], tries: &[Try], replicas: usize) -> Self {
        let logical: Vec<_> = logical.iter().filter(|it| window.has(it.at_s)).collect();
        let tries: Vec<_> = tries.iter().filter(|it| window.has(it.at_s)).collect();
        let sent = logical.iter().map(|it| it.ends.len()).sum::<usize>();
        let again = tries.iter().filter(|it| it.attempt > 0).count();
        let resets = |first| {
            let resets = tries.iter().filter(|it| it.was_reset);
            resets.filter(|it| (it.attempt == 0) == first).count()
        };
        let of_replica = |replica| tries.iter().filter(|it| it.replica == replica).count();
        Self {
            name: window.name.clone(),
            ms: Quantiles::of(logical.iter().map(|it| it.took_ms)),
            sent,
            received: tries.len(),
            again,
            reset_first: resets(true),
            reset_again: resets(false),
            by_replica: (0..replicas).map(of_replica).collect(),
            extra_percent: percent(again, sent),
            failed: Failures::of(&logical),
        }
    }
}

impl Failures {
    fn of(logical: &[&Logical]) -> Self {
        let count = |what| {
            let ends = logical.iter().flat_map(|it| &it.ends);
            ends.filter(|end| **end == what).count()
        };
        Self {
            status: count(End::Status),
            broken: count(End::Broken),
            none: count(End::None),
        }
    }
}

const fn window(name: String, from_s: f64, until_s: f64) -> Window {
    Window {
        name,
        from_s,
        until_s,
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    (percent * 1_000.0).round() / 1_000.0
}
