//! Whether a policy acts.

use serde::{Deserialize, Serialize};

/// Whether a policy acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It acts.
    #[default]
    Enforce,
    /// It decides and counts, and changes nothing for clients.
    Shadow,
    /// It does nothing, and costs nothing.
    Off,
}
