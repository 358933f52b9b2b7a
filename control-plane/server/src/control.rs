//! The one writer: plans a change, stores it, and only then shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use weir_core::cache::{
    CdnOutcome, CdnStatus, DependencyChange, PurgeDone, PurgeRequest, TagDependencies, WarmDone, WarmJob,
    WarmRequest, WarmStatus, WarmTotals, caching_proxies, warming_proxies,
};
use weir_core::event::{Change, Revision};
use weir_core::lease::SharedLimit;
use weir_core::module::{Module, ModuleCatalog};
use weir_core::proxy::{Proxies, ProxyStatus};
use weir_core::quota::QuotaReset;
use weir_core::refusal::{Applied, Refusal};
use weir_core::state::State;
use weir_policy::document::{Identity, Kind};
use weir_policy::name::Name;
use weir_policy::proxy::{CacheReport, EventPage, LeaseAnswer, LeaseReport};
use weir_store::{EventStore, StoreError};

use crate::cdn::Cdns;
use crate::leases::Leases;
use crate::outbound::Outbound;
use crate::serve::until;
use crate::warm::{self, WarmBook};
use crate::world::World;

/// How many events are read from the store at a time.
const PAGE: usize = 1_000;
/// How often a plan is made anew because another writer was faster.
const ATTEMPTS: usize = 5;

/// What the REST API works on.
pub(crate) struct Controller<S> {
    writer: Writer<S>,
    proxies: Arc<Proxies>,
    modules_dir: PathBuf,
    stopped: watch::Receiver<bool>,
    leases: Leases,
    outbound: Outbound,
    cdns: Cdns,
    warm: WarmBook,
}

/// The store, and the world that shows what is in it.
struct Writer<S> {
    store: S,
    world: Arc<World>,
    turn: Mutex<()>,
}

impl<S: EventStore + 'static> Controller<S> {
    /// Reads everything that is stored. `stopped` becomes true at the end of the process.
    pub(crate) async fn open(
        store: S,
        world: Arc<World>,
        proxies: Arc<Proxies>,
        modules_dir: PathBuf,
        outbound: Outbound,
        stopped: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let writer = Writer {
            store,
            world,
            turn: Mutex::new(()),
        };
        writer.catch_up().await?;
        Ok(Self {
            writer,
            proxies,
            modules_dir,
            stopped,
            leases: Leases::new(),
            outbound,
            cdns: Cdns::default(),
            warm: WarmBook::default(),
        })
    }

    /// What the store's events come to.
    pub(crate) fn world(&self) -> &World {
        &self.writer.world
    }

    /// How others are asked.
    pub(crate) const fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// What is known of the way to CDNs.
    pub(crate) const fn cdn_book(&self) -> &Cdns {
        &self.cdns
    }

    /// A CDN was told of a purge, or will not be.
    pub(crate) async fn settle_cdn(
        &self,
        policy: &Identity,
        revision: Revision,
        outcome: CdnOutcome,
    ) -> Result<(), Refusal> {
        let plan = |state: &State| Ok((state.plan_cdn_settled(policy, revision, outcome), ()));
        self.writer.change(false, plan).await.map(drop)
    }

    /// What is known of runs.
    pub(crate) const fn warm_book(&self) -> &WarmBook {
        &self.warm
    }

    /// Tells proxies to fetch `urls` before anybody asks for them.
    pub(crate) async fn warm_run(&self, job: &WarmJob, urls: &[String]) -> Result<WarmDone, Refusal> {
        let plan = |state: &State| {
            let proxies = warming_proxies(state, &self.proxies, job);
            Ok(state.plan_warm(job, urls, &proxies))
        };
        Ok(self.writer.change(false, plan).await?.1)
    }

    /// Ends the store's work.
    pub(crate) async fn close(&self) {
        let _last = self.writer.turn.lock().await;
        if let Err(error) = self.writer.store.close().await {
            tracing::error!(%error, "the store did not close cleanly");
        }
    }
}

impl<S: EventStore + 'static> Writer<S> {
    /// Takes in what the store has and the world has not: at the start, and after a write whose end is not known.
    async fn catch_up(&self) -> anyhow::Result<()> {
        loop {
            let events = self
                .store
                .read_after(self.world.current().state.revision(), PAGE)
                .await?;
            if events.is_empty() {
                return Ok(());
            }
            self.world
                .take(&events)
                .context("the store can't be read by this release")?;
        }
    }

    /// One change at a time: plans it in the newest state, stores it, shows it.
    async fn change<T>(
        &self,
        dry_run: bool,
        plan: impl Fn(&State) -> Result<(Vec<Change>, T), Refusal>,
    ) -> Result<(Revision, T), Refusal> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let current = self.world.current();
            let revision = current.state.revision();
            let (changes, answer) = tokio::task::block_in_place(|| plan(&current.state))?;
            if dry_run || changes.is_empty() {
                return Ok((revision, answer));
            }
            let complete = revision + changes.len() as u64;
            match self.store.append(revision, now_ms(), changes).await {
                Ok(events) => {
                    let revision = self
                        .world
                        .take(&events)
                        .map_err(|error| Refusal::Store(error.to_string()))?;
                    return Ok((revision, answer));
                }
                Err(StoreError::Moved { .. }) => self.recover().await?,
                Err(error) => {
                    self.recover().await?;
                    // An error may come after the write; then all of it is there.
                    if self.world.current().state.revision() == complete {
                        return Ok((complete, answer));
                    }
                    return Err(Refusal::Store(error.to_string()));
                }
            }
        }
        Err(Refusal::Store(
            "other writers were always faster; try again".to_owned(),
        ))
    }

    async fn recover(&self) -> Result<(), Refusal> {
        self.catch_up()
            .await
            .map_err(|error| Refusal::Store(format!("{error:#}")))
    }
}

