//! From typed messages to encoded resources.

use std::collections::BTreeSet;

use envoy_types::pb::google::protobuf::{Any, BoolValue, Duration as ProtoDuration, UInt32Value};
use prost::{Message, Name};
use weir_policy::quantity::Duration;

use super::Resource;

/// A message in its `Any`.
pub(super) fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

impl Resource {
    /// A resource whose bytes are the same on every replica: no map in it has more than one entry.
    pub(super) fn encoded<M: Message + Name>(name: &str, message: &M) -> Self {
        let body = any(message);
        let version = xxhash_rust::xxh3::xxh3_64(&body.value);
        Self {
            name: name.to_owned(),
            version,
            body,
            clusters: BTreeSet::new(),
            again: None,
        }
    }

    /// The same, with other bytes for a second try.
    pub(super) fn with_again<M: Message + Name>(self, message: &M) -> Self {
        Self {
            again: Some(any(message)),
            ..self
        }
    }

    /// The same, sending requests to these clusters.
    pub(super) fn with_clusters(self, clusters: BTreeSet<String>) -> Self {
        Self { clusters, ..self }
    }
}

pub(super) const fn boolean(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

pub(super) const fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

/// Validation keeps durations at a day or less.
pub(super) fn duration(duration: Duration) -> Option<ProtoDuration> {
    let millis = duration.as_millis();
    let seconds = i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(millis % 1_000 * 1_000_000).unwrap_or_default();
    Some(ProtoDuration { seconds, nanos })
}
