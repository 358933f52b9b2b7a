//! TCP connections. The expected traces are what Envoy 1.40 does with the same probes.

use std::time::Duration;

use weir_wasm_tests::{
    Connection, FailurePolicy, LogLine, Plugin, PluginOptions, Process, TcpAnswer, TcpChain, TcpCluster,
};

use crate::probe::probe;

/// The callbacks: their names after `proxy_on_`, their parameters, and whether they answer.
const CALLBACKS: [(&str, usize, bool); 9] = [
    ("context_create", 2, false),
    ("new_connection", 1, true),
    ("downstream_data", 3, true),
    ("upstream_data", 3, true),
    ("downstream_connection_close", 2, false),
    ("upstream_connection_close", 2, false),
    ("done", 1, true),
    ("log", 1, false),
    ("delete", 1, false),
];

const PAUSE: &str = "(return #1)";
/// Chooses the cluster `other`.
const CHOOSE: &str = r"(!status 'chosen' (!proxy_call_foreign_function
    'set_envoy_filter_state' '\0a\17envoy.tcp_proxy.cluster\12\05other' #16 #20))";

/// A probe that says each callback with its parameters, and then does what it is told.
fn traced(does: &[(&str, &str)], rest: &str) -> String {
    let callbacks = CALLBACKS.iter().map(|(name, params, answers)| {
        let body: String = does.iter().filter(|(at, _)| at == name).map(|(_, body)| *body).collect();
        let puts: String = (0..*params).map(|param| format!("(!put_byte #32) (!put_number (local.get {param}))")).collect();
        let (result, value) = match (*answers, *name) {
            (false, _) => ("", ""),
            (true, "done") => ("(result i32)", "#1"),
            (true, _) => ("(result i32)", "#0"),
        };
        let types = "i32 ".repeat(*params);
        format!("(func (export \"proxy_on_{name}\") (param {types}) {result} (!start) (!put '{name}') {puts} (!flush) {body} {value})")
    });
    callbacks.collect::<String>() + rest
}

struct Fixture {
    process: Process,
    chain: TcpChain,
    plugins: Vec<Plugin>,
}

impl Fixture {
    /// Filters named a, b, c that do this in their callbacks, before the cluster `up`, which echoes.
    fn new(filters: &[&[(&str, &str)]]) -> Self {
        Self::with(filters, FailurePolicy::FailClosed, "")
    }

    fn with(filters: &[&[(&str, &str)]], failure_policy: FailurePolicy, rest: &str) -> Self {
        let process = Process::new(1);
        process.tcp_cluster("up", TcpCluster::echo());
        process.tcp_cluster("other", TcpCluster::new(|_| TcpAnswer::bytes("from the other")));
        let mut chain = TcpChain::new().cluster("up");
        let mut plugins = Vec::new();
        for (does, name) in filters.iter().zip(["a", "b", "c"]) {
            let module = probe(&traced(does, rest));
            let options = PluginOptions {
                name: name.to_owned(),
                vm_id: name.to_owned(),
                failure_policy,
                ..PluginOptions::of(&module)
            };
            let plugin = process.load_with(&module, options);
            plugin.configure("{}").unwrap();
            chain = chain.filter(&plugin);
            plugins.push(plugin);
        }
        Self {
            process,
            chain,
            plugins,
        }
    }

    fn on_data(mut self) -> Self {
        self.chain = self.chain.connect_on_data();
        self
    }

    fn connect(&mut self) -> Connection {
        let chain = std::mem::take(&mut self.chain);
        self.process.tcp_listener(chain).connect(0)
    }

    /// What the filters said since a position, root contexts' own creation aside.
    fn said_since(&self, position: usize) -> Vec<String> {
        let lines = self
            .process
            .logs()
            .into_iter()
            .filter(|line| line.worker.is_some());
        let said = lines.map(|LogLine { filter, text, .. }| format!("{filter} {text}"));
        said.filter(|line| !line.ends_with("context_create 1 0"))
            .skip(position)
            .collect()
    }

