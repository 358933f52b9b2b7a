//! How far one run is.

use std::collections::BTreeMap;

use weir_core::cache::{WarmOutcome, WarmRunStatus, WarmStanding};
use weir_policy::proxy::WarmCounts;

/// A run of which proxies say nothing new for so long has lost those requests. The longest pause of a request is 512 s, and a
/// call takes at most 300.
const SILENCE_MS: u64 = 20 * 60 * 1_000;

/// A run, and what proxies have said of it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How many requests each proxy is to make; none: the run began before the control plane started.
    asked: Option<BTreeMap<String, usize>>,
    nodes: BTreeMap<String, WarmCounts>,
    /// When it began, or was seen to go on.
    heard_ms: u64,
    outcome: Option<WarmOutcome>,
}

/// Requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) requests: u64,
    pub(super) fetched: u64,
    pub(super) hit: u64,
    pub(super) failed: u64,
}

impl Sum {
    fn add(&mut self, counts: &WarmCounts) {
        self.requests += u64::from(counts.urls);
        self.fetched += u64::from(counts.fetched);
        self.hit += u64::from(counts.hit);
        self.failed += u64::from(counts.failed);
    }

    /// What has come to it; nothing, where a proxy began anew.
    pub(super) const fn since(&self, before: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            fetched: self.fetched.saturating_sub(before.fetched),
            hit: self.hit.saturating_sub(before.hit),
            failed: self.failed.saturating_sub(before.failed),
        }
    }
}

impl Progress {
    /// The run has begun, with so many requests for each proxy. A proxy may have been faster to say something.
    pub(super) fn begun(&mut self, shares: BTreeMap<String, usize>, now_ms: u64) {
        self.asked = Some(shares);
        self.heard_ms = now_ms;
    }

    /// A proxy has said what it has done from the beginning: gives whether that is new.
    pub(super) fn told(&mut self, node: &str, counts: WarmCounts) -> bool {
        self.nodes.insert(node.to_owned(), counts.clone()) != Some(counts)
    }

    /// It goes on, or waits for one that does.
    pub(super) const fn goes_on(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
    }

    pub(super) fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        self.nodes.values().for_each(|counts| sum.add(counts));
        sum
    }

    /// Whether it began since the control plane started.
    pub(super) const fn is_counted(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether it has not ended.
    pub(super) const fn is_under_way(&self) -> bool {
        self.asked.is_some() && self.outcome.is_none()
    }

    /// How many requests have not ended: of proxies that were there when it began, and of those that have said since that they
    /// have it too, since they were away.
    fn left(&self) -> Option<u64> {
        let asked = self.asked.as_ref()?;
        let unheard = asked.iter().filter(|(node, _)| !self.nodes.contains_key(*node));
        let unheard: u64 = unheard.map(|(_, share)| *share as u64).sum();
        let of = |(node, counts): (&String, &WarmCounts)| {
            let ended = u64::from(counts.fetched) + u64::from(counts.hit) + u64::from(counts.failed);
            let share = asked.get(node).copied().unwrap_or_default() as u64;
            share.max(counts.urls.into()).saturating_sub(ended)
        };
        Some(unheard + self.nodes.iter().map(of).sum::<u64>())
    }

    /// Ends the run if it is over, or `is_forgotten`: gives what became of it, once, and how many requests are left out.
    pub(super) fn settle(&mut self, is_forgotten: bool, now_ms: u64) -> Option<(WarmOutcome, u64)> {
        if self.outcome.is_some() {
            return None;
        }
        let failed = self.sum().failed;
        let left = self.left()?;
        let outcome = match left {
            0 if failed > 0 => WarmOutcome::Failed,
            0 => WarmOutcome::Done,
            _ if is_forgotten || now_ms.saturating_sub(self.heard_ms) > SILENCE_MS => WarmOutcome::Incomplete,
            _ => return None,
        };
        self.outcome = Some(outcome);
        Some((outcome, left))
    }

    /// Writes what is known.
    pub(super) fn complete(&self, run: &mut WarmRunStatus) {
        let sum = self.sum();
        (run.requests, run.fetched, run.hit, run.failed) = (sum.requests, sum.fetched, sum.hit, sum.failed);
        run.proxies = self.nodes.len();
        run.standing = match (&self.asked, self.outcome) {
            (None, _) => WarmStanding::Unknown,
            (Some(_), Some(WarmOutcome::Done)) => WarmStanding::Done,
            (Some(_), Some(WarmOutcome::Failed)) => WarmStanding::Failed,
            (Some(_), Some(_)) => WarmStanding::Incomplete,
            (Some(_), None) => WarmStanding::UnderWay,
        };
    }
}
