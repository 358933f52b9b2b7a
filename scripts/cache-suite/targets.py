"""The caches that the suite is run against, each in front of the suite's origin."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import caches
import course
import peers
import servers
from weirlib import processes, static, web
from weirlib.prepare import Tools

# Off by default: guessed lifetimes, stale answers where the origin fails, stored Set-Cookie, Surrogate-Control.
POLICY = {
    "ttl": {"heuristic": {"percent": 10, "maxMs": 86_400_000}, "hitForMissMs": 10_000},
    "stale": {"whileRevalidateMs": 0, "ifErrorMs": 60_000},
    "storeSetCookie": True,
    "targets": ["weir-cache-control", "cdn-cache-control", "surrogate-control"],
}

# The ports of the listener, of Envoy's admin interface and of the origin.
Ports = tuple[int, int, int]


@dataclass(frozen=True)
class Target:
    """A cache: `start` runs it with a number of workers, its files in a folder. `versions`: of what it is."""

    name: str
    start: Callable[[Path, Ports, int], processes.Child]
    versions: dict[str, str]


def chosen(name: str, ready: Tools, file: Path | None) -> Target:
    """The target of this name; for Weir's cache, another file in place of its static configuration."""
    if name in OUTSIDE:
        return _outside(name, ready)
    return _weir(ready, file) if name == "weir" else _envoy_cache(ready)


def _outside(name: str, ready: Tools) -> Target:
    """A server that is not Envoy, as `scripts/bench --cache` runs it: with one worker."""
    programs = servers.fetch()

    def start(folder: Path, at: Ports, _workers: int) -> processes.Child:
        return OUTSIDE[name](ready, programs, folder, at[0], at[2])

    return Target(name, start, {name: programs.versions()[name]})


def _envoy_cache(ready: Tools) -> Target:
    """Envoy's own cache."""

    def configure(port: int, admin: int, origin: int) -> str:
        return json.dumps(peers.bootstrap(caches.native([origin]), port, admin))

    return _envoy("envoy-cache", ready, configure)


def _weir(ready: Tools, file: Path | None) -> Target:
    """Weir's cache, with its static configuration and what the suite asks for beside it, or another file as it is."""
    module, written = caches.module(ready), file or static.path(caches.WEIR)

    def configure(port: int, admin: int, origin: int) -> str:
        own = {static.LISTENER: port, static.ADMIN: admin, static.UPSTREAM: origin}
        text = static.rehomed(written, caches.WEIR, module, own)
        return text if file else asked_for(text, static.configuration(written))

    return _envoy("weir", ready, configure)


def asked_for(text: str, configuration: str) -> str:
    """With what the suite tests and Weir does only where a policy says so (`POLICY`)."""
    slot = json.loads(configuration)
    slot["policies"] = {name: policy | POLICY for name, policy in slot["policies"].items()}
    options = "http_protocol_options: {allow_custom_methods: true}"
    text = re.sub(r"^( *)stat_prefix: .*\n", rf"\g<0>\1{options}\n", text, flags=re.MULTILINE)
    return static.reconfigured(text, json.dumps(slot, indent=2))


def _envoy(name: str, ready: Tools, configure: Callable[[int, int, int], str]) -> Target:
    """An Envoy with the configuration for its ports."""

    def start(folder: Path, at: Ports, workers: int) -> processes.Child:
        config = folder / "envoy.yaml"
        config.write_text(configure(*at))
        options = ["--concurrency", str(workers), "--use-dynamic-base-id", "--log-level", "warning"]
        command = [ready.env["WEIR_ENVOY"], "-c", str(config), *options]
        child = processes.Child(name, command, folder / "envoy.log", ready.env)
        child.wait_until(lambda: web.status(at[1], "/ready") == 200, "ready")
        return child

    return Target(name, start, {"envoy": course.envoy_version(ready)})


OUTSIDE = {"nginx": servers.nginx, "varnish": servers.varnish}
NAMES = ("weir", "envoy-cache", *OUTSIDE)
