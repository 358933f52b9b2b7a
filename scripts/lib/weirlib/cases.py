"""Requests with a key in every place that the sample's map names, and requests that must not be routed."""

from dataclasses import dataclass, field
from urllib.parse import quote

from weirlib.stack import RELOADS, Stack
from weirlib.web import Answer, request

KEYS = [f"user-{number}" for number in range(1, 25)] + ["zoë", "a b/c?d&e", "名前", "50%"]
NAMES = "abcd"


@dataclass(frozen=True)
class Case:
    """One request; `key` as a person would write it."""

    where: str
    method: str
    target: str
    key: str
    headers: dict[str, bytes] = field(default_factory=dict)

    def send(self, port: int) -> Answer:
        """Sends it."""
        return request(port, self.method, self.target, self.headers, b"{}" if self.method == "POST" else None)


def keyed() -> list[Case]:
    """Every key once; places and methods take turns."""
    return [_case(number, key) for number, key in enumerate(KEYS)]


def _case(number: int, key: str) -> Case:
    method = "POST" if number // 3 % 2 else "GET"
    where = ("header", "query", "path")[number % 3]
    escaped = quote(key, safe="")
    if where == "header":
        return Case(where, method, "/orders", key, {"x-user-id": key.encode()})
    target = f"/orders?page=2&user={escaped}" if where == "query" else f"/users/{escaped}/orders"
    return Case(where, method, target, key)


def wrong_with(case: Case, owner: str, answer: Answer) -> str:
    """What an answer shows that the map doesn't say; empty when all agrees."""
    if answer.status != 200:
        return f"status {answer.status}"
    told = answer.json()
    role = "primary" if case.method == "POST" else "replica"
    found = {"shard": told["shard"], "role": told["role"], "x-weir-shard": told["headers"].get("x-weir-shard")}
    expected = {"shard": owner, "role": role, "x-weir-shard": owner}
    return ", ".join(
        f"{name} {found[name]}, not {expected[name]}" for name in expected if found[name] != expected[name]
    )


@dataclass(frozen=True)
class Outcome:
    """One line of the table of odd requests."""

    title: str
    seen: str
    wrong: str


def odd(stack: Stack, owners: dict[str, str]) -> list[Outcome]:
    """Requests that are refused, or that try to mislead."""
    return [
        _refused(stack, "no key", "/orders", {}, 400),
        _refused(stack, "key too long", "/orders", {"x-user-id": b"k" * 257}, 400),
        _unrouted(stack),
        *(_misleading(stack, name, owners) for name in ("x-weir-cluster", "x-weir-shard")),
        *_bytes(stack, owners),
    ]


def _refused(stack: Stack, title: str, target: str, headers: dict[str, bytes], status: int) -> Outcome:
    answer = request(stack.ports.proxy, "GET", target, headers)
    kind = answer.headers.get("content-type", "")
    good = answer.status == status and kind == "application/problem+json" and answer.json().get("status") == status
    return Outcome(title, f"{answer.status} {kind}", "" if good else f"not {status} application/problem+json")


def _unrouted(stack: Stack) -> Outcome:
    answer = request(stack.ports.proxy, "GET", "/elsewhere", {"x-user-id": b"user-1"})
    return Outcome("no such route", str(answer.status), "" if answer.status == 404 else "not 404")


def _misleading(stack: Stack, name: str, owners: dict[str, str]) -> Outcome:
    """A client that names another shard gets the key's own."""
    key = KEYS[0]
    other = next(shard for shard in NAMES if shard != owners[key])
    value = f"weir/default/orders/{other}/write" if name == "x-weir-cluster" else other
    case = Case("header", "GET", "/orders", key, {"x-user-id": key.encode(), name: value.encode()})
    answer = case.send(stack.ports.proxy)
    wrong = wrong_with(case, owners[key], answer)
    if not wrong and "x-weir-cluster" in answer.json()["headers"]:
        wrong = "x-weir-cluster reached the backend"
    return Outcome(f"client sends {name}: {value}", answer.headers.get("x-sample-shard", str(answer.status)), wrong)


def _bytes(stack: Stack, owners: dict[str, str]) -> list[Outcome]:
    """Header bytes 0x80 to 0xFF, beside the key and as the key, leave the VM as it is."""
    high = bytes(range(0x80, 0x100))
    key = KEYS[0]
    before = stack.stat(RELOADS)
    beside = Case("header", "GET", "/orders", key, {"x-user-id": key.encode(), "x-note": high})
    answer = beside.send(stack.ports.proxy)
    as_key = Case("header", "GET", "/orders", "", {"x-user-id": high}).send(stack.ports.proxy)
    reloads = stack.stat(RELOADS) - before
    return [
        Outcome("bytes 80–FF in a header", str(answer.status), wrong_with(beside, owners[key], answer)),
        Outcome("bytes 80–FF as the key", str(as_key.status), "" if as_key.status == 200 else "not 200"),
        Outcome("VMs reloaded by them", str(reloads), "a trap" if reloads else ""),
    ]
