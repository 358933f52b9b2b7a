"""Progress and failures, as people read them. Progress goes to stderr: stdout is for results."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from weirlib.lifetime import Stopped, bound


class Failure(Exception):
    """Something is wrong and the user can do something about it: `what`, and `remedy` to put it right."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  do: {self.remedy}" if self.remedy else self.what


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """A step that takes a while: its title at the start, its time at the end."""
    say(f"==> {title}")
    started = time.monotonic()
    yield
    say(f"    {title}: {time.monotonic() - started:.1f} s")


def main(entry: Callable[[], int]) -> None:
    """Runs a script's entry; a Failure is printed and exits 1, a signal exits with the shell's code for it."""
    try:
        sys.exit(entry())
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except Stopped as stopped:
        say(f"stopped by {stopped}")
        sys.exit(stopped.code)


def attempt(command: Sequence[str], timeout: float | None = None) -> str | None:
    """The output of a command; None when it can't be run, fails, or takes longer than `timeout` seconds."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=True, preexec_fn=bound()
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout


def require(command: Sequence[str], remedy: str, env: Mapping[str, str], cwd: Path) -> None:
    """Runs a command whose output the user sees; a Failure when it fails. It ends with the script."""
    try:
        # What a step prints is progress, so it goes where progress goes.
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=sys.stderr, start_new_session=True, preexec_fn=bound()
        )
    except OSError as error:
        raise Failure(f"cannot run {command[0]}: {error.strerror}", remedy) from error
    try:
        code = process.wait()
    except Stopped:
        # The group is the command's own: what it has started ends with it.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
        raise
    if code != 0:
        raise Failure(f"{' '.join(command)}: exit code {code}", remedy)
