//! What a control plane would make of documents.

use serde_json::Value;
use weir_core::event::Event;
use weir_core::plan::Plan;
use weir_core::refusal::Refusal;
use weir_core::state::{ReplayError, State};

use crate::load::LoadedDocument;

/// What a control plane in `state` would do with these documents; with [`State::default`], one that has no others.
///
/// # Errors
/// As for [`State::plan`]; [`locate`](crate::locate) finds the places.
pub fn plan(state: &State, loaded: &[LoadedDocument]) -> Result<Plan, Refusal> {
    let values = loaded
        .iter()
        .map(|document| without_revision(document.value.clone()));
    state.plan(values.collect())
}

/// A document's revision is a claim on a store, and there is none here.
fn without_revision(mut document: Value) -> Value {
    if let Some(Value::Object(metadata)) = document.get_mut("metadata")
        && metadata.get("revision").is_some_and(Value::is_u64)
    {
        metadata.remove("revision");
    }
    document
}

/// The state after a plan.
///
/// # Errors
/// As for [`State::apply`].
pub fn follow(mut state: State, plan: Plan) -> Result<State, ReplayError> {
    for change in plan.changes {
        state.apply(&Event {
            revision: state.revision() + 1,
            at_ms: 0,
            change,
        })?;
    }
    Ok(state)
}
