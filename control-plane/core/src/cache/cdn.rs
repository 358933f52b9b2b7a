//! Purges on their way to CDNs: which policy's CDN has yet to hear of which.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_policy::document::cache_policy::cdn_purge::CdnPurgeSpec;
use weir_policy::document::mode::Mode;
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_policy::name::Name;
use weir_policy::proxy::{CachePurge, Purged};

use crate::event::{Change, Event, Revision};
use crate::state::State;

/// The most purges that wait for one CDN; one more, and all of them become a purge of everything.
pub const MAX_WAITING: usize = 1_024;
/// The most bytes of what they say.
pub const MAX_WAITING_BYTES: usize = 8 << 20;

/// What a CDN is told: the body of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CdnPurge {
    /// `<namespace>/<name>` of the CachePolicy.
    pub policy: String,
    /// Where the purge stands among all events; it grows, and is the same when the purge is told again.
    pub revision: Revision,
    /// What is purged is stale, not gone.
    pub soft: bool,
    /// `"all": true`, or a list `tags`, `urls` or `prefixes`.
    #[serde(flatten)]
    pub what: CdnTarget,
}

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CdnTarget {
    /// Everything.
    All(bool),
    /// What has one of these tags, those that depend on the ones that were asked for included.
    Tags(Vec<String>),
    /// These URLs, without a scheme.
    Urls(Vec<String>),
    /// Whatever begins so.
    Prefixes(Vec<String>),
}

/// How a purge ended, for one CDN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CdnOutcome {
    /// It has said that it knows.
    Delivered,
    /// It was told so often as it may be, and did not.
    GivenUp,
}

impl CdnOutcome {
    /// A metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }
}

/// The last purge that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CdnSettled {
    /// Which.
    pub revision: Revision,
    /// How.
    pub outcome: CdnOutcome,
    /// When, Unix ms.
    pub at_ms: u64,
}

/// A purge that its CDN has not taken yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CdnFailure {
    /// Which.
    pub revision: Revision,
    /// How often it was told.
    pub tries: u32,
    /// Why not.
    pub detail: String,
}

/// How far one CDN is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CdnStatus {
    /// `<namespace>/<name>` of the CachePolicy.
    pub policy: String,
    /// Where purges go.
    pub url: String,
    /// How many it has yet to hear of.
    pub waiting: usize,
    /// The last that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<CdnSettled>,
    /// What went wrong with the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<CdnFailure>,
}

/// What waits for each CDN. A copy shares what does not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CdnBacklogs {
    by_policy: BTreeMap<Identity, Arc<Backlog>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Backlog {
    waiting: VecDeque<Arc<Waiting>>,
    bytes: usize,
    last: Option<CdnSettled>,
}

#[derive(Debug, PartialEq)]
struct Waiting {
    revision: Revision,
    soft: bool,
    what: Purged,
    bytes: usize,
}

impl Backlog {
    fn push(&mut self, waiting: Arc<Waiting>) {
        self.bytes += waiting.bytes;
        self.waiting.push_back(waiting);
        if self.waiting.len() > MAX_WAITING || self.bytes > MAX_WAITING_BYTES {
            self.collapse();
        }
    }

    /// Nothing stale is left, and the newest revision stands for all.
    fn collapse(&mut self) {
        let everything = Waiting {
            revision: self.waiting.back().map_or(0, |last| last.revision),
            soft: self.waiting.iter().all(|waiting| waiting.soft),
            what: Purged::All,
            bytes: 0,
        };
        self.waiting = VecDeque::from([Arc::new(everything)]);
        self.bytes = 0;
    }

    fn settle(&mut self, settled: CdnSettled) {
        while let Some(first) = self.waiting.front()
            && first.revision <= settled.revision
        {
            self.bytes -= first.bytes;
            self.waiting.pop_front();
        }
        self.last = Some(settled);
    }
}

impl CdnBacklogs {
    /// A purge is durable: it waits for these policies' CDNs.
    pub(crate) fn purged(&mut self, policies: Vec<Identity>, revision: Revision, purge: &CachePurge) {
        let waiting = Arc::new(Waiting {
            revision,
            soft: purge.soft,
            what: purge.what.clone(),
            bytes: purge.what.texts().iter().map(String::len).sum(),
        });
        for policy in policies {
            let backlog = self.by_policy.entry(policy).or_default();
            Arc::make_mut(backlog).push(Arc::clone(&waiting));
        }
    }

