"""What many distinct keys do to Envoy's memory: its growth beside that under the same requests through a no-op."""

import json
from dataclasses import dataclass
from pathlib import Path

import course
import load
from peers import Peer
from weirlib import ports, processes, web
from weirlib.output import Failure, attempt

KEYS = 100_000
MIB = 1 << 20
PATIENCE_S = 120

# One user over and over, before; KEYS users once each, after which it stops.
WARM = (
    """
function request()
  return wrk.format("GET", "/users/1/orders?page=1", {["x-user-id"] = "user-1"})
end
"""
    + load.DONE
)
SPREAD = """
local turn, answered, failed, last = 0, 0, 0, %d
function request()
  turn = turn %% last + 1
  return wrk.format("GET", "/users/1/orders?page=1", {["x-user-id"] = "user-" .. turn})
end
function response(status)
  answered = answered + 1
  if status ~= 200 then failed = failed + 1 end
  if answered == last then
    io.write(string.format("%%d failed\\n", failed))
    os.exit(0)
  end
end
""" % KEYS


@dataclass(frozen=True)
class Growth:
    """Of one Envoy, MiB: its resident set (/proc/PID/status), and what its allocator has handed out (/memory)."""

    rss_mib: float
    allocated_mib: float


def growth(track: course.Course, peer: Peer) -> Growth:
    """One round of one peer, in an Envoy of its own."""
    port, pinned = ports.free(2), load.cores()[1]
    warm, spread = (load.write(track.folder, f"{name}.lua", text) for name, text in (("warm", WARM), ("spread", SPREAD)))
    envoy = course.start_envoy(track.ready, track.folder, peer, port)
    try:
        load.run(load.command(track.wrk, warm, port, 2), envoy.pid, pinned)
        before = _size(envoy.pid, port + 1)
        _send(load.command(track.wrk, spread, port, PATIENCE_S))
        after = _size(envoy.pid, port + 1)
    finally:
        processes.end([envoy])
    rss, allocated = ((then - now) / MIB for then, now in zip(after, before, strict=True))
    return Growth(round(rss, 2), round(allocated, 2))


def _send(command: list[str]) -> None:
    """Lets wrk send its requests; all must be answered, and well."""
    said = attempt(command, timeout=PATIENCE_S)
    if said is None or not said.endswith("\n0 failed\n"):
        raise Failure(f"{' '.join(command)}: not every request was answered with 200: {said}")


def _size(pid: int, admin: int) -> tuple[int, int]:
    """Resident, and allocated, bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    rss_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    told = json.loads(web.request(admin, "GET", "/memory").body)
    return rss_kib * 1024, int(told["allocated"])
