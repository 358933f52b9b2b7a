//! The generation in force, as several workers of one process report it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;
use weir_host::fake::{Process, Worker};
use weir_host::port::StreamHost;
use weir_host::worker::{CAPACITY, DEAD_AFTER_MS, Table, key};
use weir_host::{Action, Counters, Filter, Root, Stream, Vm};

/// A filter whose configuration is its generation.
struct Numbered(u64);

const SLOT: &str = "weir/default/edge/numbered";

impl Filter for Numbered {
    const NAME: &'static str = "numbered";
    type Exchange = ();
    type Memory = ();
    fn configure(json: &[u8], _counters: &Counters) -> Result<Self, String> {
        let text = std::str::from_utf8(json).map_err(|error| error.to_string())?;
        text.parse().map(Self).map_err(|_| "not a number".to_owned())
    }
    fn slot(&self) -> &str {
        SLOT
    }
    fn generation(&self) -> u64 {
        self.0
    }
    fn on_request_headers(&self, _exchange: &mut (), _host: &impl StreamHost) -> Action {
        Action::Continue
    }
}

/// One VM, its newest root and the older ones.
struct Vms {
    host: Worker,
    vm: Rc<Vm>,
    roots: Vec<Root<Numbered>>,
    streams: Vec<(u64, Stream<Numbered>)>,
    generation: u64,
}

impl Vms {
    fn new(process: &Rc<Process>, generation: u64) -> Self {
        let mut vm = Self {
            host: Worker::new(process),
            vm: Rc::default(),
            roots: Vec::new(),
            streams: Vec::new(),
            generation,
        };
        vm.configure(generation);
        vm
    }

    fn configure(&mut self, generation: u64) {
        self.host.set_configuration(generation.to_string().as_bytes());
        let mut root = Root::new(Rc::clone(&self.vm));
        assert!(root.on_configure(&self.host));
        self.roots.push(root);
        self.generation = generation;
    }

    fn open_stream(&mut self) {
        let stream = self.roots.last().unwrap().open_stream();
        self.streams.push((self.generation, stream));
    }

    /// Every root ticks, also those that should have stopped.
    fn tick(&mut self) {
        for root in &mut self.roots {
            root.on_tick(&self.host);
        }
    }

    fn draining(&self) -> u64 {
        let older = self
            .streams
            .iter()
            .filter(|(generation, _)| *generation != self.generation);
        older.count().try_into().unwrap()
    }
}

fn gauge(process: &Process, name: &str) -> Option<u64> {
    process.metric(&format!("weir_generation_{name}.filter.numbered"))
}

fn gauges(process: &Process) -> (Option<u64>, Option<u64>) {
    (gauge(process, "in_force"), gauge(process, "draining"))
}

fn table(process: &Process) -> Table {
    Table::from_bytes(&process.shared(key(SLOT)).unwrap()).unwrap()
}

#[test]
fn a_generation_is_in_force_when_the_last_worker_runs_it() {
    let process = Process::new(1_000);
    let mut workers: Vec<Vms> = (0..3).map(|_| Vms::new(&process, 1)).collect();
    workers.iter_mut().for_each(Vms::tick);
    for worker in &mut workers {
        assert_eq!(gauges(&process), (Some(1), Some(0)));
        worker.configure(2);
        worker.tick();
    }
    assert_eq!(gauges(&process), (Some(2), Some(0)));
    assert_eq!(table(&process).live(1_000).count(), 3);
}

#[test]
fn the_first_tick_comes_soon_and_older_roots_tick_slowly() {
    let process = Process::new(0);
    let mut worker = Vms::new(&process, 1);
    assert!(worker.host.tick_period().unwrap() <= 10);
    worker.tick();
    assert_eq!(worker.host.tick_period(), Some(1_000));
    worker.configure(2);
    worker.roots[0].on_tick(&worker.host);
    assert_eq!(worker.host.tick_period(), Some(1_000));
    assert_eq!(gauges(&process), (Some(1), Some(0)));
}

/// As Envoy does when a configuration comes again while requests run under it.
#[test]
fn an_older_root_that_serves_again_is_in_force() {
    let process = Process::new(0);
    let mut worker = Vms::new(&process, 1);
    worker.open_stream();
    worker.configure(2);
    worker.open_stream();
    worker.tick();
    assert_eq!(gauges(&process), (Some(2), Some(1)));
    let again = worker.roots[0].open_stream();
    worker.tick();
    assert_eq!(gauges(&process), (Some(1), Some(1)));
    drop(again);
    worker.streams.pop();
    worker.roots[1].on_close(&worker.host);
    worker.roots.pop();
    worker.tick();
    assert_eq!(gauges(&process), (Some(1), Some(0)));
}

