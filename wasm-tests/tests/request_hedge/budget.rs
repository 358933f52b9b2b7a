//! How many second tries leave: over any ten seconds or more, no more than the budget says.

use weir_wasm_tests::{Exchange, Request};

use crate::fixture::{Hedged, assert_whole, plain, plain_with};
use crate::replicas::ms;

const WINDOW_MS: u64 = 10_000;

/// When requests came and second tries left, milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Times {
    requests: Vec<u64>,
    hedges: Vec<u64>,
}

impl Times {
    pub(crate) fn of(exchanges: &[Exchange]) -> Self {
        let mut times = Self::default();
        for request in exchanges.iter().flat_map(Exchange::upstream_requests) {
            let at = u64::try_from(request.at.as_millis()).unwrap();
            let kind = if request.attempt == 1 {
                &mut times.requests
            } else {
                &mut times.hedges
            };
            kind.push(at);
        }
        times.requests.sort_unstable();
        times.hedges.sort_unstable();
        times
    }

    /// By how many hedges, in millionths, the worst time of ten seconds or more is over the budget; `more`: time that the clock
    /// told beside this, milliseconds.
    pub(crate) fn over(&self, ppm: u64, min_per_second: u64, more_ms: u64) -> i64 {
        let mut worst = i64::MIN;
        for (first, from) in self.hedges.iter().enumerate() {
            for (last, to) in self.hedges.iter().enumerate().skip(first) {
                let span = (to - from).max(WINDOW_MS);
                let inside = |at: u64| self.requests.partition_point(|known| *known < at);
                let requests = (inside(from + span + 1) - inside(*from)) as u64;
                let allowed = requests * ppm + min_per_second * (span + more_ms) * 1_000;
                let hedges = (last - first + 1) as u64 * 1_000_000;
                worst = worst.max(hedges.cast_signed() - allowed.cast_signed());
            }
        }
        worst
    }

    pub(crate) fn hedges(&self) -> usize {
        self.hedges.len()
    }
}

/// All replicas are slow from the first request on, so that nothing tells that they are slower than usual.
pub(crate) fn brown_out(workers: usize, ppm: u64, min_per_second: u64) -> Hedged {
    let budget = serde_json::json!({"ppm": ppm, "minPerSecond": min_per_second});
    let hedged = Hedged::cold(workers, &plain_with("/budget", budget));
    hedged.replicas.all_take(300);
    hedged
}

#[test]
fn in_a_brown_out_no_more_leave_than_it_allows() {
    for workers in [1, 4] {
        for (ppm, min_per_second) in [(20_000, 10), (100_000, 2), (0, 5), (20_000, 1)] {
            let hedged = brown_out(workers, ppm, min_per_second);
            let exchanges = hedged.stream(3_000, 10);
            hedged.advance(1_000);
            exchanges.iter().for_each(assert_whole);
            let times = Times::of(&exchanges);
            let over = times.over(ppm, min_per_second, 0);
            assert!(over <= 0, "{workers}, {ppm}, {min_per_second}: {over} too many");
            // What comes in over 30 s.
            let allowed = (3_000 * ppm / 1_000_000 + 15 * min_per_second) as usize;
            assert!(
                times.hedges() * 10 >= allowed * 6,
                "{workers}, {ppm}, {min_per_second}: {}",
                times.hedges()
            );
        }
    }
}

#[test]
fn without_a_minimum_none_leaves() {
    let hedged = brown_out(1, 1_000_000, 0);
    hedged.stream(200, 10);
    hedged.advance(1_000);
    assert_eq!(hedged.replicas.second_tries(), 0);
    assert_eq!(hedged.decided("budget"), 200);
}

#[test]
fn workers_that_are_lost_take_their_tokens_with_them() {
    let hedged = brown_out(4, 20_000, 10);
    let mut exchanges = Vec::new();
    for round in 0..12 {
        exchanges.extend(hedged.stream(200, 10));
        hedged.plugin.worker(round % 4).lose().unwrap();
    }
    hedged.advance(1_000);
    let over = Times::of(&exchanges).over(20_000, 10, 0);
    assert!(over <= 0, "{over} too many");
    assert!(hedged.process.traps().is_empty());
}

#[test]
fn another_build_of_the_module_goes_on_with_it() {
    let mut hedged = brown_out(2, 20_000, 10);
    let mut exchanges = hedged.stream(1_000, 10);
    for _ in 0..3 {
        let budget = serde_json::json!({"ppm": 20_000, "minPerSecond": 10});
        hedged.reload(&plain_with("/budget", budget));
        exchanges.extend(hedged.stream(500, 10));
    }
    hedged.advance(1_000);
    exchanges.iter().for_each(assert_whole);
    let times = Times::of(&exchanges);
    let over = times.over(20_000, 10, 0);
    assert!(over <= 0, "{over} too many");
    assert!(times.hedges() > 50, "{}", times.hedges());
}

#[test]
fn a_quiet_process_has_tokens_for_a_burst() {
    let hedged = Hedged::on(1, &plain());
    hedged.advance(20_000);
    hedged.replicas.first_takes(100);
    let exchanges: Vec<Exchange> = (0..100).map(|_| hedged.send(0, Request::get("/a"))).collect();
    hedged.advance(200);
    let twice = exchanges
        .iter()
        .filter(|exchange| exchange.upstream_requests().len() == 2);
    let count = twice.count();
    assert!((20..=52).contains(&count), "{count}");
    assert_eq!(exchanges[0].duration(), ms(26));
}
