"""The caches that are compared, as Envoy filters."""

from pathlib import Path

import peers
from peers import HTTP, TYPE, Json, Peer
from weirlib import prepare, static
from weirlib.output import Failure
from weirlib.places import ROOT, target
from weirlib.prepare import Tools

WEIR = "edge-cache"
PACKAGE = f"weir-{WEIR}"


def missing() -> str:
    """Why Weir's own cache can't be run; empty when it can."""
    needed = (ROOT / "filters" / WEIR / "Cargo.toml", static.path(WEIR))
    return next((f"{path.relative_to(ROOT)} is missing" for path in needed if not path.exists()), "")


def module(ready: Tools) -> Path:
    """Builds Weir's filter."""
    if lacking := missing():
        raise Failure(f"there is no filter {WEIR}: {lacking}")
    out = target() / "cache-modules"
    prepare.pack(ready, (PACKAGE,), out)
    return prepare.packed(out)[WEIR]


def direct(bodies: dict[str, str]) -> Peer:
    """Answers that are Envoy's own, by the start of the path: what no cache inside Envoy can go below."""
    routes = tuple(
        {"match": {"prefix": f"/{name}/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}
        for name, body in bodies.items()
    )
    return Peer("direct", "Envoy direct_response", (), {}, (), routes=routes)


def uncached(ports: list[int]) -> Peer:
    """No cache: every request goes to the origin."""
    return Peer("uncached", "Envoy, no cache", (), {"cluster": "backend"}, (peers.cluster("backend", ports),))


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
