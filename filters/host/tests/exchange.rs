//! A request, its response and its stream's end, and the ticks beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::rc::Rc;

use serde::Serialize;
use serde_json::{Value, json};
use weir_host::fake::{self, Call, Process, Worker};
use weir_host::port::{GrpcStatus, Host, Level, ResponseHeaders, ResponseHost, RootHost, StreamHost};
use weir_host::reply::Refusal;
use weir_host::{Action, Counter, Counters, Filter, Gauge, HostError, Request, Root, Stream, Vm};

/// Times requests: `x-took-ms` in the response; those from `10.0.0.9` are refused. Counts milliseconds at the end, and ticks.
struct Timer {
    took: Rc<Counter>,
    ended: Rc<Counter>,
    ticks: Gauge,
    period: u32,
}

const SLOT: &str = "weir/default/edge/timer";

#[derive(Serialize)]
struct Members {
    #[serde(rename = "violated-policies")]
    violated: [&'static str; 1],
}

impl Timer {
    fn start(&self, started: &mut Option<u64>, host: &impl Host) -> Result<bool, HostError> {
        *started = Some(host.now_ms()?);
        Ok(host.property(&["source", "address"])? != Some(b"10.0.0.9".to_vec()))
    }

    fn took(started: Option<u64>, host: &impl Host) -> Result<u64, HostError> {
        let now = host.now_ms()?;
        Ok(started.map_or(0, |started| now - started))
    }
}

impl Filter for Timer {
    const NAME: &'static str = "timer";
    type Exchange = Option<u64>;
    type Memory = ();

    fn configure(json: &[u8], counters: &Counters) -> Result<Self, String> {
        let text = std::str::from_utf8(json).map_err(|error| error.to_string())?;
        Ok(Self {
            took: counters.counter("took"),
            ended: counters.counter("ended"),
            ticks: Gauge::new("ticks".to_owned()),
            period: text.parse().map_err(|_| "no period".to_owned())?,
        })
    }
    fn slot(&self) -> &str {
        SLOT
    }
    fn generation(&self) -> u64 {
        1
    }
    fn tick_period_ms(&self) -> u32 {
        self.period
    }
    fn on_request_headers(&self, started: &mut Option<u64>, host: &impl StreamHost) -> Action {
        match self.start(started, host) {
            Ok(true) => Action::Continue,
            Ok(false) => {
                let members = Members { violated: ["nine"] };
                refusal().send_with(&Request::new(host), &[("retry-after", b"7")], &members)
            }
            Err(_) => Refusal::proxy_failure().send(&Request::new(host)),
        }
    }
    fn on_response_headers(&self, started: &mut Option<u64>, _ends: bool, host: &impl ResponseHost) {
        let told =
            Self::took(*started, host).and_then(|took| host.set("x-took-ms", took.to_string().as_bytes()));
        if let Err(error) = told {
            host.log(Level::Warn, &error.to_string());
        }
    }
    fn on_stream_end(&self, started: Option<u64>, host: &impl Host) {
        self.took.add(Self::took(started, host).unwrap_or_default());
        self.ended.count();
    }
    fn on_tick(&self, host: &impl RootHost) {
        let (ticks, version) = host.load(b"ticks").unwrap().unzip();
        let ticks = ticks.map_or(1, |ticks| ticks[0].wrapping_add(1));
        host.store(b"ticks", &[ticks], version).unwrap();
        self.ticks.set(ticks.into(), host).unwrap();
    }
}

fn refusal() -> Refusal {
    Refusal {
        kind: "https://weir.dev/problems/nine",
        title: "Nine",
        status: 429,
        detail: "Not you.".to_owned(),
        grpc: GrpcStatus::ResourceExhausted,
    }
}

/// A worker with the filter, ticking every `period`.
struct Proxy {
    process: Rc<Process>,
    host: Worker,
    root: Root<Timer>,
}

impl Proxy {
    fn new(period: u32) -> Self {
        let process = Process::new(1_000);
        let host = Worker::new(&process);
        host.set_configuration(period.to_string().as_bytes());
        let mut root = Root::new(Rc::<Vm>::default());
        assert!(root.on_configure(&host));
        Self { process, host, root }
    }

    fn open(&self, headers: &[(&str, &[u8])]) -> (Stream<Timer>, fake::Stream) {
        (self.root.open_stream(), fake::Stream::of(&self.process, headers))
    }

