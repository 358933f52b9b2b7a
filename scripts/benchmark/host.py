"""The wasmtime test host: requests per second and worker beside bare wasmtime, and how long a test of one filter takes."""

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import report
from weirlib import output, prepare
from weirlib.output import Failure
from weirlib.places import ROOT, SCRIPTS
from weirlib.prepare import Tools

PACKAGE = "weir-wasm-tests"
# One test of one filter: a configuration for two workers, a request to each.
TEST = ("shard_router", "refusals::a_missing_key_is_a_400_problem")
TITLES = {
    "bare": "bare wasmtime: a no-op's five callbacks",
    "noop": "a no-op filter alone",
    "shard-router": "shard-router alone",
    "listener": "whole exchanges through shard-router",
    "chain": "whole exchanges through a no-op and shard-router",
}
LEAST_PER_SECOND, MOST_MS = 10_000, 300


def built(ready: Tools, *command: str) -> Path:
    """The binary that a cargo command builds."""
    options = ["--locked", "-p", PACKAGE, "--no-run"]
    with output.step(f"cargo {' '.join(command)}"):
        full = ["cargo", command[0], *options, *command[1:]]
        output.require([*full, "--quiet"], prepare.LOOK, ready.env, ROOT)
        listed = subprocess.run(
            [*full, "--message-format", "json"], cwd=ROOT, env=ready.env, capture_output=True, text=True, check=True
        )
    messages = [json.loads(line) for line in listed.stdout.splitlines() if line.startswith("{")]
    return next(Path(message["executable"]) for message in messages if message.get("executable"))


def rates(speed: Path, ready: Tools, rounds: int, seconds: int) -> dict[str, list[float]]:
    """Requests per second, round by round, another contender first each time."""
    found: dict[str, list[float]] = {name: [] for name in TITLES}
    for number in range(rounds):
        output.say(f"==> round {number + 1} of {rounds}")
        command = [str(speed), "--seconds", str(seconds), "--first", str(number)]
        answer = json.loads(subprocess.run(command, env=ready.env, capture_output=True, text=True, check=True).stdout)
        for name, rate in answer.items():
            found[name].append(rate)
    return found


def test_ms(test: Path, env: Mapping[str, str], cache: Path) -> float:
    """From the start of a test's process to its end, with the compile cache in this folder."""
    started = time.monotonic()
    command = [str(test), "--exact", TEST[1]]
    answer = subprocess.run(
        command, cwd=ROOT, env={**env, "CARGO_TARGET_DIR": str(cache)}, capture_output=True, text=True, check=False
    )
    took = (time.monotonic() - started) * 1_000
    if "1 passed" not in answer.stdout:
        raise Failure(f"the test {TEST[1]} failed", answer.stdout)
    return round(took, 1)


def starts(test: Path, ready: Tools, rounds: int) -> dict[str, list[float]]:
    """Each round with an empty compile cache, then five times with the one that this has filled."""
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(rounds):
        cache = Path(tempfile.mkdtemp(prefix="weir-bench-"))
        try:
            found["cold"].append(test_ms(test, ready.env, cache))
            found["warm"] += [test_ms(test, ready.env, cache) for _ in range(5)]
        finally:
            shutil.rmtree(cache)
    return found


def table(rate: dict[str, list[float]], start: dict[str, list[float]]) -> str:
    """One line a contender, then the tests' times."""
    lines = [f"{TITLES[name]:<50} {report.spread(values, 0)} requests/s" for name, values in rate.items()]
    lines += [f"{f'one test, {name} compile cache':<50} {report.spread(values, 0)} ms" for name, values in start.items()]
    return "\n".join(lines)


def bench(ready: Tools, rounds: int, seconds: int, name: str | None) -> int:
    """Measures, prints, and writes the result file when it has a name. 1 when an aim is missed."""
    prepare.pack(ready)
    speed, test = built(ready, "bench", "--bench", "speed"), built(ready, "test", "--test", TEST[0])
    rate, start = rates(speed, ready, rounds, seconds), starts(test, ready, rounds)
    print(table(rate, start))
    middle = {key: statistics.median(values) for key, values in {**rate, **start}.items()}
    met = middle["shard-router"] >= LEAST_PER_SECOND and middle["warm"] <= MOST_MS
    aims = f"at least {LEAST_PER_SECOND} requests/s, at most {MOST_MS} ms warm"
    print(f"aims: {aims}: {'met' if met else 'missed'}")
    if name:
        command = f"scripts/bench --host --rounds {rounds} --seconds {seconds}"
        about = {"command": command, "test": f"{TEST[0]}: {TEST[1]}, dev profile", "aims": aims, "medians": middle}
        ratios = {key: round(middle["bare"] / middle[key], 2) for key in rate}
        found = {"times_slower_than_bare": ratios, "per_second": rate, "test_ms": start}
        report.store(SCRIPTS / "results" / f"{name}.json", {**about, **found})
    return 0 if met else 1