    fn said(&self) -> Vec<String> {
        self.said_since(0)
    }
}

/// What every filter says at the end of its connection.
fn end(filter: &str, peer: u32) -> [String; 4] {
    [
        format!("downstream_connection_close 2 {peer}"),
        "done 2".into(),
        "log 2".into(),
        "delete 2".into(),
    ]
    .map(|line| format!("{filter} {line}"))
}

#[test]
fn data_passes_the_chain_and_comes_back_in_reverse() {
    let mut fixture = Fixture::new(&[&[], &[]]);
    let connection = fixture.connect();
    connection.send(b"hello", false);
    assert_eq!(connection.received(), b"hello");
    connection.close();
    let upstream = connection.upstream().unwrap();
    assert_eq!(
        (upstream.cluster.as_str(), upstream.host.as_str()),
        ("up", "host-1")
    );
    assert_eq!(
        (upstream.received, upstream.ended, upstream.closed),
        (b"hello".to_vec(), true, true)
    );
    let mut expected: Vec<String> = [
        "a context_create 2 1",
        "a new_connection 2",
        "b context_create 2 1",
        "b new_connection 2",
        "a downstream_data 2 5 0",
        "b downstream_data 2 5 0",
        "b upstream_data 2 5 0",
        "a upstream_data 2 5 0",
        "a downstream_data 2 0 1",
        "b downstream_data 2 0 1",
        "b upstream_data 2 0 1",
        "b upstream_connection_close 2 0",
        "a upstream_data 2 0 1",
        "a upstream_connection_close 2 0",
    ]
    .map(str::to_owned)
    .to_vec();
    expected.extend(end("a", 1));
    expected.extend(end("b", 1));
    assert_eq!(fixture.said(), expected);
}

#[test]
fn an_upstream_that_ends_first_leaves_the_client_its_side() {
    let mut fixture = Fixture::new(&[&[]]);
    let ends = |_: &weir_wasm_tests::TcpReceived| {
        TcpAnswer::nothing()
            .then(Duration::from_millis(5), "bye")
            .then_end(Duration::ZERO)
    };
    fixture.process.tcp_cluster("up", TcpCluster::new(ends));
    let connection = fixture.connect();
    connection.send(b"hello", false);
    assert_eq!(connection.received(), b"");
    fixture.process.advance(Duration::from_millis(5)).unwrap();
    assert_eq!(connection.received(), b"bye");
    assert!(connection.is_ended() && !connection.is_closed());
    let position = fixture.said().len();
    connection.close();
    let mut expected = vec!["a downstream_data 2 0 1".to_owned()];
    expected.extend(end("a", 2));
    assert_eq!(fixture.said_since(position), expected);
    assert!(connection.is_closed());
}

#[test]
fn a_reset_ends_everything_at_once() {
    let mut fixture = Fixture::new(&[&[]]);
    let connection = fixture.connect();
    let position = fixture.said().len();
    connection.reset();
    assert_eq!(fixture.said_since(position), end("a", 2));
    assert!(connection.upstream().unwrap().closed);
}

#[test]
fn paused_data_is_shown_again_with_what_has_come_since() {
    let wait = "(!buffer #2 #0 #99) (if (i32.lt_u (local.get 1) #4) (then (return #1)))";
    let mut fixture = Fixture::new(&[&[], &[("downstream_data", wait)]]);
    let connection = fixture.connect();
    let position = fixture.said().len();
    connection.send(b"ab", false);
    assert_eq!(connection.upstream().unwrap().received, b"");
    connection.send(b"cd", false);
    assert_eq!(connection.upstream().unwrap().received, b"abcd");
    let expected = [
        "a downstream_data 2 2 0",
        "b downstream_data 2 2 0",
        "b b2 [ab]",
        "a downstream_data 2 4 0",
        "b downstream_data 2 4 0",
        "b b2 [abcd]",
        "b upstream_data 2 4 0",
        "a upstream_data 2 4 0",
    ];
    assert_eq!(fixture.said_since(position), expected);
}

