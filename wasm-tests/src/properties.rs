//! The properties of a stream that the proxy itself knows, in Envoy's encoding: text as it is, numbers as 8 bytes
//! (little-endian), truth values as 1 byte, times and durations in nanoseconds.
//!
//! Source: Envoy's attributes, <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>;
//! in which callback a filter can read which is as seen on Envoy 1.40.

use crate::abi::{Direction, Protocol, Status};
use crate::flow::Flow;
use crate::header_map::HeaderMap;
use crate::process::shared::locked;
use crate::vm::context::StreamContext;

/// A property of a stream by its path's parts, as the filter of this context can read it at the moment.
pub(crate) fn of_stream(stream: &StreamContext, path: &[&str]) -> Result<Vec<u8>, Status> {
    let flow = locked(&stream.flow);
    let shown = |direction| stream.logging || stream.view(direction).headers;
    let http_only = matches!(path, ["request", "protocol"] | ["xds", "route_name"]);
    if stream.protocol == Protocol::Tcp && http_only {
        return Err(Status::NotFound);
    }
    match path {
        [""] | ["request" | "response" | "connection" | "upstream" | "xds" | "filter_state"] => {
            Err(Status::SerializationFailure)
        }
        ["metadata"] => Ok(Vec::new()),
        ["request" | "response", "total_size"] => total_size(&flow, path, shown),
        ["request", "duration"] if !stream.logging => Err(Status::NotFound),
        ["request", name, ..] if !is_message_property(name) || shown(Direction::Request) => {
            of_request(&flow, path)
        }
        ["response", "headers", name] if shown(Direction::Response) => header(&flow.response.headers, name),
        ["response", "trailers", name] if stream.logging || stream.response.trailers => {
            header(flow.response.trailers.as_ref().ok_or(Status::NotFound)?, name)
        }
        ["response", name] => of_response(&flow, name),
        ["upstream", name] => of_upstream(&flow, name),
        ["connection", name] => of_connection(name),
        ["source", name] => of_address(DOWNSTREAM, name),
        ["destination", name] => of_address(LISTENER, name),
        ["xds", name] => of_xds(&flow, name),
        ["filter_state", name] => {
            let name = name.strip_prefix("wasm.").ok_or(Status::NotFound)?;
            filter_state(&flow, name.as_bytes())
        }
        _ => Err(Status::NotFound),
    }
}

/// What filters have set, by the name that they gave; what is empty can't be read.
pub(crate) fn filter_state(flow: &Flow, name: &[u8]) -> Result<Vec<u8>, Status> {
    match flow.filter_state.get(name) {
        Some(value) if value.is_empty() => Err(Status::SerializationFailure),
        Some(value) => Ok(value.clone()),
        None => Err(Status::NotFound),
    }
}

/// What is read from the request's headers, and so only while they are in sight.
fn is_message_property(name: &str) -> bool {
    !matches!(name, "protocol" | "size" | "total_size" | "time" | "duration")
}

fn of_request(flow: &Flow, path: &[&str]) -> Result<Vec<u8>, Status> {
    let headers = &flow.request.headers;
    let info = &flow.info;
    match path {
        ["request", "headers", name] => header(headers, name),
        ["request", "path"] => header(headers, ":path"),
        ["request", "url_path"] => split_path(headers, 0),
        ["request", "query"] => split_path(headers, 1),
        ["request", "host"] => header(headers, ":authority"),
        ["request", "scheme"] => header(headers, ":scheme"),
        ["request", "method"] => header(headers, ":method"),
        ["request", "referer"] => header(headers, "referer"),
        ["request", "useragent"] => header(headers, "user-agent"),
        ["request", "id"] => header(headers, "x-request-id"),
        ["request", "protocol"] => text(info.protocol),
        ["request", "time"] => number(info.time),
        ["request", "duration"] => number(info.ended.unwrap_or(info.started).saturating_sub(info.started)),
        ["request", "size"] => number(info.request_bytes),
        _ => Err(Status::NotFound),
    }
}

