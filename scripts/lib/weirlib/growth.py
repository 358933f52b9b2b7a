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
from weirlib.stack import GENERATION, VMS_ACTIVE, VMS_CREATED, Stack
from weirlib.web import Connection

KEYS = [f"customer-{number}" for number in range(2_000)]
CLIENTS = 4
# The load stops by itself after this.
MOST_REQUESTS, MOST_SECONDS = 20_000, 30.0
# Requests before the change, and after it is in force; some more go on meanwhile.
BEFORE, AFTER = 500, 1_500
AIM_SECONDS = 1.0
PROBES = 32
Owners = dict[str, str]


@dataclass
class Traffic:
    """What the clients saw."""

    port: int
    allowed: dict[str, set[str]]
    stop: threading.Event = field(default_factory=threading.Event)
    sent: list[int] = field(default_factory=lambda: [0] * CLIENTS)
    failures: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many were sent so far."""
        return sum(self.sent)

    def client(self, number: int) -> None:
        """One client: its keys in turn, one request after the other."""
        connection, keys = Connection(self.port), KEYS[number::CLIENTS]
        deadline = time.monotonic() + MOST_SECONDS
        while not self.stop.is_set() and self.requests < MOST_REQUESTS and time.monotonic() < deadline:
            key = keys[self.sent[number] % len(keys)]
            shard = ask(connection, key)
            if shard.startswith("!"):
                self.failures.append(f"{key}: {shard[1:]}")
            elif shard not in self.allowed[key]:
                self.strays.append(f"{key} by {shard}")
            self.sent[number] += 1
        connection.close()

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
            client.result()

    def wait_for(self, more: int, stack: Stack) -> None:
        """Waits until so many more requests were answered."""
        goal = self.requests + more
        wait_until(lambda: self.requests >= goal, f"{more} requests", MOST_SECONDS, stack.check, f"see {stack.logs}")


def ask(connection: Connection, key: str) -> str:
    """Which shard answers for a key; `!reason` when none does."""
    try:
        answer = connection.request("GET", "/orders", {"x-user-id": key.encode()})
    except (OSError, http.client.HTTPException) as error:
        return f"!{error!r}"
    return answer.headers.get("x-sample-shard", "!no shard") if answer.status == 200 else f"!status {answer.status}"


@dataclass(frozen=True)
class Vms:
    """Envoy's Wasm VMs. It tries each new configuration in a VM of its own, the canary, which then goes."""

    created: int
    active: int


def vms(stack: Stack) -> Vms:
    """The VMs now."""
    return Vms(stack.stat(VMS_CREATED), stack.stat(VMS_ACTIVE))


@dataclass(frozen=True)
class Growth:
    """What was measured, and what is wrong with it."""

    moved: Counter[tuple[str, str]]
    seconds: float
    traffic: Traffic
    before: Vms
    after: Vms
    astray: list[str]

    def problems(self) -> list[str]:
        """Whatever should not be so."""
        created = self.after.created - self.before.created
        found = {
            "no key moved": not self.moved,
            "keys moved elsewhere than onto d": any(to != "d" for _, to in self.moved),
            f"in force after {self.seconds:.3f} s": self.seconds >= AIM_SECONDS,
            f"{len(self.traffic.failures)} failed requests, the first: {self.traffic.failures[:3]}": self.traffic.failures,
            f"answers from neither owner: {self.traffic.strays[:3]}": self.traffic.strays,
            f"answers from another than the new owner: {self.astray[:3]}": self.astray,
            f"{created} new VMs, where each of the four slots has one canary": created > 4,
            f"{self.after.active} VMs run, {self.before.active} before": self.after.active != self.before.active,
        }
        return [problem for problem, so in found.items() if so]


def grow(stack: Stack) -> Growth:
    """Applies the map with a shard more while clients send."""
    before, after = stack.owners(KEYS), stack.owners(KEYS, documents.GROWN)
    moved = [key for key in KEYS if before[key] != after[key]]
    traffic = Traffic(stack.ports.proxy, {key: {before[key], after[key]} for key in KEYS})
    vms_before = vms(stack)
    with traffic.running():
        traffic.wait_for(BEFORE, stack)
        seconds = _apply(stack, moved[:PROBES])
        traffic.wait_for(AFTER, stack)
    astray = _astray(stack, after)
    moves = Counter((before[key], after[key]) for key in moved)
    return Growth(moves, seconds, traffic, vms_before, vms(stack), astray)


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
