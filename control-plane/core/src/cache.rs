//! Caches: which answers are to go, and what goes with them.

mod cdn;
mod dependency;
mod purge;
mod schedule;
mod text;
mod warm;

use weir_policy::name::Name;

pub(crate) use cdn::CdnBacklogs;
pub use cdn::{
    CdnFailure, CdnOutcome, CdnPurge, CdnSettled, CdnStatus, CdnTarget, MAX_WAITING, MAX_WAITING_BYTES,
};
pub(crate) use dependency::Dependencies;
pub use dependency::{DependencyChange, MAX_DEPENDENCIES, MAX_EDGES, MAX_EXPANDED, TagDependencies};
pub use purge::{MAX_TARGETS, PurgeDone, PurgeProgress, PurgeRequest, PurgeScope};
pub use schedule::{Due, Schedule, Timetable};
pub use text::MAX_TEXT;
pub(crate) use warm::WarmRuns;
pub use warm::{
    MAX_CHUNK, MAX_RUNS, WarmDone, WarmJob, WarmOutcome, WarmRequest, WarmRun, WarmRunStatus, WarmStanding,
    WarmStatus, WarmStrategy, WarmTotals, warming_proxies,
};

use crate::node::GatewayRef;
use crate::proxy::Proxies;
use crate::slot;
use crate::state::State;

/// The filter that purges are for.
pub const FILTER: &str = "edge-cache";

/// How many connected proxies of a namespace keep answers.
pub fn caching_proxies(state: &State, proxies: &Proxies, namespace: &Name) -> usize {
    let caches = |cluster: &str| {
        GatewayRef::parse(cluster).is_some_and(|gateway| {
            gateway.namespace == *namespace && slot::has_policies(state, &gateway, FILTER)
        })
    };
    let connected = proxies.connected_by_cluster();
    let counts = connected.iter().filter(|(cluster, _)| caches(cluster));
    counts.map(|(_, count)| count).sum()
}
