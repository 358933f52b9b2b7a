//! What a client is told that is held back.

use std::borrow::Cow;

use serde::Serialize;
use weir_host::port::{GrpcStatus, StreamHost};
use weir_host::reply::Refusal;
use weir_host::{Action, Request};
use weir_limiter::{Fields, Limited};

/// Extension members of the problem (draft-ietf-httpapi-ratelimit-headers, section "Problem Types").
#[derive(Serialize)]
struct Members<'l> {
    #[serde(rename = "violated-policies")]
    violated_policies: &'l [String],
}

/// A header field by its name, and its value.
pub(crate) type Header<'f> = (&'static str, Cow<'f, str>);

/// The header fields that tell clients of their quotas.
pub(crate) fn headers(fields: &Fields) -> Vec<Header<'_>> {
    let mut headers: Vec<Header<'_>> = vec![
        ("ratelimit-policy", fields.policy.as_str().into()),
        ("ratelimit", fields.limit.as_str().into()),
    ];
    if let Some(legacy) = fields.legacy {
        headers.push(("x-ratelimit-limit", legacy.limit.to_string().into()));
        headers.push(("x-ratelimit-remaining", legacy.remaining.to_string().into()));
        headers.push(("x-ratelimit-reset", legacy.reset_s.to_string().into()));
    }
    headers
}

/// Answers a request that asked for more than there is.
pub(crate) fn limited(limited: &Limited, request: &Request<'_, impl StreamHost>) -> Action {
    let mut fields = limited.fields.as_ref().map(headers).unwrap_or_default();
    if let Some(seconds) = limited.retry_after_s {
        fields.push(("retry-after", seconds.to_string().into()));
    }
    let fields: Vec<(&str, &[u8])> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    let members = Members {
        violated_policies: &limited.violated,
    };
    refusal(limited).send_with(request, &fields, &members)
}

fn refusal(limited: &Limited) -> Refusal {
    let (kind, title) = if limited.lost {
        (
            "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
            "The request cannot be satisfied due to temporary server capacity constraints",
        )
    } else {
        (
            "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "The request cannot be satisfied as assigned quota has been exceeded",
        )
    };
    Refusal {
        kind,
        title,
        status: if limited.lost { 503 } else { 429 },
        detail: match limited.retry_after_s {
            Some(seconds) => format!("There is quota for the request in {seconds} s."),
            None if limited.lost => "The proxy has no share of the quota at present.".to_owned(),
            None => "The request costs more than there is at once.".to_owned(),
        },
        grpc: if limited.lost {
            GrpcStatus::Unavailable
        } else {
            GrpcStatus::ResourceExhausted
        },
    }
}

/// Answers a request that lacks a value by which it would be counted.
pub(crate) fn key_missing(limit: &str, request: &Request<'_, impl StreamHost>) -> Action {
    let refusal = Refusal {
        kind: "https://weir.dev/problems/limit-key-missing",
        title: "The request does not say whose it is",
        status: 400,
        detail: format!(
            "The request has no value in one of the places that the limit \"{limit}\" counts by."
        ),
        grpc: GrpcStatus::InvalidArgument,
    };
    refusal.send(request)
}
