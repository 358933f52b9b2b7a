"""Many keys through a cache: Envoy's memory beside the policy's bound, and the hits where few keys are asked for often."""

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import caches
import course
import hits
import load
import memory
import report
import servers
from peers import Peer
from weirlib import output, ports, processes, static, web
from weirlib.lifetime import bound
from weirlib.output import Failure
from weirlib.places import SCRIPTS
from weirlib.prepare import Tools

# Envoy's own cache has no bound: it gets so many keys at most.
MOST_UNBOUNDED = 100_000
# Keys and requests of the workload in which the key of rank r is asked for in proportion to r to the power of -EXPONENT.
POPULAR, REQUESTS, EXPONENT = 100_000, 300_000, 0.9
# Requests per second that are waited for at least.
SLOWEST = 200
PARTS = 10
# What the process may grow by, beside the policy's bound.
MOST_GROWTH = 1.2
# Workers that each keep copies of their own.
MANY_WORKERS = 4
MANY = f"{caches.WEIR}, {MANY_WORKERS} workers"
COUNTER = re.compile(r"^wasmcustom\.(\S*cache\S*): (\d+)$", re.MULTILINE)

# Each key once, after which it stops.
EACH = """
local turn, answered, failed, last = 0, 0, 0, {keys}
function request()
  turn = turn % last + 1
  return wrk.format("GET", "/small/" .. turn)
end
function response(status)
  answered = answered + 1
  if status ~= 200 then failed = failed + 1 end
  if answered == last then
    io.write(string.format('{{"failed": %d}}\\n', failed))
    os.exit(0)
  end
end
"""
# What Cache-Status (RFC 9211) says of an answer, without the parameters that differ from answer to answer.
POPULARITY = """
local cumulative, seen, distinct, answered, failed, told = {{}}, {{}}, 0, 0, 0, {{}}
function init()
  math.randomseed(1)
  local total = 0
  for rank = 1, {keys} do
    total = total + rank ^ -{exponent}
    cumulative[rank] = total
  end
end
local function pick()
  local at, low, high = math.random() * cumulative[{keys}], 1, {keys}
  while low < high do
    local middle = math.floor((low + high) / 2)
    if cumulative[middle] < at then low = middle + 1 else high = middle end
  end
  return low
end
function request()
  local key = pick()
  if not seen[key] then seen[key], distinct = true, distinct + 1 end
  return wrk.format("GET", "/small/" .. key)
end
local function kind(status)
  if not status then return "no Cache-Status" end
  local detail = status:match('detail="?([%w_-]+)')
  local what = status:find("; ?hit") and "hit" or status:match("fwd=[%w-]+") or "other"
  return detail and what .. "; detail=" .. detail or what
end
function response(status, headers)
  answered = answered + 1
  if status ~= 200 then failed = failed + 1 end
  local what = kind(headers["cache-status"])
  told[what] = (told[what] or 0) + 1
  if answered == {requests} then
    local parts = {{}}
    for name, count in pairs(told) do parts[#parts + 1] = string.format('"%s": %d', name, count) end
    io.write(string.format('{{"failed": %d, "distinct": %d, "told": {{%s}}}}\\n', failed, distinct, table.concat(parts, ", ")))
    os.exit(0)
  end
end
"""


@dataclass(frozen=True)
class Growth:
    """Resident memory before the first key, at its peak, at each tenth of the keys, and after the last one; MiB."""

    keys: int
    before_mib: float
    peak_mib: float
    after_mib: float
    curve_mib: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Popularity:
    """How many requests the cache answered, and what an endless one would have; how far the process grew; what answers and
    counters say."""

    requests: int
    hit_rate: float
    best_rate: float
    grown_mib: float
    told: dict[str, int]
    counters: dict[str, int]


@dataclass(frozen=True)
class Track:
    """What every run needs."""

    ready: Tools
    folder: Path
    wrk: str
    origin: servers.Origin

    def growth(self, peer: Peer, keys: int) -> Growth:
        """Each key once."""
        with self._envoy(peer) as (envoy, port):
            before = rss_mib(envoy.pid)
            script = load.write(self.folder, "each.lua", EACH.format(keys=keys))
            curve = self._watched(script, port, keys, envoy)
            return Growth(keys, before, rss_mib(envoy.pid, "VmHWM"), rss_mib(envoy.pid), curve)

    def popularity(self, peer: Peer, workers: int = 1) -> Popularity:
        """Popular keys often, others hardly ever."""
        text = POPULARITY.format(keys=POPULAR, exponent=EXPONENT, requests=REQUESTS)
        with self._envoy(peer, workers) as (envoy, port):
            before, small = self.origin.requests(), rss_mib(envoy.pid)
            process = self._wrk(load.write(self.folder, "popularity.lua", text), port, REQUESTS)
            told = _told(process)
            missed = self.origin.requests() - before - 1
            envoy.check()
            grown = round(rss_mib(envoy.pid, "VmHWM") - small, 1)
            stats = web.request(port + 1, "GET", "/stats?filter=wasmcustom").body.decode()
        counters = {name: int(value) for name, value in COUNTER.findall(stats)}
        best = 1 - told["distinct"] / REQUESTS
        # Requests on their way when the last answer came have been counted by the origin alone.
        rate = max(0.0, 1 - missed / REQUESTS)
        return Popularity(REQUESTS, round(rate, 4), round(best, 4), grown, told["told"], counters)

    @contextmanager
    def _envoy(self, peer: Peer, workers: int = 1) -> Iterator[tuple[processes.Child, int]]:
        port = ports.free(2)
        envoy = course.launch(self.ready, self.folder, peer, port, workers=workers)
        try:
            yield envoy, port
        finally:
            processes.end([envoy])

    def _wrk(self, script: Path, port: int, requests: int) -> subprocess.Popen[str]:
        command = load.command(self.wrk, script, port, patience_s(requests))
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=bound(load.cores()[1]))

    def _watched(self, script: Path, port: int, keys: int, envoy: processes.Child) -> list[float]:
        """Sends the keys; the memory at each tenth of them."""
        start, curve = self.origin.requests(), list[float]()
        process = self._wrk(script, port, keys)
        while process.poll() is None:
            envoy.check()
            if self.origin.requests() - start >= (len(curve) + 1) * keys / PARTS:
                curve.append(rss_mib(envoy.pid))
            time.sleep(0.2)
        _told(process)
        return curve


