"""The caches that are compared, as Envoy filters."""

from pathlib import Path

import peers
from peers import HTTP, TYPE, Json, Peer
from weirlib import static

WEIR = "edge-cache"
PACKAGE = f"weir-{WEIR}"


def native(ports: list[int]) -> Peer:
    """Envoy's own cache filter, with the store in memory that comes with it.

    As it is by default: no answer with Vary is stored. With `allowed_vary_headers` Envoy 1.40.0 ends with a
    segmentation fault at the first answer that they let in.
    """
    config = {
        "@type": f"{HTTP}.cache.v3.CacheConfig",
        "typed_config": {"@type": f"{TYPE}envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig"},
    }
    return _cache("native", "Envoy's cache filter", {"name": "cache", "typed_config": config}, ports)


def weir(module: Path, ports: list[int]) -> Peer:
    """Weir's filter, with the configuration of its static file."""
    configuration = static.configuration(static.path(WEIR))
    return _cache(WEIR, WEIR, peers.wasm(WEIR, module, configuration), ports)


def _cache(name: str, title: str, own: Json, ports: list[int]) -> Peer:
    return Peer(name, title, (own,), {"cluster": "backend"}, (peers.cluster("backend", ports),))
