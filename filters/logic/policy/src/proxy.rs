//! What a proxy and the control plane say to one another beside xDS: events that a proxy learns, and leases on the shares
//! of fleet-wide limits. One worker of a process speaks for all of its workers.

use serde::{Deserialize, Serialize};

/// A share of a limit, parts per million: all proxies together have at most [`WHOLE`].
pub type Share = u32;
/// The whole of a limit.
pub const WHOLE: Share = 1_000_000;

/// The answer of `GET /v1/proxy/events?slot=…&cursor=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// What to ask with next.
    pub cursor: u64,
    /// The events after the cursor that was asked with are not all known any more: whatever one of them might have
    /// changed can't be trusted.
    pub reset: bool,
    /// What happened since, oldest first.
    pub events: Vec<ProxyEvent>,
}

/// Something that proxies have to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyEvent {
    /// Where it stands among all events.
    pub revision: u64,
    /// What happened.
    #[serde(flatten)]
    pub notice: Notice,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Notice {
    /// Whoever was held back by a limit starts anew.
    QuotaReset {
        /// `<namespace>/<name>` of the RateLimitPolicy.
        policy: String,
        /// One of its limits; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<String>,
        /// The values of the limit's key, in order; absent: every key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Vec<String>>,
    },
}

/// The body of `POST /v1/proxy/leases`: what one process holds, and what its clients ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseReport {
    /// The slot's name.
    pub slot: String,
    /// One process: another after a restart of the proxy.
    pub instance: String,
    /// Grows with every report of the instance: one that was given up may arrive after its successor.
    pub sequence: u64,
    /// Its fleet-wide limits.
    pub limits: Vec<LimitReport>,
}

/// What a process holds of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitReport {
    /// `<namespace>/<policy>/<limit>`.
    pub limit: String,
    /// The most that any of its workers may still use of a key that is not in `keys`.
    pub held: Share,
    /// The keys that were asked for lately, or that have a share of their own.
    pub keys: Vec<KeyReport>,
}

/// What a process holds of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyReport {
    /// The key's fingerprint, 16 hexadecimal digits.
    pub key: String,
    /// Units asked for in the last second, let through or not.
    pub demand: u64,
    /// The most that any of its workers may still use.
    pub held: Share,
}

/// The answer to a [`LeaseReport`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseAnswer {
    /// How long the shares may be used, counted from when the report was sent, milliseconds.
    pub lease_ms: u64,
    /// How many processes share the limits.
    pub proxies: u32,
    /// A share for every limit of the report.
    pub limits: Vec<LimitGrant>,
}

/// The shares of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitGrant {
    /// As in the report.
    pub limit: String,
    /// Of every key that is not in `keys`.
    pub share: Share,
    /// Keys with a share of their own; a key that is not here any more has the limit's.
    pub keys: Vec<KeyGrant>,
}

/// The share of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyGrant {
    /// As in the report.
    pub key: String,
    /// Parts per million.
    pub share: Share,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back() {
        let event = ProxyEvent {
            revision: 7,
            notice: Notice::QuotaReset {
                policy: "default/api".to_owned(),
                limit: None,
                key: Some(vec!["alice".to_owned()]),
            },
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"revision": 7, "type": "quota_reset", "policy": "default/api", "key": ["alice"]})
        );
        assert_eq!(serde_json::from_value::<ProxyEvent>(json).unwrap(), event);
    }
}
