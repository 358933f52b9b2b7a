//! The open loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Connections, End, ask, connections};
use crate::scenario::Scenario;
use crate::seen::Seen;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const MILLIS_PER_SECOND: f64 = 1_000.0;

/// One logical request.
#[derive(Clone, Debug)]
pub(crate) struct Logical {
    /// When it was meant to leave, seconds since the load began.
    pub(crate) at_s: f64,
    /// How long the slowest of its requests took, each from when it was meant to leave, milliseconds.
    pub(crate) took_ms: f64,
    /// What became of its requests.
    pub(crate) ends: Vec<End>,
}

/// One request, by its number and by when it is due.
#[derive(Clone, Copy, Debug)]
struct Single {
    number: usize,
    due: Instant,
}

/// Sends what the scenario says, each when it is due, and waits for all answers.
pub(crate) async fn run(seen: &Arc<Seen>) -> Vec<Logical> {
    let scenario = &seen.scenario;
    let connections = connections();
    let mut under_way = JoinSet::new();
    for number in 0..scenario.per_second * scenario.seconds {
        let due = Duration::from_nanos(number * NANOS_PER_SECOND / scenario.per_second);
        tokio::time::sleep_until((seen.began + due).into()).await;
        let singles = singles(scenario, number, seen.began + due);
        under_way.spawn(logical(connections.clone(), scenario.target, singles, due));
    }
    under_way.join_all().await
}

/// What a logical request is made of, evenly over the time that the scenario spreads it.
fn singles(scenario: &Scenario, logical: u64, due: Instant) -> Vec<Single> {
    let spread = Duration::from_millis(scenario.spread_ms);
    let single = |at: u64| Single {
        number: (logical * scenario.fan_out + at) as usize,
        due: due + spread.mul_f64(at as f64 / scenario.fan_out as f64),
    };
    (0..scenario.fan_out).map(single).collect()
}

async fn logical(connections: Connections, port: u16, singles: Vec<Single>, due: Duration) -> Logical {
    let one = |single: Single| {
        let connections = connections.clone();
        async move {
            tokio::time::sleep_until(single.due.into()).await;
            let end = ask(&connections, port, single.number).await;
            (end, single.due.elapsed())
        }
    };
    let tasks: JoinSet<_> = singles.into_iter().map(one).collect();
    let (ends, times): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    let slowest = times.into_iter().max().unwrap_or_default();
    Logical {
        at_s: due.as_secs_f64(),
        took_ms: slowest.as_secs_f64() * MILLIS_PER_SECOND,
        ends,
    }
}
