//! Runs: answers that are fetched before anybody asks for them.

mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_policy::document::cache_policy::CachePolicySpec;
use weir_policy::document::cache_policy::warming::{
    KEY, MAX_URLS, WarmKeys, WarmingSpec, check_paths, is_path,
};
use weir_policy::document::{Identity, Kind};
use weir_policy::name::Name;
use weir_policy::problem::{Problem, Problems};
use weir_policy::proxy::{CacheWarm, Notice};

use super::FILTER;
use super::schedule::warming_policies;
use crate::event::{Change, Event};
use crate::node::GatewayRef;
use crate::percent::percent_encoded;
use crate::proxy::Proxies;
use crate::refusal::Refusal;
use crate::slot;
use crate::state::State;
pub use status::{WarmOutcome, WarmRunStatus, WarmStanding, WarmStatus, WarmStrategy, WarmTotals};

/// The most URLs of one notice.
pub const MAX_CHUNK: usize = 256;
/// The most bytes of them.
const MAX_CHUNK_BYTES: usize = 64 << 10;
/// How many runs of a policy are remembered.
pub const MAX_RUNS: usize = 32;

/// What is to be fetched: what a strategy says, or these paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmRequest {
    /// Whose proxies.
    #[serde(default = "Name::default_namespace")]
    pub namespace: Name,
    /// The CachePolicy: one with `spec.warming`.
    pub policy: Name,
    /// One of its strategies; absent: its first one says all but the paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Name>,
    /// These paths in place of the strategy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmDone {
    /// The run; none: there was nothing to fetch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// How many URLs.
    pub urls: usize,
    /// How many proxies fetch them.
    pub proxies: usize,
    /// How many requests they make: each proxy all, or its share of them where they share a tier.
    pub requests: usize,
    /// How many each of them makes.
    #[serde(skip)]
    pub shares: BTreeMap<String, usize>,
}

/// A strategy, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmJob {
    policy: Identity,
    strategy: WarmingSpec,
    is_shared: bool,
    label: Name,
}

/// A run that began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmRun {
    /// `<strategy>-<revision>`.
    pub job: String,
    /// When, Unix ms.
    pub at_ms: u64,
    /// How many URLs.
    pub urls: usize,
}

/// The newest runs of each policy, by `<namespace>/<name>`. A copy shares what does not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WarmRuns {
    by_policy: BTreeMap<String, Arc<VecDeque<WarmRun>>>,
}

impl WarmRuns {
    /// A part of a run is durable.
    pub(crate) fn warmed(&mut self, event: &Event, warm: &CacheWarm) {
        let runs = Arc::make_mut(self.by_policy.entry(warm.policy.clone()).or_default());
        match runs.back_mut().filter(|run| run.job == warm.job) {
            Some(run) => run.urls += warm.urls.len(),
            None => runs.push_back(WarmRun {
                job: warm.job.clone(),
                at_ms: event.at_ms,
                urls: warm.urls.len(),
            }),
        }
        if runs.len() > MAX_RUNS {
            runs.pop_front();
        }
    }

    /// A policy was deleted.
    pub(crate) fn forget(&mut self, identity: &Identity) {
        self.by_policy.remove(&name_of(identity));
    }
}

fn name_of(identity: &Identity) -> String {
    format!("{}/{}", identity.namespace, identity.name)
}

impl WarmJob {
    /// Where the paths come from: keys, or they are known.
    pub fn source(&self) -> Result<&[String], &WarmKeys> {
        match &self.strategy.keys {
            Some(keys) => Err(keys),
            None => Ok(&self.strategy.urls),
        }
    }

    /// The paths of the keys in a document.
    ///
    /// # Errors
    /// The document is not as the strategy says; for people.
    pub fn paths(&self, keys: &WarmKeys, document: &Value) -> Result<Vec<String>, String> {
        let template = self.strategy.template.as_deref().unwrap_or(KEY);
        let array = document
            .pointer(&keys.pointer)
            .and_then(Value::as_array)
            .ok_or_else(|| format!("no array at {:?}", keys.pointer))?;
        if array.len() > MAX_URLS {
            return Err(format!("{} keys: expected at most {MAX_URLS}", array.len()));
        }
        let path = |(index, item): (usize, &Value)| {
            let key = match &keys.field {
                Some(field) => item.get(field),
                None => Some(item),
            };
            let key = match key {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => return Err(format!("{}/{index}: no text, and no number", keys.pointer)),
            };
            let path = template.replace(KEY, &percent_encoded(&key));
            match is_path(&path) {
                true => Ok(path),
                false => Err(format!("{}/{index}: too long", keys.pointer)),
            }
        };
        array.iter().enumerate().map(path).collect()
    }

    /// How many requests each proxy makes.
    fn shares(&self, urls: &[String], proxies: &[String]) -> BTreeMap<String, usize> {
        let all = if self.is_shared { 0 } else { urls.len() };
        let mut shares: BTreeMap<String, usize> = proxies.iter().map(|proxy| (proxy.clone(), all)).collect();
        if self.is_shared {
            for owner in urls.iter().filter_map(|url| CacheWarm::owner(proxies, url)) {
                shares.entry(owner.to_owned()).and_modify(|share| *share += 1);
            }
        }
        shares
    }

