//! Random doings of several workers, against what must be true of any cache.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use weir_cache_store::purge::{FRESH_MS, Purgeable, Purges, Verdict};
use weir_cache_store::{Claim, Fill, FillToken, Found, Key, Kind, LONGEST_LEASE_MS, Layout, Store, Stored};
use weir_policy::proxy::{CachePurge, EventPage, Notice, ProxyEvent, Purged};

use crate::NOW;
use crate::world::World;

const WORKERS: usize = 3;
const KEYS: usize = 8;
const TAGS: [&str; 2] = ["even", "odd"];
const LARGEST: usize = 4_000;
/// What an object costs beside its body.
const OVERHEAD: u64 = 301;

#[derive(Clone, Debug)]
enum Deed {
    LookUp(usize),
    Claim(usize),
    /// One of the fills that are under way, and the size of what is stored.
    Store(usize, usize),
    Abandon(usize),
    HitForMiss(usize),
    Invalidate(usize),
    Purge(usize, bool),
    Clock(i64),
}

/// What a worker does, and what others do before its n-th write.
#[derive(Clone, Debug)]
struct Step {
    worker: usize,
    deed: Deed,
    meanwhile: Option<(usize, Deed)>,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..KEYS).prop_map(Deed::LookUp),
        4 => (0..KEYS).prop_map(Deed::Claim),
        4 => (any::<usize>(), 0..LARGEST).prop_map(|(fill, size)| Deed::Store(fill, size)),
        1 => any::<usize>().prop_map(Deed::Abandon),
        1 => any::<usize>().prop_map(Deed::HitForMiss),
        1 => (0..KEYS).prop_map(Deed::Invalidate),
        1 => (0..2 * KEYS, any::<bool>()).prop_map(|(what, soft)| Deed::Purge(what, soft)),
        1 => (-2_000_i64..12_000).prop_map(Deed::Clock),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let meanwhile = prop::option::weighted(0.4, (0..4_usize, deed()));
    (0..WORKERS, deed(), meanwhile).prop_map(|(worker, deed, meanwhile)| Step {
        worker,
        deed,
        meanwhile,
    })
}

/// A fill: its number is in the body of what it stores.
struct Underway {
    serial: u64,
    key: usize,
    token: FillToken,
}

struct Model {
    workers: Vec<(Store, Purges)>,
    now_ms: Cell<u64>,
    serials: Cell<u64>,
    revision: Cell<u64>,
    underway: RefCell<Vec<Underway>>,
    /// Who leads, by the hash of the key: serial and deadline.
    leaders: RefCell<BTreeMap<u64, (u64, u64)>>,
    /// What may not be served any more, by serial, and what was stored for which key.
    gone: RefCell<BTreeSet<u64>>,
    begun: RefCell<Vec<(u64, usize)>>,
    /// The fill that is just ending: whether it has, others can't know.
    ending: Cell<u64>,
    /// Another worker is in the middle of something, which may have taken hold or not.
    meanwhile: Cell<bool>,
}

/// Keys 0 and 1 have one hash.
fn text(key: usize) -> [u8; 1] {
    [b'a' + key as u8]
}

fn hash(key: usize) -> u64 {
    (key.max(1) as u64) << 60
}

fn tag(key: usize) -> &'static str {
    TAGS[key % 2]
}

fn layout() -> Layout {
    Layout::new(20_000, 150)
}

impl Model {
    fn new() -> Self {
        let worker = |number| (Store::new("slot", layout(), number, 6_000), Purges::new("slot"));
        Self {
            workers: (0..WORKERS as u32).map(worker).collect(),
            now_ms: Cell::new(NOW),
            serials: Cell::default(),
            revision: Cell::default(),
            underway: RefCell::default(),
            leaders: RefCell::default(),
            gone: RefCell::default(),
            begun: RefCell::default(),
            ending: Cell::default(),
            meanwhile: Cell::default(),
        }
    }

    fn does(&self, worker: usize, deed: &Deed, world: &World<'_>) {
        match *deed {
            Deed::LookUp(key) => {
                self.look_up(worker, key, world);
            }
            Deed::Claim(key) => self.claim(worker, key, world),
            Deed::Store(fill, size) => self.store(worker, fill, size, world),
            Deed::Abandon(fill) => self.end(worker, fill, false, world),
            Deed::HitForMiss(fill) => self.end(worker, fill, true, world),
            Deed::Invalidate(key) => self.invalidate(worker, key, world),
            Deed::Purge(what, soft) => self.purge(worker, what, soft, world),
            Deed::Clock(by) => self.step_clock(by),
        }
    }

