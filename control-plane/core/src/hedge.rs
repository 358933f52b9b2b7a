//! Hedging: which Gateways' proxies are made ready for it, and how far they may go.

use weir_policy::document::hedge_policy::HedgePolicySpec;
use weir_policy::document::{Kind, Spec};

use crate::cluster::is_attached;
use crate::node::GatewayRef;
use crate::state::State;

/// How often a route tries again on its own: never.
pub(crate) const ROUTE_RETRIES: u32 = 0;

/// What the HedgePolicies of a Gateway ask of its proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hedging {
    /// The largest part of requests that one of them lets be sent twice, parts per million.
    pub(crate) largest_ppm: u32,
}

/// What is asked of a Gateway's proxies; none where no policy is attached. One that is off counts, so that a change of its
/// mode changes its slot and nothing else: neither listeners nor clusters, whose connections would go.
pub(crate) fn of_gateway(state: &State, gateway: &GatewayRef) -> Option<Hedging> {
    let parts = policies(state, gateway).map(|policy| policy.budget.percent.percent_as_ppm());
    parts.max().map(|largest_ppm| Hedging { largest_ppm })
}

fn policies<'a>(state: &'a State, gateway: &'a GatewayRef) -> impl Iterator<Item = &'a HedgePolicySpec> {
    let policies = state.of_kind(&gateway.namespace, Kind::HedgePolicy);
    policies.filter_map(|(_, stored)| match &stored.document.spec {
        Spec::HedgePolicy(policy) if is_attached(&stored.document, gateway) => Some(policy),
        _ => None,
    })
}
