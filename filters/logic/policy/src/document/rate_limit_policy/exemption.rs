//! Requests that a policy is not for.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::descriptor::ClientAddress;
use crate::matching::RequestMatch;
use crate::problem::Problems;

/// Requests that a policy is not for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Exemption {
    /// Those that match. `{match: {path: {type: Exact, value: /healthz}}}`
    Match(RequestMatch),
    /// Those from some addresses. `{clientAddress: {networks: [10.0.0.0/8]}}`
    ClientAddress(Networks),
}

/// Clients by their address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Networks {
    /// As in a limit's key.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(max = 32)))]
    pub trusted_hops: u32,
    /// Any of these, in CIDR notation (RFC 4632, RFC 4291 section 2.3); without a length, one address.
    pub networks: Vec<String>,
}

impl Exemption {
    pub(super) fn check(&self, problems: &mut Problems) {
        match self {
            Self::Match(request_match) => {
                problems.within("match", |problems| request_match.check(problems));
            }
            Self::ClientAddress(networks) => {
                problems.within("clientAddress", |problems| networks.check(problems));
            }
        }
    }
}

impl Networks {
    fn check(&self, problems: &mut Problems) {
        let address = ClientAddress {
            trusted_hops: self.trusted_hops,
            ipv4_prefix: 32,
            ipv6_prefix: 128,
        };
        address.check(problems);
        problems.within("networks", |problems| {
            if self.networks.is_empty() {
                problems.note("no_networks", "expected at least one network");
            }
            for (index, network) in self.networks.iter().enumerate() {
                if parse_network(network).is_none() {
                    let detail =
                        format!("{network:?}: expected an address and a length, like \"10.0.0.0/8\"");
                    problems.note_at(index, "invalid_network", detail);
                }
            }
        });
    }
}

/// The address and the number of its leading bits that count.
pub fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(most), |length| length.parse().ok())?;
    (length <= most).then_some((address, length))
}
