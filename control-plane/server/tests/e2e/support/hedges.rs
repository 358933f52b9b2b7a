//! What a proxy hedges, by its own counters and by Envoy's.

use http::Method;

use super::client::Answer;
use super::proxy::Proxy;
use super::wait::until;

/// Longer than any hedge takes, so that whoever is answered by this replica was not hedged.
const SLOW: [(&str, &str); 2] = [("x-delay-ms", "300"), ("x-delay-at", "replica-1")];

pub(crate) struct Hedges<'p> {
    proxy: &'p Proxy,
}

impl<'p> Hedges<'p> {
    pub(crate) const fn of(proxy: &'p Proxy) -> Self {
        Self { proxy }
    }

    /// A read that one of the two replicas answers late.
    pub(crate) async fn slow_read(&self, key: &str) -> Answer {
        self.slow(Method::GET, key, &[]).await
    }

    /// The same with any method.
    pub(crate) async fn slow(&self, method: Method, key: &str, more: &[(&str, &str)]) -> Answer {
        self.send(method, key, &[&SLOW, more].concat()).await
    }

    /// A read that both replicas answer when nobody waits any longer.
    pub(crate) async fn late_read(&self, key: &str) -> Answer {
        self.send(Method::GET, key, &[("x-delay-ms", "10000")]).await
    }

    async fn send(&self, method: Method, key: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [headers, &[("x-user-id", key)]].concat();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let path = format!("/users/{key}");
        self.proxy.http.send(method, &path, &headers, "").await.unwrap()
    }

    /// How many second tries Envoy has sent.
    pub(crate) async fn sent_by_envoy(&self) -> u64 {
        self.sum("^cluster.*upstream_rq_retry$", "upstream_rq_retry")
            .await
    }

    /// Waits until the filter has counted as many second tries as Envoy has sent; of none the number of tries was unreadable.
    pub(crate) async fn count_what_envoy_sends(&self) {
        let sent = self.sent_by_envoy().await;
        until("the filter counts what Envoy sends", async || {
            (self.counted("hedges", "outcome.sent").await == sent).then_some(())
        })
        .await;
        assert_eq!(self.counted("hedges", "outcome.unreadable").await, 0);
    }

    /// The sum of the filter's counters of this family with this in their names.
    pub(crate) async fn counted(&self, family: &str, what: &str) -> u64 {
        self.sum(&format!("weir_hedge_{family}_total"), what).await
    }

    async fn sum(&self, filter: &str, what: &str) -> u64 {
        let stats = self.proxy.stats(filter).await;
        let wanted = stats.iter().filter(|(name, _)| name.contains(what));
        wanted.map(|(_, value)| value).sum()
    }
}
