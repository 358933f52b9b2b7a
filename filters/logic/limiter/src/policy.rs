//! One RateLimitPolicy, compiled.

use weir_policy::compiled::rate_limit::{CompiledLimit, CompiledRateLimitPolicy};
use weir_policy::document::rate_limit_policy::exemption::{Exemption as ExemptionSpec, Networks};
use weir_policy::document::rate_limit_policy::{HeaderFields, OnError};
use weir_policy::name::Name;
use weir_policy::problem::Problem;
use weir_quota::tree::QuotaTree;
use weir_route_match::Matcher;

use crate::address::{Network, client};
use crate::limit::{Limit, below};
use crate::request::LimitedRequest;

/// One policy.
#[derive(Clone, Debug)]
pub struct Policy {
    name: String,
    shadow: bool,
    /// The index of the policy in whose place it might come; an index that no policy has, where that one is not here.
    candidate_for: Option<usize>,
    on_error: OnError,
    exemptions: Vec<Exemption>,
    headers: HeaderFields,
    limits: Vec<Limit>,
}

#[derive(Clone, Debug)]
enum Exemption {
    Match(Box<Matcher>),
    Networks(usize, Vec<Network>),
}

impl Policy {
    /// Checks and compiles; `names` are those of all policies of the slot, in order.
    pub(crate) fn try_new<'n>(
        name: &str,
        policy: &CompiledRateLimitPolicy,
        mut names: impl Iterator<Item = &'n String>,
    ) -> Result<Self, Problem> {
        let live = policy.candidate_for.as_ref();
        Ok(Self {
            name: name.to_owned(),
            shadow: policy.shadow,
            candidate_for: live.map(|live| names.position(|name| name == live).unwrap_or(usize::MAX)),
            on_error: policy.on_error,
            exemptions: exemptions(&policy.exempt)?,
            headers: policy.headers,
            limits: limits(name, &policy.limits)?,
        })
    }

    /// `<namespace>/<name>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it only counts.
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// Its limits, in the order of the policy.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    pub(crate) fn candidate_for(&self) -> Option<usize> {
        self.candidate_for
    }

    pub(crate) fn on_error(&self) -> OnError {
        self.on_error
    }

    pub(crate) fn headers(&self) -> HeaderFields {
        self.headers
    }

    /// Whether it is not for `request`, although a rule says so.
    pub(crate) fn exempts(&self, request: &impl LimitedRequest) -> bool {
        self.exemptions.iter().any(|exemption| exemption.holds(request))
    }
}

impl Exemption {
    fn try_new(exemption: &ExemptionSpec) -> Result<Self, Problem> {
        match exemption {
            ExemptionSpec::Match(conditions) => Matcher::try_new(conditions)
                .map(|matcher| Self::Match(Box::new(matcher)))
                .map_err(|problem| below("/match", problem)),
            ExemptionSpec::ClientAddress(networks) => networks_of(networks),
        }
    }

    fn holds(&self, request: &impl LimitedRequest) -> bool {
        match self {
            Self::Match(matcher) => matcher.matches(request),
            Self::Networks(hops, networks) => client(request, *hops)
                .is_some_and(|address| networks.iter().any(|network| network.contains(address))),
        }
    }
}

fn networks_of(networks: &Networks) -> Result<Exemption, Problem> {
    let parse = |(index, text): (usize, &String)| {
        Network::parse(text).ok_or_else(|| {
            let pointer = format!("/clientAddress/networks/{index}");
            Problem::new("invalid_network", pointer, format!("{text:?} is no network"))
        })
    };
    let parsed = networks.networks.iter().enumerate().map(parse);
    let hops = usize::try_from(networks.trusted_hops).unwrap_or(usize::MAX);
    Ok(Exemption::Networks(hops, parsed.collect::<Result<_, _>>()?))
}

fn exemptions(exemptions: &[ExemptionSpec]) -> Result<Vec<Exemption>, Problem> {
    let compile = |(index, exemption)| {
        Exemption::try_new(exemption).map_err(|problem| below(&format!("/exempt/{index}"), problem))
    };
    exemptions.iter().enumerate().map(compile).collect()
}

fn limits(policy: &str, limits: &[CompiledLimit]) -> Result<Vec<Limit>, Problem> {
    let parents: Vec<(&str, Option<&str>)> = limits
        .iter()
        .map(|limit| (limit.name.as_str(), limit.parent.as_ref().map(Name::as_str)))
        .collect();
    let tree = QuotaTree::try_new(&parents).map_err(|error| {
        let pointer = format!("/limits/{}", error.index());
        Problem::new("invalid_tree", pointer, error.to_string())
    })?;
    let compile = |(index, limit)| {
        let above = tree.chain(index).iter().filter(|above| **above != index);
        let above = above
            .filter_map(|index| limits.get(*index))
            .flat_map(|limit| &limit.key);
        Limit::try_new(policy, limit, above).map_err(|problem| below(&format!("/limits/{index}"), problem))
    };
    limits.iter().enumerate().map(compile).collect()
}
