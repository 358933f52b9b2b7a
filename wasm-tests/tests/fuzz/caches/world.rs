//! A process with a cache, its origin, its control plane and its clients.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use weir_wasm_tests::{
    Answer, Cluster, Exchange, Fault, Fleet, HttpChain, Listener, Module, Plugin, Process, Request, Response,
    Route, Status, UpstreamRequest,
};

use crate::caches::deeds::{Ask, Deed, FUNCTIONS, Origin, Policy};
use crate::run::Violation;

/// The answers so far, and what is answered next.
#[derive(Default)]
struct Script {
    origin: Option<Origin>,
    /// By number.
    answers: Vec<Given>,
    /// How many answers there were when a change reached the origin, by the change's number.
    changes: BTreeMap<usize, usize>,
    pages: Vec<Value>,
}

/// An answer that the origin gave.
struct Given {
    body: String,
    path: String,
    tenant: String,
    /// It may be stored.
    storable: bool,
    /// Its request had credentials.
    signed: bool,
    /// It says that it is for whoever has some.
    shared: bool,
    /// It is for this language, or for those who name none; none: it says nothing of it.
    language: Option<Option<String>>,
}

/// A client's request.
struct Client {
    exchange: Exchange,
    path: u8,
    tenant: u8,
    head: bool,
    gzip: bool,
    signed: bool,
    language: Option<String>,
    /// No answer with a lower number will do.
    least: usize,
    aborted: bool,
}

/// A request that changes something.
struct Change {
    exchange: Exchange,
    path: u8,
    tenant: u8,
}

pub(super) struct World {
    fleet: Fleet,
    process: Process,
    plugin: Plugin,
    listener: Listener,
    script: Arc<Mutex<Script>>,
    policy: Policy,
    clients: Vec<Client>,
    changes: Vec<Change>,
    generation: u64,
    /// Of the last purge that all workers have taken up, by path.
    purged: [usize; 4],
    purges: u64,
    /// Something has failed: what was purged, nobody knows.
    stormy: bool,
    /// The origin has broken off an answer.
    resets: bool,
}

fn said(error: impl std::fmt::Display) -> Violation {
    error.to_string()
}

impl World {
    pub(super) fn new(policy: &Policy) -> Result<Self, Violation> {
        let fleet = Fleet::new();
        let process = fleet.process(2);
        let module = Module::packed("edge-cache").unwrap_or_else(|error| panic!("{error}"));
        let plugin = process.load(&module);
        let script = Arc::<Mutex<Script>>::default();
        let (origin, control) = (Arc::clone(&script), Arc::clone(&script));
        process.cluster(
            "origin",
            Cluster::new(move |request| origin.lock().unwrap().answer(request)),
        );
        process.cluster(
            "weir-control",
            Cluster::new(move |_| control.lock().unwrap().page()),
        );
        let chain = HttpChain::new().filter(&plugin);
        let listener = process.listener(chain.route(Route::prefix("/").cluster("origin")));
        let mut world = Self {
            fleet,
            process,
            plugin,
            listener,
            script,
            policy: policy.clone(),
            clients: Vec::new(),
            changes: Vec::new(),
            generation: 0,
            purged: [0; 4],
            purges: 0,
            stormy: false,
            resets: false,
        };
        world.configure()?;
        world.advance(1_000)?;
        Ok(world)
    }

    fn configure(&mut self) -> Result<(), Violation> {
        self.generation += 1;
        let json = self.policy.to_json(self.generation);
        self.plugin.configure(json.to_string()).map_err(said)
    }

    fn advance(&self, milliseconds: u64) -> Result<(), Violation> {
        self.process
            .advance(Duration::from_millis(milliseconds))
            .map_err(said)
    }

