"""Envoy in `envoy/request-hedge.yaml`'s way, and in others: with replicas, ports and a policy of one's own."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from peers import Json
from weirlib import processes, static, web
from weirlib.output import Failure
from weirlib.prepare import Tools

FILTER = "request-hedge"
POLICY = "default/reads"
# What tells what became of second tries.
STATS = "weir_hedge|upstream_rq_retry|ejections_enforced_total|upstream_rq_per_try_timeout|vm_reload"
DECISIONS = "weir_hedge_decisions_total"
# What the control plane says of a read cluster whose requests are hedged, and what leaves hedges out of account.
SPLIT = (
    "split_external_local_origin_errors: true, enforcing_consecutive_local_origin_failure: 0,"
    " enforcing_local_origin_success_rate: 0"
)
OUTLIERS = (
    "outlier_detection: {{consecutive_5xx: 5, interval: 1s, base_ejection_time: 5s, max_ejection_percent: 50,"
    " {more}}}"
)
NO_BUDGET = 1_000_000
# How much nicer others have to be.
FIRST = 15


@dataclass(frozen=True)
class Way:
    """How slow requests are tried a second time.

    `policy`: changes of the file's policy; None: there is no filter. `per_try_ms`: Envoy does it by itself, after a
    fixed time, without a budget. `outliers`: what outlier detection says besides the usual; None: there is none.
    """

    name: str
    title: str
    policy: Json | None = None
    per_try_ms: int | None = None
    outliers: str | None = None


@dataclass(frozen=True)
class Edge:
    """One Envoy."""

    child: processes.Child
    port: int
    admin: int

    def stats(self) -> dict[str, int]:
        """Counters and gauges about second tries, by name."""
        text = web.request(self.admin, "GET", f"/stats?filter={STATS}").body.decode()
        pairs = (line.rsplit(": ", 1) for line in text.splitlines())
        return {name: int(value) for name, value in pairs if value.isdigit()}

    def settled(self, requests: int) -> dict[str, int]:
        """The same, when the filter's counters, which it tells once a tick, add up to the requests."""
        decided = lambda: sum(value for name, value in self.stats().items() if DECISIONS in name)
        self.child.wait_until(lambda: decided() == requests, f"as many decisions as requests, {requests}")
        return self.stats()


def start(
    ready: Tools, folder: Path, way: Way, module: Path, ports: tuple[int, int], replicas: list[int], workers: int
) -> Edge:
    """One Envoy, at its port and with its admin interface at the next one."""
    port, admin = ports
    config = folder / f"{way.name}.yaml"
    config.write_text(configured(way, module, port, admin, replicas))
    options = ["--concurrency", str(workers), "--use-dynamic-base-id", "--log-level", "warning"]
    command = [ready.env["WEIR_ENVOY"], "-c", str(config), *options]
    child = processes.Child(way.title, command, folder / f"{way.name}.log", ready.env)
    child.wait_until(lambda: web.status(admin, "/ready") == 200, "ready")
    prefer(child.pid)
    return Edge(child, port, admin)


def prefer(pid: int) -> None:
    """Lets a process that began a session go before others, where the system lets it: by threads, and as a session
    (sched(7), autogroups)."""
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(task.name), -FIRST)
        Path(f"/proc/{pid}/autogroup").write_text(f"-{FIRST}")
    except OSError:
        return


def configured(way: Way, module: Path, port: int, admin: int, replicas: list[int]) -> str:
    """The file's text, changed."""
    file = static.path(FILTER)
    text = static.rehomed(file, FILTER, module, {static.LISTENER: port, static.ADMIN: admin})
    text = _put(text, r'^( *)domains: \["\*"\]\n', r"\g<0>\1include_request_attempt_count: true\n")
    address = "socket_address: {address: 127.0.0.1, port_value: %d}"
    endpoints = "".join(f"\\1- endpoint: {{address: {{{address % replica}}}}}\n" for replica in replicas)
    text = _put(text, r"^( *)- endpoint: .*\n(?:\1- endpoint: .*\n?)*", endpoints)
    if way.outliers is not None:
        told = OUTLIERS.format(more=way.outliers).replace(", }", "}")
        text = _put(text, r"^( *)lb_policy: .*\n", rf"\g<0>\1{told}\n")
    if way.policy is None:
        return _natively(_bare(text), way.per_try_ms)
    return static.reconfigured(text, policy(way.policy))


def policy(changes: Json) -> str:
    """The file's filter configuration with a changed policy."""
    told = json.loads(static.configuration(static.path(FILTER)))
    told["policies"][POLICY].update(changes)
    return json.dumps(told, indent=2)


def _bare(text: str) -> str:
    """Without the filter."""
    filters = rf"^ *- name: weir/default/edge/{FILTER}\n(?:.*\n)*?(?= *- name: envoy\.filters\.http\.router\n)"
    return _put(text, filters, "")


def _natively(text: str, per_try_ms: int | None) -> str:
    """With second tries as a route alone can have them."""
    if per_try_ms is None:
        return text
    told = f"num_retries: 1\n\\1retry_on: retriable-status-codes\n\\1per_try_timeout: {per_try_ms / 1000}s\n"
    text = _put(text, r"^( *)num_retries: 0\n", rf"\1{told}")
    text = _put(text, r"^( *)timeout: 5s\n", r"\g<0>\1hedge_policy: {hedge_on_per_try_timeout: true}\n")
    return _put(text, r"retry_budget: \{.*\}\n", f"max_retries: {NO_BUDGET}\n")


def _put(text: str, pattern: str, new: str) -> str:
    text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
    if count != 1:
        raise Failure(f"{static.path(FILTER)} has {count} times what should be there once: {pattern}")
    return text
