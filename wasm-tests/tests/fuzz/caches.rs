//! The cache: random policies, answers and requests over two workers. Every answer of the origin has a number and names whom
//! it is for, so that what a client gets can be told from what it must not get.

mod deeds;
mod world;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::caches::deeds::{Deed, Policy, calm, policy, stormy};
use crate::caches::world::World;
use crate::run::Violation;

/// A policy, and what happens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Caches {
    policy: Policy,
    deeds: Vec<Deed>,
}

/// The host does as it is asked.
pub(crate) fn calm_caches() -> impl Strategy<Value = Caches> {
    caches(calm().boxed())
}

/// The host fails, workers are lost and the clock steps.
pub(crate) fn stormy_caches() -> impl Strategy<Value = Caches> {
    caches(prop_oneof![3 => calm(), 1 => stormy()].boxed())
}

fn caches(deed: BoxedStrategy<Deed>) -> impl Strategy<Value = Caches> {
    let deeds = prop_oneof![
        8 => prop::collection::vec(deed.clone(), 1..40),
        1 => prop::collection::vec(deed, 60..120),
    ];
    (policy(), deeds).prop_map(|(policy, deeds)| Caches { policy, deeds })
}

impl Caches {
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

/// No trap; every request is answered once and in full; nobody gets what is another's, was purged or must not be stored.
pub(crate) fn check(caches: &Caches) -> Result<u64, Violation> {
    let mut world = World::new(&caches.policy)?;
    for deed in &caches.deeds {
        world.take(deed)?;
    }
    world.end()
}