    /// After a step back all workers have a tick.
    fn step_clock(&self, by: i64) {
        self.now_ms.set(self.now_ms.get().saturating_add_signed(by));
        if by < 0 {
            self.workers.iter().for_each(|(_, purges)| purges.look_again());
        }
    }

    /// Nothing that was gone when the look-up began is served, nor another key's. Gives the stamp of what is there.
    fn look_up(&self, worker: usize, key: usize, world: &World<'_>) -> Option<u64> {
        let (store, purges) = &self.workers[worker];
        let gone = self.gone.borrow().clone();
        let (text, now) = (text(key), self.now_ms.get());
        let key_ = Key {
            hash: hash(key),
            text: &text,
        };
        let Found::Object(object) = store.look_up(world, &key_, now).unwrap() else {
            return None;
        };
        let (numbers, _) = object.content.as_chunks::<8>();
        let [serial, of, revision] = [0, 1, 2].map(|at| u64::from_le_bytes(numbers[at]));
        assert_eq!(of, key as u64, "another key's");
        let purgeable = Purgeable {
            revision,
            policy: "default/p",
            url: &text,
            tags: [tag(key).as_bytes()],
        };
        let verdict = purges
            .verdict(world, purgeable, object.content.judged(), now)
            .unwrap();
        assert!(
            verdict == Verdict::Gone || !gone.contains(&serial),
            "{serial} was gone"
        );
        Some(object.stamp)
    }

    fn claim(&self, worker: usize, key: usize, world: &World<'_>) {
        let seen = self.look_up(worker, key, world);
        let (store, purges) = &self.workers[worker];
        let now_ms = self.now_ms.get();
        let fill = Fill {
            now_ms,
            until_ms: now_ms + 10_000,
            revision: purges.revision(world, now_ms).unwrap(),
            seen,
        };
        let text = text(key);
        let key_ = Key {
            hash: hash(key),
            text: &text,
        };
        let claim = store.claim(world, &key_, &fill).unwrap();
        let (Claim::Leader(token) | Claim::HitForMiss(token)) = claim.clone() else {
            return;
        };
        let serial = self.serials.get() + 1;
        self.serials.set(serial);
        self.begun.borrow_mut().push((serial, key));
        self.underway.borrow_mut().push(Underway { serial, key, token });
        if let Claim::Leader(_) = claim {
            let before = self
                .leaders
                .borrow_mut()
                .insert(hash(key), (serial, fill.until_ms));
            let live = |until: u64| now_ms < until && until - now_ms <= LONGEST_LEASE_MS;
            let two = before.is_some_and(|(leader, until)| leader != self.ending.get() && live(until));
            assert!(!two, "two leaders");
        }
    }

    fn take(&self, fill: usize) -> Option<Underway> {
        let mut underway = self.underway.borrow_mut();
        let count = underway.len();
        (count > 0).then(|| underway.swap_remove(fill % count))
    }

    fn no_leader(&self, key: usize, serial: u64) {
        let mut leaders = self.leaders.borrow_mut();
        if leaders
            .get(&hash(key))
            .is_some_and(|(leader, _)| *leader == serial)
        {
            leaders.remove(&hash(key));
        }
    }

    /// What was invalidated before a store begins is not stored.
    fn store(&self, worker: usize, fill: usize, size: usize, world: &World<'_>) {
        let Some(Underway { serial, key, token }) = self.take(fill) else {
            return;
        };
        let numbers = [serial, key as u64, token.revision()].map(u64::to_le_bytes);
        let body = [numbers.as_flattened(), &vec![0; size]].concat();
        let text = text(key);
        let key_ = Key {
            hash: hash(key),
            text: &text,
        };
        let now = self.now_ms.get();
        let (store, _) = &self.workers[worker];
        self.ending.set(serial);
        let leads = !self.meanwhile.get()
            && self
                .leaders
                .borrow()
                .get(&hash(key))
                .is_some_and(|(leader, _)| *leader == serial);
        let stored = store
            .store(world, token, &key_, Kind::Object, &body, now)
            .unwrap();
        let is_stored = matches!(stored, Stored::Stored { .. });
        let leader = self.leaders.borrow().get(&hash(key)).map(|(leader, _)| *leader);
        assert!(is_stored || !leads || leader != Some(serial), "{stored:?}");
        self.no_leader(key, serial);
    }

    fn end(&self, worker: usize, fill: usize, hit_for_miss: bool, world: &World<'_>) {
        let Some(Underway { serial, key, token }) = self.take(fill) else {
            return;
        };
        let (store, _) = &self.workers[worker];
        let now = self.now_ms.get();
        if hit_for_miss {
            store.hit_for_miss(world, token, now, now + 5_000).unwrap();
        } else {
            store.abandon(world, token).unwrap();
        }
        self.no_leader(key, serial);
    }