#[test]
fn an_older_root_is_in_force_when_the_newer_one_goes() {
    let process = Process::new(0);
    let mut worker = Vms::new(&process, 1);
    worker.open_stream();
    worker.configure(2);
    worker.tick();
    worker.roots[1].on_close(&worker.host);
    worker.roots.pop();
    worker.tick();
    assert_eq!(gauges(&process), (Some(1), Some(0)));
}

#[test]
fn a_worker_that_vanished_holds_a_generation_back_for_five_seconds_only() {
    let process = Process::new(0);
    let (mut gone, mut alive) = (Vms::new(&process, 1), Vms::new(&process, 1));
    gone.tick();
    alive.configure(2);
    for (now, expected) in [(DEAD_AFTER_MS, 1), (DEAD_AFTER_MS + 1, 2)] {
        process.set_now_ms(now);
        alive.tick();
        assert_eq!(gauge(&process, "in_force"), Some(expected));
    }
    // It comes back, to a new entry.
    gone.tick();
    assert_eq!(gauge(&process, "in_force"), Some(1));
}

#[test]
fn a_worker_that_is_closed_holds_nothing_back() {
    let process = Process::new(0);
    let (mut closing, mut staying) = (Vms::new(&process, 1), Vms::new(&process, 2));
    closing.tick();
    staying.tick();
    assert_eq!(gauge(&process, "in_force"), Some(1));
    closing.roots[0].on_close(&closing.host);
    staying.tick();
    assert_eq!(gauge(&process, "in_force"), Some(2));
}

#[test]
fn a_write_that_another_worker_overtakes_is_not_lost() {
    let process = Process::new(0);
    let (mut slow, fast) = (
        Vms::new(&process, 1),
        Rc::new(RefCell::new(Vms::new(&process, 1))),
    );
    slow.tick();
    fast.borrow_mut().tick();
    slow.configure(2);
    fast.borrow_mut().configure(2);
    let overtaking = Rc::clone(&fast);
    process.before_next_store(move || overtaking.borrow_mut().tick());
    slow.tick();
    assert_eq!(table(&process).live(0).count(), 2);
    assert_eq!(gauges(&process), (Some(2), Some(0)));
}

#[test]
fn a_full_table_takes_no_more_workers_until_one_dies() {
    let process = Process::new(0);
    let mut workers: Vec<Vms> = (0..CAPACITY).map(|_| Vms::new(&process, 5)).collect();
    workers.iter_mut().for_each(Vms::tick);
    let mut late = Vms::new(&process, 4);
    late.tick();
    assert_eq!(table(&process).live(0).count(), CAPACITY);
    assert_eq!(gauge(&process, "in_force"), Some(5));
    assert!(late.host.log_lines().pop().unwrap().1.contains("tick"));
    process.set_now_ms(DEAD_AFTER_MS + 1);
    late.tick();
    assert_eq!(gauge(&process, "in_force"), Some(4));
    assert!(process.shared(key(SLOT)).unwrap().len() < 100);
}

#[derive(Clone, Debug)]
enum Step {
    Configure(usize),
    Tick(usize),
    Open(usize),
    Close(usize),
    Wait(u64),
    Garbage(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize).prop_map(Step::Configure),
        (0..3_usize).prop_map(Step::Tick),
        (0..3_usize).prop_map(Step::Open),
        (0..3_usize).prop_map(Step::Close),
        (0..7_000_u64).prop_map(Step::Wait),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Step::Garbage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn after_everybody_ticked_the_gauges_are_true(steps in prop::collection::vec(step(), 0..40)) {
        let process = Process::new(1_000_000);
        let mut now = 1_000_000;
        let mut workers: Vec<Vms> = (0..3).map(|_| Vms::new(&process, 1)).collect();
        for step in steps {
            match step {
                Step::Configure(worker) => { let next = workers[worker].generation + 1; workers[worker].configure(next); }
                Step::Tick(worker) => workers[worker].tick(),
                Step::Open(worker) => workers[worker].open_stream(),
                Step::Close(worker) => { workers[worker].streams.pop(); }
                Step::Wait(time) => { now += time; process.set_now_ms(now); }
                Step::Garbage(bytes) => process.set_shared(key(SLOT), &bytes),
            }
        }
        workers.iter_mut().for_each(Vms::tick);
        let in_force = workers.iter().map(|worker| worker.generation).min();
        let draining = workers.iter().map(Vms::draining).sum();
        prop_assert_eq!(gauges(&process), (in_force, Some(draining)));
        prop_assert_eq!(table(&process).live(now).count(), 3);
    }

    #[test]
    fn any_bytes_are_a_table_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        let bytes = if magic { [b"weirwrk1".as_slice(), &bytes].concat() } else { bytes };
        if let Some(table) = Table::from_bytes(&bytes) {
            prop_assert_eq!(table.to_bytes(), bytes);
        }
    }
}
