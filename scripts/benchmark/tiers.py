"""The cache's tiers: how long a hit in each takes, and which of them answers where few keys are asked for often."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import caches
import course
import load
import pace
import peers
import report
import scan
import servers
from weirlib import output, ports, prepare, processes, redis, static, web
from weirlib.output import Failure
from weirlib.places import SCRIPTS, binary
from weirlib.prepare import Tools

# Objects, and how many of them are asked for in a second.
OBJECTS, RATE = 10_000, 500.0
LEAST_ANSWERED = 0.99
CLUSTER = "weir/default/tier"
TIMEOUT_MS, WAIT_MS = 1_000, 100
# What a hit in a tier may add to the 99th percentile of Envoy's own answers, ms.
AIMS = {"tier 1": 1.0, "tier 2": 5.0}
DETAIL = re.compile(rb'^cache-status: [^\r]*detail="?([\w-]+)', re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """Times from when each request was meant to leave, ms."""

    name: str
    p50_ms: float
    p99_ms: float
    added_p99_ms: float
    told: dict[str, int]


def bench(ready: Tools, name: str | None) -> int:
    """Measures, prints, and writes the result file when it has a name."""
    programs, wrk = servers.fetch(), load.generator()
    prepare.build(ready, "release", ("weir-server",))
    module = caches.module(ready)
    with _stand(ready, programs, module) as stand:
        rows = stand.rows()
    with _stand(ready, programs, module) as stand:
        output.say(f"==> {scan.REQUESTS} requests for {scan.POPULAR} keys")
        popular = scan.Track(ready, stand.folder, wrk, stand.origin).popularity(stand.peer)
    print(f"{RATE:.0f} requests a second, {servers.SIZES['small']} bytes\n{_table(rows)}\n\n{_verdicts(rows)}\n")
    print(f"key of rank r in proportion to r^-{scan.EXPONENT}\n{scan.rate_table({'tiers': popular}, {'tiers': 'tiers'})}")
    if name:
        about = {"envoy": course.envoy_version(ready), **programs.versions(), "command": "scripts/bench --cache-tiers"}
        found = {"rate": RATE, "latency": [asdict(row) for row in rows], "popularity": asdict(popular)}
        report.store(SCRIPTS / "results" / f"{name}.json", {**about, **found})
    return 0


@dataclass(frozen=True)
class Stand:
    """A cache tier on a Redis, and what is before it."""

    ready: Tools
    folder: Path
    origin: servers.Origin
    peer: peers.Peer
    redis_port: int

    def rows(self) -> list[Row]:
        """Envoy's own answers, then hits of either tier."""
        floor = self._paced(caches.direct(servers.bodies()))[0]
        output.say("==> the objects, into tier 2")
        self._paced(self.peer)
        self._wait_for_objects()
        second, first = self._paced(self.peer, twice=True)
        rows = [("Envoy direct_response", floor), ("tier 1", first), ("tier 2", second)]
        return [_row(name, paced, floor) for name, paced in rows]

    def _paced(self, peer: peers.Peer, twice: bool = False) -> list[pace.Paced]:
        """Each object once, or twice, of a fresh Envoy."""
        port = ports.free(2)
        envoy = course.launch(self.ready, self.folder, peer, port)
        try:
            output.say(f"==> {peer.title}: {OBJECTS} objects")
            turns = 2 if twice else 1
            return [pace.run(port, OBJECTS, RATE, lambda number: f"/small/{number}", DETAIL) for _ in range(turns)]
        finally:
            processes.end([envoy])

    def _wait_for_objects(self) -> None:
        """Objects are stored behind the clients' backs."""
        count = f"redis-cli -p {self.redis_port} dbsize"
        stored = lambda: int((output.attempt(count.split()) or "0").split()[-1]) >= OBJECTS  # noqa: E731
        processes.wait_until(stored, f"{OBJECTS} objects in Redis", 30.0)


@contextmanager
def _stand(ready: Tools, programs: servers.Programs, module: Path) -> Iterator[Stand]:
    """An origin, Redis and a cache tier, all of them new."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
        started = list[processes.Child]()
        running.callback(lambda: processes.end(started))

        def start(name: str, command: list[str]) -> processes.Child:
            log = folder / f"{name}.log"
            started.append(processes.Child(name, command, log, ready.env, load.cores()[1]))
            return started[-1]

        origin, child = servers.origin(ready, programs, folder)
        started.append(child)
        redis_port, port = ports.free(2), ports.free()
        options = ["--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        store = start("redis", [redis.ready(), *options])
        store.wait_until(lambda: "Ready to accept" in store.output(), "ready line")
        own = ["--listen", f"127.0.0.1:{port}", "--redis", f"redis://127.0.0.1:{redis_port}"]
        tier = start("cache-tier", [str(binary("weir", "release")), "cache-tier", *own])
        tier.wait_until(lambda: web.status(port, "/healthz") == 200, "healthy")
        yield Stand(ready, folder, origin, _peer(module, origin.port, port), redis_port)


def _peer(module: Path, origin: int, tier: int) -> peers.Peer:
    """Weir's filter, with the configuration of its static file and the tier."""
    told = json.loads(static.configuration(static.path(caches.WEIR)))
    for policy in told["policies"].values():
        policy["tier2"] = {"cluster": CLUSTER, "timeoutMs": TIMEOUT_MS, "waitMs": WAIT_MS}
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{peers.TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    clusters = (
        peers.cluster("backend", [origin]),
        {**peers.cluster(CLUSTER, [tier]), "typed_extension_protocol_options": http2},
    )
    chain = (peers.wasm(caches.WEIR, module, json.dumps(told)),)
    return peers.Peer("tiers", "edge-cache with tier 2", chain, {"cluster": "backend"}, clusters)


def _row(name: str, paced: pace.Paced, floor: pace.Paced) -> Row:
    p50, p99 = paced.quantile(0.5), paced.quantile(0.99)
    return Row(name, p50, p99, round(p99 - floor.quantile(0.99), 3), paced.told)


def _table(rows: list[Row]) -> str:
    lines = [("answered by", "p50 ms", "p99 ms", "added to p99", "Cache-Status")]
    for row in rows:
        told = ", ".join(f"{what} {count}" for what, count in sorted(row.told.items()))
        lines.append((row.name, f"{row.p50_ms:.3f}", f"{row.p99_ms:.3f}", f"{row.added_p99_ms:.3f}", told))
    return report.columns(lines)


def _verdicts(rows: list[Row]) -> str:
    """Beside the aims; a tier that did not answer nearly all is an error: few objects may still be on their way to it."""
    for row, detail in ((rows[1], ("memory", "shared")), (rows[2], ("tier2",))):
        answered = sum(row.told.get(each, 0) for each in detail)
        if answered < OBJECTS * LEAST_ANSWERED:
            raise Failure(f"{row.name} answered {answered} of {OBJECTS}: {row.told}")
    of = lambda row: f"{row.name}: aim at most {AIMS[row.name]:.0f} ms: " + (  # noqa: E731
        "met" if row.added_p99_ms <= AIMS[row.name] else "missed"
    )
    return "\n".join(map(of, rows[1:]))