    fn is_gone(&self, is: impl Fn(usize) -> bool) {
        let begun = self.begun.borrow();
        let serials = begun
            .iter()
            .filter(|(_, key)| is(*key))
            .map(|(serial, _)| *serial);
        self.gone.borrow_mut().extend(serials);
    }

    fn invalidate(&self, worker: usize, key: usize, world: &World<'_>) {
        // It may take hold at any time from here on: what begins meanwhile may live.
        let text = text(key);
        let before = self.begun.borrow().len();
        let key_ = Key {
            hash: hash(key),
            text: &text,
        };
        self.workers[worker].0.invalidate(world, &key_).unwrap();
        let begun = self.begun.borrow()[..before].to_vec();
        let gone = begun
            .iter()
            .filter(|(_, of)| *of == key)
            .map(|(serial, _)| *serial);
        self.gone.borrow_mut().extend(gone);
        // Another worker may lead again by now, if it claimed after; that one began later.
        let leader = self.leaders.borrow().get(&hash(key)).copied();
        if leader.is_some_and(|(serial, _)| begun.iter().any(|(known, _)| *known == serial)) {
            self.leaders.borrow_mut().remove(&hash(key));
        }
    }

    fn purge(&self, worker: usize, what: usize, soft: bool, world: &World<'_>) {
        let revision = self.revision.get() + 1;
        self.revision.set(revision);
        let names = |key: usize| vec![String::from_utf8(text(key).to_vec()).unwrap()];
        let of = what % KEYS;
        let (what, is): (_, Box<dyn Fn(usize) -> bool>) = match what {
            0..KEYS => (
                Purged::Tags(vec![tag(of).to_owned()]),
                Box::new(move |key| tag(key) == tag(of)),
            ),
            _ if of == 0 => (Purged::All, Box::new(|_| true)),
            _ if of < 4 => (Purged::Prefixes(names(of)), Box::new(move |key| key == of)),
            _ => (Purged::Urls(names(of)), Box::new(move |key| key == of)),
        };
        let policy = revision.is_multiple_of(2).then(|| "default/p".to_owned());
        let purge = CachePurge { policy, soft, what };
        let page = EventPage {
            cursor: revision,
            reset: false,
            events: vec![ProxyEvent::new(revision, Notice::CachePurge(purge))],
        };
        self.workers[worker].1.apply(world, &page).unwrap();
        self.now_ms.set(self.now_ms.get() + FRESH_MS);
        if !soft {
            self.is_gone(is);
        }
    }

    fn is_bounded(&self, world: &World<'_>) {
        let totals = self.workers[0].0.totals(world).unwrap();
        assert!(totals.bytes <= layout().total_bytes(), "{totals:?}");
        let objects = world.object_lengths();
        let bytes: u64 = objects.iter().map(|length| *length as u64 - 13 + OVERHEAD).sum();
        assert_eq!((totals.bytes, totals.objects), (bytes, objects.len() as u64));
        let keys = world.keys();
        let of_store = keys.iter().filter(|key| ![9, 10].contains(&key.len()));
        assert!(of_store.count() as u64 <= layout().shared_keys());
    }
}

/// Two that change who may fetch cannot be told apart in time by what they answer.
fn are_ordered(one: &Deed, other: &Deed) -> bool {
    let moves_leaders = |deed: &Deed| !matches!(deed, Deed::LookUp(_) | Deed::Clock(_) | Deed::Store(..));
    let purges = |deed: &Deed| matches!(deed, Deed::Purge(..) | Deed::Clock(_));
    let both_claim = matches!((one, other), (Deed::Claim(_), Deed::Claim(_)));
    let both_move = moves_leaders(one) && moves_leaders(other);
    both_claim || !(both_move || purges(one) || purges(other))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn all_workers_are_one_cache(steps in vec(step(), 1..80)) {
        let model = Rc::new(Model::new());
        let world = World::default();
        for step in steps {
            if let Some((before, deed)) = step.meanwhile.filter(|(_, deed)| are_ordered(&step.deed, deed)) {
                let (model, worker) = (Rc::clone(&model), (step.worker + 1) % WORKERS);
                world.before_store(before, move |world| {
                    model.meanwhile.set(true);
                    model.does(worker, &deed, world);
                    model.meanwhile.set(false);
                });
            }
            model.does(step.worker, &step.deed, &world);
            world.forget_work();
            model.is_bounded(&world);
        }
    }
}