#[test]
fn paused_data_of_the_upstream_waits_for_more() {
    let wait = "(!buffer #3 #0 #99) (if (i32.lt_u (local.get 1) #4) (then (return #1)))";
    let mut fixture = Fixture::new(&[&[("upstream_data", wait)], &[]]);
    let connection = fixture.connect();
    let position = fixture.said().len();
    connection.send(b"ab", false);
    assert_eq!(connection.received(), b"");
    connection.send(b"cd", false);
    assert_eq!(connection.received(), b"abcd");
    let expected = [
        "a downstream_data 2 2 0",
        "b downstream_data 2 2 0",
        "b upstream_data 2 2 0",
        "a upstream_data 2 2 0",
        "a b3 [ab]",
        "a downstream_data 2 2 0",
        "b downstream_data 2 2 0",
        "b upstream_data 2 4 0",
        "a upstream_data 2 4 0",
        "a b3 [abcd]",
    ];
    assert_eq!(fixture.said_since(position), expected);
}

#[test]
fn a_filter_that_peeks_chooses_the_cluster() {
    let peek = format!("(if (i32.lt_u (local.get 1) #4) (then (return #1))) {CHOOSE}");
    let mut fixture =
        Fixture::new(&[&[("new_connection", PAUSE), ("downstream_data", &peek)], &[]]).on_data();
    let connection = fixture.connect();
    connection.send(b"he", false);
    assert_eq!(connection.upstream(), None);
    connection.send(b"llo", false);
    assert_eq!(connection.received(), b"from the other");
    let upstream = connection.upstream().unwrap();
    assert_eq!(
        (upstream.cluster.as_str(), upstream.received.as_slice()),
        ("other", &b"hello"[..])
    );
    let expected = [
        "a context_create 2 1",
        "a new_connection 2",
        "a downstream_data 2 2 0",
        "a downstream_data 2 5 0",
        "a chosen !0",
        "b context_create 2 1",
        "b new_connection 2",
        "b downstream_data 2 5 0",
        "b upstream_data 2 14 0",
        "a upstream_data 2 14 0",
    ];
    assert_eq!(fixture.said(), expected);
}

#[test]
fn a_proxy_that_connects_at_once_reads_nothing_for_a_paused_connection() {
    let mut fixture = Fixture::new(&[&[("new_connection", PAUSE)], &[]]);
    let connection = fixture.connect();
    connection.send(b"hello", false);
    assert_eq!(fixture.said(), ["a context_create 2 1", "a new_connection 2"]);
    assert_eq!(connection.upstream(), None);
}