    fn metric(&self, name: &str) -> u64 {
        self.process.metric(name).unwrap_or_default()
    }
}

#[test]
fn what_the_request_left_is_there_for_the_response_and_at_the_end() {
    let mut proxy = Proxy::new(1_000);
    let (mut stream, host) = proxy.open(&[(":path", b"/")]);
    assert_eq!(stream.on_request_headers(&host), Action::Continue);
    proxy.process.set_now_ms(1_030);
    host.respond(&[(":status", b"200"), ("x-took-ms", b"1"), ("x-took-ms", b"2")]);
    stream.on_response_headers(true, &host);
    assert_eq!(host.response_values("x-took-ms"), [b"30"]);
    proxy.process.set_now_ms(1_050);
    stream.on_end(&host);
    stream.on_end(&host);
    drop(stream);
    proxy.root.on_tick(&proxy.host);
    assert_eq!((proxy.metric("took"), proxy.metric("ended")), (50, 1));
}

#[test]
fn a_request_without_a_response_ends_as_well() {
    let mut proxy = Proxy::new(1_000);
    let (mut stream, host) = proxy.open(&[]);
    stream.on_request_headers(&host);
    proxy.process.set_now_ms(1_005);
    stream.on_end(&host);
    let (mut unseen, host) = proxy.open(&[]);
    unseen.on_end(&host);
    proxy.root.on_tick(&proxy.host);
    assert_eq!((proxy.metric("took"), proxy.metric("ended")), (5, 2));
}

#[test]
fn a_refusal_has_the_members_and_headers_that_the_filter_adds_and_passes_back() {
    let proxy = Proxy::new(1_000);
    let (mut stream, host) = proxy.open(&[]);
    host.set_property(&["source", "address"], b"10.0.0.9");
    assert_eq!(stream.on_request_headers(&host), Action::Pause);
    let Some(fake::Reply::Http {
        status,
        headers,
        body,
    }) = host.answer()
    else {
        panic!("{:?}", host.answer());
    };
    assert_eq!(
        (status, headers.last().unwrap()),
        (429, &("retry-after".to_owned(), b"7".to_vec()))
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"type": "https://weir.dev/problems/nine", "title": "Nine", "status": 429, "detail": "Not you.",
               "violated-policies": ["nine"]})
    );
    stream.on_response_headers(true, &host);
    assert_eq!(host.get("x-took-ms").unwrap(), Some(b"0".to_vec()));
    assert_eq!(host.response_values(":status"), [b"429"]);
}

#[test]
fn a_refusal_in_grpc_has_the_headers() {
    let proxy = Proxy::new(1_000);
    let (mut stream, host) = proxy.open(&[("content-type", b"application/grpc")]);
    host.set_property(&["source", "address"], b"10.0.0.9");
    stream.on_request_headers(&host);
    let Some(fake::Reply::Grpc { status, headers, .. }) = host.answer() else {
        panic!("{:?}", host.answer());
    };
    assert_eq!(
        (status, headers),
        (
            GrpcStatus::ResourceExhausted,
            vec![("retry-after".to_owned(), b"7".to_vec())]
        )
    );
    assert_eq!(host.response_values("grpc-status"), [b"8"]);
}

#[test]
fn a_request_at_a_root_without_configuration_is_refused() {
    let mut stream = Root::<Timer>::new(Rc::<Vm>::default()).open_stream();
    let host = fake::Stream::new(&[]);
    assert_eq!(stream.on_request_headers(&host), Action::Pause);
    stream.on_response_headers(true, &host);
    stream.on_end(&host);
    assert_eq!(host.response_values(":status"), [b"503"]);
}

#[test]
fn what_the_host_fails_is_an_error_and_no_more() {
    let proxy = Proxy::new(1_000);
    let (mut stream, host) = proxy.open(&[]);
    host.fail(Call::Property, "source.address");
    assert_eq!(stream.on_request_headers(&host), Action::Pause);
    host.fail(Call::ChangeResponse, "x-took-ms");
    stream.on_response_headers(true, &host);
    assert_eq!(host.log_lines().len(), 1);
}

#[test]
fn a_filter_ticks_as_often_as_it_likes_and_reports_once_a_second() {
    for (period, ticks, reports) in [
        (100, 20, 2),
        (300, 6, 2),
        (1_000, 2, 2),
        (60_000, 2, 2),
        (0, 2_000, 2),
    ] {
        let mut proxy = Proxy::new(period);
        let mut seen = 0;
        let entry = || proxy.process.shared(weir_host::worker::key(SLOT));
        let mut last = entry();
        for tick in 0..ticks {
            proxy.process.set_now_ms(2_000 + tick);
            proxy.root.on_tick(&proxy.host);
            seen += usize::from(entry() != last);
            last = entry();
        }
        assert_eq!(proxy.host.tick_period(), Some(period.clamp(1, 1_000)));
        assert_eq!((seen, proxy.metric("ticks")), (reports, ticks % 256), "{period}");
    }
}

#[test]
fn a_root_that_is_not_in_force_does_not_tick_its_filter() {
    let Proxy { process, host, root } = Proxy::new(100);
    let vm = Rc::<Vm>::default();
    drop(root);
    let (mut older, mut newer) = (Root::<Timer>::new(Rc::clone(&vm)), Root::<Timer>::new(vm));
    assert!(older.on_configure(&host) && newer.on_configure(&host));
    older.on_tick(&host);
    assert_eq!((process.metric("ticks"), host.tick_period()), (None, Some(1_000)));
    let _again = older.open_stream();
    older.on_tick(&host);
    assert_eq!(
        (process.metric("ticks"), host.tick_period()),
        (Some(1), Some(100))
    );
    newer.on_tick(&host);
    assert_eq!(
        (process.metric("ticks"), host.tick_period()),
        (Some(1), Some(1_000))
    );
}
