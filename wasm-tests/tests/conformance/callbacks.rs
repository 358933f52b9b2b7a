//! Which callbacks come, in which order, with what.

use crate::probes::Probe;
use crate::scenario::{Answer, Client, Scenario};

fn traced() -> Scenario {
    Scenario::new(
        Probe::tracing()
            .on("vm_start", "")
            .on("configure", "(!buffer #7 #0 #99)")
            .configuration("abc"),
    )
}

scenarios! {
    without_bodies: traced().answer(Answer::status(204)).get();
    with_bodies: traced().answer(Answer::hello().chunk(" world")).send(Client::post(&["ab", "cde"]));
    with_trailers: traced()
        .answer(Answer::hello().trailer("x-after", "1"))
        .send(Client::post(&["ab"]).trailer("x-end", "yes"));
    trailers_without_bodies: traced()
        .answer(Answer::status(200).trailer("x-after", "1"))
        .send(Client::post(&[]).trailer("x-end", "yes"));
    two_filters: traced().then(Probe::tracing()).send(Client::post(&["ab"]).trailer("x-end", "yes"));
    two_requests: traced().get().get();
}
