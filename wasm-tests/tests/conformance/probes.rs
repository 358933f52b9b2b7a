//! Filters for one scenario each: every callback says its name and its arguments before it does what it is there for.

#[path = "../probe/probe.rs"]
mod text;

use weir_wasm_tests::Module;

pub(crate) use text::WASI;

/// The callbacks, how many arguments follow the context's id, and what they answer unless told otherwise.
const CALLBACKS: [(&str, usize, Option<u32>); 21] = [
    ("context_create", 1, None),
    ("vm_start", 1, Some(1)),
    ("configure", 1, Some(1)),
    ("tick", 0, None),
    ("done", 0, Some(1)),
    ("log", 0, None),
    ("delete", 0, None),
    ("request_headers", 2, Some(0)),
    ("request_body", 2, Some(0)),
    ("request_trailers", 1, Some(0)),
    ("request_metadata", 1, Some(0)),
    ("response_headers", 2, Some(0)),
    ("response_body", 2, Some(0)),
    ("response_trailers", 1, Some(0)),
    ("http_call_response", 4, None),
    ("queue_ready", 1, None),
    ("grpc_receive_initial_metadata", 2, None),
    ("grpc_receive", 2, None),
    ("grpc_receive_trailing_metadata", 2, None),
    ("grpc_close", 2, None),
    ("foreign_function", 2, None),
];

/// The callbacks of one stream.
const OF_A_STREAM: [&str; 10] = [
    "context_create",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "done",
    "log",
    "delete",
];

/// What becomes of requests when the filter's VM has trapped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailurePolicy {
    Closed,
    Open,
    Reload,
}

/// A filter and how it is set up.
pub(crate) struct Probe {
    bodies: Vec<(&'static str, String)>,
    /// Callbacks whose arguments chance decides: they say nothing of themselves.
    unsaid: Vec<&'static str>,
    globals: String,
    pub(crate) failure_policy: FailurePolicy,
    pub(crate) allow_on_headers_stop_iteration: bool,
    pub(crate) configuration: &'static str,
}

impl Probe {
    /// Has no callbacks but those that follow.
    pub(crate) fn quiet() -> Self {
        Self {
            bodies: Vec::new(),
            unsaid: Vec::new(),
            globals: String::new(),
            failure_policy: FailurePolicy::Closed,
            allow_on_headers_stop_iteration: false,
            configuration: "",
        }
    }

    /// Has all callbacks of a stream.
    pub(crate) fn tracing() -> Self {
        OF_A_STREAM
            .iter()
            .fold(Self::quiet(), |probe, name| probe.on(name, ""))
    }

    /// What a callback does; its context is `$id`, its arguments are `$x`, `$y`, `$z`, `$w`.
    pub(crate) fn on(mut self, callback: &'static str, body: &str) -> Self {
        self.bodies.retain(|(known, _)| *known != callback);
        self.bodies.push((callback, body.to_owned()));
        self
    }

    /// As `on`, for a callback whose arguments chance decides.
    pub(crate) fn unsaid(mut self, callback: &'static str, body: &str) -> Self {
        self.unsaid.push(callback);
        self.on(callback, body)
    }

    /// Functions and globals of its own.
    pub(crate) fn with(mut self, code: &str) -> Self {
        self.globals.push_str(code);
        self
    }

    pub(crate) fn fails(mut self, policy: FailurePolicy) -> Self {
        self.failure_policy = policy;
        self
    }

    pub(crate) fn stops_at_headers_only(mut self) -> Self {
        self.allow_on_headers_stop_iteration = true;
        self
    }

    pub(crate) fn configuration(mut self, text: &'static str) -> Self {
        self.configuration = text;
        self
    }

    /// Its text; `~` stands before the names of the scenario's clusters.
    fn code(&self, scenario: &str) -> String {
        let callbacks: String = self
            .bodies
            .iter()
            .map(|(name, body)| callback(name, body, !self.unsaid.contains(name)))
            .collect();
        format!("{}{callbacks}", self.globals).replace('~', &format!("{scenario}-"))
    }

    pub(crate) fn module(&self, scenario: &str) -> Module {
        text::probe(&self.code(scenario))
    }

