"""What second tries do to the tail: Envoy between replicas that are slow at times and an open loop of requests.

Every run is a fresh Envoy with fresh replicas; all runs of a part draw the same times. The load is low, so that what
else the machine does is seldom taken for a slow replica, nothing is pinned to a core, and both go before other
processes where the system lets them. How long Envoy waited for a core stands beside the figures.
"""

import json
import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import course
import edges
import instructions
import load
import report
from edges import SPLIT, Way
from peers import Json
from weirlib import output, ports, prepare, processes
from weirlib.places import SCRIPTS, binary, target
from weirlib.prepare import Tools

LAB = "weir-tail-lab"
MODULES = ("weir-request-hedge",)
REPLICAS, SEED, MILLION = 4, 1, 1_000_000
PARTS = ("replica", "brown-out", "tail")
# The last answers may take so long.
PATIENCE_S = 60
# Before this nothing is reported: the filter learns what is usual. Seconds.
WARM_UP = 12
# The parts of a request are spread over the time until the next one: a hundred at once are a queue in Envoy, on a
# machine of two cores, which is the tail then.
FAN_OUT, FAN_RATE, FAN_SPREAD_MS = 100, 4, 250
FAN_MINIMUM = 10
FAN, STUCK = f"fan-out {FAN_OUT}, {FAN_RATE}/s", "300 to 1200 ms"
TAIL_AIM, TAIL_EXTRA = 20.0, 2.0
# Trouble of the other parts: from when on, for how long, and for how long things are watched afterwards. Seconds.
RATE, TIMES, QUICK_TIMES = 300, (20, 15, 15), (14, 7, 5)
SLOWER = 10
RECOVERED, WITHIN = 2.0, 5
USUAL = {"kind": "stragglers", "median_ms": 10, "sigma": 0.4, "part": 0, "least_ms": 0}


@dataclass(frozen=True)
class Run:
    """What came of one way."""

    way: Way
    workers: int
    scenario: Json
    told: Json
    stats: dict[str, int]
    # How long Envoy waited for a core, as a part of the time that it ran.
    waited: float

    def window(self, name: str) -> Json:
        """The report of a part of the run."""
        return next(part for part in self.told["windows"] if part["name"] == name)

    def p99(self, name: str) -> float:
        """Of a part of the run, milliseconds."""
        return float(self.window(name)["ms"]["p99"])

    def typical(self, name: str) -> float:
        """The middle one of the seconds' p99, milliseconds: a stall of the machine spoils one second."""
        window = next(window for window in self.scenario["windows"] if window["name"] == name)
        seconds = self.told["seconds"][window["from_s"] : window["until_s"]]
        return float(statistics.median(second["ms"]["p99"] for second in seconds))

    def extra(self, name: str) -> float:
        """Further tries of a part of the run, percent."""
        return float(self.window(name)["extra_percent"])

    @property
    def failed(self) -> int:
        """Requests without their own whole answer."""
        return sum(self.told["failed"].values())

    @property
    def ejections(self) -> int:
        """How often a replica was taken out."""
        return sum(value for name, value in self.stats.items() if name.endswith("ejections_enforced_total"))

    def document(self) -> Json:
        """For the result file."""
        about = {"name": self.way.name, "title": self.way.title, "workers": self.workers}
        more = {"policy": self.way.policy, "scenario": self.scenario, "waited_for_core": round(self.waited, 2)}
        whole = {name: value for name, value in self.told.items() if name != "seconds"}
        stats = {name: value for name, value in self.stats.items() if value}
        return {**about, **more, "stats": stats, **whole, "by_second": self._by_second()}

    def _by_second(self) -> Json:
        """What troubles do second by second."""
        seconds = self.told["seconds"] if "trouble" in self.scenario else []
        columns = {"p99_ms": [second["ms"]["p99"] for second in seconds]}
        return {**columns, "extra_percent": [second["extra_percent"] for second in seconds]}


@dataclass(frozen=True)
class Track:
    """What every run needs."""

    ready: Tools
    folder: Path
    module: Path
    quick: bool

    def run(self, way: Way, scenario: Json, workers: int = 1) -> Run:
        """One way through a scenario."""
        output.say(f"==> {way.title}, {scenario['seconds']} s, {_count(workers, 'worker')}")
        first = ports.free(2 + REPLICAS)
        replicas = list(range(first + 2, first + 2 + REPLICAS))
        places = (first, first + 1)
        edge = edges.start(self.ready, self.folder, way, self.module, places, replicas, workers)
        try:
            before = load.scheduled_ns(edge.child.pid)
            told = self._send({**scenario, "target": first, "replicas": replicas, "seed": SEED})
            ran, waited = (now - then for now, then in zip(load.scheduled_ns(edge.child.pid), before, strict=True))
            stats = edge.settled(told["sent"]) if way.policy else edge.stats()
            return Run(way, workers, scenario, told, stats, waited / ran)
        finally:
            processes.end([edge.child])

    def _send(self, scenario: Json) -> Json:
        file = self.folder / "scenario.json"
        file.write_text(json.dumps(scenario))
        command, log = [str(binary(LAB, "release")), "--scenario", str(file)], self.folder / "lab.log"
        child = processes.Child("tail lab", command, log, self.ready.env)
        edges.prefer(child.pid)
        try:
            if child.process.wait(scenario["seconds"] + PATIENCE_S):
                child.check()
        finally:
            processes.end([child])
        told: Json = json.loads(child.output())
        return told


