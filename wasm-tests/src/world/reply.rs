//! A local response as Envoy sends it (`Utility::prepareLocalReply` in `source/common/http/utility.cc`).

use crate::header_map::HeaderMap;
use crate::request::LocalResponse;

/// The headers of the answer, and its body.
pub(crate) fn prepare(response: &LocalResponse, request: &HeaderMap) -> (HeaderMap, Vec<u8>) {
    let grpc = is_grpc(request);
    let mut headers = HeaderMap::new();
    headers.add(":status", if grpc { 200 } else { response.status }.to_string());
    for (name, value) in response.headers.iter().filter(|(name, _)| *name != ":status") {
        headers.add(name, value);
    }
    if grpc {
        make_trailers_only(&mut headers, response);
        return (headers, Vec::new());
    }
    if response.body.is_empty() || matches!(response.status, 204 | 304) {
        headers.remove("content-length");
        headers.remove("content-type");
        return (headers, Vec::new());
    }
    headers.set_in_place("content-length", response.body.len().to_string());
    if headers.get("content-type").is_none() {
        headers.add("content-type", "text/plain");
    }
    if request.get(":method") == Some(b"HEAD") {
        return (headers, Vec::new());
    }
    (headers, response.body.clone())
}

/// `application/grpc`, or that with a suffix.
fn is_grpc(request: &HeaderMap) -> bool {
    let content_type = request.get("content-type").unwrap_or_default();
    let suffix = content_type.strip_prefix(b"application/grpc");
    suffix.is_some_and(|suffix| suffix.is_empty() || suffix.starts_with(b"+"))
}

fn make_trailers_only(headers: &mut HeaderMap, response: &LocalResponse) {
    headers.replace("content-type", "application/grpc");
    if headers.get("grpc-status").is_none() {
        let status = response
            .grpc_status
            .unwrap_or_else(|| grpc_status(response.status));
        headers.add("grpc-status", status.to_string());
    }
    if !response.body.is_empty() {
        headers.replace("grpc-message", percent_encoded(&response.body));
    }
    headers.remove("content-length");
}

/// The gRPC status of an HTTP status:
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
fn grpc_status(http: u32) -> u32 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// As the gRPC protocol writes a message: everything but printable ASCII, and `%`, is escaped.
fn percent_encoded(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for &byte in message {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => out.extend(format!("%{byte:02X}").into_bytes()),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(headers: &[(&str, &str)], body: &str) -> LocalResponse {
        LocalResponse {
            status: 400,
            headers: headers.iter().copied().collect(),
            body: body.into(),
            grpc_status: None,
            details: String::new(),
        }
    }

    fn prepared(response: &LocalResponse, request: &[(&str, &str)]) -> (HeaderMap, Vec<u8>) {
        prepare(response, &request.iter().copied().collect())
    }

    #[test]
    fn a_body_without_content_type_is_plain_text() {
        let (headers, body) = prepared(&refusal(&[], "no"), &[(":method", "GET")]);
        let expected = [
            (":status", "400"),
            ("content-length", "2"),
            ("content-type", "text/plain"),
        ];
        assert_eq!((headers, body), (expected.into_iter().collect(), b"no".to_vec()));
    }

    #[test]
    fn no_body_has_no_length() {
        let (headers, _) = prepared(&refusal(&[("content-length", "7"), ("x-a", "1")], ""), &[]);
        assert_eq!(headers, [(":status", "400"), ("x-a", "1")].into_iter().collect());
    }

    #[test]
    fn head_gets_the_length_and_no_body() {
        let (headers, body) = prepared(&refusal(&[], "no"), &[(":method", "HEAD")]);
        assert_eq!(
            (headers.get("content-length"), body),
            (Some(&b"2"[..]), Vec::new())
        );
    }

    #[test]
    fn grpc_gets_its_status_and_message_in_headers() {
        let mut response = refusal(&[("x-a", "1")], "50% is\nno key");
        response.grpc_status = Some(3);
        let (headers, body) = prepared(&response, &[("content-type", "application/grpc+proto")]);
        assert_eq!(body, b"");
        assert_eq!(headers.text(":status").as_deref(), Some("200"));
        assert_eq!(headers.text("grpc-status").as_deref(), Some("3"));
        assert_eq!(headers.text("grpc-message").as_deref(), Some("50%25 is%0Ano key"));
        assert_eq!(
            prepared(&refusal(&[], ""), &[("content-type", "application/grpc")])
                .0
                .text("grpc-status")
                .as_deref(),
            Some("13")
        );
    }
}
