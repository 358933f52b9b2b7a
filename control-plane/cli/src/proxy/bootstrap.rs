//! The bootstrap of an Envoy that this control plane configures.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::uri::Authority;
use serde_json::{Value, json};
use weir_core::control;
use weir_core::metric::LABELS;
use weir_core::node::GatewayRef;

/// The static cluster of the control plane.
const XDS_CLUSTER: &str = "weir-xds";
/// The port of an `http` URL that names none (RFC 9110 section 4.2.1).
const HTTP_PORT: u16 = 80;

/// What tells one proxy's bootstrap from another's.
#[derive(Clone, Debug)]
pub(crate) struct Bootstrap {
    /// `node.id`.
    pub(crate) id: String,
    /// The Gateway that it serves: `node.cluster`.
    pub(crate) gateway: GatewayRef,
    /// The control plane's xDS address, with a port.
    pub(crate) xds: Authority,
    /// The control plane's REST address, for filters that ask there; none: they can't.
    pub(crate) rest: Option<Authority>,
    /// The folder of modules, absolute.
    pub(crate) modules_dir: PathBuf,
    /// The admin interface.
    pub(crate) admin: SocketAddr,
}

impl Bootstrap {
    /// The bootstrap in the proto3 JSON mapping of `envoy.config.bootstrap.v3.Bootstrap`.
    pub(crate) fn to_value(&self) -> Value {
        json!({
            "node": {
                "id": self.id,
                "cluster": self.gateway.to_string(),
                "metadata": {"weir": {"modulesDir": self.modules_dir}},
            },
            "admin": {"address": socket_address(&self.admin.ip().to_string(), self.admin.port())},
            "dynamic_resources": {
                "ads_config": ads_config(),
                "cds_config": over_ads(),
                "lds_config": over_ads(),
            },
            "static_resources": {"clusters": self.clusters()},
            "layered_runtime": runtime(),
            "stats_config": {"use_all_default_tags": true, "stats_tags": LABELS.map(tag)},
        })
    }

    fn clusters(&self) -> Vec<Value> {
        let xds = cluster(XDS_CLUSTER, &self.xds, &http2());
        let rest = self.rest.as_ref();
        let rest = rest.map(|rest| cluster(control::CLUSTER, rest, &http1()));
        std::iter::once(xds).chain(rest).collect()
    }
}

/// A host of the control plane.
fn cluster(name: &str, authority: &Authority, protocol: &Value) -> Value {
    let host = authority.host().trim_matches(['[', ']']);
    let is_address = host.parse::<IpAddr>().is_ok();
    let address = socket_address(host, authority.port_u16().unwrap_or(HTTP_PORT));
    json!({
        "name": name,
        "type": if is_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol,
        },
        // A control plane whose host is gone sends no FIN: without probes a stream would hang for good.
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 30, "keepalive_interval": 5},
        },
    })
}

/// The REST API closes connections that are idle for ten seconds; a request must not meet that.
fn http1() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": "5s"},
        "explicit_http_config": {"http_protocol_options": {}},
    })
}

fn http2() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {
            "http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}},
        },
    })
}

/// Envoy's default back-off leaves a proxy without a control plane for seconds after a restart, and it repeats the
/// node, tens of kilobytes, in every request.
fn ads_config() -> Value {
    json!({
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": true,
        "grpc_services": [{
            "envoy_grpc": {
                "cluster_name": XDS_CLUSTER,
                "retry_policy": {"retry_back_off": {"base_interval": "0.1s", "max_interval": "0.5s"}},
            },
        }],
    })
}

/// By default Envoy refuses a whole route table for one regular expression whose program is larger than 100, which is
/// less than `[a-z0-9]{64}` makes. The control plane bounds expressions by their length.
fn runtime() -> Value {
    json!({"layers": [{"name": "weir", "static_layer": {"re2.max_program_size.error_level": 100_000}}]})
}

/// 0 s: a proxy that can't reach the control plane waits for it; it does not go on with nothing.
fn over_ads() -> Value {
    json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"})
}

fn socket_address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}

/// Takes `.<label>.<value>` out of the names of Weir's metrics and makes it a label.
fn tag(label: &str) -> Value {
    json!({"tag_name": label, "regex": format!(r"^wasmcustom\.weir_.*?(\.{label}\.([^.]+))")})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Envoy takes the first group out of the name and makes the second the label's value.
    fn extract(name: &str, tag: &Value) -> Option<(String, String)> {
        let regex = regex_lite::Regex::new(tag["regex"].as_str().unwrap()).unwrap();
        let found = regex.captures(name)?;
        Some((found[1].to_owned(), found[2].to_owned()))
    }

    /// The name without its labels, and these in their order.
    fn take_labels(name: &str) -> (String, Vec<(&'static str, String)>) {
        let mut left = name.to_owned();
        let mut labels = Vec::new();
        for label in LABELS {
            if let Some((taken, value)) = extract(name, &tag(label)) {
                left = left.replace(&taken, "");
                labels.push((label, value));
            }
        }
        (left, labels)
    }

    #[test]
    fn labels_leave_the_name() {
        for (name, labels) in [
            (
                "weir_requests_total",
                &[
                    ("filter", "shard-router"),
                    ("outcome", "forwarded"),
                    ("map", "default_orders"),
                    ("shard", "a"),
                ][..],
            ),
            (
                "weir_requests_total",
                &[
                    ("filter", "rate-limit"),
                    ("outcome", "limited"),
                    ("policy", "default_api"),
                    ("limit", "shard"),
                ],
            ),
            (
                "weir_control_calls_total",
                &[("filter", "rate-limit"), ("call", "poll"), ("outcome", "timeout")],
            ),
        ] {
            let written = labels.iter().map(|(label, value)| format!(".{label}.{value}"));
            let written: String = written.collect();
            let (left, taken) = take_labels(&format!("wasmcustom.{name}{written}"));
            assert_eq!(left, format!("wasmcustom.{name}"));
            let taken: Vec<(&str, &str)> = taken
                .iter()
                .map(|(label, value)| (*label, value.as_str()))
                .collect();
            assert_eq!(taken, labels);
        }
    }

    #[test]
    fn other_metrics_keep_their_names() {
        for name in [
            "cluster.shard.a.upstream_rq",
            "http.filter.x.map.y",
            "wasmcustom.other.filter.x",
        ] {
            for tag in LABELS.map(tag) {
                assert_eq!(extract(name, &tag), None, "{name}");
            }
        }
    }
}
