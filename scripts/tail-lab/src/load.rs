//! The open loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Connections, End, ask, connections};
use crate::seen::Seen;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const MILLIS_PER_SECOND: f64 = 1_000.0;

/// One logical request.
#[derive(Clone, Debug)]
pub(crate) struct Logical {
    /// When it was meant to leave, seconds since the load began.
    pub(crate) at_s: f64,
    /// From then until the last of its requests was over, milliseconds.
    pub(crate) took_ms: f64,
    /// What became of its requests.
    pub(crate) ends: Vec<End>,
}

/// Sends what the scenario says, each when it is due, and waits for all answers.
pub(crate) async fn run(seen: &Arc<Seen>) -> Vec<Logical> {
    let scenario = &seen.scenario;
    let connections = connections();
    let mut under_way = JoinSet::new();
    for number in 0..scenario.per_second * scenario.seconds {
        let due = Duration::from_nanos(number * NANOS_PER_SECOND / scenario.per_second);
        tokio::time::sleep_until((seen.began + due).into()).await;
        let fan = (number * scenario.fan_out..(number + 1) * scenario.fan_out).map(|one| one as usize);
        under_way.spawn(logical(connections.clone(), scenario.target, fan.collect(), seen.began, due));
    }
    under_way.join_all().await
}

async fn logical(
    connections: Connections,
    port: u16,
    numbers: Vec<usize>,
    began: Instant,
    due: Duration,
) -> Logical {
    let one = |number| {
        let connections = connections.clone();
        async move { ask(&connections, port, number).await }
    };
    let ends = numbers.into_iter().map(one).collect::<JoinSet<_>>().join_all().await;
    Logical {
        at_s: due.as_secs_f64(),
        took_ms: began.elapsed().saturating_sub(due).as_secs_f64() * MILLIS_PER_SECOND,
        ends,
    }
}