impl<S: EventStore + 'static> weir_rest::Control for Controller<S> {
    async fn apply(&self, documents: Vec<Value>, dry_run: bool) -> Result<Applied, Refusal> {
        let plan = |state: &State| {
            state
                .plan(documents.clone())
                .map(|plan| (plan.changes, plan.documents))
        };
        let (revision, documents) = self.writer.change(dry_run, plan).await?;
        Ok(Applied { revision, documents })
    }

    async fn delete(
        &self,
        identity: Identity,
        expected: Option<Revision>,
        dry_run: bool,
    ) -> Result<Revision, Refusal> {
        let plan = |state: &State| {
            state
                .plan_delete(&identity, expected)
                .map(|change| (vec![change], ()))
        };
        Ok(self.writer.change(dry_run, plan).await?.0)
    }

    async fn reset_quota(&self, reset: QuotaReset) -> Result<Revision, Refusal> {
        let plan = |state: &State| state.plan_reset(&reset).map(|change| (vec![change], ()));
        Ok(self.writer.change(false, plan).await?.0)
    }

    async fn purge(&self, request: PurgeRequest) -> Result<PurgeDone, Refusal> {
        let plan = |state: &State| state.plan_purge(&request);
        let (revision, scope) = self.writer.change(false, plan).await?;
        Ok(PurgeDone {
            revision,
            scope,
            proxies: self.caching_proxies(&request.namespace),
        })
    }

    async fn change_dependencies(&self, change: DependencyChange) -> Result<Revision, Refusal> {
        let plan = |state: &State| state.plan_dependencies(&change).map(|changes| (changes, ()));
        Ok(self.writer.change(false, plan).await?.0)
    }

    fn dependencies(&self, namespace: &Name) -> (Revision, Vec<TagDependencies>) {
        let current = self.writer.world.current();
        (
            current.state.revision(),
            current.state.all_dependencies(namespace),
        )
    }

    fn tag_dependencies(&self, namespace: &Name, tag: &str) -> Option<TagDependencies> {
        self.writer.world.current().state.tag_dependencies(namespace, tag)
    }

    fn caching_proxies(&self, namespace: &Name) -> usize {
        let current = self.writer.world.current();
        caching_proxies(&current.state, &self.proxies, namespace)
    }

    async fn warm(&self, request: WarmRequest) -> Result<WarmDone, Refusal> {
        warm::start(self, &request).await
    }

    fn warming(&self, namespace: &Name) -> WarmStatus {
        self.warm.status(self.world(), namespace, now_ms())
    }

    fn cache_report(&self, report: CacheReport) {
        self.warm.report(report, self.world(), now_ms());
    }

    fn warm_totals(&self) -> WarmTotals {
        self.warm.totals(self.world(), now_ms())
    }

    fn cdns(&self, namespace: &Name) -> Vec<CdnStatus> {
        self.cdns
            .complete(self.writer.world.current().state.cdn_statuses(namespace))
    }

    fn cdn_outcomes(&self) -> (u64, BTreeMap<CdnOutcome, u64>) {
        self.cdns.outcomes()
    }

    fn events(&self, namespace: &Name, cursor: Option<Revision>) -> EventPage {
        self.writer.world.current().state.page(namespace, cursor)
    }

    fn changes(&self) -> watch::Receiver<Revision> {
        self.writer.world.changes()
    }

    async fn stopping(&self) {
        until(self.stopped.clone()).await;
    }

    fn lease(&self, report: &LeaseReport) -> LeaseAnswer {
        self.leases.report(report)
    }

    fn leases(&self) -> Vec<SharedLimit> {
        self.leases.shared()
    }

    fn get(&self, identity: &Identity) -> Option<Value> {
        let current = self.writer.world.current();
        current
            .state
            .get(identity)
            .map(|stored| current.statuses().answer(identity, stored))
    }

    fn list(&self, namespace: Option<&Name>, kind: Option<Kind>) -> (Revision, Vec<Value>) {
        let current = self.writer.world.current();
        let wanted = |identity: &Identity| {
            namespace.is_none_or(|namespace| *namespace == identity.namespace)
                && kind.is_none_or(|kind| kind == identity.kind)
        };
        let documents = current.state.documents().filter(|(identity, _)| wanted(identity));
        let answers = documents
            .map(|(identity, stored)| current.statuses().answer(identity, stored))
            .collect();
        (current.state.revision(), answers)
    }

    fn revision(&self) -> Revision {
        self.writer.world.current().state.revision()
    }

    fn count(&self, kind: Kind) -> usize {
        self.writer
            .world
            .current()
            .state
            .documents()
            .filter(|(identity, _)| identity.kind == kind)
            .count()
    }

    fn answers(&self) -> BTreeMap<(&'static str, bool), u64> {
        self.proxies.answers()
    }

    fn proxies(&self) -> Vec<ProxyStatus> {
        self.proxies.list()
    }

    fn modules(&self) -> &ModuleCatalog {
        self.writer.world.modules()
    }

    async fn module(&self, sha256: &str) -> Option<Vec<u8>> {
        let known = |module: &&Module| module.sha256 == sha256;
        let module = self.modules().modules.values().find(known)?;
        tokio::fs::read(self.modules_dir.join(module.file_name()))
            .await
            .ok()
    }
}

/// Unix ms. A clock before 1970 counts as 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
