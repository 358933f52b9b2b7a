"""Instructions that Envoy runs for a request, counted by valgrind's callgrind: the same on a busy machine as on a quiet one."""

import re
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import course
import edges
import hits
import limiters
import load
import peers
import report
import servers
from weirlib import documents, output, packages, ports, prepare, processes, web
from weirlib.output import Failure
from weirlib.places import SCRIPTS, target
from weirlib.prepare import Tools

MODULES = ("weir-shard-router", "weir-rate-limit", "weir-noop-filter")
HEDGE = ("weir-request-hedge", "weir-noop-filter")
# V8 compiles what runs often once more, so that the first requests are not counted.
WARM_UP, COUNTED = 1_500, 2_000
# What hedging may add, beside the no-op.
AIM = 1.3
# A start under valgrind takes seconds where one without takes a tenth of one.
PATIENCE = 180.0
# The objects that a cache is asked for, all of them before the counting.
OBJECTS = 64
TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


# The target and the headers of the request with this number.
Ask = Callable[[int], tuple[str, dict[str, str]]]


@dataclass(frozen=True)
class Count:
    """Instructions of one request, on all of Envoy's threads."""

    name: str
    title: str
    instructions: int


def bench(ready: Tools, what: str, name: str | None) -> int:
    """Counts `all` there is, cache `hits` or `hedge` alone, prints, and writes the result file when it has a name."""
    _valgrind()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
        counts = [] if what == "hits" else _filters(ready, folder, running, what)
        hit = {} if what == "hedge" else _caches(ready, folder, running)
    if counts:
        print(f"{_table(counts)}\n")
    if what == "hedge":
        print(_verdict(counts))
    for size, found_hits in hit.items():
        print(f"hits of {servers.SIZES[size]} bytes\n{_hits(found_hits)}\n")
    if name:
        about = {
            "envoy": course.envoy_version(ready),
            "command": "scripts/bench --instructions" + ("" if what == "all" else f" {what}"),
            "measure": f"callgrind, one worker, one connection, {COUNTED} requests after {WARM_UP}",
        }
        found = {"peers": _told(counts)} if counts else {}
        told = {"hits": {size: _told(each) for size, each in hit.items()}} if hit else {}
        report.store(SCRIPTS / "results" / f"{name}.json", {**about, **found, **told})
    return 0


def _filters(ready: Tools, folder: Path, running: ExitStack, what: str) -> list[Count]:
    """Every filter, and its peers; or those of hedging."""
    modules = _build(ready, HEDGE if what == "hedge" else MODULES)
    upstream = course.backend(ready, folder, running)
    if what == "hedge":
        every = _hedging(modules, upstream)
    else:
        prepare.build(ready, programs=("weir-server",))
        every = _contenders(modules, upstream)
    return [_count(ready, folder, peer, course.start_envoy, _user) for peer in every]


def _caches(ready: Tools, folder: Path, running: ExitStack) -> dict[str, list[Count]]:
    """Every cache in Envoy, by the size of what it is asked for."""
    origin, child = servers.origin(ready, servers.fetch(), folder)
    running.callback(processes.end, [child])
    every = hits.envoys(ready, [origin.port])
    return {
        size: [_count(ready, folder, peer, course.launch, _object(size)) for peer in every] for size in servers.SIZES
    }


def _told(counts: list[Count]) -> list[dict[str, object]]:
    return [vars(count) for count in counts]


def _valgrind() -> None:
    if output.attempt(["valgrind", "--version"]) is None and not packages.install("valgrind"):
        raise Failure("valgrind, which counts instructions, is missing", "install it, on Debian: apt-get install valgrind")


def _build(ready: Tools, wanted: tuple[str, ...]) -> dict[str, Path]:
    prepare.build(ready, "release", ("weir-sample-backend",))
    out = target() / "instructions-modules"
    prepare.pack(ready, wanted, out)
    return prepare.packed(out)


def _contenders(modules: dict[str, Path], upstream: dict[str, int]) -> list[peers.Peer]:
    """Every peer, in the order of the table; the one that adds the floor of a Wasm filter second."""
    every = list(upstream.values())
    clusters = {
        documents.cluster(shard, kind): [port] for shard, port in upstream.items() for kind in ("read", "write")
    }
    return [
        peers.none(every),
        peers.noop("noop", "Wasm no-op", every, modules["noop"]),
        peers.ring_hash(every),
        replace(peers.lua(every), title="Lua: hash a header"),
        peers.shard_router(modules["shard-router"], documents.compiled(), clusters),
        limiters.local(every),
        *limiters.weirs(modules["rate-limit"], every),
    ]


