"""Loopback ports: whether one is free, who holds it, and free ones to take instead."""

import os
import random
import socket
from pathlib import Path

# Below the range that the kernel takes ports of outgoing connections from.
CHOICE = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free(count: int = 1) -> int:
    """The first of `count` free ports in a row."""
    for _ in range(1_000):
        first = random.randrange(CHOICE.start, CHOICE.stop - count)
        if all(map(is_free, range(first, first + count))):
            return first
    raise OSError("no free ports between 20000 and 30000")


def holder(port: int) -> str:
    """Who listens on a port: `envoy, pid 123`; empty when that can't be seen."""
    links = {f"socket:[{inode}]" for inode in _listening(port)}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) in links:
                process = link.parents[1]
                return f"{(process / 'comm').read_text().strip()}, pid {process.name}"
        except OSError:
            continue
    return ""


def _listening(port: int) -> list[str]:
    """The inodes of listening sockets, from /proc/net/tcp (proc_net_tcp(5): state 0A is LISTEN)."""
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _lines(table):
            columns = line.split()
            if columns[3] == "0A" and int(columns[1].rsplit(":", 1)[1], 16) == port:
                inodes.append(columns[9])
    return inodes


def _lines(table: str) -> list[str]:
    try:
        return Path(table).read_text().splitlines()[1:]
    except OSError:
        return []