    pub(super) fn take(&mut self, deed: &Deed) -> Result<(), Violation> {
        match deed {
            Deed::Origin(origin) => {
                self.resets |= origin.resets;
                self.script.lock().unwrap().origin = Some(origin.clone());
            }
            Deed::Ask { worker, ask, times } => (0..*times).for_each(|_| self.ask(*worker, ask)),
            Deed::Change { worker, path, tenant } => self.change(*worker, *path, *tenant),
            Deed::Purge(path) => self.purge(*path)?,
            Deed::Advance(milliseconds) => self.advance(*milliseconds)?,
            Deed::Abort => self.abort(),
            Deed::Configure => match self.configure() {
                // A configuration that could not be read is refused.
                Err(_) if self.stormy => {}
                taken => taken?,
            },
            Deed::Busy(times) => {
                let busy = Fault::of("proxy_set_shared_data", Status::CasMismatch).times(*times);
                self.process.fault(busy);
            }
            Deed::Lose(worker) => {
                // The worker that takes its place can read its configuration.
                self.process.clear_faults();
                self.plugin.worker(*worker).lose().map_err(said)?;
                self.clients.retain(|client| client.exchange.has_ended());
                self.stormy = true;
            }
            Deed::Step(nanoseconds) => {
                self.fleet.step_clock(*nanoseconds);
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
        let method = if ask.head { "HEAD" } else { "GET" };
        let mut request =
            Request::new(method, &format!("/{}", ask.path)).header("x-tenant", ask.tenant.to_string());
        if ask.gzip {
            request = request.header("accept-encoding", "gzip");
        }
        if ask.signed {
            request = request.header("authorization", "Basic YTpi");
        }
        for (name, value) in &ask.fields {
            request = request.header(name, value.bytes());
        }
        let mut named = ask.fields.iter().filter(|(name, _)| name == "accept-language");
        let language = named.next().map(|(_, value)| text(&value.bytes()));
        let purged = self.purged[usize::from(ask.path)];
        let least = purged.max(self.changed(ask.path, ask.tenant));
        self.clients.push(Client {
            exchange: self.listener.send(worker, request),
            path: ask.path,
            tenant: ask.tenant,
            head: ask.head,
            gzip: ask.gzip,
            signed: ask.signed,
            language,
            least,
            aborted: false,
        });
    }

    fn change(&mut self, worker: usize, path: u8, tenant: u8) {
        let request = Request::new("POST", &format!("/{path}"))
            .header("x-tenant", tenant.to_string())
            .header("x-change", self.changes.len().to_string());
        self.changes.push(Change {
            exchange: self.listener.send(worker, request.body("x")),
            path,
            tenant,
        });
    }

    /// The number of the first answer that is newer than what changes have made out of date.
    fn changed(&self, path: u8, tenant: u8) -> usize {
        let script = self.script.lock().unwrap();
        let changes = self.changes.iter().enumerate().filter(|(_, change)| {
            let known = (change.path, change.tenant) == (path, tenant);
            known && change.exchange.is_complete() && change.exchange.status() == 204
        });
        let counts = changes.filter_map(|(number, _)| script.changes.get(&number).copied());
        counts.max().unwrap_or(0)
    }

    /// The control plane purges; two seconds later all workers know.
    fn purge(&mut self, path: Option<u8>) -> Result<(), Violation> {
        self.purges += 1;
        let what = path.map_or(json!("all"), |path| json!({"tags": [format!("path-{path}")]}));
        let event = json!({"revision": self.purges, "cachePurge": {"what": what}});
        let page = json!({"cursor": self.purges, "reset": false, "events": [event]});
        let answered = {
            let mut script = self.script.lock().unwrap();
            script.pages.push(page);
            script.answers.len()
        };
        self.advance(3_000)?;
        if self.script.lock().unwrap().pages.is_empty() {
            for (at, purged) in self.purged.iter_mut().enumerate() {
                if path.is_none_or(|path| usize::from(path) == at) {
                    *purged = answered;
                }
            }
        }
        Ok(())
    }

    fn abort(&mut self) {
        let open = self
            .clients
            .iter_mut()
            .find(|client| !client.exchange.has_ended());
        if let Some(client) = open {
            client.exchange.abort();
            client.aborted = true;
        }
    }

    /// Everyone has had time enough: how many requests there were.
    pub(super) fn end(self) -> Result<u64, Violation> {
        self.process.clear_faults();
        self.advance(40_000)?;
        if let Some(trap) = self.process.traps().first() {
            return Err(trap.to_string());
        }
        let mut served = BTreeMap::<usize, usize>::new();
        for client in self.clients.iter().filter(|client| !client.aborted) {
            if let Some(number) = self.judge(client)? {
                *served.entry(number).or_default() += 1;
            }
        }
        let script = self.script.lock().unwrap();
        for (number, times) in served {
            let given = &script.answers[number];
            if times > 1 && !(given.storable && (given.shared || !given.signed)) {
                return Err(format!(
                    "{times} clients got an answer that is one client's: {}",
                    given.body
                ));
            }
        }
        Ok(self.clients.len() as u64)
    }

    /// The number of the answer that a client got.
    fn judge(&self, client: &Client) -> Result<Option<usize>, Violation> {
        if !client.exchange.has_ended() {
            return Err(format!("no answer: {}", client.exchange));
        }
        let Some(response) = client
            .exchange
            .response()
            .filter(|_| client.exchange.is_complete())
        else {
            return match self.resets || self.stormy {
                true => Ok(None),
                false => Err(format!("half an answer: {}", client.exchange)),
            };
        };
        let body = read(client, &response)?;
        let Some(number) = body
            .split('|')
            .next()
            .and_then(|number| number.parse::<usize>().ok())
        else {
            return Ok(None);
        };
        let script = self.script.lock().unwrap();
        let wrong = |what: &str| Err(format!("{what}: {body}: {}", client.exchange));
        let Some(given) = script.answers.get(number).filter(|given| given.body == body) else {
            return wrong("not a whole answer of the origin");
        };
        if !given.is_of(&format!("/{}", client.path), &client.tenant.to_string()) {
            return wrong("another's answer");
        }
        if given
            .language
            .as_ref()
            .is_some_and(|language| *language != client.language)
        {
            return wrong("an answer in another language");
        }
        if client.signed && !(given.signed || given.shared) {
            return wrong("an answer for who has no credentials");
        }
        if number < client.least && !self.stormy {
            return wrong("an answer that was purged, or out of date");
        }
        Ok(Some(number))
    }
}

impl Given {
    fn is_of(&self, path: &str, tenant: &str) -> bool {
        self.path == path && self.tenant == tenant
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The body as the client reads it.
fn read(client: &Client, response: &Response) -> Result<String, Violation> {
    if client.head && !response.body.is_empty() {
        return Err(format!("a body for HEAD: {}", client.exchange));
    }
    let mut text = String::new();
    let encoded = response.headers.get("content-encoding") == Some(b"gzip");
    if encoded && !client.gzip {
        return Err(format!("gzip for who can't read it: {}", client.exchange));
    }
    if encoded && !client.head && response.status != 304 {
        GzDecoder::new(response.body.as_slice())
            .read_to_string(&mut text)
            .map_err(said)?;
    } else {
        text = String::from_utf8_lossy(&response.body).into_owned();
    }
    Ok(text)
}

impl Script {
    fn page(&mut self) -> Answer {
        let page = match self.pages.is_empty() {
            true => json!({"cursor": 0, "reset": false, "events": []}),
            false => self.pages.remove(0),
        };
        Answer::ok()
            .body(page.to_string())
            .after(Duration::from_millis(200))
    }

    fn answer(&mut self, request: &UpstreamRequest) -> Answer {
        let header = |name| request.headers.text(name).unwrap_or_default();
        let Some(origin) = self.origin.clone() else {
            return Answer::status(404);
        };
        let after = Duration::from_millis(origin.after_ms);
        let number = self.answers.len();
        if header(":method") == "POST" {
            let change = header("x-change").parse().unwrap();
            self.changes.insert(change, number);
            return Answer::status(204).after(after);
        }
        let (path, tenant) = (header(":path"), header("x-tenant"));
        let head = header(":method") == "HEAD";
        let known = ["if-none-match", "if-modified-since"].map(|name| request.headers.get(name));
        let confirmed = origin.confirms && known.iter().any(Option::is_some);
        if confirmed || head {
            // What is stored becomes what this says.
            let stored = self
                .answers
                .iter_mut()
                .filter(|given| given.is_of(&path, &tenant));
            stored.for_each(|given| given.shared |= origin.is_shared());
        }
        if confirmed {
            return Answer::status(304)
                .header("cache-control", &origin.directive)
                .after(after);
        }
        let body = format!("{number}|{path}|{tenant}|{}", "x".repeat(origin.length));
        self.answers.push(Given {
            body: body.clone(),
            path: path.clone(),
            tenant,
            storable: origin.is_storable(),
            signed: request.headers.get("authorization").is_some(),
            shared: origin.is_shared(),
            language: origin
                .has_languages()
                .then(|| request.headers.text("accept-language")),
        });
        origin.to_answer(&path, (!head).then_some(body))
    }
}

impl Origin {
    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    fn is_storable(&self) -> bool {
        let owned = ["no-store", "private"]
            .iter()
            .any(|word| self.directive.contains(word));
        !(owned || self.cookie) || self.has("cdn-cache-control")
    }

    /// It may be for whoever has credentials (RFC 9111 section 3.5).
    fn is_shared(&self) -> bool {
        let shared = ["public", "s-maxage", "must-revalidate"];
        let says = shared.iter().any(|word| self.directive.contains(word));
        says || self.has("cache-control") || self.has("cdn-cache-control")
    }

    fn has_languages(&self) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|(name, value)| name == "vary" && value.bytes() == b"accept-language")
    }

    fn to_answer(&self, path: &str, body: Option<String>) -> Answer {
        let mut answer = Answer::status(self.status)
            .header("content-type", "text/plain")
            .header("cache-control", &self.directive)
            .header("surrogate-key", format!("path-{}", path.trim_start_matches('/')));
        for (name, value) in &self.fields {
            answer = answer.header(name, value.bytes());
        }
        if self.cookie {
            answer = answer.header("set-cookie", "session=1");
        }
        let Some(body) = body.filter(|_| self.status != 204) else {
            return answer.after(Duration::from_millis(self.after_ms));
        };
        answer = answer.body(body);
        if self.trailers {
            answer = answer.trailer("x-sum", "1");
        }
        let answer = answer.after(Duration::from_millis(self.after_ms));
        if self.resets { answer.then_reset() } else { answer }
    }
}
