"""Rate limits: Envoy's CPU time per request, added latency, and the memory of many keys, limiters side by side."""

import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import course
import limiters
import load
import memory
import peers
import report
import service
from weirlib import output, prepare
from weirlib.places import SCRIPTS, target
from weirlib.prepare import Tools

MODULES = ("weir-rate-limit", "weir-noop-filter")
# One request at a time: what a filter adds to its latency, and no queue.
ALONE = 1
MOST_CPU, LEAST_LATENCY, MOST_MIB = 1.3, 10.0, 16.0
Growths = dict[str, list[memory.Growth]]


def bench(ready: Tools, rounds: int, seconds: int, name: str | None) -> int:
    """Measures, prints, and writes the result file when it has a name."""
    programs, wrk = service.fetch(), load.generator()
    modules = _build(ready)
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
        upstream = list(course.backend(ready, folder, running).values())
        every = _contenders(modules, upstream, service.start(ready, programs, folder, running))
        script = load.write(folder, "load.lua", load.SCRIPT)
        track = course.Course(ready, folder, wrk, script, seconds)
        output.say("CPU time per request:")
        busy = course.go_round(rounds, every, track.run)
        output.say(f"latency, connections: {ALONE}:")
        alone = course.go_round(rounds, every, lambda peer: track.run(peer, ALONE))
        output.say(f"memory, keys: {memory.KEYS}:")
        growths = course.go_round(rounds, _keepers(modules, upstream), lambda peer: memory.growth(track, peer))
    titles = {peer.name: peer.title for peer in every}
    print(f"{report.table(busy, titles)}\n\none request at a time\n{_latencies(alone, titles)}\n")
    print(f"{_memories(growths, titles)}\n")
    found = _verdicts(busy, alone, growths)
    output.say(report.caution(busy))
    if name:
        about = _about(ready, programs, rounds, seconds)
        held = {peer: list(map(asdict, growth)) for peer, growth in growths.items()}
        samples = {"peers": report.peers(busy, titles), "alone": report.peers(alone, titles), "memory": held}
        report.store(SCRIPTS / "results" / f"{name}.json", {**about, **found, **samples})
    return 0


def _build(ready: Tools) -> dict[str, Path]:
    prepare.build(ready, "release", ("weir-sample-backend",))
    prepare.build(ready, programs=("weir-server",))
    out = target() / "limits-modules"
    prepare.pack(ready, MODULES, out)
    return prepare.packed(out)


def _contenders(modules: dict[str, Path], upstream: list[int], remote: int) -> list[peers.Peer]:
    """Every limiter, in the order of the table."""
    return [
        peers.none(upstream),
        peers.noop("noop", "Wasm no-op", upstream, modules["noop"]),
        *limiters.weirs(modules["rate-limit"], upstream),
        limiters.local(upstream),
        limiters.remote(upstream, remote),
    ]


def _keepers(modules: dict[str, Path], upstream: list[int]) -> list[peers.Peer]:
    """Whose memory is compared."""
    configuration = limiters.compiled([limiters.limit(window="24h")])
    return [
        peers.noop("noop", "Wasm no-op", upstream, modules["noop"]),
        limiters.rate_limit("rate-limit", "rate-limit", upstream, modules["rate-limit"], configuration),
    ]


def _added(alone: report.Rounds, name: str, field: str) -> list[float]:
    """What a peer adds to a percentile of the latency, round by round, µs."""
    pairs = zip(alone[name], alone["none"], strict=True)
    return [getattr(sample, field) - getattr(floor, field) for sample, floor in pairs]


def _latencies(alone: report.Rounds, titles: dict[str, str]) -> str:
    head = ("peer", "p50 µs", "added", "p99 µs", "added")
    lines = [head]
    for name, samples in alone.items():
        cells = [
            report.spread(values, 0)
            for field in ("p50_us", "p99_us")
            for values in ([getattr(sample, field) for sample in samples], _added(alone, name, field))
        ]
        lines.append((titles[name], *cells))
    return report.columns(lines)


def _memories(growths: Growths, titles: dict[str, str]) -> str:
    lines = [("peer", f"RSS MiB, {memory.KEYS} keys", "allocated MiB")]
    for name, grown in growths.items():
        rss, allocated = [each.rss_mib for each in grown], [each.allocated_mib for each in grown]
        lines.append((titles[name], report.spread(rss), report.spread(allocated)))
    return report.columns(lines)


def _verdicts(busy: report.Rounds, alone: report.Rounds, growths: Growths) -> dict[str, object]:
    """Prints the verdicts; they and the figures that they are made of, for the result file."""
    for name in ("rate-limit", "untold", "three", "off"):
        print(report.verdict(busy, name, "noop", MOST_CPU if name == "rate-limit" else None))
    added = {name: statistics.median(_added(alone, name, "p50_us")) for name in alone}
    own, remote = added["rate-limit"], added["remote"]
    times = remote / own if own > 0 else None
    if times is None:
        print("latency: no verdict, rate-limit came out no slower than no filter; take more or longer rounds")
    else:
        met = "met" if times >= LEAST_LATENCY else "missed"
        print(f"remote: adds {times:.1f} times rate-limit's latency; aim at least {LEAST_LATENCY:.0f}: {met}")
    kept = {
        field: _middle(growths["rate-limit"], field) - _middle(growths["noop"], field)
        for field in ("rss_mib", "allocated_mib")
    }
    met = "met" if kept["rss_mib"] <= MOST_MIB else "missed"
    print(f"rate-limit: {kept['rss_mib']:.1f} MiB for {memory.KEYS} keys; aim at most {MOST_MIB:.0f}: {met}")
    return {
        "added_cost_ratio": report.ratio(busy, "rate-limit", "noop"),
        "added_cost_ratio_aim": MOST_CPU,
        "added_latency_ratio": times,
        "added_latency_ratio_aim": LEAST_LATENCY,
        "memory_mib": kept,
        "memory_mib_aim": MOST_MIB,
        "waited_for_core": report.busy(busy),
        "added_p50_us": added,
        "added_p99_us": {name: statistics.median(_added(alone, name, "p99_us")) for name in alone},
    }


def _middle(grown: list[memory.Growth], field: str) -> float:
    return statistics.median(getattr(each, field) for each in grown)


def _about(ready: Tools, programs: tuple[Path, str], rounds: int, seconds: int) -> dict[str, object]:
    return {
        "envoy": course.envoy_version(ready),
        **service.versions(programs),
        "command": f"scripts/bench --limits --rounds {rounds} --seconds {seconds}",
        "load": load.described("load.lua", seconds),
        "load_alone": load.described("load.lua", seconds, ALONE),
        "measure": "Envoy's CPU time (schedstat, all threads) over requests answered, one worker; alone: wrk's latency",
    }