def hedged(quantile: float, percent: float, minimum: int, **more: object) -> Json:
    """A policy: after this quantile, so many percent of the requests and so many a second at least."""
    budget = {"ppm": round(percent * 10_000), "minPerSecond": minimum}
    return {"quantilePpm": round(quantile * MILLION), "budget": budget, "minDelayMs": 2, **more}


def bench(ready: Tools, what: str, quick: bool, name: str | None) -> int:
    """Measures `all` or one of the parts, prints, and writes the result files when they have names."""
    prepare.build(ready, "release", (LAB,))
    out = target() / "bench-modules"
    prepare.pack(ready, MODULES, out)
    met = measured(ready, prepare.packed(out)[edges.FILTER], what, quick, name)
    if what == "all" and not quick:
        instructions.bench(ready, "hedge", f"{name}-instructions" if name else None)
    return 0 if met else 1


def measured(ready: Tools, module: Path, what: str, quick: bool, name: str | None) -> bool:
    """The same with what is built, without the cost. Whether all aims are met."""
    measures = {"tail": _tail, "replica": _replica, "brown-out": _brown_out}
    found, met = {}, True
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        track = Track(ready, Path(folder), module, quick)
        for part in (part for part in PARTS if what in ("all", part)):
            runs, fine = measures[part](track)
            found[part], met = [run.document() for run in runs], met and fine
            if name:
                report.store(SCRIPTS / "results" / f"{name}.json", {**_about(ready, what), "parts": found})
    return met


def _about(ready: Tools, what: str) -> Json:
    return {
        "envoy": course.envoy_version(ready),
        "command": "scripts/bench --hedge" + ("" if what == "all" else f" {what}"),
        "measure": "open loop, times from the intended instant to the whole body, ms; one run each, nothing pinned",
        "load_average": round(os.getloadavg()[0], 1),
    }


# The tail at scale.


def _tail(track: Track) -> tuple[list[Run], bool]:
    """Requests of a hundred parts, of which few are stuck; then what quantile and budget buy."""
    without = Way("without", "no second tries")
    rare = [track.run(way, _fan(0.001, 8 if track.quick else 125)) for way in (without, _at(0.99, 2))]
    print(f"{FAN}, 0.1 % of single requests take {STUCK}\n{_fan_table(rare)}")
    met = _tail_verdict(*rare)
    if track.quick:
        return rare, met
    often = [track.run(way, _fan(0.01, 40)) for way in (without, _at(0.98, 2))]
    print(f"\n{FAN}, 1 % of single requests take {STUCK}\n{_fan_table(often)}\n")
    points = [(quantile, percent) for quantile in (0.95, 0.98) for percent in (0.5, 2.0)]
    curve = [track.run(_at(*point), _fan(0.001, 40)) for point in points]
    print(f"quantile and budget, 0.1 % of single requests take {STUCK}\n{_fan_table(curve)}\n")
    return [*rare, *often, *curve], met


def _at(quantile: float, percent: float) -> Way:
    title = f"after {quantile * 100:g} %, budget {percent:g} % + {FAN_MINIMUM}/s"
    return Way(f"hedged-{quantile}-{percent}", title, hedged(quantile, percent, FAN_MINIMUM))


def _fan(part: float, seconds: int) -> Json:
    latency = {"kind": "stragglers", "median_ms": 5, "sigma": 0.3, "part": part, "least_ms": 300}
    windows = [{"name": "known", "from_s": WARM_UP, "until_s": WARM_UP + seconds}]
    rate = {"per_second": FAN_RATE, "fan_out": FAN_OUT, "spread_ms": FAN_SPREAD_MS, "seconds": WARM_UP + seconds}
    return {**rate, "latency": latency, "windows": windows}


def _fan_table(runs: list[Run]) -> str:
    heads = ("requests", "p50 ms", "p99 ms", "p99.9 ms", "extra %", "failed", "Envoy waited")
    lines: list[tuple[str, ...]] = [("way", *heads)]
    for run in runs:
        part = run.window("known")
        times = tuple(f"{part['ms'][name]:.1f}" for name in ("p50", "p99", "p99_9"))
        more = (f"{run.extra('known'):.2f}", f"{run.failed}", f"{run.waited:.0%}")
        lines.append((run.way.title, f"{part['ms']['count']}", *times, *more))
    return report.columns(lines)


