//! From what policies ask of a request to what happens to it.

use weir_policy::document::rate_limit_policy::limit::MissingKey;
use weir_policy::document::rate_limit_policy::{OnError, Telling};

use weir_quota::cell::Verdict;

use crate::admission::{Admission, Charge, Desk};
use crate::board::Board;
use crate::cells::{CellError, Cells};
use crate::decision::{Decision, Limited, Passed, Pending, Until};
use crate::fields::{Fields, Told, seconds};
use crate::limit::Limit;
use crate::policy::Policy;
use crate::request::LimitedRequest;
use crate::tally::{Tallied, Tally};

/// What one policy asks of a request.
pub(crate) struct Asked<'l> {
    pub(crate) index: usize,
    pub(crate) policy: &'l Policy,
    pub(crate) charges: Vec<Charge<'l>>,
}

/// What the enforced policies together have said.
struct Live<'l> {
    charges: Vec<Charge<'l>>,
    admission: Result<Admission, CellError>,
}

/// What `policy` asks of `request`; or the index of the limit that has to refuse it for want of a value. A shadow refuses
/// nothing: such a limit of it is skipped.
pub(crate) fn ask<'l, W: Cells + Tally>(
    index: usize,
    policy: &'l Policy,
    request: &impl LimitedRequest,
    board: &Board,
    desk: &Desk<'_, W>,
) -> Result<Vec<Charge<'l>>, usize> {
    let world = desk.world;
    let mut charges = Vec::with_capacity(policy.limits().len());
    for (number, limit) in policy.limits().iter().enumerate() {
        let found = limit.key_of(request);
        if found.incomplete {
            world.tally(index, number, Tallied::KeyMissing);
            match limit.on_missing_key() {
                MissingKey::Shared => {}
                MissingKey::Reject if !policy.is_shadow() => return Err(number),
                MissingKey::Skip | MissingKey::Reject => continue,
            }
        }
        let cost = limit.cost().of(request);
        if limit.fleet().is_some() {
            world.demanded(index, number, found.fingerprint, cost);
        }
        charges.push(Charge {
            policy: index,
            limit: number,
            quota: limit.quota_of(request),
            key: found.fingerprint.in_epoch(board.epoch(limit.id())),
            cost,
            share: board.share(limit, found.fingerprint, desk.now.get()),
        });
    }
    Ok(charges)
}

/// What happens to a request of which `asked` is asked.
pub(crate) fn judge<W: Cells + Tally>(desk: &Desk<'_, W>, asked: &[Asked<'_>]) -> Decision {
    let live = Live::of(desk, asked);
    live.tally(desk.world);
    let mut pending = Vec::new();
    if live.admission.as_ref().is_ok_and(Admission::passes) {
        pending.extend(pending_of(asked, &live.charges, desk.now.get()));
    }
    let goes_on = live.goes_on(asked);
    for one in asked.iter().filter(|one| one.policy.is_shadow()) {
        if !shadow(desk, one, &live) {
            continue;
        }
        if goes_on {
            pending.extend(pending_of(asked, &one.charges, desk.now.get()));
        } else {
            // A request that is held back is not under way, whatever the shadow says.
            let under_way = |charge: &&Charge<'_>| charge.quota.counts_requests_under_way();
            one.charges
                .iter()
                .filter(under_way)
                .for_each(|charge| desk.give_back(charge));
        }
    }
    live.decision(asked, pending)
}

