"""The result file of the cache tests: one entry for each target and number of workers, as it was last run."""

import json
from datetime import UTC, datetime
from pathlib import Path

import report

Run = dict[str, object]


def keep(path: Path, run: Run) -> None:
    """Puts a run in the place of the one before it."""
    before: list[Run] = json.loads(path.read_text())["runs"] if path.exists() else []
    others = [one for one in before if _of(one) != _of(run)]
    dated = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **report.machine(), **run}
    report.store(path, {"runs": sorted([*others, dated], key=_of)})


def _of(run: Run) -> tuple[str, str]:
    return str(run["target"]), str(run["workers"])