def _tail_verdict(without: Run, with_hedges: Run) -> bool:
    slow, fast = (run.window("known")["ms"]["p99_9"] for run in (without, with_hedges))
    times, extra = slow / fast, with_hedges.extra("known")
    met = times >= TAIL_AIM and extra <= TAIL_EXTRA
    aim = f"aim at least {TAIL_AIM:g} at no more than {TAIL_EXTRA:g} %"
    print(f"p99.9 is {times:.1f} times lower at {extra:.2f} % extra; {aim}: {_verdict(met)}")
    return met


# One slow replica.


def _replica(track: Track) -> tuple[list[Run], bool]:
    """One replica of four is ten times slower for a while."""
    policy = hedged(0.95, 30, 10)
    ways = [
        Way("without", "no second tries"),
        Way("hedged", "after 95 %, budget 30 %", policy),
        Way("hedged-outliers", "after 95 %, budget 30 %, outlier detection", policy, outliers=SPLIT),
        Way("hedged-unsplit", "the same, local errors not split", policy, outliers=""),
    ]
    runs = [track.run(way, _trouble(0, track.quick)) for way in (ways[:2] if track.quick else ways)]
    print(f"one of {REPLICAS} replicas {SLOWER} times slower for a while, {RATE}/s\n{_trouble_table(runs)}")
    hedging = [run for run in runs if run.way.policy and run.way.outliers != ""]
    met = all([_replica_verdict(run) for run in hedging])
    print()
    return runs, met


def _replica_verdict(run: Run) -> bool:
    healthy, then = run.typical("healthy"), run.typical("trouble")
    calm = run.extra("after") <= max(2 * run.extra("healthy"), run.extra("healthy") + 1)
    met = then <= RECOVERED * healthy and calm and run.ejections == 0
    print(
        f"{run.way.title}: p99 {WITHIN} s on is {then / healthy:.1f} times the healthy one (aim at most {RECOVERED:g}),"
        f" extra after recovery {run.extra('after'):.1f} % ({run.extra('healthy'):.1f} before),"
        f" {_count(run.ejections, 'ejection')}: {_verdict(met)}"
    )
    return met


# A brown-out.


def _brown_out(track: Track) -> tuple[list[Run], bool]:
    """All replicas are ten times slower for a while."""
    percent, minimum = 2.0, 10
    ways = [
        Way("without", "no second tries"),
        Way("hedged", f"after 98 %, budget {percent:g} % + {minimum}/s", hedged(0.98, percent, minimum)),
        Way("fixed", "Envoy alone: after 25 ms, no budget", per_try_ms=25),
    ]
    ways, counts = (ways[1:], (1,)) if track.quick else (ways, (1, 4))
    runs = [track.run(way, _trouble(None, track.quick), workers) for workers in counts for way in ways]
    print(f"all replicas {SLOWER} times slower for a while, {RATE}/s\n{_trouble_table(runs)}")
    most = percent + minimum * 100 / RATE
    met = all([_brown_out_verdict(run, most) for run in runs if run.way.policy])
    print()
    return runs, met


def _brown_out_verdict(run: Run, most: float) -> bool:
    worst = max(run.extra(name) for name in ("onset", "trouble", "after"))
    print(
        f"{_count(run.workers, 'worker')}: at most {worst:.2f} % extra in any part;"
        f" the budget allows {most:.2f}: {_verdict(worst <= most)}"
    )
    return worst <= most


def _trouble(replica: int | None, quick: bool) -> Json:
    begin, lasts, watched = QUICK_TIMES if quick else TIMES
    over = begin + lasts
    spans = {
        "healthy": (WARM_UP - 2, begin),
        "onset": (begin, begin + WITHIN),
        "trouble": (begin + WITHIN, over),
        "after": (over + 2, over + 2 + watched),
    }
    windows = [{"name": name, "from_s": first, "until_s": end} for name, (first, end) in spans.items()]
    trouble = {"from_s": begin, "until_s": over, "replica": replica, "times": SLOWER}
    rate = {"per_second": RATE, "seconds": over + 2 + watched}
    return {**rate, "latency": USUAL, "trouble": [trouble], "windows": windows}


def _trouble_table(runs: list[Run]) -> str:
    names = ("healthy", "onset", "trouble", "after")
    heads = (f"{name} {what}".strip() for what in ("p99", "extra %") for name in names)
    lines: list[tuple[str, ...]] = [("way", "workers", *heads, "ejections", "failed", "Envoy waited")]
    for run in runs:
        times = (f"{run.typical(name):.0f} ({run.p99(name):.0f})" for name in names)
        extras = (f"{run.extra(name):.2f}" for name in names)
        ends = (f"{run.ejections}", f"{run.failed}", f"{run.waited:.0%}")
        lines.append((run.way.title, f"{run.workers}", *times, *extras, *ends))
    return report.columns(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _verdict(met: bool) -> str:
    return "met" if met else "missed"
