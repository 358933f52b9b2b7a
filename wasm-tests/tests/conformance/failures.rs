//! Traps and refusals.

use crate::probes::{FailurePolicy, Probe, only};
use crate::scenario::{Answer, Client, Scenario};

/// The first stream is held, the second traps, the third comes after.
fn falls(policy: FailurePolicy) -> Scenario {
    let probe = Probe::tracing()
        .on("configure", "")
        .on(
            "request_headers",
            &(only(2, "(return #1)") + &only(3, "unreachable")),
        )
        .fails(policy);
    Scenario::new(probe)
        .start(Client::get("/held"))
        .said("#2 request_headers")
        .send(Client::get("/falls"))
        .start(Client::get("/after"))
}

fn falls_in(callback: &'static str, policy: FailurePolicy) -> Scenario {
    Scenario::new(
        Probe::tracing()
            .on(callback, &only(2, "unreachable"))
            .fails(policy),
    )
    .answer(Answer::hello().trailer("x-after", "1"))
    .send(Client::post(&["ab"]).trailer("x-end", "1"))
    .send(Client::get("/after"))
}

fn between(policy: FailurePolicy) -> Scenario {
    let falling = Probe::tracing()
        .on("request_headers", &only(2, "unreachable"))
        .fails(policy);
    Scenario::new(Probe::tracing())
        .then(falling)
        .then(Probe::tracing())
        .get()
        .get()
}

scenarios! {
    trap_closed: falls_in("request_headers", FailurePolicy::Closed);
    trap_open: falls_in("request_headers", FailurePolicy::Open);
    trap_reload: falls_in("request_headers", FailurePolicy::Reload);
    trap_closed_between: between(FailurePolicy::Closed);
    trap_open_between: between(FailurePolicy::Open);
    trap_reload_between: between(FailurePolicy::Reload);
    trap_in_body_closed: falls_in("request_body", FailurePolicy::Closed).upstream_unsure();
    trap_in_body_open: falls_in("request_body", FailurePolicy::Open).upstream_unsure();
    trap_in_body_reload: falls_in("request_body", FailurePolicy::Reload).upstream_unsure();
    trap_in_trailers_closed: falls_in("request_trailers", FailurePolicy::Closed).upstream_unsure();
    trap_in_response_headers_closed: falls_in("response_headers", FailurePolicy::Closed);
    trap_in_response_headers_open: falls_in("response_headers", FailurePolicy::Open);
    trap_in_response_headers_reload: falls_in("response_headers", FailurePolicy::Reload);
    trap_in_response_body_closed: falls_in("response_body", FailurePolicy::Closed);
    trap_in_response_body_open: falls_in("response_body", FailurePolicy::Open);
    trap_in_response_trailers_closed: falls_in("response_trailers", FailurePolicy::Closed);
    trap_in_log_closed: falls_in("log", FailurePolicy::Closed);
    trap_in_log_reload: falls_in("log", FailurePolicy::Reload);
    trap_in_context_create_closed: falls_in("context_create", FailurePolicy::Closed);
    trap_in_context_create_reload: falls_in("context_create", FailurePolicy::Reload);
    trap_again_and_again: Scenario::new(Probe::tracing().on("configure", "").on("request_headers", "unreachable").fails(FailurePolicy::Reload)).get().get().get();
    configuration_refused: Scenario::new(Probe::tracing().on("configure", "(return #0)")).get();
    configuration_refused_open: Scenario::new(Probe::tracing().on("configure", "(return #0)").fails(FailurePolicy::Open)).get();
    vm_start_refused: Scenario::new(Probe::tracing().on("vm_start", "(return #0)")).get();
    configuration_traps: Scenario::new(Probe::tracing().on("configure", "unreachable")).get();
    trap_with_others_closed: falls(FailurePolicy::Closed);
    trap_with_others_open: falls(FailurePolicy::Open);
    trap_with_others_reload: falls(FailurePolicy::Reload);
}
