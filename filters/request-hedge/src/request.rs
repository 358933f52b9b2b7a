//! A request arrives: whether a second try of it may leave.

use std::rc::Rc;

use weir_hedge::budget::Occasion;
use weir_hedge::route::Decision;
use weir_host::port::StreamHost;
use weir_host::{HostError, Request};
use weir_route_match::RequestView;

use crate::RequestHedgeFilter;
use crate::armed::{Armed, arm};
use crate::client_headers;
use crate::eligible::may_be_sent_twice;
use crate::exchange::{Exchange, Sent};
use crate::policy::{Policy, PolicyRoute};

/// The cluster that a request goes to, where shard-router or another filter names it.
const CLUSTER_HEADER: &str = "x-weir-cluster";

impl RequestHedgeFilter {
    /// A request has come.
    pub(crate) fn arrive(&self, exchange: &mut Exchange, host: &impl StreamHost) {
        if self.policies.is_empty() {
            return;
        }
        match self.judge(host) {
            Ok(Some(sent)) => exchange.put(sent),
            Ok(None) => {}
            Err(error) => self.log_error(Err(error), "a request is not hedged", host),
        }
    }

    fn judge(&self, host: &impl StreamHost) -> Result<Option<Sent>, HostError> {
        let request = Request::new(host);
        client_headers::remove(&request)?;
        if let Some(error) = request.failure() {
            return Err(error);
        }
        let policy = self.selector.select(&request);
        let Some(policy) = policy.and_then(|index| self.policies.get(index)) else {
            return Ok(None);
        };
        let Some(cluster) = cluster(&request)? else {
            return Ok(None);
        };
        let Some(route) = policy.route(&cluster, &self.memory) else {
            return Ok(None);
        };
        if !may_be_sent_twice(&policy.spec, &request) {
            policy.counts.unfit.count();
            return Ok(None);
        }
        let sent = self.send(policy, &route, host);
        sent.map(Some).inspect_err(|_| policy.counts.failed.count())
    }

    fn send(
        &self,
        policy: &Rc<Policy>,
        route: &PolicyRoute,
        host: &impl StreamHost,
    ) -> Result<Sent, HostError> {
        let now = host.now_ns()?;
        // Whoever could not settle goes on with what it has.
        self.log_error(route.sync(now, host), "a worker goes by what it knew", host);
        let purse = policy.purse(&self.memory, host)?;
        let settled = policy.settle(purse, Occasion::Request, now, host);
        self.log_error(settled, "a worker goes on with the tokens it has", host);
        let decision = route
            .route
            .borrow()
            .on_request(&mut purse.borrow_mut(), policy.timeout_ms, now);
        let armed = match decision {
            Decision::Deny(why) => {
                policy.counts.denied(why);
                None
            }
            Decision::Arm { delay_ms, escrow } => {
                policy.counts.armed.count();
                Some(Armed {
                    delay_ms,
                    escrow,
                    purse: Rc::clone(purse),
                })
            }
        };
        if let Some(armed) = &armed
            && !policy.spec.shadow
        {
            let told = arm(armed.delay_ms, policy.spec.max_retries, host);
            self.log_error(told, "Envoy could not be told of a second try", host);
        }
        Ok(Sent {
            policy: Rc::clone(policy),
            route: Rc::clone(&route.route),
            started: now,
            armed,
        })
    }
}

/// The cluster that a request goes to.
fn cluster<H: StreamHost>(request: &Request<'_, H>) -> Result<Option<Vec<u8>>, HostError> {
    match request.values(CLUSTER_HEADER).next() {
        Some(cluster) => Ok(Some(cluster.to_vec())),
        None => request.host().property(&["xds", "cluster_name"]),
    }
}
