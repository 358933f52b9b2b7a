"""Cache hits: the server's CPU time for each, and the latency beside an answer of Envoy's own, caches side by side."""

import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import caches
import course
import load
import peers
import report
import servers
from servers import SIZES, Origin
from weirlib import output, ports, processes, web
from weirlib.output import Failure
from weirlib.places import SCRIPTS
from weirlib.prepare import Tools

# Objects that are asked for in turn, by size.
KEYS = {"small": 1_024, "large": 64}
# Connections: what a hit costs, and how long it takes with no queue.
LOADS = {"busy": load.CONNECTIONS, "alone": 1}
# So large a part of the requests may reach the origin where all should be hits.
MOST_MISSES = 0.001
SCRIPT = """
local requests, turn = {{}}, 0
function init()
  for key = 1, {keys} do requests[key] = wrk.format("GET", "/{size}/" .. key) end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"""
# By size and load.
Samples = dict[str, load.Sample]
Rounds = dict[str, list[Samples]]


@dataclass(frozen=True)
class Contestant:
    """A server, started on a port and the one after it."""

    name: str
    title: str
    start: Callable[[int], processes.Child]
    caches: bool = True


@dataclass(frozen=True)
class Track:
    """What every round needs."""

    folder: Path
    wrk: str
    origin: Origin
    seconds: int

    def run(self, contestant: Contestant) -> Samples:
        """One round: objects of each size under each load."""
        port = ports.free(2)
        server = contestant.start(port)
        try:
            return {
                f"{size}-{how}": self._sample(contestant, server, port, size, connections)
                for size in SIZES
                for how, connections in LOADS.items()
            }
        finally:
            processes.end([server])

    def _sample(
        self, contestant: Contestant, server: processes.Child, port: int, size: str, connections: int
    ) -> load.Sample:
        """Fills the cache, warms the server up, then measures; the origin tells whether the answers were hits."""
        fill(port, size)
        script = load.write(self.folder, f"{size}.lua", SCRIPT.format(keys=KEYS[size], size=size) + load.DONE)
        pinned = load.cores()[1]
        load.run(load.command(self.wrk, script, port, 1, connections), server.pid, pinned)
        before = self.origin.requests()
        sample = load.calm(load.command(self.wrk, script, port, self.seconds, connections), server.pid, pinned)
        missed = self.origin.requests() - before - 1
        if contestant.caches and missed > sample.requests * MOST_MISSES:
            raise Failure(f"{contestant.title}: the origin had {missed} requests while all should have been hits")
        return sample


def fill(port: int, size: str) -> None:
    """Asks for every object once, and looks at the answers."""
    connection = web.Connection(port)
    for key in range(1, KEYS[size] + 1):
        answer = connection.request("GET", f"/{size}/{key}")
        if answer.status != 200 or len(answer.body) != SIZES[size]:
            raise Failure(f"/{size}/{key} was answered {answer.status} with {len(answer.body)} bytes")
    connection.close()


def bench(ready: Tools, rounds: int, seconds: int, name: str | None) -> int:
    """Measures, prints, and writes the result file when it has a name."""
    programs, wrk = servers.fetch(), load.generator()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
        origin, child = servers.origin(ready, programs, folder)
        running.callback(processes.end, [child])
        every = contestants(ready, programs, folder, origin)
        track = Track(folder, wrk, origin, seconds)
        found = course.go_round(rounds, every, track.run)
    titles = {each.name: each.title for each in every}
    for size, length in SIZES.items():
        print(f"hits of {length} bytes\n{table(found, titles, size)}\n")
    flat = {who: [sample for samples in each for sample in samples.values()] for who, each in found.items()}
    output.say(report.caution(flat))
    if name:
        about = {
            "envoy": course.envoy_version(ready),
            **programs.versions(),
            "command": f"scripts/bench --cache --rounds {rounds} --seconds {seconds}",
            "load": {how: load.described("small.lua", seconds, count) for how, count in LOADS.items()},
            "measure": "the server's CPU time (schedstat, all its threads and processes) over requests, one worker",
            "waited_for_core": report.busy(flat),
        }
        report.store(SCRIPTS / "results" / f"{name}.json", {**about, "peers": document(found, titles)})
    return 0


