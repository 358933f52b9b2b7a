"""How soon a purge is in force: from the API's answer until the last worker of the last proxy serves what is new."""

import http.server
import json
import math
import os
import socket
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import course
import report
from weirlib import ports, prepare, processes, web
from weirlib.output import Failure, step
from weirlib.places import SCRIPTS, binary
from weirlib.prepare import Tools

WORKERS = 2
AIM_MS = 150.0
TAG = "page"
PATH = "/page"
# All proxies start at once, and each makes a dozen VMs.
STARTED_S = 300.0
# A purge that takes so long has failed.
PATIENCE_S = 10.0


class Server(http.server.ThreadingHTTPServer):
    """Every worker of every proxy may connect at once."""

    request_queue_size = 1_024


class Origin:
    """Answers with its version, which caches may keep for a day."""

    def __init__(self) -> None:
        origin = self
        self.version = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            """HTTP/1.1 with one kind of answer."""

            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """The version."""
                body = str(origin.version).encode()
                self.send_response(200)
                for name, value in (
                    ("cache-control", "max-age=86400"),
                    ("surrogate-key", TAG),
                    ("content-length", str(len(body))),
                ):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@dataclass
class Wire:
    """A kept connection, which belongs to one worker."""

    port: int
    link: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.link = socket.create_connection(("127.0.0.1", self.port), 10)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> None:
        """Sends the request."""
        self.link.sendall(f"GET {PATH} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n\r\n".encode())

    def version(self) -> int:
        """The version in the answer."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, body = data.split(b"\r\n\r\n", 1)
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if not head.startswith(b"HTTP/1.1 200") or not lengths:
            raise Failure(f"a proxy answered {head[:60]!r}")
        while len(body) < int(lengths[0]):
            body += self._more()
        return int(body)

    def _more(self) -> bytes:
        part = self.link.recv(65_536)
        if not part:
            raise Failure("a proxy closed its connection")
        return part


class Fleet:
    """A control plane, and proxies with a Gateway each, since each needs a port of its own here."""

    def __init__(self, ready: Tools, count: int, folder: Path, running: ExitStack) -> None:
        self.origin = Origin()
        first = ports.free(2 + 2 * count)
        self.rest, self.xds = first, first + 1
        self.listeners = range(first + 2, first + 2 + count)
        self.admins = range(first + 2 + count, first + 2 + 2 * count)
        self.folder, self.env, self.weir = folder, ready.env, str(binary("weir"))
        self.children: list[processes.Child] = []
        running.callback(lambda: processes.end(self.children))
        with step("control plane"):
            self._control_plane()
        with step(f"{count} proxies with {WORKERS} workers each"):
            self._proxies()

    def purge(self) -> None:
        """Purges the tag; returns with the API's answer."""
        answer = self._post("/v1/cache/purge", {"tags": [TAG]})
        if answer.status not in (200, 201, 202):
            raise Failure(f"the purge was answered with {answer.status}: {answer.body[:300]!r}")

    def wires(self) -> list[Wire]:
        """One connection to each worker of each proxy."""
        return [wire for at in range(len(self.listeners)) for wire in self._workers(at)]

    def _post(self, path: str, body: object) -> web.Answer:
        kind = {"content-type": "application/json"}
        return web.request(self.rest, "POST", path, kind, json.dumps(body).encode())

    def _launch(self, name: str, arguments: list[str]) -> processes.Child:
        child = processes.Child(name, [self.weir, *arguments], self.folder / f"{name}.log", self.env)
        self.children.append(child)
        return child

    def _control_plane(self) -> None:
        listen = ["--listen", f"127.0.0.1:{self.rest}", "--xds-listen", f"127.0.0.1:{self.xds}"]
        child = self._launch("serve", ["serve", *listen, "--data-dir", str(self.folder / "data")])
        child.wait_until(lambda: web.status(self.rest, "/healthz") == 200, "ready")
        answer = self._post("/v1/apply", {"documents": self._documents()})
        if answer.status != 200:
            raise Failure(f"the documents were refused: {answer.body.decode()}")

    def _documents(self) -> list[dict[str, object]]:
        endpoint = {"address": "127.0.0.1", "port": self.origin.port}
        routes = [{"name": "all", "backend": "origin"}]
        gateways = [
            _document("Gateway", f"edge-{at}", listeners=[{"address": "127.0.0.1", "port": port}], routes=routes)
            for at, port in enumerate(self.listeners)
        ]
        return [_document("Backend", "origin", endpoints=[endpoint]), *gateways, _document("CachePolicy", "pages")]

    def _proxies(self) -> None:
        for at, child in enumerate([self._proxy(at) for at in range(len(self.listeners))]):
            port = self.listeners[at]
            child.wait_until(lambda port=port: web.status(port, PATH) == 200, "serving", STARTED_S)
        processes.wait_until(self._all_ask, "every proxy asks for events", STARTED_S)

    def _proxy(self, at: int) -> processes.Child:
        node = ["--gateway", f"default/edge-{at}", "--id", f"edge-{at}", "--admin", f"127.0.0.1:{self.admins[at]}"]
        server = ["--server", f"http://127.0.0.1:{self.rest}", "--xds", f"127.0.0.1:{self.xds}"]
        places = ["--modules-dir", str(self.folder / "modules"), "--concurrency", str(WORKERS)]
        return self._launch(f"proxy-{at}", ["proxy", "run", *node, *server, *places, "--", "-l", "error"])

    def _all_ask(self) -> bool:
        lines = web.request(self.rest, "GET", "/metrics").body.decode().splitlines()
        return f"weir_proxy_polls {len(self.listeners)}" in lines

    def _workers(self, at: int) -> list[Wire]:
        port, admin = self.listeners[at], self.admins[at]
        found: dict[str, Wire] = {}
        deadline = time.monotonic() + 30
        while len(found) < WORKERS:
            if time.monotonic() > deadline:
                raise Failure(f"proxy {at}: connections reach {len(found)} of {WORKERS} workers")
            before, wire = _connections(admin, port), Wire(port)
            wire.ask()
            wire.version()
            after = _connections(admin, port)
            for worker in (name for name in after if after[name] > before.get(name, 0)):
                found.setdefault(worker, wire)
            if wire not in found.values():
                wire.link.close()
        return list(found.values())


