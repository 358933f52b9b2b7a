//! One CachePolicy, compiled.

use weir_policy::compiled::CompiledRoute;
use weir_policy::compiled::edge_cache::{CompiledCachePolicy, CompiledShardKeys};
use weir_policy::matching::check_header_name;
use weir_policy::problem::{Problem, Problems};
use weir_route_match::{Matcher, RequestView, Selector};
use weir_shard_map::KeyReader;

use crate::headers::Headers;
use crate::key::{CacheKey, KeyText};
use crate::request::CacheRequest;
use crate::vary::VaryRule;

/// What a CachePolicy says, checked and ready to be asked.
#[derive(Clone, Debug)]
pub struct CacheRules {
    policy: CompiledCachePolicy,
    shards: Option<ShardKeys>,
    /// In the order of the policy's lifetime rules; none: for every request.
    ttl_matchers: Vec<Option<Matcher>>,
}

#[derive(Clone, Debug)]
struct ShardKeys {
    selector: Selector,
    maps: Vec<(String, KeyReader)>,
}

impl CacheRules {
    /// Checks and compiles `policy`; the pointer of a problem is relative to it. `routes` are those of the slot.
    pub fn try_new(policy: CompiledCachePolicy, routes: &[CompiledRoute]) -> Result<Self, Problem> {
        check_names(&policy)?;
        check_limits(&policy)?;
        let shards = policy.key.shard_keys.as_ref();
        let shards = shards.map(|shards| ShardKeys::try_new(shards, routes));
        Ok(Self {
            shards: shards.transpose()?,
            ttl_matchers: ttl_matchers(&policy)?,
            policy,
        })
    }

    /// What it was made of.
    pub fn policy(&self) -> &CompiledCachePolicy {
        &self.policy
    }

    /// The key of the variant that `request` asks for (RFC 9111 section 4.1); the request's own where there are none.
    pub fn variant(&self, vary: &VaryRule, request: &CacheRequest) -> CacheKey {
        vary.key(&request.key, &request.headers)
    }

    /// The lifetime rules that are for `request`.
    pub(crate) fn ttl_rules(&self, request: &impl RequestView) -> Vec<usize> {
        let holds = |matcher: &Option<Matcher>| matcher.as_ref().is_none_or(|it| it.matches(request));
        let rules = self.ttl_matchers.iter().enumerate();
        rules
            .filter(|(_, matcher)| holds(matcher))
            .map(|(index, _)| index)
            .collect()
    }

    /// The part of a key that keeps the shards' clients apart: the map that the shard-router would take, and its key.
    pub(crate) fn shard_key(&self, request: &Headers, text: &mut KeyText) {
        let Some(shards) = &self.shards else {
            return;
        };
        let map = shards
            .selector
            .select(request)
            .and_then(|index| shards.maps.get(index));
        text.optional(map.map(|(name, _)| name.as_bytes()));
        text.optional(map.and_then(|(_, reader)| reader.key(request)).as_deref());
    }
}

impl ShardKeys {
    /// The selector is that of a slot whose policies are the maps.
    fn try_new(shards: &CompiledShardKeys, routes: &[CompiledRoute]) -> Result<Self, Problem> {
        let mut maps = Vec::with_capacity(shards.maps.len());
        for (name, sources) in &shards.maps {
            let reader = KeyReader::try_new(sources).map_err(|problem| {
                let name = weir_policy::problem::escape(name);
                below(&format!("/key/shardKeys/maps/{name}"), problem)
            })?;
            maps.push((name.clone(), reader));
        }
        let names: Vec<&str> = maps.iter().map(|(name, _)| name.as_str()).collect();
        let selector = Selector::compile(routes, &shards.rules, &names)
            .map_err(|error| Problem::new("invalid_shard_keys", "/key/shardKeys", error.to_string()))?;
        Ok(Self { selector, maps })
    }
}

fn ttl_matchers(policy: &CompiledCachePolicy) -> Result<Vec<Option<Matcher>>, Problem> {
    let mut matchers = Vec::with_capacity(policy.ttl.rules.len());
    for (index, rule) in policy.ttl.rules.iter().enumerate() {
        let matcher = rule.request_match.as_ref().map(Matcher::try_new).transpose();
        matchers.push(matcher.map_err(|problem| below(&format!("/ttl/rules/{index}/match"), problem))?);
    }
    Ok(matchers)
}

/// Every name of a header is lower-case and one.
fn check_names(policy: &CompiledCachePolicy) -> Result<(), Problem> {
    let mut problems = Problems::default();
    let lists = [
        ("/varyIgnore", &policy.vary_ignore),
        ("/targets", &policy.targets),
        ("/bypassHeaders", &policy.bypass_headers),
        ("/tags/headers", &policy.tags.headers),
        ("/key/headers", &policy.key.headers),
    ];
    for (pointer, names) in lists {
        for (index, name) in names.iter().enumerate() {
            let mut found = Problems::default();
            found.within(index, |problems| check_header_name(name, problems));
            if let Some(problem) = found.into_vec().into_iter().next() {
                return Err(below(pointer, problem));
            }
        }
    }
    if let Some(name) = policy.cdn.as_ref().and_then(|cdn| cdn.tag_header.as_ref()) {
        problems.within("cdn", |problems| {
            problems.within("tagHeader", |problems| check_header_name(name, problems));
        });
    }
    problems.into_vec().into_iter().next().map_or(Ok(()), Err)
}

fn check_limits(policy: &CompiledCachePolicy) -> Result<(), Problem> {
    let limits = policy.limits;
    if limits.object_bytes == 0 || limits.object_bytes > limits.total_bytes {
        let detail = format!(
            "{}: expected 1 to totalBytes, {}",
            limits.object_bytes, limits.total_bytes
        );
        return Err(Problem::new("size_out_of_range", "/limits/objectBytes", detail));
    }
    if limits.objects == 0 {
        return Err(Problem::new(
            "count_out_of_range",
            "/limits/objects",
            "0: expected 1 or more",
        ));
    }
    Ok(())
}

fn below(pointer: &str, problem: Problem) -> Problem {
    Problem {
        pointer: format!("{pointer}{}", problem.pointer),
        ..problem
    }
}
