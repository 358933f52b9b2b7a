"""What the rounds say: medians with their range, the added cost beside the no-op's, a JSON file."""

import json
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from load import BUSY, Sample
from weirlib.output import attempt, say
from weirlib.places import ROOT

Rounds = dict[str, list[Sample]]
AIM = 1.20


def spread(values: list[float], digits: int = 1) -> str:
    """Median with range: `83.1 (82.0–84.4)`."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def added(rounds: Rounds, name: str) -> list[float]:
    """What a peer costs beyond no filter, round by round, µs."""
    return [sample.cpu_us - floor.cpu_us for sample, floor in zip(rounds[name], rounds["none"], strict=True)]


def ratio(rounds: Rounds, name: str, to: str) -> float | None:
    """The added cost of `name` in units of the added cost of `to`, by medians; None when `to` adds nothing."""
    floor = statistics.median(added(rounds, to))
    return statistics.median(added(rounds, name)) / floor if floor > 0 else None


def busy(rounds: Rounds) -> float:
    """How long Envoy waited for its core, as a share of the time that it ran: the mean of all rounds."""
    return statistics.mean(sample.busy for samples in rounds.values() for sample in samples)


def table(rounds: Rounds, titles: dict[str, str]) -> str:
    """One line a peer."""
    head = ("peer", "CPU µs/request", "added µs", "requests/s", "p50 µs", "p99 µs")
    return columns([head, *(row(rounds, name, titles[name]) for name in rounds)])


def columns(lines: list[tuple[str, ...]]) -> str:
    """Lines of the same number of cells, aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def row(rounds: Rounds, name: str, title: str) -> tuple[str, ...]:
    """A peer's line of the table."""
    samples = rounds[name]
    middle: Callable[[str], str] = lambda field: f"{statistics.median(getattr(s, field) for s in samples):.0f}"
    extra = "" if name == "none" else spread(added(rounds, name))
    cpu = spread([sample.cpu_us for sample in samples])
    return (title, cpu, extra, middle("per_second"), middle("p50_us"), middle("p99_us"))


def verdict(rounds: Rounds, name: str, to: str, aim: float | None = None) -> str:
    """The added cost beside another's, and whether the aim is met."""
    found = ratio(rounds, name, to)
    if found is None:
        return f"{name}: no verdict, {to} came out no dearer than no filter; take more or longer rounds"
    text = f"{name}: added cost is {found:.2f} times that of {to}"
    return text if aim is None else f"{text}; aim at most {aim:.2f}: {'met' if found <= aim else 'missed'}"


def caution(rounds: Rounds) -> str:
    """A warning when something else ran on Envoy's core, which makes every figure larger."""
    share = busy(rounds)
    return f"the machine was busy: Envoy waited {share:.0%} of its running time for its core" if share > BUSY else ""


def peers(rounds: Rounds, titles: dict[str, str]) -> list[dict[str, object]]:
    """All samples, peer by peer."""
    return [
        {
            "name": name,
            "title": titles[name],
            "cpu_us_median": median_cpu(samples),
            "rounds": list(map(asdict, samples)),
        }
        for name, samples in rounds.items()
    ]


def store(path: Path, found: dict[str, object]) -> None:
    """A result file: when, on what machine, then what was found. The file is replaced as a whole."""
    document = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **machine(), **found}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    unfinished.rename(path)
    say(f"    written to {path}")


def median_cpu(samples: list[Sample]) -> float:
    """The median of a peer's CPU time per request, µs."""
    return round(statistics.median(sample.cpu_us for sample in samples), 2)


def machine() -> dict[str, object]:
    """What it ran on."""
    models = [line.split(":", 1)[1].strip() for line in cpuinfo() if line.startswith("model name")]
    commit = attempt(["git", "-C", str(ROOT), "rev-parse", "HEAD"])
    return {
        "machine": {
            "cpu": models[0] if models else platform.machine(),
            "cores": os.cpu_count(),
            "kernel": platform.release(),
        },
        "commit": commit.strip() if commit else None,
        "rustc": (attempt(["rustc", "--version"]) or "").strip(),
    }


def cpuinfo() -> list[str]:
    """The kernel's description of the CPUs."""
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
