//! The properties of a stream that the proxy itself knows, in Envoy's encoding: text as it is, numbers as 8 bytes
//! (little-endian), truth values as 1 byte, times and durations in nanoseconds.
//!
//! Source: Envoy's attributes, <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>.

use crate::flow::Flow;
use crate::header_map::HeaderMap;

/// A property by its path's parts; none when there is no such property, or not yet.
pub(crate) fn of_stream(flow: &Flow, path: &[&str]) -> Option<Vec<u8>> {
    match path {
        ["request", rest @ ..] => of_request(flow, rest),
        ["response", rest @ ..] if flow.info.response_started || !flow.response.headers.is_empty() => {
            of_response(flow, rest)
        }
        ["upstream", "address"] => text(flow.info.upstream_host.as_deref()?),
        ["upstream", "request_attempt_count"] => number(flow.info.attempt_count?),
        ["connection", "mtls"] => Some(vec![0]),
        ["cluster_name"] | ["xds", "cluster_name"] => text(flow.info.cluster_name.as_deref()?),
        ["route_name"] | ["xds", "route_name"] => text(&flow.info.route_name),
        _ => None,
    }
}

fn of_request(flow: &Flow, path: &[&str]) -> Option<Vec<u8>> {
    let headers = &flow.request.headers;
    let header = |name: &str| headers.get(name).map(<[u8]>::to_vec);
    match path {
        ["headers", name] => header(name),
        ["headers"] => Some(headers.to_pairs()),
        ["path"] => header(":path"),
        ["url_path"] => header(":path").map(|path| {
            path.split(|byte| *byte == b'?')
                .next()
                .unwrap_or_default()
                .to_vec()
        }),
        ["query"] => header(":path").map(|path| {
            path.splitn(2, |byte| *byte == b'?')
                .nth(1)
                .unwrap_or_default()
                .to_vec()
        }),
        ["host"] => header(":authority"),
        ["scheme"] => header(":scheme"),
        ["method"] => header(":method"),
        ["referer"] => header("referer"),
        ["useragent"] => header("user-agent"),
        ["id"] => header("x-request-id"),
        ["protocol"] => text("HTTP/1.1"),
        ["time"] => number(flow.info.started),
        ["duration"] => number(flow.info.ended?.saturating_sub(flow.info.started)),
        ["size"] => number(flow.info.request_bytes),
        ["total_size"] => number(flow.info.request_bytes + size(headers)),
        _ => None,
    }
}

fn of_response(flow: &Flow, path: &[&str]) -> Option<Vec<u8>> {
    let headers = &flow.response.headers;
    match path {
        ["headers", name] => headers.get(name).map(<[u8]>::to_vec),
        ["headers"] => Some(headers.to_pairs()),
        ["trailers", name] => flow.response.trailers.as_ref()?.get(name).map(<[u8]>::to_vec),
        ["code"] => number(headers.text(":status")?.parse().ok()?),
        ["code_details"] => text(flow.info.response_code_details.as_deref()?),
        ["flags"] => number(flow.info.response_flags),
        ["grpc_status"] => number(grpc_status(flow)?),
        ["size"] => number(flow.info.response_bytes),
        ["total_size"] => number(flow.info.response_bytes + size(headers)),
        _ => None,
    }
}

fn grpc_status(flow: &Flow) -> Option<u64> {
    let in_trailers = flow
        .response
        .trailers
        .as_ref()
        .and_then(|trailers| trailers.text("grpc-status"));
    in_trailers
        .or_else(|| flow.response.headers.text("grpc-status"))?
        .parse()
        .ok()
}

fn size(headers: &HeaderMap) -> u64 {
    headers.byte_size() as u64
}

fn text(value: &str) -> Option<Vec<u8>> {
    Some(value.as_bytes().to_vec())
}

fn number(value: u64) -> Option<Vec<u8>> {
    Some(value.to_le_bytes().to_vec())
}
