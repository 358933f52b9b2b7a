"""The sample's documents: with other ports, compiled, and what Weir calls the clusters that they make."""

import re
from pathlib import Path

from weirlib.output import Failure, attempt
from weirlib.places import SAMPLE, binary

GATEWAY, BACKENDS, ORDERS, GROWN = "gateway.yaml", "backends.yaml", "orders.yaml", "orders-4.yaml"
# What is applied first; GROWN is the map with a shard more.
FIRST = (GATEWAY, BACKENDS, ORDERS)
SHARDS = ("a", "b", "c", "d")
REPLICAS = ("primary", "replica-1", "replica-2")
# As they stand in the documents.
PROXY_PORT = 10_000
BACKEND_PORT = 9_101
BACKEND_COUNT = len(SHARDS) * len(REPLICAS)


def cluster(shard: str, kind: str) -> str:
    """Envoy's name for a shard's cluster; kind: read or write."""
    return f"weir/default/orders/{shard}/{kind}"


def replicas(first: int) -> dict[str, int]:
    """`a/primary` and the others, with the ports from `first` on."""
    names = [f"{shard}/{replica}" for shard in SHARDS for replica in REPLICAS]
    return {name: first + at for at, name in enumerate(names)}


def render(folder: Path, proxy: int, backends: int) -> None:
    """Writes the documents into a folder, with these ports."""
    moved = {PROXY_PORT: proxy, **{BACKEND_PORT + at: backends + at for at in range(BACKEND_COUNT)}}
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*FIRST, GROWN):
        text = (SAMPLE / name).read_text()
        ported = re.sub(r"(?<=port: )\d+", lambda found: str(moved[int(found[0])]), text)
        (folder / name).write_text(ported)


def files(folder: Path, names: tuple[str, ...] = FIRST) -> list[str]:
    """Arguments that name documents."""
    return [part for name in names for part in ("-f", str(folder / name))]


def compiled() -> str:
    """What the shard router reads for the sample."""
    command = [str(binary("weir")), "compile", *files(SAMPLE), "--gateway", "default/edge"]
    text = attempt(command)
    if not text:
        raise Failure("the sample's documents do not compile", f"see what this says: {' '.join(command)}")
    return text