def contestants(ready: Tools, programs: servers.Programs, folder: Path, origin: Origin) -> list[Contestant]:
    """Every server, in the order of the tables."""
    own = envoys(ready, [origin.port])
    outside = (("nginx", "nginx proxy_cache", servers.nginx), ("varnish", "Varnish", servers.varnish))
    return [
        *(envoy(ready, folder, peer) for peer in own),
        *(
            Contestant(name, title, lambda port, start=start: start(ready, programs, folder, port, origin.port))
            for name, title, start in outside
        ),
    ]


def envoys(ready: Tools, upstream: list[int]) -> list[peers.Peer]:
    """The floor first; Weir's own where it is there."""
    every = [caches.direct(servers.bodies()), caches.uncached(upstream), caches.native(upstream)]
    if lacking := caches.missing():
        output.say(f"    {caches.WEIR}: skipped, {lacking}")
        return every
    return [*every, caches.weir(caches.module(ready), upstream)]


def envoy(ready: Tools, folder: Path, peer: peers.Peer) -> Contestant:
    """An Envoy with one worker."""
    start = lambda port: course.launch(ready, folder, peer, port)  # noqa: E731
    return Contestant(peer.name, peer.title, start, peer.name != "uncached")


def table(rounds: Rounds, titles: dict[str, str], size: str) -> str:
    """One line a server; what is added is added to Envoy's direct answer."""
    head = ("server", "CPU µs/hit", "times native", "requests/s", "p50 µs, alone", "added", "p99 µs, alone", "added")
    return report.columns([head, *(row(rounds, name, titles[name], size) for name in rounds)])


def row(rounds: Rounds, name: str, title: str, size: str) -> tuple[str, ...]:
    """A server's line of the table."""
    cpu = values(rounds, name, f"{size}-busy", "cpu_us")
    rate = statistics.median(values(rounds, name, f"{size}-busy", "per_second"))
    times = ratio(rounds, name, size)
    latencies = [
        report.spread(found, 0)
        for field in ("p50_us", "p99_us")
        for found in (values(rounds, name, f"{size}-alone", field), added(rounds, name, f"{size}-alone", field))
    ]
    return (title, report.spread(cpu), f"{times:.2f}", f"{rate:.0f}", *latencies)


def values(rounds: Rounds, name: str, which: str, field: str) -> list[float]:
    """One field, round by round."""
    return [getattr(samples[which], field) for samples in rounds[name]]


def added(rounds: Rounds, name: str, which: str, field: str) -> list[float]:
    """What it is beyond that of Envoy's direct answer, round by round."""
    pairs = zip(values(rounds, name, which, field), values(rounds, "direct", which, field), strict=True)
    return [own - floor for own, floor in pairs]


def ratio(rounds: Rounds, name: str, size: str) -> float:
    """The CPU time of a hit, in units of that of Envoy's own cache, by medians."""
    own, native = (statistics.median(values(rounds, who, f"{size}-busy", "cpu_us")) for who in (name, "native"))
    return own / native


def document(rounds: Rounds, titles: dict[str, str]) -> list[dict[str, object]]:
    """All samples, server by server, with what the tables say."""
    return [
        {
            "name": name,
            "title": titles[name],
            "cpu_us_median": {size: _middle(values(rounds, name, f"{size}-busy", "cpu_us")) for size in SIZES},
            "times_native": {size: round(ratio(rounds, name, size), 3) for size in SIZES},
            "added_p50_us": {size: _middle(added(rounds, name, f"{size}-alone", "p50_us")) for size in SIZES},
            "added_p99_us": {size: _middle(added(rounds, name, f"{size}-alone", "p99_us")) for size in SIZES},
            "rounds": [{which: asdict(sample) for which, sample in samples.items()} for samples in found],
        }
        for name, found in rounds.items()
    ]


def _middle(found: list[float]) -> float:
    return round(statistics.median(found), 2)