#[test]
fn a_tick_continues_a_connection() {
    let tick = "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
          (!ok (!proxy_set_tick_period_milliseconds #10)) #1)
        (func (export \"proxy_on_tick\") (param i32)
          (!ok (!proxy_set_effective_context #2)) (!buffer #2 #0 #99) (!status 'continue' (!proxy_continue_stream #2))
          (!status 'upstream' (!proxy_continue_stream #3)) (!ok (!proxy_set_tick_period_milliseconds #0)))";
    let pause: &[_] = &[("new_connection", PAUSE), ("downstream_data", PAUSE)];
    let mut fixture = Fixture::with(&[pause], FailurePolicy::FailClosed, tick).on_data();
    let connection = fixture.connect();
    connection.send(b"hello", false);
    let position = fixture.said().len();
    fixture.process.advance(Duration::from_millis(10)).unwrap();
    assert_eq!(connection.received(), b"hello");
    let expected = [
        "a b2 [hello]",
        "a continue !0",
        "a upstream !12",
        "a upstream_data 2 5 0",
    ];
    assert_eq!(fixture.said_since(position), expected);
}

#[test]
fn a_filter_closes_the_connection_in_either_direction() {
    for stream in [2, 3] {
        let close = format!("(!status 'close' (!proxy_close_stream #{stream}))");
        let mut fixture = Fixture::new(&[&[], &[("upstream_data", &close)]]);
        let connection = fixture.connect();
        let position = fixture.said().len();
        connection.send(b"x", false);
        let mut expected: Vec<String> = [
            "a downstream_data 2 1 0",
            "b downstream_data 2 1 0",
            "b upstream_data 2 1 0",
            "b close !0",
        ]
        .map(str::to_owned)
        .to_vec();
        expected.extend(end("a", 1));
        expected.extend(end("b", 1));
        assert_eq!(fixture.said_since(position), expected);
        assert!(connection.is_closed() && connection.received().is_empty());
    }
}

#[test]
fn what_belongs_to_http_has_no_effect() {
    let body = "(!status 'close' (!proxy_close_stream #0)) (!status 'continue' (!proxy_continue_stream #1))
        (!status 'reply' (!proxy_send_local_response #400 '' '' '' #-1)) (!buffer #0 #0 #9)
        (!status 'set' (!proxy_set_buffer_bytes #0 #0 #0 'x')) (!header #0 ':path')
        (!property 'request\\00protocol') (!status 'other way' (!proxy_set_buffer_bytes #3 #0 #0 'x'))";
    let mut fixture = Fixture::new(&[&[("downstream_data", body)]]);
    let connection = fixture.connect();
    let position = fixture.said().len();
    connection.send(b"x", false);
    let expected = [
        "a downstream_data 2 1 0",
        "a close !0",
        "a continue !0",
        "a reply !0",
        "a b0 []",
        "a set !2",
        "a :path !2",
        "a request.protocol !1",
        "a other way !2",
        "a upstream_data 2 1 0",
    ];
    assert_eq!(fixture.said_since(position), expected);
}

#[test]
fn filters_change_both_directions() {
    let request =
        "(!ok (!proxy_set_buffer_bytes #2 #0 #1 '<')) (!ok (!proxy_set_buffer_bytes #2 #99 #0 '>'))";
    let response = "(!ok (!proxy_set_buffer_bytes #3 #0 #99 '!'))";
    let mut fixture = Fixture::new(&[&[("downstream_data", request), ("upstream_data", response)]]);
    let connection = fixture.connect();
    connection.send(b"hello", false);
    assert_eq!(connection.upstream().unwrap().received, b"<ello>");
    assert_eq!(connection.received(), b"!");
}

#[test]
fn properties_tell_of_the_connection() {
    let read = "(!property 'source\\00address') (!property 'plugin_name') (!property 'upstream\\00address') (!property 'xds\\00cluster_name')";
    let mut fixture = Fixture::new(&[&[("new_connection", read), ("downstream_data", read)]]);
    let chain = std::mem::take(&mut fixture.chain);
    let listener = fixture
        .process
        .tcp_listener(chain)
        .property(&["source", "address"], "10.0.0.9:1234");
    listener.connect(0).send(b"x", false);
    let expected = [
        "a context_create 2 1",
        "a new_connection 2",
        "a source.address=10.0.0.9:1234",
        "a plugin_name=a",
        "a upstream.address !1",
        "a xds.cluster_name !1",
        "a downstream_data 2 1 0",
        "a source.address=10.0.0.9:1234",
        "a plugin_name=a",
        "a upstream.address=host-1",
        "a xds.cluster_name=up",
        "a upstream_data 2 1 0",
    ];
    assert_eq!(fixture.said(), expected);
}

#[test]
fn no_upstream_closes_the_connection() {
    for (name, cluster) in [("up", Some(TcpCluster::empty())), ("nowhere", None)] {
        let mut fixture = Fixture::new(&[&[]]);
        if let Some(cluster) = cluster {
            fixture.process.tcp_cluster(name, cluster);
        }
        fixture.chain = std::mem::take(&mut fixture.chain).cluster(name);
        let connection = fixture.connect();
        assert!(connection.is_closed() && connection.upstream().is_none());
        let mut expected = vec!["a context_create 2 1".to_owned(), "a new_connection 2".to_owned()];
        expected.extend(end("a", 1));
        assert_eq!(fixture.said(), expected);
    }
}

#[test]
fn a_trap_closes_the_connection_and_the_policy_says_what_comes_after() {
    for policy in [FailurePolicy::FailClosed, FailurePolicy::FailOpen] {
        let filters: [&[_]; 3] = [&[], &[("downstream_data", "unreachable")], &[]];
        let fixture = Fixture::with(&filters, policy, "");
        let chain = fixture
            .plugins
            .iter()
            .fold(TcpChain::new().cluster("up"), TcpChain::filter);
        let listener = fixture.process.tcp_listener(chain);
        let first = listener.connect(0);
        let position = fixture.said().len();
        first.send(b"x", false);
        let mut expected: Vec<String> = ["a downstream_data 2 1 0", "b downstream_data 2 1 0"]
            .map(str::to_owned)
            .to_vec();
        expected.extend(end("a", 1));
        expected.extend(end("c", 1));
        assert_eq!(fixture.said_since(position), expected);
        assert!(first.is_closed() && first.upstream().unwrap().closed);
        let second = listener.connect(0);
        second.send(b"x", false);
        let passes = policy == FailurePolicy::FailOpen;
        assert_eq!(
            (second.is_closed(), second.received().len()),
            (!passes, usize::from(passes))
        );
        assert_eq!(fixture.process.traps().len(), 1);
    }
}

#[test]
fn another_configuration_waits_for_open_connections() {
    let mut fixture = Fixture::new(&[&[]]);
    let connection = fixture.connect();
    fixture.plugins[0].configure("{\"new\": true}").unwrap();
    let position = fixture.said().len();
    connection.reset();
    let mut expected = end("a", 2).to_vec();
    expected.extend(["a done 1".to_owned(), "a delete 1".to_owned()]);
    assert_eq!(fixture.said_since(position), expected);
}

#[test]
fn a_greeting_comes_in_its_time_and_a_lost_worker_closes() {
    let mut fixture = Fixture::new(&[&[]]);
    let greeting = TcpAnswer::nothing().then(Duration::from_millis(3), "welcome");
    fixture
        .process
        .tcp_cluster("up", TcpCluster::echo().greeting(greeting));
    let connection = fixture.connect();
    fixture.process.advance(Duration::from_millis(2)).unwrap();
    assert_eq!(connection.received(), b"");
    fixture.process.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(connection.received(), b"welcome");
    fixture.plugins[0].worker(0).lose().unwrap();
    assert!(connection.is_closed());
}

#[test]
fn both_ends_end_a_connection_whatever_is_held() {
    let mut fixture = Fixture::new(&[&[("upstream_data", PAUSE)]]);
    let connection = fixture.connect();
    connection.send(b"ab", false);
    let position = fixture.said().len();
    connection.send(b"", true);
    let mut expected = [
        "a downstream_data 2 0 1",
        "a upstream_data 2 2 1",
        "a upstream_connection_close 2 0",
    ]
    .map(str::to_owned)
    .to_vec();
    expected.extend(end("a", 1));
    assert_eq!(fixture.said_since(position), expected);
    assert!(connection.received().is_empty());
}

#[test]
fn to_continue_within_the_callback_is_to_pass_the_data_at_once() {
    let go_on = "(!status 'continue' (!proxy_continue_stream #2))";
    for (answer, ends) in [("", 2), (PAUSE, 1)] {
        let body = format!("{go_on} {answer}");
        let mut fixture = Fixture::new(&[&[("downstream_data", &body)], &[]]);
        let connection = fixture.connect();
        connection.send(b"ab", false);
        assert_eq!(connection.received(), b"ab");
        connection.close();
        let said = fixture.said();
        let told = said.iter().filter(|line| *line == "b downstream_data 2 0 1");
        assert_eq!(told.count(), ends, "the end is told again to those after it");
        assert!(connection.is_closed());
    }
}