def _hedging(modules: dict[str, Path], upstream: dict[str, int]) -> list[peers.Peer]:
    """What a request costs that may be sent twice, and one that may not. None is: no answer is so slow."""
    every = list(upstream.values())
    cold = {"coldStartDelayMs": 4_000, "minDelayMs": 4_000, "maxDelayMs": 4_000}
    plenty = {"budget": {"ppm": 500_000, "minPerSecond": 100}}
    ways = (
        ("armed", "request-hedge, armed", {**cold, **plenty}),
        ("shadow", "request-hedge, shadow", {**cold, **plenty, "shadow": True}),
        ("denied", "request-hedge, no budget", {**cold, "budget": {"ppm": 0, "minPerSecond": 0}}),
        ("unfit", "request-hedge, another method", {"methods": ["HEAD"]}),
    )
    hedge = lambda changes: peers.wasm(edges.FILTER, modules[edges.FILTER], edges.policy(changes))
    action, backend = {"cluster": "backend"}, (peers.cluster("backend", every),)
    return [
        peers.none(every),
        peers.noop("noop", "Wasm no-op", every, modules["noop"]),
        *(peers.Peer(name, title, (hedge(changes),), action, backend) for name, title, changes in ways),
    ]


def _user(number: int) -> tuple[str, dict[str, str]]:
    """A request of one user after the other."""
    user = number % load.KEYS + 1
    return f"/users/user-{user}/orders?page=1", load.headers(user)


def _object(size: str) -> Ask:
    """A request for one object of the origin after the other."""
    return lambda number: (f"/{size}/{number % OBJECTS + 1}", {})


def _count(ready: Tools, folder: Path, peer: peers.Peer, start: Callable[..., processes.Child], ask: Ask) -> Count:
    """One peer's Envoy under callgrind, which counts only between the two controls."""
    output.say(f"==> {peer.title}")
    port, out = ports.free(2), folder / f"{peer.name}.callgrind"
    tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--smc-check=all-non-file"]
    envoy = start(ready, folder, peer, port, [*tool, f"--callgrind-out-file={out}"], PATIENCE)
    try:
        _drive(port, WARM_UP, ask)
        _control(envoy, "--instr=on")
        _drive(port, COUNTED, ask)
        _control(envoy, "--dump")
        return Count(peer.name, peer.title, _total(envoy, out) // COUNTED)
    finally:
        processes.end([envoy])


def _control(envoy: processes.Child, what: str) -> None:
    subprocess.run(["callgrind_control", what, str(envoy.pid)], check=True, capture_output=True, timeout=PATIENCE)


def _drive(port: int, count: int, ask: Ask) -> None:
    connection = web.Connection(port)
    for number in range(count):
        answer = connection.request("GET", *ask(number))
        if answer.status != 200:
            raise Failure(f"a request was answered {answer.status}: {answer.body[:200]!r}")
    connection.close()


def _total(envoy: processes.Child, out: Path) -> int:
    """The first dump's total; Envoy writes it while it goes on."""
    dump = out.with_name(f"{out.name}.1")
    found: list[str] = []

    def written() -> bool:
        found[:] = TOTAL.findall(dump.read_text(errors="replace")) if dump.exists() else []
        return bool(found)

    envoy.wait_until(written, "the count", PATIENCE)
    return max(map(int, found))


def _table(counts: list[Count]) -> str:
    """What each adds to no filter, and how that compares with the no-op's."""
    floor, noop = counts[0].instructions, counts[1].instructions
    lines: list[tuple[str, ...]] = [("peer", "instructions/request", "added", "times the no-op's")]
    for count in counts:
        added = count.instructions - floor
        more = (f"{added:,}", f"{added / (noop - floor):.2f}") if added else ("", "")
        lines.append((count.title, f"{count.instructions:,}", *more))
    return report.columns(lines)


def _verdict(counts: list[Count]) -> str:
    """What a request that may be sent twice adds, beside the no-op."""
    floor, noop, armed = (count.instructions for count in counts[:3])
    times = (armed - floor) / (noop - floor)
    return f"armed: {times:.2f} times the no-op's; aim at most {AIM:.2f}: {'met' if times <= AIM else 'missed'}"


def _hits(counts: list[Count]) -> str:
    """What each takes beyond Envoy's direct answer, and how the whole compares with Envoy's own cache."""
    floor = counts[0].instructions
    native = next(count.instructions for count in counts if count.name == "native")
    lines: list[tuple[str, ...]] = [("cache", "instructions/hit", "beyond direct", "times native")]
    for count in counts:
        own = count.instructions
        lines.append((count.title, f"{own:,}", f"{own - floor:,}", f"{own / native:.2f}"))
    return report.columns(lines)
