//! Routes, retries and hedges that filters ask for.

use std::time::Duration;

use crate::probes::{Probe, status_of};
use crate::scenario::{Answer, Client, Cluster, Scenario, Target};

const LOG: &str = "(!property_hex 'response\\00code') (!property 'response\\00code_details') (!property_hex 'response\\00flags') (!property_hex 'upstream\\00request_attempt_count') (!property 'xds\\00cluster_name')";

fn setting(headers: &[(&str, &str)]) -> Scenario {
    let set: String = headers
        .iter()
        .map(|(name, value)| status_of("replace_header_map_value", &format!("#0 '{name}' '{value}'")))
        .collect();
    Scenario::new(
        Probe::quiet()
            .on("request_headers", &set)
            .on("response_headers", "(!header #2 ':status')")
            .on("log", LOG),
    )
    .get()
}

fn slow() -> Answer {
    Answer::status(201).after(Duration::from_millis(400))
}

fn twice(first: Answer, second: Answer) -> Cluster {
    Cluster::new("up").answers(first).answers(second)
}

scenarios! {
    route_by_header: setting(&[("x-cluster", "~other")]).route("/", Target::Header("x-cluster")).cluster(Cluster::new("other").answers(Answer::status(202)));
    route_by_missing_header: setting(&[]).route("/", Target::Header("x-cluster"));
    route_to_unknown_cluster: setting(&[("x-cluster", "none")]).route("/", Target::Header("x-cluster"));
    route_by_path_before_the_filter: setting(&[(":path", "/other")]).route("/other", Target::Cluster("other")).cluster(Cluster::new("other").answers(Answer::status(202)));
    retry_on_5xx: setting(&[("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "1")]).cluster(twice(Answer::status(500), Answer::hello()));
    retry_too_few: setting(&[("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "1")]).answer(Answer::status(500));
    retry_not_asked: setting(&[("x-envoy-max-retries", "3")]).cluster(twice(Answer::status(500), Answer::hello()));
    retry_default_count: setting(&[("x-envoy-retry-on", "5xx")]).answer(Answer::status(500));
    retry_on_gateway_error_only: setting(&[("x-envoy-retry-on", "gateway-error")]).cluster(twice(Answer::status(500), Answer::hello()));
    retry_on_reset: setting(&[("x-envoy-retry-on", "reset"), ("x-envoy-max-retries", "1")]).cluster(twice(Answer::reset(), Answer::hello()));
    retry_on_status: setting(&[("x-envoy-retry-on", "retriable-status-codes"), ("x-envoy-retriable-status-codes", "404"), ("x-envoy-max-retries", "1")]).cluster(twice(Answer::status(404), Answer::hello()));
    retry_on_connect_failure: setting(&[("x-envoy-retry-on", "connect-failure"), ("x-envoy-max-retries", "1")]).cluster(Cluster::new("up").refuses());
    retry_a_post: Scenario::new(Probe::quiet().on("request_headers", "(!ok (!proxy_replace_header_map_value #0 'x-envoy-retry-on' '5xx'))").on("request_body", "").on("log", LOG)).cluster(twice(Answer::status(503), Answer::hello())).send(Client::post(&["ab", "cd"]));
    per_try_timeout: setting(&[("x-envoy-upstream-rq-per-try-timeout-ms", "50")]).answer(slow());
    per_try_timeout_retried: setting(&[("x-envoy-upstream-rq-per-try-timeout-ms", "50"), ("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "1")]).cluster(twice(slow(), Answer::hello()));
    timeout_of_the_request: setting(&[("x-envoy-upstream-rq-timeout-ms", "50")]).answer(slow());
    hedge: setting(&[("x-envoy-hedge-on-per-try-timeout", "true"), ("x-envoy-upstream-rq-per-try-timeout-ms", "50"), ("x-envoy-max-retries", "1"), ("x-envoy-retry-on", "retriable-status-codes")])
        .cluster(Cluster::new("up").hosts(2).answers(slow()).answers(Answer::status(202)));
    hedge_lost: setting(&[("x-envoy-hedge-on-per-try-timeout", "true"), ("x-envoy-upstream-rq-per-try-timeout-ms", "50"), ("x-envoy-max-retries", "1"), ("x-envoy-retry-on", "retriable-status-codes")])
        .cluster(Cluster::new("up").answers(Answer::status(201).after(Duration::from_millis(200))).answers(Answer::never()));
    hedge_without_retry_on: setting(&[("x-envoy-hedge-on-per-try-timeout", "true"), ("x-envoy-upstream-rq-per-try-timeout-ms", "50"), ("x-envoy-max-retries", "1")]).answer(slow());
    upstream_reset: setting(&[]).answer(Answer::reset());
    upstream_reset_http1: setting(&[]).cluster(Cluster::new("up").http1().answers(Answer::reset()));
    upstream_refuses: setting(&[]).cluster(Cluster::new("up").refuses());
    no_host: setting(&[]).cluster(Cluster::new("up").hosts(0));
    two_hosts_take_turns: setting(&[]).cluster(Cluster::new("up").hosts(2).answers(Answer::status(201)).answers(Answer::status(202)).answers(Answer::status(203))).get().get();
}
