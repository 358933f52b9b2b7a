//! The Gateway that is meant.

use weir_core::node::GatewayRef;
use weir_core::state::State;

/// Why no Gateway could be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The one that was asked for is not there.
    #[error("Gateway {wanted} is not in the documents: {}", list(known))]
    Unknown {
        /// Which.
        wanted: GatewayRef,
        /// Those that are there.
        known: Vec<GatewayRef>,
    },
    /// There is none.
    #[error("the documents hold no Gateway")]
    None,
    /// None was asked for, and there are several.
    #[error("the documents hold several Gateways, choose one: {}", list(.0))]
    Several(Vec<GatewayRef>),
}

/// The Gateway `wanted`, or the only one.
///
/// # Errors
/// [`GatewayError`].
pub fn choose_gateway(state: &State, wanted: Option<&GatewayRef>) -> Result<GatewayRef, GatewayError> {
    let known: Vec<GatewayRef> = state.gateways().collect();
    match (wanted, known.as_slice()) {
        (Some(wanted), known) if known.contains(wanted) => Ok(wanted.clone()),
        (Some(wanted), _) => Err(GatewayError::Unknown {
            wanted: wanted.clone(),
            known,
        }),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(GatewayError::None),
        (None, _) => Err(GatewayError::Several(known)),
    }
}

fn list(gateways: &[GatewayRef]) -> String {
    if gateways.is_empty() {
        return "there is none".to_owned();
    }
    let names: Vec<String> = gateways.iter().map(ToString::to_string).collect();
    names.join(", ")
}
