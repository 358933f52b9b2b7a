"""The Rust toolchain that rust-toolchain.toml pins, its Wasm target, and a C compiler for SQLite."""

import os
import re
import shutil
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from weirlib import packages
from weirlib.output import Failure, attempt, say
from weirlib.places import ROOT

WASM = "wasm32-unknown-unknown"
Version = tuple[int, int, int]


@dataclass(frozen=True)
class Toolchain:
    """What to set so that cargo builds this workspace, and what besides to build the filters."""

    env: dict[str, str] = field(default_factory=dict)
    wasm_env: dict[str, str] = field(default_factory=dict)


def ready() -> Toolchain:
    """Finds or installs what the workspace is built with."""
    _c_compiler()
    env = _rust()
    os.environ.update(env)
    return Toolchain(env, _wasm_target())


def _pinned() -> tuple[str, list[str]]:
    table = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]
    return table["channel"], table.get("components", [])


def _version(text: str | None) -> Version | None:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _rust() -> dict[str, str]:
    channel, components = _pinned()
    if os.environ.get("RUSTUP_TOOLCHAIN"):
        return _chosen(os.environ["RUSTUP_TOOLCHAIN"], channel)
    if not shutil.which("rustup"):
        return _without_rustup(channel)
    installed = _installed()
    pinned = [name for name in installed if name.startswith(f"{channel}-")]
    same = [name for name, version in installed.items() if version == _version(channel)]
    for name in (pinned + same)[:1]:
        _complete(name, components)
        return {} if pinned else _instead(name, channel)
    say(f"    installing Rust {channel} with rustup")
    wanted = [part for component in components for part in ("--component", component)]
    command = ["rustup", "toolchain", "install", channel, "--profile", "minimal", *wanted]
    if attempt(command, timeout=1200) is not None:
        return {}
    return _newer(installed, channel)


def _chosen(name: str, channel: str) -> dict[str, str]:
    version = _version(attempt(["rustc", "--version"]))
    if version is None or version < (_version(channel) or version):
        raise Failure(
            f"RUSTUP_TOOLCHAIN={name} is no Rust {channel} or newer",
            f"unset it, or set it to a toolchain of Rust {channel} or newer (rustup toolchain list)",
        )
    return {"RUSTUP_TOOLCHAIN": name}


def _without_rustup(channel: str) -> dict[str, str]:
    version = _version(attempt(["rustc", "--version"]))
    if version is None or version < (_version(channel) or version) or not shutil.which("cargo"):
        raise Failure(
            f"Rust {channel} is not installed, and there is no rustup to install it with",
            "install rustup (https://rustup.rs), then start again",
        )
    return {}


def _installed() -> dict[str, Version]:
    lines = (attempt(["rustup", "toolchain", "list"]) or "").splitlines()
    names = [line.split()[0] for line in lines if line.strip() and not line.startswith("no ")]
    versions = {name: _version(attempt(["rustup", "run", name, "rustc", "--version"])) for name in names}
    return {name: version for name, version in versions.items() if version is not None}


def _complete(name: str, components: list[str]) -> None:
    """Adds the components that an installed toolchain lacks, as one of the minimal profile does."""
    missing = [component for component in components if not _runs(name, component)]
    if not missing:
        return
    command = ["rustup", "component", "add", "--toolchain", name, *missing]
    say(f"    adding {', '.join(missing)} to {name}")
    attempt(command, timeout=600)
    still = [component for component in missing if not _runs(name, component)]
    if still:
        raise Failure(
            f"the toolchain {name} lacks {', '.join(still)}, and rustup could not add that",
            f"see what this says: {' '.join(command)}",
        )


def _runs(name: str, component: str) -> bool:
    """Whether cargo's command for a component is there: cargo-clippy for clippy, cargo-fmt for rustfmt."""
    command = f"cargo-{component.removeprefix('rust')}"
    return attempt(["rustup", "run", name, command, "--version"], timeout=60) is not None


def _instead(name: str, channel: str) -> dict[str, str]:
    say(f"    Rust {channel}: using the installed toolchain {name} (RUSTUP_TOOLCHAIN={name})")
    return {"RUSTUP_TOOLCHAIN": name}


def _newer(installed: dict[str, Version], channel: str) -> dict[str, str]:
    pinned = _version(channel)
    stable = {
        name: version
        for name, version in installed.items()
        if pinned and version >= pinned and not name.startswith(("nightly", "beta"))
    }
    if stable:
        return _instead(min(stable, key=lambda name: stable[name]), channel)
    raise Failure(
        f"Rust {channel} could not be installed, and no installed toolchain is that new",
        f"run: rustup toolchain install {channel} --profile minimal -c rustfmt -c clippy",
    )


def _sysroot() -> Path:
    return Path((attempt(["rustc", "--print", "sysroot"], timeout=60) or "").strip())


def _has_wasm_target() -> bool:
    return (_sysroot() / "lib" / "rustlib" / WASM / "lib").is_dir()


def _wasm_target() -> dict[str, str]:
    if _has_wasm_target():
        return {}
    if shutil.which("rustup"):
        active = (attempt(["rustup", "show", "active-toolchain"]) or _pinned()[0]).split()[0]
        say(f"    adding the target {WASM} to {active}")
        attempt(["rustup", "target", "add", "--toolchain", active, WASM], timeout=600)
        if _has_wasm_target():
            return {}
    return _built_standard_library()


def _built_standard_library() -> dict[str, str]:
    """Debian's compiler and its sources: the standard library for Wasm is built with the filters."""
    say(f"    no {WASM} for this toolchain: trying Debian's rustc-web, whose sources can be built for it")
    have = packages.install("rustc-web", "cargo-web", "rust-web-src", "lld")
    linker = _wasm_linker()
    if not have or linker is None or not Path("/usr/bin/cargo").exists():
        raise Failure(
            f"the Rust target {WASM} is not installed",
            f"run: rustup target add --toolchain {_pinned()[0]} {WASM}",
        )
    return {
        "CARGO": "/usr/bin/cargo",
        "RUSTC": "/usr/bin/rustc",
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_UNSTABLE_BUILD_STD": "std,panic_abort",
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER": linker,
    }


def _wasm_linker() -> str | None:
    """rustup's own rust-lld, newer than Debian's; else Debian's."""
    own = sorted(_sysroot().glob("lib/rustlib/*/bin/rust-lld"))
    return str(own[0]) if own else shutil.which("wasm-ld")


def _c_compiler() -> None:
    names = ("cc", "gcc", "clang")
    if any(map(shutil.which, names)):
        return
    packages.install("build-essential")
    if not any(map(shutil.which, names)):
        raise Failure(
            "no C compiler: SQLite is compiled from source, and Rust links with it",
            "install one, on Debian: apt-get install build-essential",
        )
