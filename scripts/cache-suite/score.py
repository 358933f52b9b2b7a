"""What a run of the suite amounts to: a test counts when it passes and everything that it needs does."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

KINDS = ("required", "optimal", "check")


@dataclass(frozen=True)
class Test:
    """One test: whether a cache must pass it, does well to, or merely differs by it."""

    id: str
    suite: str
    kind: str
    needs: tuple[str, ...]


class Score:
    """The tests of a run, by their results."""

    def __init__(self, found: Any) -> None:
        self.tests = {one["id"]: Test(**{**one, "needs": tuple(one["needs"])}) for one in found["tests"]}
        self.results: dict[str, Any] = found["results"]

    @functools.cached_property
    def passed(self) -> list[str]:
        """The ids of the tests that count."""
        return [name for name in self.tests if self.counts(name)]

    def counts(self, name: str) -> bool:
        """Whether a test passes, with everything that it needs."""
        test = self.tests.get(name)
        return test is not None and self.results.get(name) is True and all(map(self.counts, test.needs))

    def why(self, name: str) -> str:
        """What is wrong with a test that does not count."""
        lacking = [need for need in self.tests[name].needs if not self.counts(need)]
        result = self.results.get(name)
        if result is True or result is None or lacking:
            return f"needs {', '.join(lacking)}" if lacking else "did not run"
        kind, what = result
        return what if kind == "Assertion" else f"{kind.lower()}: {what}"

    def by_kind(self) -> dict[str, dict[str, int]]:
        """How many count of how many."""
        counts = {}
        for kind in KINDS:
            every = [test.id for test in self.tests.values() if test.kind == kind]
            counts[kind] = {"passed": sum(map(self.counts, every)), "tests": len(every)}
        return counts

    def failed(self) -> list[Test]:
        """The tests that do not count, those of the first kind first."""
        rest = [test for test in self.tests.values() if not self.counts(test.id)]
        return sorted(rest, key=lambda test: KINDS.index(test.kind))

    def with_needs(self, names: Iterable[str]) -> list[str]:
        """These tests, and every test that they need, at any remove."""
        wanted, open_ends = set[str](), list(names)
        while open_ends:
            name = open_ends.pop()
            if name in self.tests and name not in wanted:
                wanted.add(name)
                open_ends += self.tests[name].needs
        return sorted(wanted)

    def lines(self) -> str:
        """One line for each test that does not count."""
        return "\n".join(f"{test.kind:<9} {test.id}: {self.why(test.id)}" for test in self.failed())

    def summary(self) -> str:
        """`103 of 165 required, …`"""
        return ", ".join(f"{each['passed']} of {each['tests']} {kind}" for kind, each in self.by_kind().items())

    def document(self) -> dict[str, object]:
        """The score, for a file."""
        failed = {test.id: self.why(test.id) for test in self.failed()}
        return {"score": self.by_kind(), "failed": failed}
