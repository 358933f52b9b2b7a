"""The floor: tests that a cache has passed, by its number of workers, and must pass from then on."""

import json
import os
from pathlib import Path

from weirlib.output import say

FILE = Path(__file__).resolve().parent / "floor.json"
Floors = dict[str, dict[str, list[str]]]


def read() -> Floors:
    """By target, then by number of workers."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def known(target: str, workers: int) -> bool:
    """Whether there is one."""
    return bool(_floor(target, workers))


def fallen(target: str, workers: int, passed: list[str]) -> list[str]:
    """The tests of the floor that do not pass."""
    return sorted(set(_floor(target, workers)) - set(passed))


def risen(target: str, workers: int, passed: list[str]) -> list[str]:
    """The tests that pass and are not in the floor."""
    return sorted(set(passed) - set(_floor(target, workers)))


def refreshing() -> bool:
    """Whether the floor is to be rewritten."""
    return os.environ.get("WEIR_REFRESH") == "1"


def write(target: str, workers: int, passed: list[str]) -> None:
    """Makes what passes now the floor, and says what it loses."""
    for name in fallen(target, workers, passed):
        say(f"    LOWERED: {name} is no longer in the floor of {target} with {workers} workers")
    floors = read()
    floors.setdefault(target, {})[str(workers)] = sorted(passed)
    FILE.write_text(json.dumps(floors, indent=1, sort_keys=True) + "\n")
    say(f"    {len(passed)} tests in the floor of {target} with {workers} workers: {FILE}")


def _floor(target: str, workers: int) -> list[str]:
    return read().get(target, {}).get(str(workers), [])