impl<'l> Live<'l> {
    fn of<W: Cells + Tally>(desk: &Desk<'_, W>, asked: &[Asked<'l>]) -> Self {
        let enforced = asked.iter().filter(|one| !one.policy.is_shadow());
        let charges: Vec<Charge<'l>> = enforced.flat_map(|one| one.charges.iter().copied()).collect();
        let admission = desk.admit(&charges);
        Self { charges, admission }
    }

    /// A refused request is counted by the limits that held it back, any other by all of its limits.
    fn tally(&self, world: &impl Tally) {
        let tally = |charge: &Charge<'_>, what| world.tally(charge.policy, charge.limit, what);
        match &self.admission {
            Ok(admission) if admission.passes() => {
                self.charges
                    .iter()
                    .for_each(|charge| tally(charge, Tallied::Allowed));
            }
            Ok(admission) => {
                violations(&self.charges, admission).for_each(|charge| tally(charge, Tallied::Limited))
            }
            Err(_) => self
                .charges
                .iter()
                .for_each(|charge| tally(charge, Tallied::Failed)),
        }
    }

    /// Whether a request was held back: by one policy, or by any.
    fn held_back(&self, by: Option<usize>) -> bool {
        let Ok(admission) = &self.admission else {
            return false;
        };
        violations(&self.charges, admission).any(|charge| by.is_none_or(|by| by == charge.policy))
    }

    fn decision(&self, asked: &[Asked<'_>], pending: Vec<Pending>) -> Decision {
        match &self.admission {
            Ok(admission) if admission.passes() => Decision::Pass(Passed {
                fields: fields(asked, &self.charges, admission),
                pending,
            }),
            Ok(admission) => Decision::Limited(limited(asked, &self.charges, admission)),
            Err(_) if self.fails_closed(asked) => Decision::Failed,
            Err(_) => Decision::Pass(Passed {
                fields: None,
                pending,
            }),
        }
    }

    fn goes_on(&self, asked: &[Asked<'_>]) -> bool {
        match &self.admission {
            Ok(admission) => admission.passes(),
            Err(_) => !self.fails_closed(asked),
        }
    }

    fn fails_closed(&self, asked: &[Asked<'_>]) -> bool {
        let enforced = asked.iter().filter(|one| !one.policy.is_shadow());
        enforced
            .filter(|one| !one.charges.is_empty())
            .any(|one| one.policy.on_error() == OnError::Deny)
    }
}

/// When the same request could pass; none: never. Nobody knows when a request under way ends, so that is worth a try soon.
fn retry_after(charge: &Charge<'_>, verdict: &Verdict) -> Option<u64> {
    match *verdict {
        Verdict::Deny { retry_after_ns, .. } if !charge.quota.counts_requests_under_way() => retry_after_ns,
        Verdict::Allow { .. } | Verdict::Deny { .. } => Some(0),
    }
}

fn violations<'c, 'l>(
    charges: &'c [Charge<'l>],
    admission: &'c Admission,
) -> impl Iterator<Item = &'c Charge<'l>> {
    let judged = charges.iter().zip(&admission.verdicts);
    judged
        .filter(|(_, verdict)| !verdict.is_allow())
        .map(|(charge, _)| charge)
}

/// Lets a shadow decide and counts how that compares; whether it let the request pass.
fn shadow<W: Cells + Tally>(desk: &Desk<'_, W>, asked: &Asked<'_>, live: &Live<'_>) -> bool {
    let limited = live.held_back(asked.policy.candidate_for());
    let Ok(admission) = desk.admit(&asked.charges) else {
        for charge in &asked.charges {
            desk.world.tally(charge.policy, charge.limit, Tallied::Failed);
        }
        return false;
    };
    let passes = admission.passes();
    let what = match (passes, limited) {
        (true, false) => Tallied::ShadowAllowed,
        (false, true) => Tallied::ShadowLimited,
        (false, false) => Tallied::ShadowOnlyLimited,
        (true, true) => Tallied::ShadowOnlyAllowed,
    };
    for (charge, verdict) in asked.charges.iter().zip(&admission.verdicts) {
        if passes || !verdict.is_allow() {
            desk.world.tally(charge.policy, charge.limit, what);
        }
    }
    passes
}

fn pending_of(asked: &[Asked<'_>], charges: &[Charge<'_>], now: u64) -> Vec<Pending> {
    let pending = |charge: &Charge<'_>| {
        let until = if charge.quota.counts_requests_under_way() {
            Until::End
        } else {
            limit_of(asked, charge)?
                .cost()
                .response_header()
                .map(|_| Until::Response)?
        };
        Some(Pending {
            policy: charge.policy,
            limit: charge.limit,
            key: charge.key,
            quota: *charge.quota,
            charged: charge.cost,
            at: now,
            until,
        })
    };
    charges.iter().filter_map(pending).collect()
}

fn policy_of<'l>(asked: &[Asked<'l>], charge: &Charge<'_>) -> Option<&'l Policy> {
    let found = asked.iter().find(|one| one.index == charge.policy);
    found.map(|one| one.policy)
}

fn limit_of<'l>(asked: &[Asked<'l>], charge: &Charge<'_>) -> Option<&'l Limit> {
    policy_of(asked, charge)?.limits().get(charge.limit)
}

fn limited(asked: &[Asked<'_>], charges: &[Charge<'_>], admission: &Admission) -> Limited {
    let violated: Vec<&Charge<'_>> = violations(charges, admission).collect();
    let names = violated.iter().filter_map(|charge| limit_of(asked, charge));
    let judged = charges.iter().zip(&admission.verdicts);
    let waits: Option<Vec<u64>> = judged
        .map(|(charge, verdict)| retry_after(charge, verdict))
        .collect();
    let longest = waits.and_then(|waits| waits.into_iter().max());
    Limited {
        violated: names.map(|limit| limit.name().to_owned()).collect(),
        retry_after_s: longest.map(|nanos| seconds(nanos).max(1)),
        lost: violated
            .iter()
            .all(|charge| charge.share.is_some_and(|share| share.share() == 0)),
        fields: fields(asked, charges, admission),
    }
}

/// What the policies want to be told of their limits.
fn fields(asked: &[Asked<'_>], charges: &[Charge<'_>], admission: &Admission) -> Option<Fields> {
    let mut fields = Fields::default();
    for (charge, verdict) in charges.iter().zip(&admission.verdicts) {
        let (Some(policy), Some(limit)) = (policy_of(asked, charge), limit_of(asked, charge)) else {
            continue;
        };
        let told = match policy.headers().standard {
            Telling::Always => true,
            Telling::Limited => !admission.passes(),
            Telling::Never => false,
        };
        if told {
            // What the limit would have charged, had the others let the request pass.
            let uncharged = if verdict.is_allow() && !admission.passes() {
                charge.cost
            } else {
                0
            };
            let told = Told {
                name: limit.name(),
                quota: charge.quota.requests(),
                window_s: charge.quota.window_s(),
                key: (!limit.is_for_all()).then_some(charge.key),
                remaining: verdict.remaining().saturating_add(uncharged),
                reset_s: seconds(verdict.reset_ns()),
            };
            fields.tell(&told, policy.headers().legacy);
        }
    }
    (!fields.policy.is_empty()).then_some(fields)
}
