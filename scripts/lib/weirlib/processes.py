"""Processes that end with the script that started them, however it ends."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from weirlib.lifetime import bound
from weirlib.output import Failure

PATIENCE = 10.0


class Child:
    """A process in a group of its own, with its output in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cores: Iterable[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=env,
                    start_new_session=True,
                    preexec_fn=bound(cores),
                )
            except OSError as error:
                raise Failure(f"cannot start {name}: {command[0]}: {error.strerror}", "run scripts/setup") from error

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self.process.pid

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def check(self) -> None:
        """A Failure with its last words when it has ended."""
        code = self.process.poll()
        if code is not None:
            last = "\n".join(f"    {line}" for line in self.output().splitlines()[-15:])
            raise Failure(f"{self.name} ended with exit code {code}; the end of {self.log}:\n{last}")

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        """Waits for a condition while the process lives."""
        wait_until(ready, f"{self.name}: {what}", seconds, self.check, f"see {self.log}")

    def signal(self, number: int) -> None:
        """Sends a signal to its whole group."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


def wait_until(
    ready: Callable[[], bool],
    what: str,
    seconds: float,
    check: Callable[[], None] = lambda: None,
    remedy: str = "",
) -> None:
    """Waits for a condition; a Failure that names it when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not ready():
        check()
        if time.monotonic() > deadline:
            raise Failure(f"after {seconds:g} s still waiting: {what}", remedy)
        time.sleep(0.02)


def end(children: Sequence[Child]) -> None:
    """Ends processes, the last started first: SIGTERM, and SIGKILL for a group that stays."""
    for child in reversed(children):
        child.signal(signal.SIGTERM)
        try:
            child.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        child.signal(signal.SIGKILL)
        child.process.wait()
