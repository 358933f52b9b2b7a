//! Second tries: what a route says of them. Whether there is one, a filter says, request by request.

use envoy_types::pb::envoy::config::route::v3::RetryPolicy;
use envoy_types::pb::envoy::config::route::v3::retry_policy::retry_host_predicate::ConfigType;
use envoy_types::pb::envoy::config::route::v3::retry_policy::{RetryBackOff, RetryHostPredicate};
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use weir_policy::quantity::Duration;

use super::encode::{any, duration, number};
use crate::hedge::ROUTE_RETRIES;

/// How often another host is chosen, as long as the one chosen was asked before.
const HOST_CHOICES: i64 = 5;
/// Envoy waits for a random part of this beside the delay that it was told; without a word, of 25 ms.
const BACK_OFF: Duration = Duration::from_millis(1);

/// No condition for a second try, but one that is asked for is made at once, and by another host.
pub(super) fn policy() -> RetryPolicy {
    let previous_hosts = RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&PreviousHostsPredicate::default()))),
    };
    RetryPolicy {
        num_retries: number(ROUTE_RETRIES),
        retry_host_predicate: vec![previous_hosts],
        host_selection_retry_max_attempts: HOST_CHOICES,
        retry_back_off: Some(RetryBackOff {
            base_interval: duration(BACK_OFF),
            ..RetryBackOff::default()
        }),
        ..RetryPolicy::default()
    }
}
