"""Checks: commands whose output is shown as it comes, with how many tests in them passed and failed."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from weirlib.lifetime import bound
from weirlib.output import say
from weirlib.places import ROOT

# cargo test's last line of a suite.
RESULT = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed;")
LIMIT_SECONDS = 40 * 60.0
# What timeout(1) exits with: a command that was ended may itself exit 0.
TOO_LONG = 124


@dataclass(frozen=True)
class Count:
    """How many tests passed and failed."""

    passed: int = 0
    failed: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed)


@dataclass(frozen=True)
class Check:
    """One command; `counts` tells what is read from its output, beyond its exit code."""

    title: str
    command: Sequence[str]
    counts: Callable[[int, list[str]], Count]


def single(code: int, _lines: list[str]) -> Count:
    """The command is one test."""
    return Count(passed=1) if code == 0 else Count(failed=1)


def suites(code: int, lines: list[str]) -> Count:
    """Every suite of `cargo test`. A run that fails beyond its tests, or that tests nothing, is one failure more."""
    found = [match for line in lines if (match := RESULT.search(line))]
    count = sum((Count(int(match[1]), int(match[2])) for match in found), Count())
    unseen = (code != 0 and count.failed == 0) or count.passed == 0
    return count + Count(failed=1) if unseen else count


def run(check: Check, env: Mapping[str, str]) -> Count:
    """Runs one check."""
    say(f"==> {check.title}: {' '.join(check.command)}")
    started = time.monotonic()
    code, lines = _stream(check.command, env)
    count = check.counts(code, lines)
    verdict = "FAILED" if count.failed else "passed"
    say(
        f"    {check.title}: {verdict} ({count.passed} passed, {count.failed} failed, {time.monotonic() - started:.0f} s)"
    )
    return count


def _stream(command: Sequence[str], env: Mapping[str, str]) -> tuple[int, list[str]]:
    lines: list[str] = []
    with _started(command, env) as (process, late):
        assert process.stdout
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(line)
        code = process.wait()
    return TOO_LONG if late.is_set() else code, lines


@contextmanager
def _started(command: Sequence[str], env: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], threading.Event]]:
    """A process in a group of its own, ended with the block or when it takes too long, and whether it did."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=bound(),
    )
    late = threading.Event()

    def limit() -> None:
        late.set()
        _end(process, "took too long")

    timer = threading.Timer(LIMIT_SECONDS, limit)
    timer.start()
    try:
        yield process, late
    finally:
        timer.cancel()
        if process.poll() is None:
            _end(process, "interrupted")


def _end(process: subprocess.Popen[str], why: str) -> None:
    say(f"    ending pid {process.pid}: {why}")
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
