//! What a store knows of a key.

use std::rc::Rc;

use crate::content::Content;

/// What a store knows of a key.
#[derive(Clone, Debug)]
pub enum Found {
    /// An object.
    Object(Object),
    /// Which request headers tell the objects of this key apart. Each stands under a key of its own, whose text must hold
    /// `stamp`: so they are gone with this record.
    Vary(Vary),
    /// Nothing yet, but someone fetches it.
    Filling(Filling),
    /// Its answer could not be stored lately: requests for it need not wait for one another until then, Unix milliseconds.
    HitForMiss {
        /// Unix milliseconds.
        until_ms: u64,
    },
    /// Nothing.
    Nothing,
}

/// An object that is stored.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its number: never another object's.
    pub stamp: u64,
    /// What was stored.
    pub content: Rc<Content>,
    /// Where it was.
    pub tier: Tier,
    /// Someone fetches it anew.
    pub refreshing: Option<Filling>,
}

/// What tells the objects of one key apart.
#[derive(Clone, Debug)]
pub struct Vary {
    /// Its number: never another record's.
    pub stamp: u64,
    /// What was stored.
    pub names: Rc<Content>,
    /// Where it was.
    pub tier: Tier,
}

/// Where an object was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In this worker's memory.
    Own,
    /// In shared data.
    Shared,
}

/// Someone fetches an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// This worker does.
    pub here: bool,
    /// Unix milliseconds; from then on another may.
    pub until_ms: u64,
}
