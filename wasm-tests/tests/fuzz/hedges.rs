//! Hedges: random policies, requests and replicas over several workers. What a client sends never makes a second try, and over
//! any ten seconds no more leave than the budget says.

mod deeds;
mod world;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::hedges::deeds::{Budget, Deed, Policy, budget, calm, policy, stormy};
use crate::hedges::world::World;
use crate::run::Violation;

/// Two policies with one budget, of which the first is in force at first, and what happens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hedges {
    workers: usize,
    budget: Budget,
    policies: [Policy; 2],
    deeds: Vec<Deed>,
}

/// The host does as it is asked.
pub(crate) fn calm_hedges() -> impl Strategy<Value = Hedges> {
    hedges(calm().boxed())
}

/// The host fails, the clock steps, and the proxy tells any number of tries.
pub(crate) fn stormy_hedges() -> impl Strategy<Value = Hedges> {
    hedges(prop_oneof![3 => calm(), 1 => stormy()].boxed())
}

fn hedges(deed: BoxedStrategy<Deed>) -> impl Strategy<Value = Hedges> {
    let deeds = prop_oneof![
        8 => prop::collection::vec(deed.clone(), 1..40),
        1 => prop::collection::vec(deed, 60..120),
    ];
    (1..4_usize, budget(), [policy(), policy()], deeds).prop_map(|(workers, budget, policies, deeds)| {
        Hedges {
            workers,
            budget,
            policies,
            deeds,
        }
    })
}

impl Hedges {
    /// These without some of the deeds, half of them first.
    pub(crate) fn smaller(&self) -> impl Iterator<Item = Self> {
        let count = self.deeds.len();
        let sizes =
            std::iter::successors(Some(count / 2), |size| Some(size / 2)).take_while(|size| *size > 0);
        let starts = sizes.flat_map(move |size| (0..count).step_by(size).map(move |from| (from, size)));
        starts.map(move |(from, size)| {
            let mut fewer = self.clone();
            fewer.deeds.drain(from..count.min(from + size));
            fewer
        })
    }
}

/// No trap; every request is answered once, by one of its tries; a second try leaves only where it may, and when.
pub(crate) fn check(hedges: &Hedges) -> Result<u64, Violation> {
    let mut world = World::new(hedges)?;
    for deed in &hedges.deeds {
        world.take(deed)?;
    }
    world.end()
}
