"""The Envoy configurations that are compared: alike but for the one thing measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TYPE = "type.googleapis.com/"
HTTP = f"{TYPE}envoy.extensions.filters.http"
SHARDS = ("a", "b", "c")
KEY = "x-user-id"
CLUSTER_HEADER = "x-weir-cluster"
# The longest answer of a route without an upstream, bytes.
MOST_DIRECT = 1 << 20

LUA = """
function envoy_on_request(handle)
  local key = handle:headers():get("x-user-id") or ""
  local hash = 5381
  for index = 1, #key do
    hash = (hash * 33 + string.byte(key, index)) % 4294967296
  end
  handle:headers():replace("x-shard", tostring(hash % 3))
end
"""


@dataclass(frozen=True)
class Peer:
    """One way to handle a request: HTTP filters before the router, a route action, clusters.

    `proof`: a header that only a filter at work puts on answers. `routes`: in place of one for the action.
    """

    name: str
    title: str
    filters: tuple[Json, ...]
    action: Json
    clusters: tuple[Json, ...]
    proof: str = ""
    routes: tuple[Json, ...] = ()


def none(ports: list[int]) -> Peer:
    """Round robin, no filter but the router."""
    return Peer("none", "no filter", (), {"cluster": "backend"}, (cluster("backend", ports),))


def ring_hash(ports: list[int]) -> Peer:
    """Envoy's own ring hash by a header."""
    action = {"cluster": "backend", "hash_policy": [{"header": {"header_name": KEY}}]}
    return Peer("ring-hash", "native ring_hash", (), action, (cluster("backend", ports, "RING_HASH"),))


def lua(ports: list[int]) -> Peer:
    """A Lua filter that hashes a header and sets another."""
    config = {"@type": f"{HTTP}.lua.v3.Lua", "default_source_code": {"inline_string": LUA}}
    chain = ({"name": "lua", "typed_config": config},)
    return Peer("lua", "Lua: hash a header, set one", chain, {"cluster": "backend"}, (cluster("backend", ports),))


def noop(name: str, title: str, ports: list[int], module: Path) -> Peer:
    """A Wasm filter that does nothing."""
    chain = (wasm(name, module, ""),)
    return Peer(name, title, chain, {"cluster": "backend"}, (cluster("backend", ports),))


def routed_noop(module: Path, clusters: dict[str, list[int]]) -> Peer:
    """A Wasm filter that does nothing, on the shard router's route: the client names the cluster."""
    chain = (wasm("noop", module, ""),)
    named = tuple(cluster(name, members) for name, members in clusters.items())
    return Peer("noop-routed", "Wasm no-op, packed, cluster_header", chain, {"cluster_header": CLUSTER_HEADER}, named)


def shard_router(module: Path, configuration: str, clusters: dict[str, list[int]]) -> Peer:
    """The shard router with its compiled configuration, and the clusters that it names."""
    chain = (wasm("shard-router", module, configuration),)
    action = {"cluster_header": CLUSTER_HEADER}
    named = tuple(cluster(name, members) for name, members in clusters.items())
    return Peer("shard-router", "shard-router", chain, action, named)


def wasm(name: str, module: Path, configuration: str) -> Json:
    """A Wasm filter, as the control plane configures one."""
    code = {"local": {"filename": str(module)}}
    plugin = {
        "name": name,
        "root_id": name,
        "vm_config": {"vm_id": f"weir.{name}", "runtime": "envoy.wasm.runtime.v8", "code": code},
        "configuration": {"@type": f"{TYPE}google.protobuf.StringValue", "value": configuration},
        "failure_policy": "FAIL_RELOAD",
    }
    return {"name": name, "typed_config": {"@type": f"{HTTP}.wasm.v3.Wasm", "config": plugin}}


def cluster(name: str, ports: list[int], policy: str = "ROUND_ROBIN") -> Json:
    """A static cluster of loopback endpoints."""
    endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": policy,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def address(port: int) -> Json:
    """A loopback address."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def bootstrap(peer: Peer, port: int, admin: int) -> Json:
    """A whole Envoy configuration: one listener, one route."""
    router = {"name": "router", "typed_config": {"@type": f"{HTTP}.router.v3.Router"}}
    routes = list(peer.routes) or [{"match": {"prefix": "/"}, "route": peer.action}]
    hosts = [{"name": "all", "domains": ["*"], "routes": routes}]
    manager = {
        "@type": f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "route_config": {"virtual_hosts": hosts, "max_direct_response_body_size_bytes": MOST_DIRECT},
        "http_filters": [*peer.filters, router],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listener = {"name": "bench", "address": address(port), "filter_chains": [chain]}
    return {
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": [listener], "clusters": list(peer.clusters)},
    }