/// Body and headers; headers count while they are in sight.
fn total_size(flow: &Flow, path: &[&str], shown: impl Fn(Direction) -> bool) -> Result<Vec<u8>, Status> {
    let (body, headers, direction) = match path {
        ["request", _] => (flow.info.request_bytes, &flow.request.headers, Direction::Request),
        _ => (
            flow.info.response_bytes,
            &flow.response.headers,
            Direction::Response,
        ),
    };
    number(
        body + if shown(direction) {
            headers.byte_size() as u64
        } else {
            0
        },
    )
}

/// The path before its first question mark (0), and after it (1).
fn split_path(headers: &HeaderMap, part: usize) -> Result<Vec<u8>, Status> {
    let path = headers.get(":path").ok_or(Status::NotFound)?;
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    Ok(parts.nth(part).unwrap_or_default().to_vec())
}

fn of_response(flow: &Flow, name: &str) -> Result<Vec<u8>, Status> {
    let headers = &flow.response.headers;
    let status = || {
        headers
            .text(":status")
            .and_then(|status| status.parse().ok())
            .ok_or(Status::NotFound)
    };
    match name {
        "code" => number(status()?),
        "code_details" => text(
            flow.info
                .response_code_details
                .as_deref()
                .ok_or(Status::NotFound)?,
        ),
        "flags" => number(flow.info.response_flags),
        "grpc_status" => status().and_then(|_| number(grpc_status(flow))),
        "size" => number(flow.info.response_bytes),
        _ => Err(Status::NotFound),
    }
}

/// Trailers first, then headers; 2 (UNKNOWN) when neither has one.
fn grpc_status(flow: &Flow) -> u64 {
    let in_trailers = flow
        .response
        .trailers
        .as_ref()
        .and_then(|trailers| trailers.text("grpc-status"));
    let found = in_trailers.or_else(|| flow.response.headers.text("grpc-status"));
    found.and_then(|status| status.parse().ok()).unwrap_or(2)
}

fn of_upstream(flow: &Flow, name: &str) -> Result<Vec<u8>, Status> {
    let host = flow.info.upstream_host.as_deref();
    match name {
        "request_attempt_count" => number(flow.info.attempt_count),
        "address" => text(host.ok_or(Status::NotFound)?),
        "transport_failure_reason" => host
            .map(|_| flow.info.transport_failure.clone().into_bytes())
            .ok_or(Status::NotFound),
        "num_endpoints" => number(flow.info.endpoints.ok_or(Status::NotFound)?),
        _ => Err(Status::NotFound),
    }
}

fn of_connection(name: &str) -> Result<Vec<u8>, Status> {
    match name {
        "mtls" => Ok(vec![0]),
        "id" => number(1),
        "requested_server_name" => text(""),
        _ => Err(Status::NotFound),
    }
}

/// The client's address and the listener's, unless the test gives others.
const DOWNSTREAM: (&str, u64) = ("127.0.0.1:50000", 50_000);
const LISTENER: (&str, u64) = ("127.0.0.1:10000", 10_000);

fn of_address((address, port): (&str, u64), name: &str) -> Result<Vec<u8>, Status> {
    match name {
        "address" => text(address),
        "port" => number(port),
        _ => Err(Status::NotFound),
    }
}

fn of_xds(flow: &Flow, name: &str) -> Result<Vec<u8>, Status> {
    match name {
        "route_name" => text(&flow.info.route_name),
        "virtual_host_name" => text(&flow.info.virtual_host),
        "cluster_name" => text(flow.info.cluster_name.as_deref().ok_or(Status::NotFound)?),
        "filter_chain_name" => text(""),
        "listener_direction" => number(0),
        _ => Err(Status::NotFound),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Result<Vec<u8>, Status> {
    headers.get(name).map(<[u8]>::to_vec).ok_or(Status::NotFound)
}

fn text(value: &str) -> Result<Vec<u8>, Status> {
    Ok(value.as_bytes().to_vec())
}

fn number(value: u64) -> Result<Vec<u8>, Status> {
    Ok(value.to_le_bytes().to_vec())
}
