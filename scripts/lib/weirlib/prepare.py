"""Makes the machine and the checkout ready: tools first, then the build. Quick when nothing is missing."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weirlib import envoy, toolchain
from weirlib.output import require, step
from weirlib.places import ROOT, binary, modules

# What the standalone stack needs, package by package.
PROGRAMS = ("weir-server", "weir-sample-backend")
FILTERS = ("weir-rate-limit", "weir-shard-router", "weir-edge-cache", "weir-request-hedge")
LOOK = "read the messages above"


@dataclass(frozen=True)
class Tools:
    """What is there now: the environment for every further command, and what the filters' build needs besides."""

    env: dict[str, str]
    wasm_env: dict[str, str] = field(default_factory=dict)


def tools() -> Tools:
    """Checks the tools, and fetches those that are missing."""
    with step("Rust, its Wasm target, a C compiler"):
        rust = toolchain.ready()
    with step("Envoy"):
        proxy = envoy.ready()
    return Tools(environment(proxy, rust.env), rust.wasm_env)


def environment(proxy: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The environment for cargo, the tests, and everything that is started."""
    own = {"WEIR_ENVOY": str(proxy), "WEIR_MODULES_DIR": str(modules())}
    return {**os.environ, **more, **own}


def exports(ready: Tools) -> dict[str, str]:
    """The part of the environment that `scripts/setup` sets."""
    names = ("RUSTUP_TOOLCHAIN", "WEIR_ENVOY", "WEIR_MODULES_DIR")
    return {name: ready.env[name] for name in names if name in ready.env}


def build(ready: Tools, profile: str = "dev", programs: tuple[str, ...] = PROGRAMS) -> None:
    """Builds programs of this workspace."""
    with step(f"build {', '.join(programs)} ({profile})"):
        chosen = [part for program in programs for part in ("-p", program)]
        require(["cargo", "build", "--quiet", "--locked", "--profile", profile, *chosen], LOOK, ready.env, ROOT)


def pack(ready: Tools, filters: tuple[str, ...] = FILTERS, out: Path | None = None) -> None:
    """Builds filters for Wasm and stores the modules by digest."""
    build(ready, programs=("weir-pack-modules",))
    out = out or modules()
    with step(f"pack {', '.join(filters)}"):
        chosen = [part for name in filters for part in ("-p", name)]
        command = [str(binary("weir-pack-modules")), "--out", str(out), *chosen]
        require(command, LOOK, {**ready.env, **ready.wasm_env}, ROOT)


def packed(folder: Path) -> dict[str, Path]:
    """The modules in a folder, by the filter's name."""
    catalog = json.loads((folder / "modules.json").read_text())
    return {name: folder / f"{module['sha256']}.wasm" for name, module in catalog["modules"].items()}


def everything() -> Tools:
    """Tools, programs, modules."""
    ready = tools()
    build(ready)
    pack(ready)
    return ready
