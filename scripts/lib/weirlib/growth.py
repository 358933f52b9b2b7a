"""A shard is added while requests run: which keys move, how soon, and what the clients notice."""

import http.client
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from weirlib import documents
from weirlib.output import Failure
from weirlib.processes import wait_until
from weirlib.stack import GENERATION, VMS, Stack
from weirlib.web import Connection

KEYS = [f"customer-{number}" for number in range(2_000)]
CLIENTS = 4
# The load stops by itself after this.
MOST_REQUESTS, MOST_SECONDS = 20_000, 30.0
AIM_SECONDS = 1.0
PROBES = 32
Owners = dict[str, str]


@dataclass
class Traffic:
    """What the clients saw."""

    port: int
    allowed: dict[str, set[str]]
    stop: threading.Event = field(default_factory=threading.Event)
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def client(self, number: int) -> tuple[int, list[str], list[str]]:
        """One client: its keys in turn, one request after the other."""
        connection, keys = Connection(self.port), KEYS[number::CLIENTS]
        deadline = time.monotonic() + MOST_SECONDS
        sent, failures, strays = 0, list[str](), list[str]()
        while not self.stop.is_set() and sent < MOST_REQUESTS / CLIENTS and time.monotonic() < deadline:
            key = keys[sent % len(keys)]
            sent += 1
            shard = ask(connection, key)
            if shard.startswith("!"):
                failures.append(f"{key}: {shard[1:]}")
            elif shard not in self.allowed[key]:
                strays.append(f"{key} by {shard}")
        connection.close()
        return sent, failures, strays

    @contextmanager
    def running(self) -> Iterator[None]:
        """Clients send while the block runs."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self.client, number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                self.stop.set()
        for client in clients:
            sent, failures, strays = client.result()
            self.requests += sent
            self.failures += failures
            self.strays += strays


def ask(connection: Connection, key: str) -> str:
    """Which shard answers for a key; `!reason` when none does."""
    try:
        answer = connection.request("GET", "/orders", {"x-user-id": key.encode()})
    except (OSError, http.client.HTTPException) as error:
        return f"!{error!r}"
    return answer.headers.get("x-sample-shard", "!no shard") if answer.status == 200 else f"!status {answer.status}"


@dataclass(frozen=True)
class Growth:
    """What was measured, and what is wrong with it."""

    moved: Counter[tuple[str, str]]
    seconds: float
    traffic: Traffic
    vms: tuple[int, int]
    astray: list[str]

    def problems(self) -> list[str]:
        """Whatever should not be so."""
        created = self.vms[1] - self.vms[0]
        found = {
            "no key moved": not self.moved,
            "keys moved elsewhere than onto d": any(to != "d" for _, to in self.moved),
            f"in force after {self.seconds:.3f} s": self.seconds >= AIM_SECONDS,
            f"{len(self.traffic.failures)} failed requests, the first: {self.traffic.failures[:3]}": self.traffic.failures,
            f"answers from neither owner: {self.traffic.strays[:3]}": self.traffic.strays,
            f"answers from another than the new owner: {self.astray[:3]}": self.astray,
            f"{created} new VMs": created,
            "no requests ran meanwhile": not self.traffic.requests,
        }
        return [problem for problem, so in found.items() if so]


def grow(stack: Stack) -> Growth:
    """Applies the map with a shard more while clients send."""
    before, after = stack.owners(KEYS), stack.owners(KEYS, documents.GROWN)
    moved = [key for key in KEYS if before[key] != after[key]]
    traffic = Traffic(stack.ports.proxy, {key: {before[key], after[key]} for key in KEYS})
    vms = stack.stat(VMS)
    with traffic.running():
        seconds = _apply(stack, moved[:PROBES])
    astray = _astray(stack, after)
    moves = Counter((before[key], after[key]) for key in moved)
    return Growth(moves, seconds, traffic, (vms, stack.stat(VMS)), astray)


def _apply(stack: Stack, probes: list[str]) -> float:
    """Seconds from the start of `weir apply` until the new map is in force in every worker and in the answers."""
    generation, connection = stack.stat(GENERATION), Connection(stack.ports.proxy)

    def in_force() -> bool:
        return stack.stat(GENERATION) > generation and all(ask(connection, key) == "d" for key in probes)

    command = [stack.weir, "apply", *documents.files(stack.documents, (documents.GROWN,))]
    started = time.monotonic()
    apply = subprocess.Popen(command, env=stack.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(in_force, "the grown map in force", 20, stack.check, f"see {stack.logs}")
    seconds = time.monotonic() - started
    output, _ = apply.communicate(timeout=20)
    if apply.returncode != 0:
        raise Failure(f"{' '.join(command)} failed: {output}")
    return seconds


def _astray(stack: Stack, owners: Owners) -> list[str]:
    """Keys that another than their owner answers for."""
    connection = Connection(stack.ports.proxy)
    answers = {key: ask(connection, key) for key in KEYS}
    return [f"{key} by {shard}" for key, shard in answers.items() if shard != owners[key]]
