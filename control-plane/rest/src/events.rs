//! Events for proxies, by long poll.

use std::pin::pin;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use weir_core::event::Revision;
use weir_core::slot::parse_slot;
use weir_policy::name::Name;
use weir_policy::proxy::EventPage;

use crate::app::App;
use crate::control::Control;
use crate::polls::OpenPoll;
use crate::problem::{BAD_QUERY, ProblemDetails};
use crate::query::{pairs, unknown};

/// The longest wait for an event, seconds.
const MAX_WAIT: u64 = 25;

/// `?slot=weir/<namespace>/<gateway>/<filter>&cursor=<revision>&wait=<seconds>`
pub(crate) struct EventQuery {
    namespace: Name,
    filter: Name,
    cursor: Option<Revision>,
    wait: Duration,
}

impl<S: Send + Sync> FromRequestParts<S> for EventQuery {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemDetails> {
        let (mut slot, mut cursor, mut wait) = (None, None, None);
        for (name, value) in pairs(parts)? {
            let twice = match name.as_str() {
                "slot" => slot.replace(reader(&value)?).is_some(),
                "cursor" => cursor.replace(revision(&value)?).is_some(),
                "wait" => wait.replace(seconds(&value)?).is_some(),
                _ => return Err(unknown(&name, "expected slot, cursor, wait")),
            };
            if twice {
                return Err(bad(format!("{name} stands twice")));
            }
        }
        let (namespace, filter) = slot.ok_or_else(|| bad(format!("no slot: expected slot={SLOT}")))?;
        Ok(Self {
            namespace,
            filter,
            cursor,
            wait: wait.unwrap_or_default(),
        })
    }
}

const SLOT: &str = "weir/<namespace>/<gateway>/<filter>";

/// The namespace and the filter.
fn reader(slot: &str) -> Result<(Name, Name), ProblemDetails> {
    parse_slot(slot)
        .map(|(gateway, filter)| (gateway.namespace, filter))
        .ok_or_else(|| bad(format!("slot={slot:?}: expected {SLOT}")))
}

fn revision(cursor: &str) -> Result<Revision, ProblemDetails> {
    cursor
        .parse()
        .map_err(|_| bad(format!("cursor={cursor:?}: expected the cursor of the last page")))
}

fn seconds(wait: &str) -> Result<Duration, ProblemDetails> {
    let seconds = wait.parse().ok().filter(|seconds| *seconds <= MAX_WAIT);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| bad(format!("wait={wait:?}: expected 0 to {MAX_WAIT} seconds")))
}

fn bad(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(&BAD_QUERY, detail)
}

/// Answers when there is an event, when the time is over, or when the control plane ends.
pub(crate) async fn poll<C: Control>(State(app): State<App<C>>, query: EventQuery) -> Json<EventPage> {
    let open = app.polls.open(&query.namespace, &query.filter);
    Json(next(app.control.as_ref(), &query, &open).await)
}

async fn next(control: &impl Control, query: &EventQuery, open: &OpenPoll) -> EventPage {
    let mut changes = control.changes();
    let mut end = pin!(end(control, query.wait));
    let mut cursor = query.cursor;
    loop {
        let page = control.events(&query.namespace, cursor);
        if cursor.is_none() || page.reset || !page.events.is_empty() {
            return page;
        }
        // What was not for this namespace needn't be known any more.
        cursor = Some(page.cursor);
        open.has_read(page.cursor);
        tokio::select! {
            biased;
            () = &mut end => return page,
            changed = changes.changed() => if changed.is_err() { return page },
        }
    }
}

/// The end of a wait.
async fn end(control: &impl Control, wait: Duration) {
    if !wait.is_zero() {
        let stopping = control.stopping();
        let _ = tokio::time::timeout(wait, stopping).await;
    }
}
