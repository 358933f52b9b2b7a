"""A race of peers: one backend for all, a fresh Envoy for each peer in each round."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import load
import peers
from weirlib import output, ports, processes, web
from weirlib.places import binary
from weirlib.prepare import Tools

S = TypeVar("S")


class Named(Protocol):
    """What takes part in a race."""

    @property
    def name(self) -> str:
        """As result files call it."""


P = TypeVar("P", bound=Named)
# Where every peer has met 64 users, each shard has answered.
USERS = range(1, 65)


def backend(ready: Tools, folder: Path, running: ExitStack) -> dict[str, int]:
    """Starts the backend, one replica per shard, all in one process; the shards' ports."""
    first = ports.free(len(peers.SHARDS))
    running.callback(processes.end, [start_backend(ready, folder, first)])
    return {shard: first + at for at, shard in enumerate(peers.SHARDS)}


def start_backend(ready: Tools, folder: Path, first: int) -> processes.Child:
    """Its process, from this port on."""
    listen = [f"--listen={shard}/primary=127.0.0.1:{first + at}" for at, shard in enumerate(peers.SHARDS)]
    command = [str(binary("weir-sample-backend", "release")), *listen]
    child = processes.Child("sample backend", command, folder / "backend.log", ready.env, load.cores()[1])
    child.wait_until(lambda: child.output().startswith("ready"), "ready line")
    return child


def start_envoy(
    ready: Tools, folder: Path, peer: peers.Peer, port: int, under: Sequence[str] = (), patience: float = 30.0
) -> processes.Child:
    """One Envoy, as `launch` starts it, that does what it is there for."""
    child = launch(ready, folder, peer, port, under, patience)
    verify(peer, port)
    return child


def launch(
    ready: Tools,
    folder: Path,
    peer: peers.Peer,
    port: int,
    under: Sequence[str] = (),
    patience: float = 30.0,
    workers: int = 1,
) -> processes.Child:
    """One Envoy, its admin interface on the next port; `under` a tool that watches it."""
    config = folder / f"{peer.name}.json"
    config.write_text(json.dumps(peers.bootstrap(peer, port, port + 1)))
    options = ["--concurrency", str(workers), "--use-dynamic-base-id", "--log-level", "warning"]
    command = [*under, ready.env["WEIR_ENVOY"], "-c", str(config), *options]
    child = processes.Child(peer.title, command, folder / f"{peer.name}.log", ready.env, load.cores()[0])
    child.wait_until(lambda: web.status(port + 1, "/ready") == 200, "ready", patience)
    return child


def envoy_version(ready: Tools) -> str:
    """As it says itself."""
    version = output.attempt([ready.env["WEIR_ENVOY"], "--version"]) or ""
    return version.split("version:")[-1].strip()


def verify(peer: peers.Peer, port: int) -> None:
    """Requests are answered, by all upstreams, with the header that shows that the filter is at work."""
    answers = [web.request(port, "GET", "/users/1", load.headers(user)) for user in USERS]
    if any(answer.status != 200 for answer in answers):
        wrong = next(answer for answer in answers if answer.status != 200)
        raise output.Failure(f"{peer.title} answers {wrong.status}: {wrong.body[:200]!r}")
    if len({answer.headers["x-sample-shard"] for answer in answers}) != len(peers.SHARDS):
        raise output.Failure(f"{peer.title} does not use all {len(peers.SHARDS)} upstreams")
    if peer.proof and any(peer.proof not in answer.headers for answer in answers):
        raise output.Failure(f"{peer.title} answers without {peer.proof}: it does not do its work")


@dataclass(frozen=True)
class Course:
    """What every round needs."""

    ready: Tools
    folder: Path
    wrk: str
    script: Path
    seconds: int

    def run(self, peer: peers.Peer, connections: int = load.CONNECTIONS) -> load.Sample:
        """One round of one peer, in an Envoy of its own: where a process lies in memory is worth some percent."""
        port, pinned = ports.free(2), load.cores()[1]
        envoy = start_envoy(self.ready, self.folder, peer, port)
        try:
            load.calm(load.command(self.wrk, self.script, port, 1, connections), envoy.pid, pinned)
            return load.calm(
                load.command(self.wrk, self.script, port, self.seconds, connections), envoy.pid, pinned
            )
        finally:
            processes.end([envoy])


def go_round(count: int, every: list[P], run: Callable[[P], S]) -> dict[str, list[S]]:
    """Every peer in each round, another one first each time."""
    rounds: dict[str, list[S]] = {peer.name: [] for peer in every}
    for number in range(count):
        output.say(f"==> round {number + 1} of {count}")
        first = number % len(every)
        for peer in every[first:] + every[:first]:
            rounds[peer.name].append(run(peer))
    return rounds
