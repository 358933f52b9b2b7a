"""The caches that the suite is run against, each in front of the suite's origin."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import caches
import peers
from weirlib import output, processes, static, web
from weirlib.prepare import Tools

Configure = Callable[[int, int, int], str]


@dataclass(frozen=True)
class Target:
    """An Envoy: its configuration for the ports of its listener, its admin interface and the origin."""

    name: str
    configure: Configure

    def start(self, ready: Tools, folder: Path, ports: tuple[int, int, int], workers: int) -> processes.Child:
        """Starts it with this many workers, each with what it keeps for itself."""
        config = folder / "envoy.yaml"
        config.write_text(self.configure(*ports))
        options = ["--concurrency", str(workers), "--use-dynamic-base-id", "--log-level", "warning"]
        command = [ready.env["WEIR_ENVOY"], "-c", str(config), *options]
        child = processes.Child(self.name, command, folder / "envoy.log", ready.env)
        child.wait_until(lambda: web.status(ports[1], "/ready") == 200, "ready")
        return child


def envoy_cache() -> Target:
    """Envoy's own cache."""

    def configure(port: int, admin: int, origin: int) -> str:
        return json.dumps(peers.bootstrap(caches.native([origin]), port, admin))

    return Target("envoy-cache", configure)


def weir(ready: Tools, file: Path | None) -> Target:
    """Weir's cache, with its static configuration or another file of the same shape."""
    module, chosen = caches.module(ready), file or static.path(caches.WEIR)

    def configure(port: int, admin: int, origin: int) -> str:
        own = {static.LISTENER: port, static.ADMIN: admin, static.UPSTREAM: origin}
        return static.rehomed(chosen, caches.WEIR, module, own)

    return Target("weir", configure)


def version(ready: Tools) -> str:
    """Envoy's, as it says itself."""
    said = output.attempt([ready.env["WEIR_ENVOY"], "--version"]) or ""
    return said.split("version:")[-1].strip()
