//! Proxies with a cache in front of one origin.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use http::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::documents::{PROXY_PORT, document, gateway_named, shard_map};
use super::loopback::{address, at};
use super::origin::Origin;
use super::proxy::Proxy;
use super::stack::Stack;
use super::wait::until;

/// What every request has where it makes no difference: proxies at different addresses have the same name.
pub(crate) const USUAL: [(&str, &str); 2] = [("host", "shop.example"), ("x-user-id", "alice")];

/// A control plane, an origin behind the shards `a` and `b`, and proxies, each of a Gateway of its own: their listeners need
/// different addresses here.
pub(crate) struct Cached {
    pub(crate) origin: Origin,
    pub(crate) proxies: Vec<CachingProxy>,
    pub(crate) stack: Stack,
}

pub(crate) struct CachingProxy {
    pub(crate) proxy: Proxy,
    pub(crate) address: SocketAddr,
    workers: usize,
}

/// The policy of all Gateways.
pub(crate) fn policy(spec: Value) -> Value {
    document("CachePolicy", "pages", spec)
}

impl Cached {
    /// So many proxies with so many workers; the documents are applied before.
    pub(crate) async fn start(proxies: usize, workers: u32, documents: Vec<Value>) -> Self {
        Self::speaking("http1", proxies, workers, documents).await
    }

    /// The same with an origin that speaks `protocol`.
    pub(crate) async fn speaking(
        protocol: &str,
        proxies: usize,
        workers: u32,
        documents: Vec<Value>,
    ) -> Self {
        let stack = Stack::empty().await;
        let origin = Origin::start(stack.ip).await;
        let gateways: Vec<(String, IpAddr)> = (1..=proxies)
            .map(|number| (format!("edge-{number}"), address()))
            .collect();
        let mut map = shard_map(&["a", "b"]);
        map["spec"]["targetRefs"] = json!([]);
        let mut all = vec![origin.backend("a", protocol), origin.backend("b", protocol), map];
        all.extend(gateways.iter().map(|(name, ip)| gateway_named(name, *ip)));
        all.extend(documents);
        stack.apply(all).await;
        let mut started = Vec::new();
        for (name, ip) in &gateways {
            let proxy = Proxy::launch(&stack, name, &format!("default/{name}"), workers);
            started.push(CachingProxy::ready(proxy, at(*ip, PROXY_PORT), workers).await);
        }
        Self {
            origin,
            proxies: started,
            stack,
        }
    }

    /// The first proxy.
    pub(crate) fn proxy(&self) -> &CachingProxy {
        &self.proxies[0]
    }

    /// Applies the policy and waits until it is in force.
    pub(crate) async fn change(&self, spec: Value) {
        self.in_force(async || self.stack.apply(vec![policy(spec)]).await)
            .await;
    }

    /// Changes the caches' slots, and waits until all proxies run the change in every worker.
    pub(crate) async fn in_force(&self, change: impl AsyncFnOnce()) {
        let mut before = Vec::new();
        for proxy in &self.proxies {
            before.push(proxy.generation().await);
        }
        change().await;
        for (proxy, before) in self.proxies.iter().zip(before) {
            until("all workers run the change", async || {
                (proxy.generation().await > before).then_some(())
            })
            .await;
        }
    }

    /// What `weir ARGUMENTS -o json` answers.
    pub(crate) fn weir(&self, arguments: &[&str]) -> Value {
        let done = self.stack.weir(&[arguments, &["-o", "json"]].concat());
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// Purges, and waits until all proxies know.
    pub(crate) fn purge(&self, what: &[&str]) {
        let done = self.weir(&[&["purge"], what, &["--wait"]].concat());
        assert_eq!(done["proxies"], self.proxies.len(), "{done}");
    }
}

impl CachingProxy {
    async fn ready(mut proxy: Proxy, address: SocketAddr, workers: u32) -> Self {
        proxy.http = Client::new(address);
        proxy.serving().await;
        let workers = usize::try_from(workers).unwrap();
        let ready = Self {
            proxy,
            address,
            workers,
        };
        ready.has_polled().await;
        ready
    }

    /// Until then, what is stored does not stay. A cache without a policy never polls.
    async fn has_polled(&self) {
        let name = "weir_control_calls_total.filter.edge-cache.call.poll.outcome.ok";
        until("it has polled", async || {
            let polls = self.proxy.stats(name).await;
            polls.values().any(|polls| *polls > 0).then_some(())
        })
        .await;
    }

    /// A client with connections of its own, which any worker may get.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// As the usual user, on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client().get(path, &USUAL).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        let usual = USUAL.map(|(name, value)| (name, value.as_bytes()));
        self.client().send(method, path, &usual, "").await.unwrap()
    }

    /// Answers to the same request from all workers: at least one of each.
    pub(crate) async fn of_all_workers(&self, path: &str) -> Vec<Answer> {
        let (before, mut answers) = (self.connections().await, Vec::new());
        until("every worker has had a request", async || {
            answers.push(self.get(path).await);
            let now = self.connections().await;
            let met: BTreeSet<_> = now.iter().filter(|entry| !before.contains(entry)).collect();
            (met.len() == self.workers).then_some(())
        })
        .await;
        answers
    }

    /// Waits until the counters, which workers add up on their ticks, come to so much.
    pub(crate) async fn comes_to(&self, expected: u64, family: &str, what: &str) {
        let count = until("the counters have come", async || {
            let count = self.count(family, what).await;
            (count >= expected).then_some(count)
        })
        .await;
        assert_eq!(count, expected, "{family} {what}");
    }

    /// Waits until so many requests are under way.
    pub(crate) async fn under_way(&self, expected: usize) {
        until("all requests are under way", async || {
            let active = self.proxy.stats("^http.weir.*downstream_rq_active$").await;
            (active.values().sum::<u64>() == expected as u64).then_some(())
        })
        .await;
    }

    /// The generation of the cache's slot that every worker runs at least.
    async fn generation(&self) -> u64 {
        let name = "weir_generation_in_force.filter.edge-cache";
        self.proxy.stats(name).await.into_values().sum()
    }

    /// How many connections each worker has had.
    async fn connections(&self) -> Vec<(String, u64)> {
        let name = format!("{}_{}", self.address.ip(), PROXY_PORT);
        let filter = "listener.*worker_[0-9]+.downstream_cx_total";
        let stats = self.proxy.stats(filter).await;
        stats
            .into_iter()
            .filter(|(stat, _)| stat.contains(&name))
            .collect()
    }

    /// The sum of the cache's counters with these words in their names.
    pub(crate) async fn count(&self, family: &str, what: &str) -> u64 {
        let stats = self.proxy.stats(&format!("weir_cache_{family}_total")).await;
        let wanted = stats.iter().filter(|(name, _)| name.contains(what));
        wanted.map(|(_, value)| value).sum()
    }
}
