"""The standalone stack on loopback: sample backends, control plane, proxy."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from weirlib import documents, ports, web
from weirlib.output import Failure, attempt, step
from weirlib.places import binary
from weirlib.processes import Child, end

GENERATION = "wasmcustom.weir_generation_in_force.filter.shard-router"
VMS_CREATED = "wasm.envoy.wasm.runtime.v8.created"
VMS_ACTIVE = "wasm.envoy.wasm.runtime.v8.active"
RELOADS = "wasm.weir/default/edge/shard-router.vm_reload"


@dataclass(frozen=True)
class Ports:
    """Every port that the stack listens on; `backends` is the first of as many as there are replicas."""

    proxy: int = documents.PROXY_PORT
    admin: int = 9_901
    rest: int = 8_600
    xds: int = 18_000
    backends: int = documents.BACKEND_PORT

    def all(self) -> dict[int, str]:
        """Each port with the flag that changes it."""
        single = {getattr(self, field.name): f"--{field.name}-port" for field in fields(self)}
        several = range(self.backends, self.backends + documents.BACKEND_COUNT)
        return {**single, **{port: "--backends-port" for port in several}}

    def taken(self) -> dict[int, str]:
        """Those that somebody else listens on, with their flags."""
        return {port: flag for port, flag in self.all().items() if not ports.is_free(port)}

    def check(self) -> None:
        """A Failure that names who holds a port that is taken."""
        for port, flag in self.taken().items():
            who = ports.holder(port)
            by = f" by {who}" if who else ""
            raise Failure(
                f"port {port} is taken{by}", f"end that process, or choose another: {flag} N (or --any-ports)"
            )

    def freed(self) -> "Ports":
        """The same, with free ports in place of those that are taken."""
        flags = set(self.taken().values())
        wanted = [field.name for field in fields(self) if f"--{field.name}-port" in flags]
        count = {"backends": documents.BACKEND_COUNT}
        return replace(self, **{name: ports.free(count.get(name, 1)) for name in wanted})


class Stack:
    """Started part by part, each ready before the next; ended as a whole."""

    def __init__(self, at: Ports, folder: Path, env: Mapping[str, str]) -> None:
        self.ports = at
        self.folder = folder
        self.documents = folder / "documents"
        self.logs = folder / "logs"
        self.env = {**env, "WEIR_SERVER": f"http://127.0.0.1:{at.rest}"}
        self.weir = str(binary("weir"))
        self.children: list[Child] = []

    def start(self, workers: int) -> None:
        """Brings everything up."""
        self.logs.mkdir(parents=True, exist_ok=True)
        documents.render(self.documents, self.ports.proxy, self.ports.backends)
        with step("sample backends"):
            self._backends()
        with step("control plane"):
            self._control_plane()
            self.apply(*documents.FIRST)
        with step("proxy"):
            self._proxy(workers)

    def end(self) -> None:
        """Ends every process that was started."""
        end(self.children)

    def check(self) -> None:
        """A Failure when one of the processes has ended."""
        for child in self.children:
            child.check()

    def apply(self, *names: str) -> None:
        """Applies some of the sample's documents."""
        command = [self.weir, "apply", *documents.files(self.documents, names)]
        if attempt(["env", f"WEIR_SERVER={self.env['WEIR_SERVER']}", *command]) is None:
            raise Failure(f"{' '.join(command)} failed", f"see {self.logs}")

    def stat(self, name: str) -> int:
        """One of Envoy's counters or gauges; a Failure when it is not there."""
        value = self._stat(name)
        if value is None:
            raise Failure(f"Envoy has no stat {name}", f"see http://127.0.0.1:{self.ports.admin}/stats")
        return value

    def _stat(self, name: str) -> int | None:
        answer = web.request(self.ports.admin, "GET", f"/stats?format=json&filter=^{name}$")
        stats = [stat for stat in answer.json()["stats"] if stat.get("name") == name]
        return int(stats[0]["value"]) if stats else None

    def owners(self, keys: list[str], document: str = documents.ORDERS) -> dict[str, str]:
        """Which shard owns each key, as `weir ring owner` computes it."""
        file = str(self.documents / document)
        text = attempt([self.weir, "ring", "owner", "-f", file, "-o", "json", "--", *keys])
        if text is None:
            raise Failure(f"weir ring owner -f {file} failed", "run it by hand to see why")
        return {answer["key"]: answer["shard"] for answer in json.loads(text)}

    def _launch(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, self.logs / f"{name}.log", self.env)
        self.children.append(child)
        return child

    def _backends(self) -> None:
        replicas = documents.replicas(self.ports.backends)
        listen = [f"--listen={name}=127.0.0.1:{port}" for name, port in replicas.items()]
        child = self._launch("backends", [str(binary("weir-sample-backend")), *listen])
        child.wait_until(lambda: child.output().startswith("ready"), "all replicas listening")

    def _control_plane(self) -> None:
        at = self.ports
        places = ["--data-dir", str(self.folder / "data"), "--modules-dir", self.env["WEIR_MODULES_DIR"]]
        listen = ["--listen", f"127.0.0.1:{at.rest}", "--xds-listen", f"127.0.0.1:{at.xds}"]
        child = self._launch("control-plane", [self.weir, "serve", *places, *listen])
        child.wait_until(lambda: web.status(at.rest, "/healthz") == 200, "ready")

    def _proxy(self, workers: int) -> None:
        at = self.ports
        node = ["--gateway", "default/edge", "--admin", f"127.0.0.1:{at.admin}"]
        places = ["--modules-dir", str(self.folder / "modules"), "--xds", f"127.0.0.1:{at.xds}"]
        envoy = ["--concurrency", str(workers), "--", "--log-level", "warning"]
        child = self._launch("proxy", [self.weir, "proxy", "run", *node, *places, *envoy])
        child.wait_until(lambda: web.status(at.admin, "/ready") == 200, "Envoy ready")
        child.wait_until(lambda: bool(self._stat(GENERATION)), "the shard map in force in every worker")
        child.wait_until(self._serves, "every shard answering")

    def _serves(self) -> bool:
        """Reads reach a replica, once health checks have passed."""
        statuses = [web.status(self.ports.proxy, f"/users/user-{user}/orders") for user in range(32)]
        return all(status == 200 for status in statuses)


def fresh(folder: Path, keep: bool) -> None:
    """Clears the state of an earlier run, unless it is to be kept."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def watched(stack: Stack, work: Callable[[Stack], int]) -> int:
    """Does the work with a stack, and ends the stack however that comes out."""
    try:
        return work(stack)
    finally:
        stack.end()
