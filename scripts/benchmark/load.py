"""A bounded closed loop of GET requests, and the CPU time that Envoy spends on it."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from weirlib import packages
from weirlib.lifetime import bound
from weirlib.output import Failure

KEYS = 1_024
# A round in which Envoy waits for its core for more than this share of its running time is repeated, so often.
BUSY, REPEATS = 0.05, 2
CONNECTIONS = 32

# What wrk says at its end.
DONE = """
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests": %d, "failed": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d}\\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
"""

# Requests are made once, so that the load costs little: each of KEYS users in turn.
SCRIPT = (
    """
local requests, turn = {}, 0
function init()
  for user = 1, %d do
    local headers = {["x-user-id"] = "user-" .. user, ["user-agent"] = "bench", ["accept"] = "application/json",
      ["x-weir-cluster"] = "weir/default/orders/" .. string.sub("abc", user %% 3 + 1, user %% 3 + 1) .. "/read"}
    requests[user] = wrk.format("GET", "/users/user-" .. user .. "/orders?page=1", headers)
  end
end
function request()
  turn = turn %% #requests + 1
  return requests[turn]
end
"""
    % KEYS
    + DONE
)


def headers(user: int) -> dict[str, str]:
    """The headers by which peers choose an upstream; each looks at one of them."""
    return {"x-user-id": f"user-{user}", "x-weir-cluster": f"weir/default/orders/{'abc'[user % 3]}/read"}


@dataclass(frozen=True)
class Sample:
    """One round of one peer: per request, Envoy's time on a CPU and its time waiting for one; and what wrk saw."""

    cpu_us: float
    waited_us: float
    requests: int
    per_second: float
    p50_us: int
    p99_us: int

    @property
    def busy(self) -> float:
        """Envoy's time waiting for its core, as a share of the time that it ran."""
        return self.waited_us / self.cpu_us


def generator() -> str:
    """The load generator wrk."""
    if not shutil.which("wrk"):
        packages.install("wrk")
    found = shutil.which("wrk")
    if not found:
        raise Failure("wrk, the load generator, is missing", "install it, on Debian: apt-get install wrk")
    return found


def cores() -> tuple[set[int], set[int]]:
    """Cores for Envoy and for everything else; both empty (no pinning) on one core."""
    allowed = sorted(os.sched_getaffinity(0))
    return (set(allowed[:1]), set(allowed[1:])) if len(allowed) > 1 else (set(), set())


def write(folder: Path, name: str, script: str) -> Path:
    """A script of wrk's, as a file."""
    path = folder / name
    path.write_text(script)
    return path


def command(wrk: str, script: Path, port: int, seconds: float, connections: int = CONNECTIONS) -> list[str]:
    """How wrk is called; it counts whole seconds."""
    length = f"{max(1, round(seconds))}s"
    return [wrk, "-t", "1", "-c", str(connections), "-d", length, "-s", str(script), f"http://127.0.0.1:{port}"]


def described(script: str, seconds: float, connections: int = CONNECTIONS) -> str:
    """How wrk is called, for people."""
    return " ".join(command("wrk", Path(script), 0, seconds, connections)[:-1])


def calm(called: list[str], pid: int, pinned: set[int]) -> Sample:
    """A round that nothing else disturbed, or the least disturbed of some."""
    best = run(called, pid, pinned)
    for _ in range(REPEATS):
        if best.busy <= BUSY:
            break
        best = min(best, run(called, pid, pinned), key=lambda sample: sample.busy)
    return best


def run(called: list[str], pid: int, pinned: set[int]) -> Sample:
    """One round: load on one proxy, and what it costs the process `pid`."""
    ran, waited = scheduled_ns(pid)
    answer = subprocess.run(called, capture_output=True, text=True, check=False, preexec_fn=bound(pinned))
    ran_then, waited_then = scheduled_ns(pid)
    if answer.returncode != 0:
        raise Failure(f"{' '.join(called)}: {answer.stderr.strip() or answer.stdout.strip()}")
    told = json.loads(answer.stdout.splitlines()[-1])
    if told["failed"] or not told["requests"]:
        raise Failure(f"the load failed: {told}", "see the logs of the run's Envoys and backend")
    return Sample(
        (ran_then - ran) / 1e3 / told["requests"],
        (waited_then - waited) / 1e3 / told["requests"],
        told["requests"],
        told["requests"] / told["seconds"],
        told["p50_us"],
        told["p99_us"],
    )


def scheduled_ns(pid: int) -> tuple[int, int]:
    """Time on a CPU, and waiting for one, ns (/proc/PID/task/*/schedstat, the first two fields): every thread of a
    process and of those that it has started."""
    tasks = [task for member in family(pid) for task in Path(f"/proc/{member}/task").glob("*/schedstat")]
    fields = [task.read_text().split() for task in tasks]
    return sum(int(ran) for ran, _, _ in fields), sum(int(waited) for _, waited, _ in fields)


def family(pid: int) -> list[int]:
    """A process, and those that it has started."""
    born = [child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
    return [pid, *(member for child in born for member in family(int(child)))]
