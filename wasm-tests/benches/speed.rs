//! How many requests one worker of the host serves in a second: one round of every contender, as JSON. Arguments:
//! `--seconds S` (default 1) for each, `--first N`: the contender that begins. `scripts/bench --host` runs rounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasmtime::{Config, Engine, Linker, Store, TypedFunc};
use weir_wasm_tests::{Answer, Cluster, HttpChain, Module, Plugin, Process, Request, Route};

/// How many requests between two looks at the clock.
const BATCH: u32 = 64;
const FUEL: u64 = 1_000_000;

/// The callbacks of a request that a filter may have, none of which does anything.
const NOOP: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
  (func (export "proxy_on_done") (param i32) (result i32) i32.const 1)
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_delete") (param i32)))"#;

/// What serves one request when it is called.
type Serve = Box<dyn FnMut()>;

/// A name, and how it is made ready.
type Contender = (&'static str, fn() -> Serve);

fn main() {
    let length = Duration::from_secs_f64(argument("--seconds").unwrap_or(1.0));
    let mut contenders: Vec<Contender> = vec![
        ("bare", bare),
        ("noop", || alone(&noop(&Process::new(1)))),
        ("shard-router", || alone(&shard_router(&Process::new(1)))),
        ("listener", || {
            exchanges(|process| HttpChain::new().filter(&shard_router(process)))
        }),
        ("chain", || {
            exchanges(|process| {
                HttpChain::new()
                    .filter(&noop(process))
                    .filter(&shard_router(process))
            })
        }),
    ];
    let first = argument("--first").unwrap_or(0.0) as usize;
    let count = contenders.len();
    contenders.rotate_left(first % count);
    let rates: serde_json::Map<String, Value> = contenders
        .iter()
        .map(|(name, start)| ((*name).to_owned(), json!(rate(&mut start(), length))))
        .collect();
    println!("{}", json!(rates));
}

fn argument(name: &str) -> Option<f64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments
        .nth(1)
        .map(|value| value.parse().expect("expected a number"))
}

/// Requests per second, after a tenth of the time to warm up.
fn rate(serve: &mut Serve, length: Duration) -> f64 {
    run(serve, length / 10);
    let (count, took) = run(serve, length);
    (f64::from(count) / took.as_secs_f64()).round()
}

fn run(serve: &mut Serve, length: Duration) -> (u32, Duration) {
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < length {
        (0..BATCH).for_each(|_| serve());
        count += BATCH;
    }
    (count, started.elapsed())
}

/// Wasmtime itself: the no-op's callbacks, each with fuel of its own, and nothing around them.
fn bare() -> Serve {
    let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
    let module = wasmtime::Module::new(&engine, wat::parse_str(NOOP).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let function = |store: &mut Store<()>, name: &str| instance.get_func(store, name).unwrap();
    let create: TypedFunc<(u32, u32), ()> = function(&mut store, "proxy_on_context_create")
        .typed(&store)
        .unwrap();
    let headers: TypedFunc<(u32, u32, u32), u32> = function(&mut store, "proxy_on_request_headers")
        .typed(&store)
        .unwrap();
    let done: TypedFunc<u32, u32> = function(&mut store, "proxy_on_done").typed(&store).unwrap();
    let ends = ["proxy_on_log", "proxy_on_delete"]
        .map(|name| function(&mut store, name).typed::<u32, ()>(&store).unwrap());
    Box::new(move || {
        store.set_fuel(FUEL).unwrap();
        create.call(&mut store, (2, 1)).unwrap();
        store.set_fuel(FUEL).unwrap();
        headers.call(&mut store, (2, 5, 1)).unwrap();
        store.set_fuel(FUEL).unwrap();
        done.call(&mut store, 2).unwrap();
        for end in &ends {
            store.set_fuel(FUEL).unwrap();
            end.call(&mut store, 2).unwrap();
        }
    })
}

fn noop(process: &Process) -> Plugin {
    let module = Module::from_binary("noop", &wat::parse_str(NOOP).unwrap()).unwrap();
    let plugin = process.load(&module);
    plugin.configure("{}").unwrap();
    plugin
}

fn shard_router(process: &Process) -> Plugin {
    let module = Module::packed("shard-router").unwrap_or_else(|error| panic!("{error}"));
    let plugin = process.load(&module);
    plugin.configure(configuration().to_string()).unwrap();
    plugin
}

fn request() -> Request {
    Request::get("/orders").header("x-user-id", "user-42")
}

/// Requests through one filter, to their end, the test being the upstream.
fn alone(plugin: &Plugin) -> Serve {
    let worker = plugin.worker(0).clone();
    Box::new(move || assert!(worker.request(request()).unwrap().local_response.is_none()))
}

/// Whole exchanges: client, filters, route, upstream, and back.
fn exchanges(chain: fn(&Process) -> HttpChain) -> Serve {
    let process = Process::new(1);
    for shard in SHARDS {
        let answer = Answer::ok().header("content-type", "text/plain").body("hello");
        process.cluster(&cluster(shard), Cluster::answering(answer));
    }
    let route = Route::prefix("/").cluster_header("x-weir-cluster");
    let listener = process.listener(chain(&process).route(route));
    Box::new(move || assert_eq!(listener.request(0, request()).unwrap().status(), 200))
}

const SHARDS: [&str; 3] = ["a", "b", "c"];

fn cluster(shard: &str) -> String {
    format!("weir/default/orders/{shard}/read")
}

/// One map with three shards.
fn configuration() -> Value {
    let shards = SHARDS.map(|name| {
        json!({"name": name, "weight": 1, "readCluster": cluster(name), "writeCluster": cluster(name)})
    });
    json!({
        "format": 1,
        "slot": "weir/default/edge/shard-router",
        "generation": 1,
        "rules": [{"policy": "default/orders", "match": {"path": {"type": "Prefix", "value": "/orders"}}}],
        "policies": {
            "default/orders": {
                "keySources": [{"header": "x-user-id"}],
                "onMissingKey": "reject",
                "maxKeyBytes": 8192,
                "strategy": {"hash": {"algorithm": "ring-v1"}},
                "reads": "replicas",
                "shards": shards
            }
        }
    })
}
