"""`scripts/run --check`: the stack against the map, request by request, then with a shard more. Prints what it saw."""

from collections.abc import Callable, Sequence

from weirlib import cases, growth
from weirlib.stack import Stack
from weirlib.web import Answer

WORKERS = 2


def check(stack: Stack) -> int:
    """0 when everything agrees, else 1."""
    parts: tuple[Callable[[Stack], list[str]], ...] = (_keyed, _odd, _growth)
    problems = [problem for part in parts for problem in part(stack)]
    stack.check()
    for problem in problems:
        print(f"WRONG: {problem}")
    print("check failed" if problems else "check passed: every answer agrees with the map")
    return 1 if problems else 0


def _print(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for line in (head, *rows):
        print("  ".join(map(str.ljust, line, widths)).rstrip())
    print(flush=True)


def _keyed(stack: Stack) -> list[str]:
    owners, rows, problems = stack.owners(cases.KEYS), [], []
    for case in cases.keyed():
        owner, answer = owners[case.key], case.send(stack.ports.proxy)
        wrong, title = cases.wrong_with(case, owner, answer), f"{case.method} {case.target}"
        rows.append((title, case.where, case.key, owner, *_told(answer), wrong or "ok"))
        problems += [f"{title} ({case.key}): {wrong}"] * bool(wrong)
    _print(("request", "key in", "key", "expected", "answered", "by", "x-weir-shard", ""), rows)
    return problems


def _told(answer: Answer) -> tuple[str, str, str]:
    """Which shard and which replica answered, and the x-weir-shard that it saw."""
    if answer.status != 200:
        return ("-", "-", "-")
    told = answer.json()
    return (told["shard"], told["replica"], told["headers"].get("x-weir-shard", "-"))


def _odd(stack: Stack) -> list[str]:
    outcomes = cases.odd(stack, stack.owners(cases.KEYS))
    _print(("odd request", "seen", ""), [(one.title, one.seen, one.wrong or "ok") for one in outcomes])
    return [f"{one.title}: {one.wrong}" for one in outcomes if one.wrong]


def _growth(stack: Stack) -> list[str]:
    seen = growth.grow(stack)
    moved = ", ".join(f"{old} → {new}: {count}" for (old, new), count in sorted(seen.moved.items()))
    rows = [
        ("keys moved", f"{seen.moved.total()} of {len(growth.KEYS)} ({moved})"),
        (
            "start of weir apply until in force in every worker",
            f"{seen.seconds:.3f} s (aim: < {growth.AIM_SECONDS:g} s)",
        ),
        ("requests before, during and after", f"{seen.traffic.requests}, failed: {len(seen.traffic.failures)}"),
        ("VMs running", f"{seen.before.active}, then {seen.after.active}"),
        ("VMs created", f"{seen.before.created}, then {seen.after.created} (one is the canary)"),
        ("keys that another than the new owner answers for", str(len(seen.astray))),
    ]
    _print(("a fourth shard", ""), rows)
    return seen.problems()
