//! A whole slot of the rate-limit filter.

use std::cell::Cell;

use weir_policy::compiled::rate_limit::CompiledRateLimitPolicy;
use weir_policy::compiled::{ConfigError, ControlConfig, SlotConfig};
use weir_policy::document::rate_limit_policy::OnError;
use weir_policy::problem::escape;
use weir_quota::bucket::Layout;
use weir_route_match::Selector;

use crate::admission::Desk;
use crate::board::Board;
use crate::cells::{CellError, Cells};
use crate::decision::{Decision, Pending, Until};
use crate::judgement::{Asked, ask, judge};
use crate::key::Fingerprint;
use crate::limit::Limit;
use crate::policy::Policy;
use crate::quota::FORGOTTEN;
use crate::request::LimitedRequest;
use crate::tally::{Tallied, Tally};

/// Decides for every request of one slot.
#[derive(Clone, Debug)]
pub struct Limiter {
    slot: String,
    generation: u64,
    control: Option<ControlConfig>,
    selector: Selector,
    policies: Vec<Policy>,
    layout: Layout,
}

impl Limiter {
    /// Reads and checks a slot's configuration; an error starts with the pointer to the field.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::try_new(&SlotConfig::<CompiledRateLimitPolicy>::read(json)?)
    }

    /// Checks and compiles a slot's configuration; an error starts with the pointer to the field.
    pub fn try_new(config: &SlotConfig<CompiledRateLimitPolicy>) -> Result<Self, ConfigError> {
        config.check()?;
        let selector = Selector::try_new(config)?;
        let mut policies = Vec::with_capacity(config.policies.len());
        for (name, policy) in &config.policies {
            policies.push(
                Policy::try_new(name, policy, config.policies.keys()).map_err(|problem| {
                    let pointer = format!("/policies/{}{}", escape(name), problem.pointer);
                    ConfigError::Invalid(format!("{pointer}: {}", problem.detail))
                })?,
            );
        }
        let max_keys = config.policies.values().map(|policy| policy.max_keys).max();
        Ok(Self {
            slot: config.slot.clone(),
            generation: config.generation,
            control: config.control.clone(),
            selector,
            policies,
            layout: Layout::for_keys(max_keys.unwrap_or(1)),
        })
    }

    /// The slot's name.
    pub fn slot(&self) -> &str {
        &self.slot
    }

    /// The configuration's generation, below 2^53.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where the control plane is.
    pub fn control(&self) -> Option<&ControlConfig> {
        self.control.as_ref()
    }

    /// The policies, in the order of their names.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The limits whose quota is the fleet's.
    pub fn fleet_limits(&self) -> impl Iterator<Item = &Limit> + Clone {
        let limits = self.policies.iter().flat_map(Policy::limits);
        limits.filter(|limit| limit.fleet().is_some())
    }

    /// How many buckets there are, and which key is in which.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What happens to `request` at `now` (Unix nanoseconds).
    pub fn on_request<W: Cells + Tally>(
        &self,
        request: &impl LimitedRequest,
        board: &Board,
        world: &W,
        now: u64,
    ) -> Decision {
        let desk = self.desk(world, now);
        let mut asked = Vec::new();
        for index in self.applicable(request) {
            let Some(policy) = self.policies.get(index) else {
                continue;
            };
            match ask(index, policy, request, board, &desk) {
                Ok(charges) => asked.push(Asked {
                    index,
                    policy,
                    charges,
                }),
                Err(limit) => return Decision::KeyMissing { policy: index, limit },
            }
        }
        if asked.is_empty() {
            return Decision::default();
        }
        judge(&desk, &asked)
    }

    /// What happens to `request` where nothing at all can be looked up. None: not even its headers can be read, so any
    /// policy may be for it.
    pub fn on_failure(&self, request: Option<&impl LimitedRequest>, world: &impl Tally) -> Decision {
        let concerned = match request {
            Some(request) => self.applicable(request),
            None => (0..self.policies.len()).collect(),
        };
        let mut decision = Decision::default();
        for index in concerned {
            let Some(policy) = self.policies.get(index) else {
                continue;
            };
            for limit in 0..policy.limits().len() {
                world.tally(index, limit, Tallied::Failed);
            }
            if !policy.is_shadow() && policy.on_error() == OnError::Deny {
                decision = Decision::Failed;
            }
        }
        decision
    }

    /// The names of the response headers that `pending` waits for, and the charge of each.
    pub fn awaited<'p>(&'p self, pending: &'p [Pending]) -> impl Iterator<Item = (&'p str, &'p Pending)> {
        let awaited = pending.iter().filter(|one| one.until == Until::Response);
        awaited.filter_map(|one| Some((self.limit(one)?.cost().response_header()?, one)))
    }

    /// A response says, in the header that `pending` waited for, what its request has cost.
    ///
    /// # Errors
    /// The quota could not be changed.
    pub fn on_response<W: Cells + Tally>(
        &self,
        pending: &Pending,
        value: &[u8],
        board: &Board,
        world: &W,
        now: u64,
    ) -> Result<(), CellError> {
        let Some((limit, cost)) = self
            .limit(pending)
            .and_then(|limit| Some((limit, limit.cost().of_response(value)?)))
        else {
            return Ok(());
        };
        let whose = pending.key.in_epoch(board.epoch(limit.id()));
        let share = board.share(limit, whose, now);
        let share = share.as_ref();
        let desk = self.desk(world, now);
        desk.change(pending.key, |state| {
            let now = desk.time_for(&pending.quota, share, state);
            match cost.checked_sub(pending.charged) {
                Some(0) => None,
                Some(more) => pending.quota.charge(state, share, now, more),
                None => pending
                    .quota
                    .refund(state, share, pending.at, now, pending.charged - cost),
            }
        })
    }

    /// A request has ended that `pending` counts as under way.
    ///
    /// # Errors
    /// The count could not be changed; it comes right by itself, see the policy's `maxDuration`.
    pub fn on_end<W: Cells + Tally>(&self, pending: &Pending, world: &W, now: u64) -> Result<(), CellError> {
        if pending.until != Until::End {
            return Ok(());
        }
        let desk = self.desk(world, now);
        desk.change(pending.key, |state| {
            let now = desk.time_for(&pending.quota, None, state);
            pending.quota.refund(state, None, pending.at, now, 1)
        })
    }

    /// Forgets what was charged to a key: it has its whole quota again.
    ///
    /// # Errors
    /// The quota could not be changed.
    pub fn forget<W: Cells + Tally>(&self, key: Fingerprint, world: &W, now: u64) -> Result<(), CellError> {
        self.desk(world, now)
            .change(key, |state| state.map(|_| FORGOTTEN))
    }

    fn limit(&self, pending: &Pending) -> Option<&Limit> {
        self.policies.get(pending.policy)?.limits().get(pending.limit)
    }

    fn desk<'w, W>(&self, world: &'w W, now: u64) -> Desk<'w, W> {
        Desk {
            world,
            layout: self.layout,
            now: Cell::new(now),
        }
    }

    /// The policies that are for `request`, each once.
    fn applicable(&self, request: &impl LimitedRequest) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for index in self.selector.select_all(request) {
            let exempt = || {
                self.policies
                    .get(index)
                    .is_some_and(|policy| policy.exempts(request))
            };
            if !found.contains(&index) && !exempt() {
                found.push(index);
            }
        }
        found
    }
}