    fn notice(&self, job: &str, urls: &[String], nodes: Option<&[String]>) -> Change {
        let headers = self.strategy.headers.iter();
        let warm = CacheWarm {
            job: job.to_owned(),
            policy: name_of(&self.policy),
            host: self.strategy.host.clone(),
            headers: headers
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
            urls: urls.to_vec(),
            parallelism: self.strategy.parallelism,
            retries: self.strategy.retries,
            nodes: nodes.map(<[String]>::to_vec),
        };
        Change::Notice {
            namespace: self.policy.namespace.clone(),
            notice: Notice::CacheWarm(warm),
        }
    }
}

/// Parts of at most [`MAX_CHUNK`] URLs, none of them long.
fn chunks(urls: &[String]) -> Vec<&[String]> {
    let mut chunks = Vec::new();
    let mut rest = urls;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |url: &&String| {
            bytes += url.len();
            bytes <= MAX_CHUNK_BYTES
        };
        let count = rest.iter().take(MAX_CHUNK).take_while(fits).count().max(1);
        let (chunk, after) = rest.split_at(count);
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

impl State {
    /// What a request comes to.
    pub fn warm_job(&self, request: &WarmRequest) -> Result<WarmJob, Refusal> {
        let identity = Identity {
            kind: Kind::CachePolicy,
            namespace: request.namespace.clone(),
            name: request.policy.clone(),
        };
        if self.get(&identity).is_none() {
            return Err(Refusal::NotFound(identity));
        }
        let unfit = |pointer: &str, reason: &str, detail: String| {
            Refusal::Unfit(vec![Problem::new(reason, pointer, detail)])
        };
        let policy = warming_policies(self).find(|(known, _)| **known == identity);
        let strategies = policy
            .map(|(_, spec)| spec.warming.as_slice())
            .unwrap_or_default();
        let of_name = |strategy: &&WarmingSpec| {
            request
                .strategy
                .as_ref()
                .is_none_or(|name| *name == strategy.name)
        };
        let Some(strategy) = strategies.iter().find(of_name) else {
            let detail = format!("{identity} is off, or has no such strategy in spec.warming");
            return Err(unfit("/strategy", "unknown_strategy", detail));
        };
        let mut job = WarmJob {
            label: strategy.name.clone(),
            is_shared: policy.is_some_and(|(_, spec)| spec.tier2.is_some()),
            strategy: strategy.clone(),
            policy: identity,
        };
        match (&request.urls, &request.strategy) {
            (Some(urls), _) => {
                let mut problems = Problems::default();
                problems.within("urls", |problems| check_paths(urls, problems));
                match problems.into_vec() {
                    found if found.is_empty() => {}
                    found => return Err(Refusal::Unfit(found)),
                }
                job.strategy.urls.clone_from(urls);
                (job.strategy.keys, job.strategy.template) = (None, None);
            }
            (None, None) => {
                return Err(unfit(
                    "",
                    "no_target",
                    "expected strategy, urls, or both".to_owned(),
                ));
            }
            (None, Some(_)) => {}
        }
        Ok(job)
    }

    /// The run of a job: notices for the proxies, in parts. Where `proxies` share a tier each fetches its share.
    pub fn plan_warm(&self, job: &WarmJob, urls: &[String], proxies: &[String]) -> (Vec<Change>, WarmDone) {
        let name = format!("{}-{}", job.label, self.revision() + 1);
        let nodes = job.is_shared.then_some(proxies);
        let parts = if proxies.is_empty() {
            Vec::new()
        } else {
            chunks(urls)
        };
        let changes: Vec<Change> = parts
            .into_iter()
            .map(|part| job.notice(&name, part, nodes))
            .collect();
        let shares = job.shares(urls, proxies);
        let done = WarmDone {
            job: (!changes.is_empty()).then_some(name),
            urls: urls.len(),
            proxies: proxies.len(),
            requests: shares.values().sum(),
            shares,
        };
        (changes, done)
    }

    /// The newest runs of a policy, oldest first.
    pub fn warm_runs(&self, policy: &Identity) -> impl Iterator<Item = &WarmRun> {
        let runs = self.warm_runs.by_policy.get(&name_of(policy));
        runs.into_iter().flat_map(|runs| runs.iter())
    }

    /// The newest runs of every policy with strategies in force, by namespace.
    pub fn warm_jobs(&self) -> BTreeSet<(&Name, &str)> {
        let runs = |(identity, _)| self.warm_runs(identity).map(move |run| (identity, run));
        let jobs = warming_policies(self).flat_map(runs);
        jobs.map(|(identity, run)| (&identity.namespace, run.job.as_str()))
            .collect()
    }

    /// Every policy of a namespace with strategies in force.
    pub fn warming_of(&self, namespace: &Name) -> impl Iterator<Item = (&Identity, &CachePolicySpec)> {
        let namespace = namespace.clone();
        warming_policies(self).filter(move |(identity, _)| identity.namespace == namespace)
    }
}

/// The ids of the connected proxies that have a job's policy, in order.
pub fn warming_proxies(state: &State, proxies: &Proxies, job: &WarmJob) -> Vec<String> {
    let policy = name_of(&job.policy);
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    let mut has = |cluster: &str| {
        *known.entry(cluster.to_owned()).or_insert_with(|| {
            GatewayRef::parse(cluster).is_some_and(|gateway| {
                gateway.namespace == job.policy.namespace
                    && slot::policies_of(state, &gateway, FILTER).contains(&policy)
            })
        })
    };
    let connected = proxies.list().into_iter().filter(|proxy| proxy.connected);
    connected
        .filter(|proxy| has(&proxy.cluster))
        .map(|proxy| proxy.id)
        .collect()
}
