//! Properties: where they are, and in which bytes.

use crate::probes::{FailurePolicy, Probe, reply, status_of};
use crate::scenario::{Answer, Client, Cluster, Scenario, Target};

/// Reads these in every callback in which there is something to tell.
fn everywhere(properties: &[&str]) -> Scenario {
    let read: String = properties
        .iter()
        .map(|path| format!("(!property_hex '{}')", path.replace('.', "\\00")))
        .collect();
    let probe = Probe::quiet()
        .on("context_create", &read)
        .on("request_headers", &read)
        .on("request_body", &read)
        .on("request_trailers", &read)
        .on("response_headers", &read)
        .on("response_body", &read)
        .on("response_trailers", &read)
        .on("log", &read)
        .on("done", &read)
        .on("delete", &read);
    Scenario::new(probe)
        .answer(Answer::hello().header("x-up", "1").trailer("x-after", "1"))
        .send(
            Client::post(&["ab"])
                .header("x-a", "1")
                .header("referer", "r")
                .header("user-agent", "ua")
                .trailer("x-end", "1"),
        )
}

fn sizes(properties: &[&str]) -> Scenario {
    let read: String = properties
        .iter()
        .map(|path| format!("(!property_size '{}')", path.replace('.', "\\00")))
        .collect();
    Scenario::new(
        Probe::quiet()
            .on("request_headers", &read)
            .on("response_headers", &read)
            .on("log", &read),
    )
    .get()
}

fn set(name: &str, value: &str) -> String {
    status_of("set_property", &format!("'{name}' '{value}'"))
}

