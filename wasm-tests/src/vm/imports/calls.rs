//! HTTP calls, and what became of the last one.

use std::time::Duration;

use wasmtime::Linker;

use crate::abi::Status;
use crate::header_map::HeaderMap;
use crate::process::shared::locked;
use crate::vm::effect::{Effect, HttpCall};
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_http_call(
            guest, cluster: u32, cluster_size: u32, headers: u32, headers_size: u32, body: u32, body_size: u32,
            trailers: u32, trailers_size: u32, timeout: u32, token_to: u32
        ) => {
            // Envoy takes the trailers, and does not send them.
            guest.bytes(trailers, trailers_size)?;
            let call = HttpCall {
                cluster: guest.text(cluster, cluster_size)?,
                headers: HeaderMap::from_pairs(&guest.bytes(headers, headers_size)?),
                body: guest.bytes(body, body_size)?,
                timeout: Duration::from_millis(timeout.into()),
            };
            dispatch(guest, call, token_to)
        };
        proxy_get_status(guest, code_to: u32, message_to: u32, size_to: u32) =>
            status(guest, code_to, message_to, size_to);
    });
    Ok(())
}

/// The kind of a call stands in its token's low bits, as in Envoy.
const CALL: u32 = 0;

/// The cluster must be known and have a host, and the request must say where it goes. A call belongs to the root context, whoever
/// makes it.
fn dispatch(guest: &mut Guest<'_>, call: HttpCall, token_to: u32) -> Result<(), Fault> {
    let complete = [":path", ":method", ":authority"]
        .iter()
        .all(|name| call.headers.get(name).is_some());
    if !complete || !guest.state().shared().has_cluster(&call.cluster) {
        return Err(Status::BadArgument.into());
    }
    if locked(&guest.state().shared().clusters).host_count(&call.cluster) == 0 {
        return Err(Status::InternalFailure.into());
    }
    let state = guest.state_mut();
    let root = state.current_root().ok_or(Status::BadArgument)?;
    let token = state.next_token(CALL);
    if let Some(root) = state.root_mut(root) {
        root.calls.insert(token);
    }
    state.effects.push_back(Effect::Call { root, token, call });
    guest.write(token_to, &token.to_le_bytes())
}

fn status(guest: &mut Guest<'_>, code_to: u32, message_to: u32, size_to: u32) -> Result<(), Fault> {
    let state = guest.state();
    let code = state.root(state.current()).map_or(0, |root| root.status);
    let message = state.status_message().to_owned();
    guest.write(code_to, &code.to_le_bytes())?;
    guest.hand_out(message.as_bytes(), message_to, size_to)
}
