//! What the API needs to know of the control plane.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::watch;
use weir_core::cache::{
    CdnOutcome, CdnStatus, DependencyChange, PurgeDone, PurgeRequest, TagDependencies, WarmDone, WarmRequest,
    WarmStatus, WarmTotals,
};
use weir_core::event::Revision;
use weir_core::lease::SharedLimit;
use weir_core::module::ModuleCatalog;
use weir_core::proxy::ProxyStatus;
use weir_core::quota::QuotaReset;
use weir_core::refusal::{Applied, Refusal};
use weir_policy::document::{Identity, Kind};
use weir_policy::name::Name;
use weir_policy::proxy::{CacheReport, EventPage, LeaseAnswer, LeaseReport};

/// The control plane, as the API sees it.
///
/// What changes something runs in a task of its own: once begun it is run to its end, also when the client has gone away.
pub trait Control: Send + Sync + 'static {
    /// Checks the documents and stores them, all or none; with `dry_run` nothing is written.
    ///
    /// A document with `metadata.revision` is taken only if that is its current revision; 0 stands for "not there".
    fn apply(
        &self,
        documents: Vec<Value>,
        dry_run: bool,
    ) -> impl Future<Output = Result<Applied, Refusal>> + Send;

    /// Deletes a document, if it is at the revision `expected`; with `dry_run` nothing is written. Gives the store's
    /// revision afterwards.
    fn delete(
        &self,
        identity: Identity,
        expected: Option<Revision>,
        dry_run: bool,
    ) -> impl Future<Output = Result<Revision, Refusal>> + Send;

    /// Tells the proxies that clients start anew. Gives the event's revision, once it is durable.
    fn reset_quota(&self, reset: QuotaReset) -> impl Future<Output = Result<Revision, Refusal>> + Send;

    /// Tells the proxies of a namespace which answers are to go, once it is durable; a purge for nothing tells nobody.
    fn purge(&self, request: PurgeRequest) -> impl Future<Output = Result<PurgeDone, Refusal>> + Send;

    /// Changes on what a tag depends. Gives the store's revision afterwards.
    fn change_dependencies(
        &self,
        change: DependencyChange,
    ) -> impl Future<Output = Result<Revision, Refusal>> + Send;

    /// Every tag of a namespace that depends on others; and the store's revision that they are from.
    fn dependencies(&self, namespace: &Name) -> (Revision, Vec<TagDependencies>);

    /// What is known of one tag.
    fn tag_dependencies(&self, namespace: &Name, tag: &str) -> Option<TagDependencies>;

    /// How many connected proxies of a namespace keep answers.
    fn caching_proxies(&self, namespace: &Name) -> usize;

    /// Tells proxies to fetch answers before anybody asks for them, once it is durable; where no proxy is connected nobody is
    /// told.
    fn warm(&self, request: WarmRequest) -> impl Future<Output = Result<WarmDone, Refusal>> + Send;

    /// When strategies run next, and what came of runs.
    fn warming(&self, namespace: &Name) -> WarmStatus;

    /// A proxy says what it has fetched.
    fn cache_report(&self, report: CacheReport);

    /// What became of runs since the start.
    fn warm_totals(&self) -> WarmTotals;

    /// How far the CDNs of a namespace's policies are with purges.
    fn cdns(&self, namespace: &Name) -> Vec<CdnStatus>;

    /// How many requests to CDNs failed since the start, and how many purges ended, by outcome.
    fn cdn_outcomes(&self) -> (u64, BTreeMap<CdnOutcome, u64>);

    /// What the proxies of a namespace have to know, after a cursor; without one, where to begin.
    fn events(&self, namespace: &Name, cursor: Option<Revision>) -> EventPage;

    /// Tells of every new revision, after it can be seen.
    fn changes(&self) -> watch::Receiver<Revision>;

    /// Done when the control plane is about to end: whoever waits is answered then.
    fn stopping(&self) -> impl Future<Output = ()> + Send;

    /// What a process may use of its fleet-wide limits from now on.
    fn lease(&self, report: &LeaseReport) -> LeaseAnswer;

    /// How fleet-wide limits are shared out, by limit and key.
    fn leases(&self) -> Vec<SharedLimit>;

    /// A document with `metadata.revision` and `status`.
    fn get(&self, identity: &Identity) -> Option<Value>;

    /// Documents as [`get`](Self::get) gives them, of one namespace or all, of one kind or all; and the store's
    /// revision that they are from.
    fn list(&self, namespace: Option<&Name>, kind: Option<Kind>) -> (Revision, Vec<Value>);

    /// The store's revision.
    fn revision(&self) -> Revision;

    /// How many documents of a kind there are.
    fn count(&self, kind: Kind) -> usize;

    /// Every proxy seen, by id.
    fn proxies(&self) -> Vec<ProxyStatus>;

    /// How many xDS responses were taken (`true`) or refused (`false`), by service (`CDS`, …).
    fn answers(&self) -> BTreeMap<(&'static str, bool), u64>;

    /// The modules of this release.
    fn modules(&self) -> &ModuleCatalog;

    /// A module's bytes, by digest (64 digits of lower-case hex).
    fn module(&self, sha256: &str) -> impl Future<Output = Option<Vec<u8>>> + Send;
}