    /// A purge has ended.
    pub(crate) fn settle(&mut self, policy: &Identity, settled: CdnSettled) {
        if let Some(backlog) = self.by_policy.get_mut(policy) {
            Arc::make_mut(backlog).settle(settled);
        }
    }

    /// A document was replaced: one that names no CDN has nothing to tell.
    pub(crate) fn replaced(&mut self, identity: &Identity, document: Option<&Document>) {
        if document.and_then(cdn_of).is_none() {
            self.by_policy.remove(identity);
        }
    }
}

/// Where the purges of a policy go; none: nowhere.
fn cdn_of(document: &Document) -> Option<&CdnPurgeSpec> {
    match &document.spec {
        Spec::CachePolicy(policy) if policy.mode != Mode::Off => policy.cdn.as_ref()?.purge.as_ref(),
        _ => None,
    }
}

/// `<namespace>/<name>`
fn name_of(identity: &Identity) -> String {
    format!("{}/{}", identity.namespace, identity.name)
}

impl State {
    /// The policies with a CDN that a purge is for.
    pub(crate) fn cdns_of(&self, namespace: &Name, purge: &CachePurge) -> Vec<Identity> {
        let concerned = |identity: &Identity| {
            purge
                .policy
                .as_ref()
                .is_none_or(|policy| *policy == name_of(identity))
        };
        self.of_kind(namespace, Kind::CachePolicy)
            .filter(|(identity, stored)| concerned(identity) && cdn_of(&stored.document).is_some())
            .map(|(identity, _)| identity.clone())
            .collect()
    }

    /// Every policy with a CDN that has yet to hear of a purge.
    pub fn waiting_cdns(&self) -> impl Iterator<Item = &Identity> {
        let backlogs = self.cdn_backlogs.by_policy.iter();
        backlogs
            .filter(|(_, backlog)| !backlog.waiting.is_empty())
            .map(|(identity, _)| identity)
    }

    /// What a policy's CDN has to be told next, and how.
    pub fn next_cdn_purge(&self, policy: &Identity) -> Option<(&CdnPurgeSpec, CdnPurge)> {
        let spec = cdn_of(&self.get(policy)?.document)?;
        let next = self.cdn_backlogs.by_policy.get(policy)?.waiting.front()?;
        let purge = CdnPurge {
            policy: name_of(policy),
            revision: next.revision,
            soft: next.soft,
            what: match next.what.clone() {
                Purged::All => CdnTarget::All(true),
                Purged::Tags(tags) => CdnTarget::Tags(tags),
                Purged::Urls(urls) => CdnTarget::Urls(urls),
                Purged::Prefixes(prefixes) => CdnTarget::Prefixes(prefixes),
            },
        };
        Some((spec, purge))
    }

    /// A purge that ended; no change where it does not wait any more.
    pub fn plan_cdn_settled(
        &self,
        policy: &Identity,
        revision: Revision,
        outcome: CdnOutcome,
    ) -> Vec<Change> {
        let next = self.next_cdn_purge(policy);
        let is_known = next.is_some_and(|(_, next)| next.revision <= revision);
        let change = || Change::CdnSettled {
            policy: policy.clone(),
            revision,
            outcome,
        };
        is_known.then(change).into_iter().collect()
    }

    /// How far each CDN of a namespace is.
    pub fn cdn_statuses(&self, namespace: &Name) -> Vec<CdnStatus> {
        let policies = self.of_kind(namespace, Kind::CachePolicy);
        let status = |(identity, stored): (&Identity, &crate::state::Stored)| {
            let spec = cdn_of(&stored.document)?;
            let backlog = self.cdn_backlogs.by_policy.get(identity);
            Some(CdnStatus {
                policy: name_of(identity),
                url: spec.url.clone(),
                waiting: backlog.map_or(0, |backlog| backlog.waiting.len()),
                last: backlog.and_then(|backlog| backlog.last),
                failure: None,
            })
        };
        policies.filter_map(status).collect()
    }
}

impl CdnSettled {
    pub(crate) const fn new(event: &Event, revision: Revision, outcome: CdnOutcome) -> Self {
        Self {
            revision,
            outcome,
            at_ms: event.at_ms,
        }
    }
}
