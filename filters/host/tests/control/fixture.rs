//! A filter that listens and reports, the workers that run it, and a control plane.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use weir_host::control::Report;
use weir_host::fake::{Process, UnderWay, Worker};
use weir_host::port::{Answer, RootHost, StreamHost};
use weir_host::{Action, Counters, Filter, HostError, Root, Vm};
use weir_policy::compiled::ControlConfig;
use weir_policy::proxy::{EventPage, ProxyEvent};

pub(crate) const SLOT: &str = "weir/default/edge/listener";
pub(crate) const LEADER: &str = "weir/default/edge/listener/leader";
pub(crate) const CURSOR: &str = "weir/default/edge/listener/events";
/// A tick, milliseconds.
pub(crate) const TICK: u64 = 100;

/// Writes down what it hears, for all workers: revisions, each once, and 0 for a reset.
pub(crate) struct Listener(ControlConfig);

impl Filter for Listener {
    const NAME: &'static str = "listener";
    type Exchange = ();
    type Memory = ();

    fn configure(json: &[u8], _counters: &Counters) -> Result<Self, String> {
        let cluster = String::from_utf8(json.to_vec()).map_err(|error| error.to_string())?;
        Ok(Self(ControlConfig { cluster }))
    }
    fn slot(&self) -> &str {
        SLOT
    }
    fn generation(&self) -> u64 {
        1
    }
    fn on_request_headers(&self, _exchange: &mut (), _host: &impl StreamHost) -> Action {
        Action::Continue
    }
    fn tick_period_ms(&self) -> u32 {
        TICK.try_into().unwrap()
    }
    fn control(&self) -> Option<&ControlConfig> {
        Some(&self.0)
    }
    fn on_events(&self, page: &EventPage, host: &impl RootHost) -> Result<(), HostError> {
        let resets = page.reset.then_some(0);
        let heard = resets
            .into_iter()
            .chain(page.events.iter().map(|event| event.revision));
        append(host, "heard", heard.collect(), true)
    }
    fn report(&self, now: u64, _host: &impl RootHost) -> Option<Report> {
        let body = now.to_string().into_bytes();
        let path = "/v1/proxy/leases";
        Some(Report { path, body })
    }
    fn on_report_answer(&self, made: u64, body: &[u8], host: &impl RootHost) {
        if made.to_string().as_bytes() == body {
            append(host, "told", vec![made], false).unwrap();
        }
    }
}

/// Adds numbers to a shared list; `growing`: not those that are no greater than its last.
fn append(host: &impl RootHost, key: &str, numbers: Vec<u64>, growing: bool) -> Result<(), HostError> {
    let (list, version) = host.load(key.as_bytes())?.unzip();
    let mut list = list.unwrap_or_default();
    for number in numbers {
        let last = read(&list).last().copied().unwrap_or_default();
        if !growing || number > last || number == 0 {
            list.extend(number.to_le_bytes());
        }
    }
    host.store(key.as_bytes(), &list, version)
}

pub(crate) fn read(list: &[u8]) -> Vec<u64> {
    let (numbers, _) = list.as_chunks();
    numbers.iter().map(|number| u64::from_le_bytes(*number)).collect()
}

/// What a control plane that is up knows: the events 1 to `last`, `oldest` and before forgotten.
#[derive(Default)]
pub(crate) struct ControlPlane {
    pub(crate) last: Cell<u64>,
    pub(crate) oldest: Cell<u64>,
    /// What it answers while it is not as it should be: a status, or nothing at all.
    pub(crate) broken: Cell<Option<Option<u16>>>,
    /// Whether reports stay unanswered.
    pub(crate) silent: Cell<bool>,
}

impl ControlPlane {
    /// The answer that is there now, if there is one: `Some(None)` ends the call without any.
    fn answer(&self, call: &UnderWay) -> Option<Option<Answer>> {
        if let Some(broken) = self.broken.get() {
            return Some(broken.map(|status| answer(status, b"no")));
        }
        let path = call.header(":path").unwrap();
        if path == "/v1/proxy/leases" {
            return (!self.silent.get()).then(|| Some(answer(200, &call.body)));
        }
        let page = self.page(path)?;
        Some(Some(answer(200, &serde_json::to_vec(&page).unwrap())))
    }

    /// At most two events at a time.
    fn page(&self, path: &str) -> Option<EventPage> {
        let query = path.strip_prefix("/v1/proxy/events?slot=weir%2Fdefault%2Fedge%2Flistener")?;
        let cursor = query.strip_suffix("&wait=25").unwrap();
        let last = self.last.get();
        let Some(cursor) = cursor.strip_prefix("&cursor=") else {
            assert_eq!(cursor, "");
            return Some(page(last, false, 0));
        };
        let cursor: u64 = cursor.parse().unwrap();
        if cursor > last || cursor < self.oldest.get() {
            return Some(page(last, true, 0));
        }
        let events = (last - cursor).min(2);
        (events > 0).then(|| page(cursor + events, false, events))
    }
}

fn answer(status: u16, body: &[u8]) -> Answer {
    let body = body.to_vec();
    Answer {
        status,
        headers: Vec::new(),
        body,
    }
}

