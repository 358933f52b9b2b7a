//! A process that hedges, its replicas and its clients.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_wasm_tests::{
    Answer, Cluster, Exchange, Fault, Fleet, HttpChain, Listener, Module, Plugin, Process, Request, Route,
    Status, UpstreamRequest,
};

use crate::hedges::Hedges;
use crate::hedges::deeds::{Answers, Ask, Deed, FUNCTIONS, OTHER, READ};
use crate::run::Violation;

const WINDOW_MS: u64 = 10_000;

/// A client's request.
struct Client {
    exchange: Exchange,
    /// A second try may leave after so long, milliseconds.
    may_hedge: Option<(u64, u64)>,
    aborted: bool,
}

pub(super) struct World<'h> {
    hedges: &'h Hedges,
    fleet: Fleet,
    process: Process,
    plugin: Plugin,
    listener: Listener,
    answers: Arc<Mutex<Option<Answers>>>,
    clients: Vec<Client>,
    /// Which of the two policies is in force.
    chosen: usize,
    generation: u64,
    /// Something has failed: a client's headers may have come through, and a second try may count as none.
    stormy: bool,
}

fn said(error: impl std::fmt::Display) -> Violation {
    error.to_string()
}

impl<'h> World<'h> {
    pub(super) fn new(hedges: &'h Hedges) -> Result<Self, Violation> {
        let fleet = Fleet::new();
        let process = fleet.process(hedges.workers);
        let module = Module::packed("request-hedge").unwrap_or_else(|error| panic!("{error}"));
        let plugin = process.load(&module);
        let answers = Arc::<Mutex<Option<Answers>>>::default();
        for cluster in [READ, OTHER] {
            process.cluster(cluster, replicas(&answers));
        }
        let to =
            |path: &str, cluster: &str| Route::prefix(path).cluster(cluster).retry_backoff(Duration::ZERO);
        let chain = HttpChain::new().filter(&plugin);
        let listener = process.listener(chain.route(to("/elsewhere", OTHER)).route(to("/", READ)));
        let mut world = Self {
            hedges,
            fleet,
            process,
            plugin,
            listener,
            answers,
            clients: Vec::new(),
            chosen: 1,
            generation: 0,
            stormy: false,
        };
        world.configure()?;
        Ok(world)
    }

    /// The other policy.
    fn configure(&mut self) -> Result<(), Violation> {
        (self.chosen, self.generation) = (1 - self.chosen, self.generation + 1);
        let json = self.hedges.policies[self.chosen].to_json(self.hedges.budget, self.generation);
        self.plugin.configure(json.to_string()).map_err(said)
    }

    fn advance(&self, milliseconds: u64) -> Result<(), Violation> {
        self.process
            .advance(Duration::from_millis(milliseconds))
            .map_err(said)
    }

    pub(super) fn take(&mut self, deed: &Deed) -> Result<(), Violation> {
        match deed {
            Deed::Ask { worker, ask, times } => (0..*times).for_each(|_| self.ask(*worker, ask)),
            Deed::Answers(answers) => *self.answers.lock().unwrap() = Some(answers.clone()),
            Deed::Advance(milliseconds) => self.advance(*milliseconds)?,
            Deed::Abort => self.abort(),
            Deed::Configure => self.configure()?,
            Deed::Busy(times) => {
                let busy = Fault::of("proxy_set_shared_data", Status::CasMismatch).times(*times);
                self.process.fault(busy);
            }
            Deed::Lose(worker) => {
                let worker = worker % self.hedges.workers;
                self.plugin.worker(worker).lose().map_err(said)?;
                // Streams of a lost worker are gone.
                for client in self
                    .clients
                    .iter_mut()
                    .filter(|client| !client.exchange.has_ended())
                {
                    client.aborted = true;
                }
            }
            Deed::Step(nanoseconds) => {
                self.fleet.step_clock(*nanoseconds);
                self.stormy = true;
            }
            Deed::Told { worker, tries } => {
                let request =
                    Request::get("/a").property(&["upstream", "request_attempt_count"], tries.bytes());
                self.send(*worker, request, None);
                self.stormy = true;
            }
            Deed::Fail { function, chance } => {
                let fault = Fault::of(FUNCTIONS[*function % FUNCTIONS.len()], Status::InternalFailure);
                self.process.fault(fault.chance(f64::from(*chance) / 100.0));
                self.stormy = true;
            }
            Deed::Recover => self.process.clear_faults(),
        }
        match self.process.traps().first() {
            Some(trap) => Err(trap.to_string()),
            None => Ok(()),
        }
    }

