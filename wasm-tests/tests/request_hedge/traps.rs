//! A worker's VM dies while it holds tokens: they may be lost, but none is made.

use std::collections::BTreeSet;

use serde_json::json;
use weir_wasm_tests::{Exchange, Request};

use crate::budget::Times;
use crate::fixture::{Hedged, assert_whole, plain_with, with};

/// Enough for a configuration, and for any request without odd headers.
const FUEL: u64 = 1_000_000;
const MIN_PER_SECOND: u64 = 10;
/// Requests under way where the VM dies.
const UNDER_WAY: usize = 30;
/// More headers than there is fuel for.
const TOO_MANY: usize = 20_000;

/// The first of two workers meets a request of so many headers, with tokens in escrow whose hedges have not left, and when it is time
/// to settle.
struct Met {
    hedged: Hedged,
    under_way: Vec<Exchange>,
    request: Exchange,
    /// The budget's record before and afterwards.
    records: [Option<Vec<u8>>; 2],
}

impl Met {
    fn headers(count: usize) -> Self {
        let budget = json!({"ppm": 0, "minPerSecond": MIN_PER_SECOND});
        let mut configuration = plain_with("/budget", budget);
        for bound in ["minDelayMs", "maxDelayMs", "coldStartDelayMs"] {
            configuration = with(
                configuration,
                &format!("/policies/default~1reads/{bound}"),
                800.into(),
            );
        }
        let hedged = Hedged::limited(2, &configuration, FUEL);
        hedged.replicas.all_take(2_000);
        hedged.ask(0, Request::get("/a"));
        hedged.advance(20_000);
        let under_way = (0..UNDER_WAY)
            .map(|_| hedged.send(0, Request::get("/a")))
            .collect();
        hedged.advance(600);
        let before = record(&hedged);
        let request = hedged.send(0, many(count));
        let records = [before, record(&hedged)];
        Self {
            hedged,
            under_way,
            request,
            records,
        }
    }

    fn is_dead(&self) -> bool {
        !self.hedged.process.traps().is_empty()
    }
}

fn many(count: usize) -> Request {
    let odd = |request: Request, number: usize| request.header(&format!("x-{number}"), "1");
    (0..count).fold(Request::get("/many"), odd)
}

fn record(hedged: &Hedged) -> Option<Vec<u8>> {
    let name = format!(
        "{}/{}/budget/0/{MIN_PER_SECOND}",
        crate::fixture::SLOT,
        crate::fixture::POLICY
    );
    hedged.process.shared_data("weir.request-hedge", &name)
}

/// The fewest headers for which the fuel does not last.
fn fewest() -> usize {
    let (mut passes, mut dies) = (0, TOO_MANY);
    while dies - passes > 1 {
        let count = usize::midpoint(passes, dies);
        if Met::headers(count).is_dead() {
            dies = count;
        } else {
            passes = count;
        }
    }
    dies
}

/// Twelve seconds of requests to both workers, at their ends: those of each.
fn afterwards(hedged: &Hedged) -> [Vec<Exchange>; 2] {
    let [mut one, mut other] = [Vec::new(), Vec::new()];
    for _ in 0..300 {
        one.push(hedged.send(0, Request::get("/one")));
        other.push(hedged.send(1, Request::get("/other")));
        hedged.advance(40);
    }
    hedged.advance(5_000);
    [one, other]
}

fn hedges(exchanges: &[Exchange]) -> usize {
    exchanges
        .iter()
        .filter(|exchange| exchange.upstream_requests().len() > 1)
        .count()
}

#[test]
fn wherever_a_worker_dies_no_token_is_made_and_the_other_goes_on() {
    let fewest = fewest();
    let mut settled = BTreeSet::new();
    for count in fewest..fewest + 16 {
        let met = Met::headers(count);
        assert!(met.is_dead(), "{count}");
        assert_eq!(met.request.status(), 503, "{count}");
        settled.insert(met.records[0] != met.records[1]);
        let [one, other] = afterwards(&met.hedged);
        one.iter().chain(&other).for_each(assert_whole);
        // Envoy has been told of them, and they leave all the same.
        let left = hedges(&met.under_way);
        assert!(left > UNDER_WAY / 2, "{count}: {left}");
        assert!(hedges(&one) >= 5 && hedges(&other) >= 5, "{count}");
        let all: Vec<Exchange> = met.under_way.into_iter().chain(one).chain(other).collect();
        let over = Times::of(&all).over(0, MIN_PER_SECOND, 0);
        assert!(over <= 0, "{count}: {over} too many");
        assert_eq!(met.hedged.process.traps().len(), 1, "{count}");
    }
    // Before it has settled, and when the record is written but the purse does not know.
    assert_eq!(settled, BTreeSet::from([false, true]));
}