/// A page that ends with `cursor` and has so many events.
fn page(cursor: u64, reset: bool, events: u64) -> EventPage {
    let event = |revision| ProxyEvent {
        revision,
        ..ProxyEvent::default()
    };
    let events = (cursor - events + 1..=cursor).map(event).collect();
    EventPage {
        cursor,
        reset,
        events,
    }
}

/// One worker: its root in force, and the calls that it waits for.
pub(crate) struct Vms {
    pub(crate) host: Worker,
    vm: Rc<Vm>,
    pub(crate) root: Root<Listener>,
    pub(crate) open: Vec<UnderWay>,
}

/// A process, its workers and its control plane.
pub(crate) struct Proxy {
    pub(crate) process: Rc<Process>,
    pub(crate) plane: ControlPlane,
    pub(crate) workers: Vec<Vms>,
    /// Every call that was made: when, milliseconds, and its path.
    pub(crate) made: RefCell<Vec<(u64, String)>>,
}

impl Proxy {
    pub(crate) fn new(workers: usize) -> Self {
        let mut proxy = Self {
            process: Process::new(1_000_000),
            plane: ControlPlane::default(),
            workers: Vec::new(),
            made: RefCell::default(),
        };
        for _ in 0..workers {
            proxy.add_worker();
        }
        proxy
    }

    pub(crate) fn add_worker(&mut self) {
        let host = Worker::new(&self.process);
        let vm = Rc::<Vm>::default();
        let root = root(&vm, &host);
        let open = Vec::new();
        self.workers.push(Vms { host, vm, root, open });
    }

    /// The worker gets its configuration again, in a new root; the old one is returned.
    pub(crate) fn configure(&mut self, worker: usize) -> Root<Listener> {
        let worker = &mut self.workers[worker];
        let newer = root(&worker.vm, &worker.host);
        std::mem::replace(&mut worker.root, newer)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.process.now_ns() / 1_000_000
    }

    /// Time passes; every worker ticks every 100 ms, and what can be answered is.
    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms / TICK {
            self.process.set_now_ms(self.now_ms() + TICK);
            for worker in 0..self.workers.len() {
                self.tick(worker);
                self.answer(worker);
            }
        }
    }

    pub(crate) fn tick(&mut self, worker: usize) {
        let now = self.now_ms();
        let worker = &mut self.workers[worker];
        worker.root.on_tick(&worker.host);
        for call in worker.host.take_calls() {
            assert_eq!(call.cluster, "weir-control");
            let path = call.header(":path").unwrap().to_owned();
            self.made.borrow_mut().push((now, path));
            worker.open.push(call);
        }
    }

    pub(crate) fn answer(&mut self, worker: usize) {
        let worker = &mut self.workers[worker];
        for call in std::mem::take(&mut worker.open) {
            match self.plane.answer(&call) {
                Some(answer) => {
                    worker.host.answer_with(answer);
                    worker.root.on_call_end(call.call, &worker.host);
                }
                None => worker.open.push(call),
            }
        }
    }

    /// The workers that have a poll open.
    pub(crate) fn polling(&self) -> Vec<usize> {
        let polls = |worker: &Vms| worker.open.iter().any(is_poll);
        let workers = self.workers.iter().enumerate();
        workers
            .filter(|(_, worker)| polls(worker))
            .map(|(index, _)| index)
            .collect()
    }

    /// The polls that were made after a time, milliseconds after it.
    pub(crate) fn polls_since(&self, start: u64) -> Vec<u64> {
        self.since(start, |path| path.contains("events"))
    }

    /// The reports, likewise.
    pub(crate) fn reports_since(&self, start: u64) -> Vec<u64> {
        self.since(start, |path| path.contains("leases"))
    }

    fn since(&self, start: u64, wanted: impl Fn(&str) -> bool) -> Vec<u64> {
        let made = self.made.borrow();
        let made = made.iter().filter(|(at, path)| *at > start && wanted(path));
        made.map(|(at, _)| at - start).collect()
    }

    /// What the filter wrote down after the first page, which is a reset.
    pub(crate) fn heard(&self) -> Vec<u64> {
        let mut heard = read(&self.process.shared("heard").unwrap_or_default()).into_iter();
        assert!(
            matches!(heard.next(), None | Some(0)),
            "the first page is no reset"
        );
        heard.collect()
    }

    /// Of which reports it heard the answer, Unix nanoseconds.
    pub(crate) fn told(&self) -> Vec<u64> {
        read(&self.process.shared("told").unwrap_or_default())
    }

    pub(crate) fn publish(&self, events: u64) {
        self.plane.last.set(self.plane.last.get() + events);
    }

    /// How many calls of a kind ended so, as the statistics say.
    pub(crate) fn count(&self, call: &str, outcome: &str) -> u64 {
        let name = format!("weir_control_calls_total.filter.listener.call.{call}.outcome.{outcome}");
        self.process.metric(&name).unwrap_or_default()
    }
}

pub(crate) fn is_poll(call: &UnderWay) -> bool {
    call.header(":method") == Some("GET")
}

fn root(vm: &Rc<Vm>, host: &Worker) -> Root<Listener> {
    host.set_configuration(b"weir-control");
    let mut root = Root::new(Rc::clone(vm));
    assert!(root.on_configure(host));
    root
}
