"""Processes that end with the script that started them, however it ends."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from weirlib.output import Failure

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
PATIENCE = 10.0


class Stopped(BaseException):
    """The script was asked to end."""


def stop_on_signals() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP raise Stopped in the main thread, once."""

    def stop(number: int, _frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)


def bound(cores: Iterable[int] = ()) -> Callable[[], None]:
    """What a new process does before it runs its program: it ends with this one, and stays on these cores."""
    parent, pinned = os.getpid(), set(cores)

    def prepare() -> None:
        # prctl(2): the child is told when its parent dies. The parent may be gone already.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        if pinned:
            os.sched_setaffinity(0, pinned)

    return prepare


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
