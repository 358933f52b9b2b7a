//! Only requests that are meant for the API: a guard against DNS rebinding.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;
use http::uri::Authority;

use crate::problem::{HOST, ProblemDetails};
use crate::settings::Settings;

/// Refuses requests for host names that aren't the API's. One without any (no browser sends it) is let through.
pub(crate) async fn guard(State(settings): State<Arc<Settings>>, request: Request, next: Next) -> Response {
    let in_headers = request
        .headers()
        .get_all(header::HOST)
        .iter()
        .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let in_target = request.uri().authority().map(ToString::to_string);
    let unknown = in_headers
        .chain(in_target)
        .find(|host| !is_known(host, &settings.hosts));
    match unknown {
        None => next.run(request).await,
        Some(host) => {
            let detail =
                format!("host {host:?}: expected an IP address, localhost or a name that is configured");
            ProblemDetails::new(&HOST, detail).into_response()
        }
    }
}

fn is_known(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_addresses_localhost_and_configured_names() {
        let names = ["weir.internal".to_owned()];
        for known in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
            "localhost",
            "LOCALHOST:1",
            "weir.internal:443",
        ] {
            assert!(is_known(known, &names), "{known}");
        }
        for unknown in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8080",
            "weir.internal.evil.example",
            "a b",
            "[::1",
        ] {
            assert!(!is_known(unknown, &names), "{unknown}");
        }
    }
}
