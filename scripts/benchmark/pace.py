"""Requests at a fixed rate, whatever becomes of those before: how long each took from when it was meant to leave."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from weirlib.output import Failure

LENGTH = re.compile(rb"^content-length: *(\d+)\r$", re.IGNORECASE | re.MULTILINE)
# Requests that are under way at most.
CONNECTIONS = 64
# How long all of them may take beyond their time.
PATIENCE = 60.0


@dataclass
class Paced:
    """Times in milliseconds, of each request; `told`: how many answers had each text in the field that was looked at."""

    took_ms: list[float] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)

    def quantile(self, part: float) -> float:
        """The nearest rank, rounded up."""
        ranked = sorted(self.took_ms)
        return round(ranked[min(len(ranked) - 1, int(part * len(ranked)))], 3)


def run(port: int, count: int, rate: float, target: Callable[[int], str], look: re.Pattern[bytes]) -> Paced:
    """So many requests, so many a second; `look` finds in an answer's head what is counted."""
    return asyncio.run(asyncio.wait_for(_run(port, count, rate, target, look), count / rate + PATIENCE))


async def _run(port: int, count: int, rate: float, target: Callable[[int], str], look: re.Pattern[bytes]) -> Paced:
    paced, free = Paced(), asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    start = time.perf_counter()

    async def one(number: int, meant: float) -> None:
        reader, writer = await free.get()
        head = await _exchange(reader, writer, target(number))
        paced.took_ms.append((time.perf_counter() - meant) * 1e3)
        free.put_nowait((reader, writer))
        found = look.search(head)
        text = found[1].decode() if found else "-"
        paced.told[text] = paced.told.get(text, 0) + 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            meant = start + number / rate
            await asyncio.sleep(max(0.0, meant - time.perf_counter()))
            tasks.create_task(one(number, meant))
    while not free.empty():
        free.get_nowait()[1].close()
    return paced


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> bytes:
    """One request; the head of its answer, whose body was read."""
    writer.write(f"GET {target} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200 ") or not length:
        raise Failure(f"{target} was answered {head[:200]!r}")
    await reader.readexactly(int(length[1]))
    return head
