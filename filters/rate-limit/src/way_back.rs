//! What the worker that speaks for its process tells the control plane, and what it learns.

use std::cell::RefCell;
use std::collections::VecDeque;

use weir_host::HostError;
use weir_host::control::Report;
use weir_host::port::{Level, RootHost};
use weir_limiter::{Demand, Limit};
use weir_policy::json;
use weir_policy::proxy::{EventPage, LeaseAnswer, LeaseReport, QuotaReset};

use crate::RateLimitFilter;
use crate::world::World;

const LEASES: &str = "/v1/proxy/leases";
const SECOND_NS: u64 = 1_000_000_000;
/// Of how many reports the totals are kept: those of about a second.
const TOTALS: usize = 5;

/// What was asked for lately.
#[derive(Debug, Default)]
pub(crate) struct Lately {
    /// Totals, each with when it was read; the newest last.
    totals: RefCell<VecDeque<(u64, Demand)>>,
}

impl Lately {
    /// What was asked for in one second, by the totals of about a second ago; nothing the first time.
    fn per_second(&self, totals: Demand, now: u64) -> Demand {
        let mut kept = self.totals.borrow_mut();
        let rate = match kept.front() {
            Some((then, before)) => totals.since(before, now.saturating_sub(*then), SECOND_NS),
            None => Demand::default(),
        };
        kept.push_back((now, totals));
        if kept.len() > TOTALS {
            kept.pop_front();
        }
        rate
    }
}

impl RateLimitFilter {
    /// What the process holds of the fleet's limits, and what it is asked for.
    pub(crate) fn lease_report(&self, now: u64, host: &impl RootHost) -> Result<Option<Report>, HostError> {
        if self.limiter.fleet_limits().next().is_none() {
            return Ok(None);
        }
        let asked = self.lately.per_second(self.shared.demand(host)?, now);
        let mut sequence = 0;
        self.shared
            .change_board(host, now, &mut |board| sequence = board.count_report())?;
        let board = self.shared.read_board(host, now)?;
        let node = host.property(&["xds", "node", "id"])?.unwrap_or_default();
        let report = LeaseReport {
            slot: self.limiter.slot().to_owned(),
            instance: format!("{}@{}", String::from_utf8_lossy(&node), board.born()),
            sequence,
            limits: board.report(self.limiter.fleet_limits(), &asked, now),
        };
        self.leases.set(&report.limits, host)?;
        let body = serde_json::to_vec(&report).map_err(|_| HostError::BadArgument)?;
        Ok(Some(Report { path: LEASES, body }))
    }

    /// Puts the shares that were granted on the board.
    pub(crate) fn take_leases(&self, made: u64, body: &[u8], host: &impl RootHost) -> Result<(), HostError> {
        let Ok(answer) = json::from_slice::<LeaseAnswer>(body) else {
            host.log(Level::Warn, "rate-limit: the answer to a report is none");
            return Ok(());
        };
        let now = host.now_ns()?;
        self.shared.change_board(host, now, &mut |board| {
            board.apply(&answer, self.limiter.fleet_limits(), made, now);
        })?;
        self.shared.read_board(host, now)?;
        Ok(())
    }

    /// Lets clients start anew, as an operator asked.
    pub(crate) fn take_events(&self, page: &EventPage, host: &impl RootHost) -> Result<(), HostError> {
        let now = host.now_ns()?;
        for reset in page.events.iter().filter_map(|event| event.quota_reset.as_ref()) {
            let QuotaReset { policy, limit, key } = reset;
            let policies = self.limiter.policies().iter();
            let limits = policies
                .filter(|known| known.name() == policy)
                .flat_map(|known| known.limits());
            for limit in limits.filter(|known| limit.as_ref().is_none_or(|name| name == known.name())) {
                match key {
                    Some(values) => self.forget(limit, values, now, host)?,
                    None => self
                        .shared
                        .change_board(host, now, &mut |board| board.reset(limit.id()))?,
                }
            }
        }
        self.shared.read_board(host, now)?;
        Ok(())
    }

    fn forget(
        &self,
        limit: &Limit,
        values: &[String],
        now: u64,
        host: &impl RootHost,
    ) -> Result<(), HostError> {
        let board = self.shared.read_board(host, now)?;
        let Some(key) = limit.key_of_texts(values, board.epoch(limit.id())) else {
            return Ok(());
        };
        let forgotten = self.limiter.forget(key, &World::new(self, host), now);
        forgotten.map_err(|_| HostError::CasMismatch)
    }
}