    fn ask(&mut self, worker: usize, ask: &Ask) {
        let policy = &self.hedges.policies[self.chosen];
        let delays = (policy.min_ms.into(), policy.max_ms.into());
        self.send(worker, ask.to_request(), policy.may_hedge(ask).then_some(delays));
    }

    fn send(&mut self, worker: usize, request: Request, may_hedge: Option<(u64, u64)>) {
        self.clients.push(Client {
            exchange: self.listener.send(worker % self.hedges.workers, request),
            may_hedge,
            aborted: false,
        });
    }

    fn abort(&mut self) {
        let mut clients = self.clients.iter_mut();
        if let Some(open) = clients.find(|client| !client.exchange.has_ended()) {
            open.exchange.abort();
            open.aborted = true;
        }
    }

    /// Everyone has had time enough: how many requests there were.
    pub(super) fn end(self) -> Result<u64, Violation> {
        self.process.clear_faults();
        self.advance(40_000)?;
        if let Some(trap) = self.process.traps().first() {
            return Err(trap.to_string());
        }
        self.clients.iter().try_for_each(|client| self.judge(client))?;
        if !self.stormy {
            self.judge_budget()?;
        }
        Ok(self.clients.len() as u64)
    }

    fn judge(&self, client: &Client) -> Result<(), Violation> {
        let wrong = |what: &str| Err(format!("{what}: {}", client.exchange));
        let tries = client.exchange.upstream_requests();
        if !client.aborted && !client.exchange.has_ended() {
            return wrong("no answer");
        }
        if let Some(response) = client
            .exchange
            .response()
            .filter(|_| client.exchange.is_complete())
        {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            let of = |request: &UpstreamRequest| body == format!("try {} of it", request.attempt);
            if response.status == 200 && !tries.iter().any(of) {
                return wrong("no whole answer of one of its tries");
            }
        }
        if self.stormy || tries.len() <= 1 {
            return Ok(());
        }
        let Some((least, most)) = client.may_hedge else {
            return wrong("a second try of what must not be tried twice");
        };
        let after = tries[1].at - tries[0].at;
        if tries.len() > 2 || after < Duration::from_millis(least) || after > Duration::from_millis(most) {
            return wrong("not one more try in time");
        }
        Ok(())
    }

    /// Over any time of ten seconds or more.
    fn judge_budget(&self) -> Result<(), Violation> {
        let tries = || {
            self.clients
                .iter()
                .flat_map(|client| client.exchange.upstream_requests())
        };
        let at = |request: UpstreamRequest| u64::try_from(request.at.as_millis()).unwrap();
        let first: Vec<u64> = tries().filter(|request| request.attempt == 1).map(at).collect();
        let mut second: Vec<u64> = tries().filter(|request| request.attempt > 1).map(at).collect();
        second.sort_unstable();
        let budget = self.hedges.budget;
        for (number, from) in second.iter().enumerate() {
            for (last, to) in second.iter().enumerate().skip(number) {
                let span = (to - from).max(WINDOW_MS);
                let requests = first
                    .iter()
                    .filter(|at| (*from..=from + span).contains(at))
                    .count() as u64;
                let allowed =
                    requests * u64::from(budget.ppm) + span * 1_000 * u64::from(budget.min_per_second);
                let hedges = (last - number + 1) as u64;
                if hedges * 1_000_000 > allowed {
                    return Err(format!(
                        "{hedges} second tries of {requests} requests in {span} ms"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn replicas(answers: &Arc<Mutex<Option<Answers>>>) -> Cluster {
    ["one", "two", "three"]
        .into_iter()
        .fold(Cluster::empty(), |cluster, name| {
            let answers = Arc::clone(answers);
            cluster.host(name, move |request| match &*answers.lock().unwrap() {
                Some(answers) => answers.to(request),
                None => whole(Answer::ok(), request),
            })
        })
}

fn whole(answer: Answer, request: &UpstreamRequest) -> Answer {
    answer
        .body(format!("try {}", request.attempt))
        .chunk(Duration::ZERO, " of it")
}

impl Answers {
    fn to(&self, request: &UpstreamRequest) -> Answer {
        let first = request.attempt == 1;
        let after = Duration::from_millis(if first { self.first_ms } else { self.second_ms });
        if self.resets && first {
            return Answer::reset().after(after);
        }
        let fields = self.fields.iter();
        let answer = fields.fold(Answer::status(self.status), |answer, (name, value)| {
            answer.header(name, value.bytes())
        });
        whole(answer, request).after(after)
    }
}