    /// As Envoy reads it.
    pub(crate) fn binary(&self, scenario: &str) -> Vec<u8> {
        text::binary(&self.code(scenario))
    }
}

fn callback(name: &str, body: &str, says: bool) -> String {
    let (_, arguments, answer) = CALLBACKS.iter().find(|(known, ..)| *known == name).unwrap();
    let names = &["x", "y", "z", "w"][..*arguments];
    let params: String = names.iter().map(|name| format!("(param ${name} i32) ")).collect();
    // Ids of queues are counted in the process.
    let told = if name == "queue_ready" { &[] } else { names };
    let said: String = told
        .iter()
        .map(|name| format!("(!put_byte #32) (!put_number (local.get ${name}))"))
        .collect();
    let (result, value) = match answer {
        Some(value) => ("(result i32)", format!("#{value}")),
        None => ("", String::new()),
    };
    let entry = format!(
        "(!start) (!put_byte #35) (!put_number (local.get $id)) (!put_byte #32) (!put '{name}') {said} (!flush)"
    );
    let entry = if says { entry } else { String::new() };
    format!("(func (export \"proxy_on_{name}\") (param $id i32) {params} {result} {entry} {body} {value})\n")
}

/// A header map as the ABI writes it, as a text of a probe.
pub(crate) fn pairs(headers: &[(&str, &str)]) -> String {
    let number = |n: usize| -> String {
        u32::try_from(n)
            .unwrap()
            .to_le_bytes()
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect()
    };
    let lengths: String = headers
        .iter()
        .map(|(name, value)| number(name.len()) + &number(value.len()))
        .collect();
    let texts: String = headers
        .iter()
        .map(|(name, value)| format!("{name}\\00{value}\\00"))
        .collect();
    format!("'{}{lengths}{texts}'", number(headers.len()))
}

/// What a callback does for one context only.
pub(crate) fn only(id: u32, body: &str) -> String {
    format!("(if (i32.eq (local.get $id) #{id}) (then {body}))")
}

/// Logs the outcome of a host function whose last argument is where the host writes a number: its status, the number.
pub(crate) fn number_of(name: &str, arguments: &str) -> String {
    format!("(!number_at '{name}' (!proxy_{name} {arguments} #24))")
}

/// Calls a host function and logs its status.
pub(crate) fn status_of(name: &str, arguments: &str) -> String {
    format!("(!status '{name}' (!proxy_{name} {arguments}))")
}

/// Answers by itself, with `x-reply: yes`.
pub(crate) fn reply(status: u32, body: &str) -> String {
    reply_with(status, body, &[("x-reply", "yes")], -1)
}

pub(crate) fn reply_with(status: u32, body: &str, headers: &[(&str, &str)], grpc: i32) -> String {
    let headers = pairs(headers);
    status_of(
        "send_local_response",
        &format!("#{status} 'why' '{body}' {headers} #{grpc}"),
    )
}

/// Calls `/call` of a cluster, and logs status and token.
pub(crate) fn call(cluster: &str, milliseconds: u32) -> String {
    let headers = [
        (":method", "POST"),
        (":path", "/call"),
        (":authority", "called.test"),
        ("x-own", "1"),
    ];
    call_with(cluster, &headers, "body", &[], milliseconds)
}

pub(crate) fn call_with(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &str,
    trailers: &[(&str, &str)],
    milliseconds: u32,
) -> String {
    let (headers, trailers) = (pairs(headers), pairs(trailers));
    number_of(
        "http_call",
        &format!("'{cluster}' {headers} '{body}' {trailers} #{milliseconds}"),
    )
}

/// Lets a context of this VM go on; 0: its request, 1: its response.
pub(crate) fn release(id: u32, side: u32) -> String {
    let go_on = status_of("continue_stream", &format!("#{side}"));
    // Continuing a response that there is not crashes Envoy.
    format!("(if (!proxy_set_effective_context #{id}) (then (!say 'gone')) (else {go_on}))")
}

/// Logs which maps there are.
pub(crate) fn maps() -> String {
    (0..=8).map(|map| format!("(!map #{map})")).collect()
}

/// Logs what the buffers hold.
pub(crate) fn buffers() -> String {
    (0..=9)
        .map(|buffer| format!("(!buffer #{buffer} #0 #99)"))
        .collect()
}