scenarios! {
    properties_of_the_request: everywhere(&["request.path", "request.url_path", "request.host", "request.scheme", "request.method", "request.protocol", "request.referer", "request.useragent", "request.id", "request.size", "request.total_size", "request.query", "request.headers.x-a", "request.headers.none", "request"]);
    properties_of_the_request_with_query: Scenario::new(Probe::quiet().on("request_headers", "(!property 'request\\00path') (!property 'request\\00url_path') (!property 'request\\00query') (!property 'request\\00id') (!property 'request\\00protocol')"))
        .send(Client::get("/a/b?c=d&e").header("x-request-id", "id-1")).send(Client::get("/").http1());
    properties_of_the_response: everywhere(&["response.code", "response.code_details", "response.flags", "response.grpc_status", "response.size", "response.headers.x-up", "response.trailers.x-after", "response.headers.none"]);
    properties_of_time: sizes(&["request.time", "request.duration", "connection.id", "response.backend_latency"]);
    properties_of_connections: everywhere(&["connection.mtls", "connection.requested_server_name", "connection.tls_version", "connection.subject_local_certificate", "connection.termination_details", "upstream.request_attempt_count", "upstream.tls_version", "upstream.transport_failure_reason", "upstream.num_endpoints", "source.port.x"]);
    properties_of_addresses: sizes(&["source.address", "source.port", "destination.address", "destination.port", "upstream.address", "upstream.port", "upstream.local_address", "source.none"]);
    properties_of_xds: everywhere(&["cluster_name", "route_name", "xds.cluster_name", "xds.route_name", "xds.virtual_host_name", "xds.listener_direction", "xds.filter_chain_name", "xds.node.id", "listener_direction", "plugin_name", "plugin_root_id", "plugin_vm_id", "node.id", "node.cluster", "node.none", "listener_metadata", "cluster_metadata", "route_metadata"]);
    properties_unknown: everywhere(&["none", "none.at.all", "", "request.none", "response.none", "connection.none", "upstream.none", "xds.none", "metadata", "filter_state", "plugin_none"]);
    properties_of_a_root: Scenario::new(Probe::quiet().on("request_headers", "(!ok (!proxy_set_tick_period_milliseconds #10))")
        .on("tick", "(!ok (!proxy_set_tick_period_milliseconds #0)) (!property 'plugin_name') (!property 'plugin_root_id') (!property 'plugin_vm_id') (!property 'node\\00id') (!property 'request\\00path') (!property 'cluster_name') (!property 'xds\\00node\\00id') (!status 'set' (!proxy_set_property 'a' 'b')) (!property 'a')"))
        .get().said("a !");
    properties_under_an_effective_context: Scenario::new(Probe::quiet().on("request_headers", "(!ok (!proxy_set_tick_period_milliseconds #10)) (return #1)")
        .on("tick", "(!ok (!proxy_set_tick_period_milliseconds #0)) (!ok (!proxy_set_effective_context #2)) (!property 'plugin_name') (!property 'request\\00path') (!status 'set' (!proxy_set_property 'a' 'b')) (!property 'a') (!status 'continue' (!proxy_continue_stream #0))"))
        .get();
    properties_of_a_local_reply: Scenario::new(Probe::quiet().on("request_headers", &reply(403, "no")).on("log", "(!property_hex 'response\\00code') (!property_hex 'response\\00flags') (!property 'response\\00code_details') (!property_hex 'response\\00size') (!property 'upstream\\00address') (!property 'xds\\00cluster_name')")).get();
    properties_of_no_route: Scenario::new(Probe::quiet().on("log", LOG)).route("/none", Target::Header("x-none")).send(Client::get("/none"));
    properties_of_an_unknown_cluster: Scenario::new(Probe::quiet().on("request_headers", &status_of("replace_header_map_value", "#0 'x-cluster' 'nowhere'")).on("log", LOG)).route("/by", Target::Header("x-cluster")).send(Client::get("/by"));
    properties_of_a_trap: Scenario::new(Probe::quiet().on("log", LOG)).then(Probe::quiet().on("request_headers", "unreachable").fails(FailurePolicy::Closed)).get().get();
    properties_of_a_client_that_left: Scenario::new(Probe::quiet().on("request_headers", "").on("log", LOG)).answer(Answer::never()).start(Client::get("/").leaves_after("#2 request_headers")).said("response.flags").upstream_unsure();
    properties_of_a_reset: Scenario::new(Probe::quiet().on("log", LOG)).answer(Answer::reset()).get();
    properties_of_a_reset_http1: Scenario::new(Probe::quiet().on("log", LOG)).cluster(Cluster::new("up").http1().answers(Answer::reset())).get();
    properties_of_a_refusal: Scenario::new(Probe::quiet().on("log", LOG)).cluster(Cluster::new("up").refuses()).get();
    properties_of_no_host: Scenario::new(Probe::quiet().on("log", LOG)).cluster(Cluster::new("up").hosts(0)).get();
    properties_of_grpc: Scenario::new(Probe::quiet().on("response_headers", "(!property_hex 'response\\00grpc_status')").on("log", "(!property_hex 'response\\00grpc_status') (!property_hex 'response\\00code')")).answer(Answer::status(200).header("content-type", "application/grpc").trailer("grpc-status", "7")).send(Client::post(&["ab"]).header("content-type", "application/grpc"));
    filter_state: Scenario::new(Probe::quiet().on("request_headers", &[set("a", "of a"), set("plugin_name", "mine"), set("request\\00path", "other"), "(!property 'a')".to_owned(), "(!property 'wasm\\00a')".to_owned(), "(!property 'filter_state\\00a')".to_owned(), "(!property 'filter_state\\00wasm.a')".to_owned(), "(!property 'plugin_name')".to_owned(), "(!property 'request\\00path')".to_owned()].concat())
            .on("response_headers", "(!property 'a') (!property 'b')").on("log", "(!property 'a') (!property 'b')"))
        .then(Probe::quiet().on("request_headers", &["(!property 'a')".to_owned(), set("a", "of b"), "(!property 'a')".to_owned(), set("b", "1"), set("", "empty"), "(!property '')".to_owned(), set("x\\00y", "deep"), "(!property 'x\\00y')".to_owned()].concat())).get();
    filter_state_ends_with_its_stream: Scenario::new(Probe::quiet().on("request_headers", &["(!property 'a')".to_owned(), set("a", "1")].concat())).get().get();
}

const LOG: &str = "(!property_hex 'response\\00code') (!property 'response\\00code_details') (!property_hex 'upstream\\00request_attempt_count') (!property 'cluster_name') (!property 'xds\\00cluster_name') (!property 'route_name') (!property 'upstream\\00transport_failure_reason') (!property_hex 'response\\00flags')";
