//! Which objects were purged.
//!
//! A purge touches no object. It is written down, with its revision, and an object is asked about when it is to be served: one whose fill
//! began before a purge of it is gone, or stale. So a purge of a tag that a million objects have costs no more than one that none has,
//! and a fill that was under way when the purge came is caught as well.
//!
//! What is written down is bounded. The board has what is for much: a floor for everything, up to 32 floors for policies, up to 32
//! prefixes. Tags and URLs stand in 256 buckets with up to 16 of them each. Where there is no place, what was purged longest ago is taken
//! together with what stands beside it: more is purged than was asked for, never less.
//!
//! Revisions are the control plane's, but grow in each process, whatever the control plane says: a purge has a revision that no fill had
//! before it.

mod board;
mod bucket;
mod floor;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use weir_policy::hash::hash64;
use weir_policy::proxy::{CachePurge, EventPage, Purged};

use crate::shared::{Failed, SharedValues};
use crate::store::{ATTEMPTS, swap};
use board::{ANY, Board};
use bucket::{BUCKETS, Bucket};
use floor::Floor;

/// How old a worker's copy of the board may be, milliseconds.
pub const FRESH_MS: u64 = 20;

/// What purges mean for an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing.
    #[default]
    Valid,
    /// It is stale.
    Soft,
    /// It is not there.
    Gone,
}

/// What purges up to a revision meant for an object: a worker keeps it with its copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    revision: u64,
    verdict: Verdict,
}

/// What purges look at.
#[derive(Clone, Copy, Debug)]
pub struct Purgeable<'o, T> {
    /// The revision with which its fill began: [`FillToken::revision`](crate::FillToken::revision).
    pub revision: u64,
    /// `<namespace>/<name>` of its policy.
    pub policy: &'o str,
    /// Its URL without a scheme.
    pub url: &'o [u8],
    /// Its tags: an iterator of `&[u8]`, used at most once, and only where a purge came after `revision`.
    pub tags: T,
}

/// One worker's entrance to the purges of a slot.
#[derive(Debug)]
pub struct Purges {
    /// The board's key; a bucket's is one byte longer.
    name: [u8; 9],
    copy: RefCell<Option<BoardCopy>>,
}

#[derive(Debug)]
struct BoardCopy {
    board: Rc<Board>,
    read_at_ms: u64,
}

/// What is purged by its text: seeds for hashes.
const TAG: u64 = 1;
const URL: u64 = 2;

impl Purges {
    /// The purges of the slot called `name`.
    pub fn new(name: &str) -> Self {
        let [a, b, c, d, e, f, g, h] = hash64(name.as_bytes()).to_le_bytes();
        Self {
            name: [a, b, c, d, e, f, g, h, b'p'],
            copy: RefCell::default(),
        }
    }

    /// Takes up what the control plane says, for all workers of the process. A page that was taken up before changes nothing, unless it
    /// says that events are lost: then everything that is stored is gone. True: something was purged.
    pub fn apply(&self, shared: &dyn SharedValues, page: &EventPage) -> Result<bool, Failed> {
        for _ in 0..ATTEMPTS {
            let found = shared.load(&self.name)?;
            let version = found.as_ref().map(|(_, version)| *version);
            let before = parse(found);
            let after = self.after(shared, before.clone(), page)?;
            if after == before {
                return Ok(false);
            }
            if swap(shared, &self.name, &after.to_bytes(), version)? {
                *self.copy.borrow_mut() = None;
                return Ok(true);
            }
        }
        Err(Failed)
    }

    /// The board after a page. What stands in buckets is written before the board says so.
    fn after(&self, shared: &dyn SharedValues, mut board: Board, page: &EventPage) -> Result<Board, Failed> {
        if page.reset {
            board.revision = board.revision.saturating_add(1).max(page.cursor);
            board.cursor = page.cursor;
            board.purge_all(ANY, Floor::new(board.revision, false));
            return Ok(board);
        }
        for event in &page.events {
            let Some(purge) = &event.cache_purge else {
                continue;
            };
            if event.revision > board.cursor {
                board.cursor = event.revision;
                board.revision = board.revision.saturating_add(1).max(event.revision);
                self.purge(shared, &mut board, purge)?;
            }
        }
        Ok(board)
    }

    fn purge(&self, shared: &dyn SharedValues, board: &mut Board, purge: &CachePurge) -> Result<(), Failed> {
        let by = Floor::new(board.revision, purge.soft);
        let policy = purge.policy.as_deref().map_or(ANY, policy_hash);
        match &purge.what {
            Purged::All => board.purge_all(policy, by),
            Purged::Prefixes(prefixes) => {
                for prefix in prefixes {
                    board.purge_prefix(policy, prefix.as_bytes(), by);
                }
            }
            Purged::Tags(tags) => {
                for tag in tags {
                    self.raise(shared, hash64(tag.as_bytes()) ^ TAG, policy, by)?;
                }
            }
            Purged::Urls(urls) => {
                for url in urls {
                    self.raise(shared, hash64(url.as_bytes()) ^ URL, policy, by)?;
                }
            }
        }
        Ok(())
    }

