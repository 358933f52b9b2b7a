//! Proxies: who is connected, and what each took or refused.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use weir_core::event::Revision;
use weir_core::proxy::ProxyStatus;

use crate::app::App;
use crate::control::Control;
use crate::path::Part;
use crate::problem::{NOT_FOUND, ProblemDetails};
use crate::query::NoQuery;

/// `{"revision": N, "items": […]}`
#[derive(Serialize)]
pub(crate) struct ProxyList {
    revision: Revision,
    items: Vec<ProxyStatus>,
}

pub(crate) async fn list<C: Control>(State(app): State<App<C>>, _: NoQuery) -> Json<ProxyList> {
    Json(ProxyList {
        revision: app.control.revision(),
        items: app.control.proxies(),
    })
}

pub(crate) async fn get<C: Control>(
    State(app): State<App<C>>,
    Part(id): Part,
    _: NoQuery,
) -> Result<Json<ProxyStatus>, ProblemDetails> {
    let proxies = app.control.proxies();
    match proxies.into_iter().find(|proxy| proxy.id == id) {
        Some(proxy) => Ok(Json(proxy)),
        None => Err(ProblemDetails::new(
            &NOT_FOUND,
            format!("no proxy with node id {id:?} has connected since the control plane started"),
        )),
    }
}
