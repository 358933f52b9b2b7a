//! Envoy's configuration: a listener and its clusters for each scenario.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::upstream::Upstreams;
use crate::probes::{FailurePolicy, Probe};
use crate::scenario::{Cluster, Route, Scenario, Target};

pub(super) const ADMIN_PORT: u16 = 9_901;
/// Answers by itself.
pub(super) const IDLE_PORT: u16 = 9_902;
const FIRST_PORT: u16 = 10_000;
/// The name of what stands behind it.
pub(super) const IDLE: &str = "idle";
/// The names of a chain's filters.
pub(crate) const FILTERS: [&str; 3] = ["a", "b", "c"];

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// The port of a scenario's listener.
pub(super) fn port(scenario: &str) -> u16 {
    let place = crate::all()
        .iter()
        .position(|known| known.name == scenario)
        .unwrap();
    FIRST_PORT + u16::try_from(place).unwrap()
}

/// Where a filter's module is.
pub(super) fn module(folder: &Path, scenario: &Scenario, filter: &str) -> PathBuf {
    folder.join(format!("{}.{filter}.wasm", scenario.name))
}

pub(super) fn bootstrap(ip: IpAddr, scenarios: &[Scenario], upstreams: &Upstreams, folder: &Path) -> Value {
    let clusters: Vec<Value> = scenarios
        .iter()
        .flat_map(|scenario| {
            let clusters = scenario.clusters.iter();
            clusters.map(|cluster| cluster_config(scenario, cluster, upstreams.addresses(scenario, cluster)))
        })
        .collect();
    json!({
        "node": {"id": "node-1", "cluster": "conformance"},
        "admin": {"address": socket(SocketAddr::new(ip, ADMIN_PORT))},
        "dynamic_resources": {
            "lds_config": {"path_config_source": {"path": folder.join("listeners.json")}, "resource_api_version": "V3"},
        },
        "static_resources": {"clusters": clusters},
    })
}

/// Listeners come by xDS, where one that Envoy refuses doesn't harm the others.
pub(super) fn listeners(ip: IpAddr, scenarios: &[Scenario], folder: &Path) -> Value {
    let mut resources: Vec<Value> = scenarios
        .iter()
        .map(|scenario| {
            let filters = scenario.filters.iter().zip(FILTERS);
            let filters = filters
                .map(|(probe, name)| wasm(scenario, probe, name, folder))
                .collect();
            listener(
                SocketAddr::new(ip, port(scenario.name)),
                scenario.name,
                filters,
                routes(scenario),
            )
        })
        .collect();
    let idle = idle();
    let filter = wasm(&idle, &idle.filters[0], FILTERS[0], folder);
    let answer = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]);
    resources.push(listener(
        SocketAddr::new(ip, IDLE_PORT),
        IDLE,
        vec![filter],
        answer,
    ));
    json!({"version_info": "1", "resources": resources})
}

/// Says the path of each request.
pub(super) fn idle() -> Scenario {
    let say = "(!start) (!put ':path=') (!ok (!proxy_get_header_map_value #0 ':path' #16 #20))
        (!put (i32.load #16) (i32.load #20)) (!put_byte #32) (!flush)";
    Scenario::new(Probe::quiet().on("request_headers", say)).named(IDLE)
}

fn listener(address: SocketAddr, name: &str, mut filters: Vec<Value>, routes: Value) -> Value {
    filters.push(json!({
        "name": "router",
        "typed_config": {"@type": format!("{TYPES}.filters.http.router.v3.Router")},
    }));
    let manager = json!({
        "@type": format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": name,
        "generate_request_id": false,
        "route_config": {
            "name": "routes",
            "virtual_hosts": [{"name": "everything", "domains": ["*"], "routes": routes}],
        },
        "http_filters": filters,
    });
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": socket(address),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    })
}

fn routes(scenario: &Scenario) -> Value {
    let rest = Route {
        prefix: "/",
        target: Target::Cluster("up"),
    };
    let routes = scenario.routes.iter().chain([&rest]);
    routes.map(|route| route_config(scenario, route)).collect()
}

fn route_config(scenario: &Scenario, route: &Route) -> Value {
    let action = match route.target {
        Target::Cluster(name) => json!({"cluster": scenario.cluster_name(name)}),
        Target::Header(name) => json!({"cluster_header": name}),
    };
    let mut action = action;
    if let Value::Object(action) = &mut action {
        let predicate = json!({
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": format!("{TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate")},
        });
        let back_off = json!({"base_interval": "0.001s", "max_interval": "0.002s"});
        let policy = json!({
            "retry_host_predicate": [predicate],
            "host_selection_retry_max_attempts": 5,
            "retry_back_off": back_off,
        });
        action.insert("retry_policy".to_owned(), policy);
    }
    json!({"name": format!("to {}", route.prefix), "match": {"prefix": route.prefix}, "route": action})
}

fn wasm(scenario: &Scenario, probe: &Probe, name: &str, folder: &Path) -> Value {
    let policy = match probe.failure_policy {
        FailurePolicy::Closed => "FAIL_CLOSED",
        FailurePolicy::Open => "FAIL_OPEN",
        FailurePolicy::Reload => "FAIL_RELOAD",
    };
    let config = json!({
        "name": name,
        "root_id": name,
        "failure_policy": policy,
        "allow_on_headers_stop_iteration": probe.allow_on_headers_stop_iteration,
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": probe.configuration},
        "vm_config": {
            "vm_id": scenario.name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module(folder, scenario, name)}},
        },
    });
    json!({
        "name": name,
        "typed_config": {"@type": format!("{TYPES}.filters.http.wasm.v3.Wasm"), "config": config},
    })
}

fn cluster_config(scenario: &Scenario, cluster: &Cluster, addresses: &[SocketAddr]) -> Value {
    let name = scenario.cluster_name(cluster.name);
    let protocol = if cluster.http1 {
        "http_protocol_options"
    } else {
        "http2_protocol_options"
    };
    let options = json!({
        "@type": format!("{TYPES}.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": {protocol: {}},
    });
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|address| json!({"endpoint": {"address": socket(*address)}}))
        .collect();
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {format!("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"): options},
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
