//! The slot of the rate-limit filter: RateLimitPolicies with the places of their values resolved.

use weir_policy::compiled::ConfigError;
use weir_policy::compiled::rate_limit::{
    Amount, CompiledDescriptor, CompiledLimit, CompiledPlans, CompiledQuota, CompiledRateLimitPolicy,
};
use weir_policy::document::gateway::Route;
use weir_policy::document::jwt::payload_header;
use weir_policy::document::key::KeySource;
use weir_policy::document::mode::Mode;
use weir_policy::document::rate_limit_policy::RateLimitPolicySpec;
use weir_policy::document::rate_limit_policy::descriptor::{Descriptor, JwtClaim};
use weir_policy::document::rate_limit_policy::limit::LimitSpec;
use weir_policy::document::rate_limit_policy::quota::{Plans, QuotaSpec};
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_policy::name::Name;
use weir_policy::quantity::Duration;

use super::{Attachment, SlotFilter};
use crate::node::GatewayRef;
use crate::reference::{gateway_spec, shard_map};
use crate::state::State;

pub(super) struct RateLimit;

impl SlotFilter for RateLimit {
    const FILTER: &'static str = "rate-limit";
    const KIND: Kind = Kind::RateLimitPolicy;
    const EXCLUSIVE: bool = false;
    const CONTROLLED: bool = true;
    type Spec = RateLimitPolicySpec;
    type Policy = CompiledRateLimitPolicy;

    fn spec(document: &Document) -> Option<&RateLimitPolicySpec> {
        match &document.spec {
            Spec::RateLimitPolicy(spec) if spec.mode != Mode::Off => Some(spec),
            _ => None,
        }
    }

    fn attachment(spec: &RateLimitPolicySpec) -> Attachment<'_> {
        Attachment {
            targets: &spec.target_refs,
            matches: &spec.matches,
            priority: 0,
        }
    }

    fn resolve(
        state: &State,
        gateway: &GatewayRef,
        _identity: &Identity,
        spec: &RateLimitPolicySpec,
    ) -> CompiledRateLimitPolicy {
        let candidate_for = spec.candidate_for.as_ref();
        let resolver = Resolver { state, gateway };
        CompiledRateLimitPolicy {
            shadow: spec.mode == Mode::Shadow,
            candidate_for: candidate_for.map(|name| format!("{}/{name}", gateway.namespace)),
            on_error: spec.on_error,
            exempt: spec.exempt.clone(),
            headers: spec.headers,
            max_keys: spec.max_keys,
            limits: spec.limits.iter().map(|limit| resolver.limit(limit)).collect(),
        }
    }

    fn clusters(_policy: &CompiledRateLimitPolicy) -> Vec<String> {
        Vec::new()
    }

    fn applies_to(_route: &Route) -> bool {
        true
    }

    fn verify(json: &[u8]) -> Result<(), ConfigError> {
        weir_limiter::Limiter::from_json(json).map(|_| ())
    }
}

/// Looks up what the documents name.
struct Resolver<'s> {
    state: &'s State,
    gateway: &'s GatewayRef,
}

impl Resolver<'_> {
    fn limit(&self, limit: &LimitSpec) -> CompiledLimit {
        CompiledLimit {
            name: limit.name.clone(),
            key: limit
                .key
                .iter()
                .map(|descriptor| self.descriptor(descriptor))
                .collect(),
            on_missing_key: limit.on_missing_key,
            quota: quota(&limit.quota),
            plans: limit.plans.as_ref().map(|plans| self.plans(plans)),
            cost: limit.cost.clone(),
            parent: limit.parent.clone(),
            fleet: limit.fleet,
        }
    }

    fn plans(&self, plans: &Plans) -> CompiledPlans {
        let compiled = plans
            .quotas
            .iter()
            .map(|(plan, spec)| (plan.clone(), quota(spec)));
        CompiledPlans {
            from: self.descriptor(&plans.from),
            quotas: compiled.collect(),
        }
    }

    fn descriptor(&self, descriptor: &Descriptor) -> CompiledDescriptor {
        match descriptor {
            Descriptor::ClientAddress(address) => CompiledDescriptor::ClientAddress(*address),
            Descriptor::Header(name) => CompiledDescriptor::Header(name.clone()),
            Descriptor::Cookie(name) => CompiledDescriptor::Cookie(name.clone()),
            Descriptor::JwtClaim(claim) => CompiledDescriptor::JwtClaim {
                payload_headers: self.payload_headers(claim),
                claim: claim.claim.clone(),
            },
            Descriptor::Path(path) => CompiledDescriptor::Path(path.clone()),
            Descriptor::Method => CompiledDescriptor::Method,
            Descriptor::ShardKey(key) => CompiledDescriptor::ShardKey(self.key_sources(&key.shard_map)),
        }
    }

    /// Where the Gateway's proxies put the claims of the tokens that count. No place at all would be the token itself, so
    /// where nobody verifies tokens a claim stands in a header that no request has.
    fn payload_headers(&self, claim: &JwtClaim) -> Vec<String> {
        let jwt = gateway_spec(self.state, self.gateway).and_then(|gateway| gateway.jwt.as_ref());
        let providers = jwt.map(|jwt| jwt.providers.as_slice()).unwrap_or_default();
        let counts = |name: &Name| claim.provider.as_ref().is_none_or(|wanted| wanted == name);
        if claim.unverified {
            return Vec::new();
        }
        let verifying = providers.iter().filter(|provider| counts(&provider.name));
        let mut headers: Vec<String> = verifying.map(|provider| payload_header(&provider.name)).collect();
        if headers.is_empty() {
            headers.push(String::new());
        }
        headers
    }

    /// References were checked; a map that is gone has no sources, which the filter refuses.
    fn key_sources(&self, map: &Name) -> Vec<KeySource> {
        let found = shard_map(self.state, &self.gateway.namespace, map);
        found.map(|map| map.key.sources.clone()).unwrap_or_default()
    }
}

fn quota(quota: &QuotaSpec) -> CompiledQuota {
    let amount = |requests, time: Duration, burst| Amount {
        requests,
        window_ms: time.as_millis(),
        burst,
    };
    match quota {
        QuotaSpec::Rate(rate) => {
            let burst = rate.burst.unwrap_or(rate.requests);
            CompiledQuota::Rate(amount(rate.requests, rate.window, burst))
        }
        QuotaSpec::SlidingWindow(quota) => {
            CompiledQuota::SlidingWindow(amount(quota.requests, quota.window, 0))
        }
        QuotaSpec::Concurrency(quota) => {
            CompiledQuota::Concurrency(amount(quota.requests, quota.max_duration, 0))
        }
    }
}