def bench(ready: Tools, keys: int, name: str | None) -> int:
    """Measures, prints, and writes the result file when it has a name."""
    programs, wrk = servers.fetch(), load.generator()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
        origin, child = servers.origin(ready, programs, folder)
        running.callback(processes.end, [child])
        track = Track(ready, folder, wrk, origin)
        every = hits.envoys(ready, [origin.port])[1:]
        growths, rates = dict[str, Growth](), dict[str, Popularity]()
        for peer in every:
            many = min(keys, MOST_UNBOUNDED) if peer.name == "native" else keys
            output.say(f"==> {peer.title}: {many} keys, once each")
            growths[peer.name] = track.growth(peer, many)
            if peer.name != "uncached":
                output.say(f"==> {peer.title}: {REQUESTS} requests for {POPULAR} keys")
                rates[peer.name] = track.popularity(peer)
            if peer.name == caches.WEIR:
                output.say(f"==> the same, {MANY_WORKERS} workers")
                rates[MANY] = track.popularity(peer, MANY_WORKERS)
    titles = {peer.name: peer.title for peer in every} | {MANY: MANY}
    print(f"each key once, {servers.SIZES['small']} bytes\n{growth_table(growths, titles)}\n")
    print(f"key of rank r in proportion to r^-{EXPONENT}\n{rate_table(rates, titles)}")
    limit = bound_mib() if caches.WEIR in growths else None
    if limit:
        growth = growths[caches.WEIR]
        print(f"\n{verdict(caches.WEIR, growth.peak_mib - growth.before_mib, limit)}")
        print("\n".join(verdict(who, rates[who].grown_mib, limit) for who in (caches.WEIR, MANY)))
    if name:
        command = f"scripts/bench --cache-scan --keys {keys}"
        about = {"envoy": course.envoy_version(ready), **programs.versions(), "command": command}
        found = {
            "bound_mib": limit,
            "growth": {who: vars(each) for who, each in growths.items()},
            "popularity": {who: vars(each) for who, each in rates.items()},
        }
        report.store(SCRIPTS / "results" / f"{name}.json", {**about, **found})
    return 0


def verdict(who: str, grown: float, limit: float) -> str:
    """How far the process grew, beside what the policy lets the cache keep."""
    met = "met" if grown <= limit * MOST_GROWTH else "missed"
    told = f"{who} grew by {grown:.0f} MiB; the policy's bound is {limit:.0f} MiB"
    return f"{told}; aim at most {MOST_GROWTH:.1f} times that: {met}"


def growth_table(growths: dict[str, Growth], titles: dict[str, str]) -> str:
    """One line a cache."""
    lines = [("cache", "keys", "RSS MiB before", "at its peak", "after", "at each tenth")]
    for name, each in growths.items():
        sizes = (f"{size:.0f}" for size in (each.before_mib, each.peak_mib, each.after_mib))
        lines.append((titles[name], str(each.keys), *sizes, " ".join(f"{size:.0f}" for size in each.curve_mib)))
    return report.columns(lines)


def rate_table(rates: dict[str, Popularity], titles: dict[str, str]) -> str:
    """One line a cache."""
    lines = [("cache", "hits", "of an endless cache", "grew by MiB", "Cache-Status")]
    for name, each in rates.items():
        told = ", ".join(f"{what}: {count / each.requests:.1%}" for what, count in sorted(each.told.items()))
        lines.append((titles[name], f"{each.hit_rate:.1%}", f"{each.best_rate:.1%}", f"{each.grown_mib:.0f}", told))
    return report.columns(lines)


def bound_mib() -> float:
    """What Weir's policies let the cache keep."""
    configuration = json.loads(static.configuration(static.path(caches.WEIR)))
    return sum(policy["limits"]["totalBytes"] for policy in configuration["policies"].values()) / memory.MIB


def rss_mib(pid: int, which: str = "VmRSS") -> float:
    """Resident memory, now or (VmHWM) at its peak."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{which}:"))
    return round(kib * 1024 / memory.MIB, 1)


def patience_s(requests: int) -> int:
    """How long so many requests may take."""
    return 60 + requests // SLOWEST


def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What wrk says at its end; every answer must have been good."""
    said, _ = process.communicate()
    last = said.splitlines()[-1] if said.strip() else ""
    told = json.loads(last) if last.startswith("{") else {"failed": "not all answered"}
    if told["failed"]:
        raise Failure(f"the load failed: {told['failed']}; {last}")
    return told
