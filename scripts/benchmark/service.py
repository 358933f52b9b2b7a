"""A rate limit service as others run it: github.com/envoyproxy/ratelimit with a Redis, on loopback."""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import limiters
import load
from weirlib import ports, processes, redis, web
from weirlib.output import Failure, attempt, require, step
from weirlib.places import cache
from weirlib.prepare import Tools

MODULE = "github.com/envoyproxy/ratelimit"
VERSION = "v1.4.1-0.20260122083618-3fb702589d36"
PACKAGE = f"{MODULE}/src/service_cmd@{VERSION}"
CONFIG = """domain: {domain}
descriptors:
  - key: {entry}
    rate_limit: {{unit: second, requests_per_unit: {requests}}}
"""


def fetch() -> tuple[Path, str]:
    """The service, built once, and the Redis server."""
    return _service(), redis.ready()


def start(ready: Tools, programs: tuple[Path, str], folder: Path, running: ExitStack) -> int:
    """Starts both; the port of the service's gRPC."""
    service, server = programs
    first = ports.free(4)
    store, http, grpc, debug = range(first, first + 4)
    others = load.cores()[1]
    command = [server, "--port", str(store), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    child = processes.Child("redis", [*command, "--dir", str(folder)], folder / "redis.log", ready.env, others)
    running.callback(processes.end, [child])
    child.wait_until(lambda: not ports.is_free(store), "its port")
    env = {**ready.env, **_settings(_runtime(folder), store, http, grpc, debug)}
    child = processes.Child("ratelimit", [str(service)], folder / "ratelimit.log", env, others)
    running.callback(processes.end, [child])
    child.wait_until(lambda: web.status(http, "/healthcheck") == 200, "healthy")
    return grpc


def versions(programs: tuple[Path, str]) -> dict[str, str]:
    """What was compared with."""
    said = attempt([programs[1], "--version"]) or ""
    return {"remote_service": PACKAGE, "redis": said.strip()}


def _runtime(folder: Path) -> Path:
    """The folder that the service reads its limits from."""
    root = folder / "ratelimit"
    (root / "config").mkdir(parents=True)
    limits = CONFIG.format(domain=limiters.DOMAIN, entry=limiters.ENTRY, requests=limiters.PLENTY)
    (root / "config" / "bench.yaml").write_text(limits)
    return root


def _settings(root: Path, store: int, http: int, grpc: int, debug: int) -> dict[str, str]:
    listen = {
        name: value
        for kind, port in (("", http), ("GRPC_", grpc), ("DEBUG_", debug))
        for name, value in ((f"{kind}HOST", "127.0.0.1"), (f"{kind}PORT", str(port)))
    }
    return {
        **listen,
        "RUNTIME_ROOT": str(root.parent),
        "RUNTIME_SUBDIRECTORY": root.name,
        "RUNTIME_WATCH_ROOT": "false",
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_URL": f"127.0.0.1:{store}",
        "USE_STATSD": "false",
        "LOG_LEVEL": "warn",
    }


def _service() -> Path:
    built = cache() / f"ratelimit-{VERSION}" / "service_cmd"
    if built.exists():
        return built
    if not shutil.which("go"):
        raise Failure(f"go is missing: {MODULE} is built with it", "install Go, on Debian: apt-get install golang")
    built.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the last rename can't leave half a file.
    with step(f"go install {PACKAGE}"), tempfile.TemporaryDirectory(dir=built.parent) as folder:
        env = {**os.environ, "GOBIN": folder, "GOFLAGS": "-mod=mod"}
        require(["go", "install", PACKAGE], "read the messages above", env, Path(folder))
        (Path(folder) / built.name).rename(built)
    return built