    /// Notes the purge of a tag or a URL.
    fn raise(&self, shared: &dyn SharedValues, hash: u64, policy: u64, by: Floor) -> Result<(), Failed> {
        let key = self.bucket(hash);
        for _ in 0..ATTEMPTS {
            let found = shared.load(&key)?;
            let version = found.as_ref().map(|(_, version)| *version);
            let mut bucket = found.map_or_else(Bucket::default, |(bytes, _)| Bucket::parse(&bytes));
            bucket.raise(hash ^ policy, by);
            if swap(shared, &key, &bucket.to_bytes(), version)? {
                return Ok(());
            }
        }
        Err(Failed)
    }

    /// The key of a bucket.
    fn bucket(&self, hash: u64) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h, i] = self.name;
        let [number, ..] = (hash % BUCKETS).to_le_bytes();
        [a, b, c, d, e, f, g, h, i, number]
    }

    /// The last purge that this worker knows, at most [`FRESH_MS`] after any worker took it up, or, where the
    /// clock has stepped back since, the time until [`Purges::look_again`]. A fill begins with it.
    pub fn revision(&self, shared: &dyn SharedValues, now_ms: u64) -> Result<u64, Failed> {
        Ok(self.board(shared, now_ms)?.revision)
    }

    /// What this worker knows is read again when it is needed next: for a tick, since a clock that has stepped back makes a copy
    /// younger than it is.
    pub fn look_again(&self) {
        *self.copy.borrow_mut() = None;
    }

    fn board(&self, shared: &dyn SharedValues, now_ms: u64) -> Result<Rc<Board>, Failed> {
        let mut copy = self.copy.borrow_mut();
        let known = copy.as_ref();
        let fresh = known.filter(|copy| now_ms.abs_diff(copy.read_at_ms) < FRESH_MS);
        if let Some(fresh) = fresh {
            return Ok(Rc::clone(&fresh.board));
        }
        let board = Rc::new(parse(shared.load(&self.name)?));
        *copy = Some(BoardCopy {
            board: Rc::clone(&board),
            read_at_ms: now_ms,
        });
        Ok(board)
    }

    /// What purges mean for an object. Nothing is read where no purge came after its fill began, or after it was judged.
    pub fn verdict<'o, T: IntoIterator<Item = &'o [u8]>>(
        &self,
        shared: &dyn SharedValues,
        object: Purgeable<'o, T>,
        judged: &Cell<Judged>,
        now_ms: u64,
    ) -> Result<Verdict, Failed> {
        let board = self.board(shared, now_ms)?;
        if object.revision >= board.revision {
            return Ok(Verdict::Valid);
        }
        let before = judged.get();
        if before.revision == board.revision {
            return Ok(before.verdict);
        }
        let verdict = self.judge(shared, &board, object)?;
        judged.set(Judged {
            revision: board.revision,
            verdict,
        });
        Ok(verdict)
    }

    fn judge<'o, T: IntoIterator<Item = &'o [u8]>>(
        &self,
        shared: &dyn SharedValues,
        board: &Board,
        object: Purgeable<'o, T>,
    ) -> Result<Verdict, Failed> {
        let policy = policy_hash(object.policy);
        let url = hash64(object.url) ^ URL;
        let tags = object.tags.into_iter().map(|tag| hash64(tag) ^ TAG);
        let mut verdict = board.verdict(policy, object.url, object.revision);
        for hash in std::iter::once(url).chain(tags) {
            if verdict == Verdict::Gone {
                break;
            }
            let floor = self.floor(shared, hash, policy)?;
            verdict = verdict.max(floor.verdict(object.revision));
        }
        Ok(verdict)
    }

    /// What purges of a tag or a URL mean for a policy.
    fn floor(&self, shared: &dyn SharedValues, hash: u64, policy: u64) -> Result<Floor, Failed> {
        let found = shared.load(&self.bucket(hash))?;
        let bucket = found.map_or_else(Bucket::default, |(bytes, _)| Bucket::parse(&bytes));
        let mut floor = bucket.floor(hash ^ ANY);
        floor.raise(bucket.floor(hash ^ policy));
        Ok(floor)
    }
}

fn parse(found: Option<(Vec<u8>, u32)>) -> Board {
    let board = found.and_then(|(bytes, _)| Board::parse(&bytes));
    board.unwrap_or_default()
}

/// The hash of a policy's name.
fn policy_hash(policy: &str) -> u64 {
    hash64(policy.as_bytes())
}