def _document(kind: str, name: str, **spec: object) -> dict[str, object]:
    return {"apiVersion": "weir.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _connections(admin: int, port: int) -> dict[str, int]:
    """How many connections each worker has had."""
    pattern = f"listener.127.0.0.1_{port}.worker_[0-9]+.downstream_cx_total"
    answer = web.request(admin, "GET", f"/stats?format=json&filter={pattern.replace('+', '%2B')}")
    return {stat["name"]: int(stat["value"]) for stat in answer.json()["stats"] if "name" in stat}


def _until_new(wires: list[Wire], version: int, since: float) -> list[float]:
    """When each worker first served this version, milliseconds. All are asked at once, again and again."""
    waiting, times = wires, []
    while waiting:
        for wire in waiting:
            wire.ask()
        still = []
        for wire in waiting:
            seen = wire.version()
            if seen == version:
                times.append((time.monotonic() - since) * 1_000)
            else:
                still.append(wire)
        waiting = still
        if time.monotonic() - since > PATIENCE_S:
            raise Failure(f"after {PATIENCE_S:g} s {len(waiting)} workers still serve what was purged")
    return times


def _measure(fleet: Fleet, purges: int) -> tuple[list[float], list[float], list[float]]:
    """For each purge: how long the API took, the time of each worker, that of the last one; milliseconds."""
    wires = fleet.wires()
    api, every, last = [], [], []
    for _ in range(purges):
        fleet.origin.version += 1
        asked = time.monotonic()
        fleet.purge()
        answered = time.monotonic()
        api.append((answered - asked) * 1_000)
        times = _until_new(wires, fleet.origin.version, answered)
        every.extend(times)
        last.append(max(times))
    return api, every, last


def _quantiles(values: list[float]) -> dict[str, float]:
    """By nearest rank."""
    ordered = sorted(values)
    rank = lambda share: ordered[max(0, math.ceil(share * len(ordered)) - 1)]
    found = {"min": ordered[0], "p50": statistics.median(ordered), "p90": rank(0.9), "p99": rank(0.99), "max": ordered[-1]}
    return {name: round(value, 1) for name, value in found.items()}


def bench(ready: Tools, proxies: int, purges: int, name: str | None) -> int:
    """Purges again and again; with a name the figures are stored under it."""
    prepare.build(ready, programs=("weir-server",))
    prepare.pack(ready, prepare.FILTERS)
    return measured(ready, proxies, purges, name)


def measured(ready: Tools, proxies: int, purges: int, name: str | None) -> int:
    """The same with what is built."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
        fleet = Fleet(ready, proxies, folder, running)
        with step(f"{purges} purges"):
            api, every, last = _measure(fleet, purges)
    found = {"api": _quantiles(api), "each_worker": _quantiles(every), "last_worker": _quantiles(last)}
    rows = [(title, *(f"{value:.1f}" for value in values.values())) for title, values in found.items()]
    print(report.columns([("ms", *found["api"]), *rows]))
    met = found["last_worker"]["p99"] < AIM_MS
    print(f"last worker of {proxies} proxies: aim p99 < {AIM_MS:g} ms: {'met' if met else 'missed'}")
    if name:
        about = {
            "envoy": course.envoy_version(ready),
            "command": f"scripts/bench --purge --proxies {proxies} --purges {purges}",
            "measure": "from the API's answer to a purge by tag until a worker serves what is new, ms",
        }
        load = round(os.getloadavg()[0], 1)
        size = {"load_average": load, "proxies": proxies, "workers": WORKERS, "purges": purges, "aim_p99_ms": AIM_MS}
        report.store(SCRIPTS / "results" / f"{name}.json", {**about, **size, **found})
    return 0
