"""Where things are: the checkout, the cache outside it, the build folder, the state of runs."""

import functools
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "scripts"
SAMPLE = SCRIPTS / "sample"
STATE = ROOT / ".weir"


def cache() -> Path:
    """The folder for downloads: $WEIR_CACHE, else $XDG_CACHE_HOME/weir, else ~/.cache/weir."""
    chosen = os.environ.get("WEIR_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "weir"


@functools.cache
def target() -> Path:
    """Cargo's target folder, wherever the environment or a configuration file puts it."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return Path(json.loads(answer.stdout)["target_directory"])
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def modules() -> Path:
    """The packed filter modules, `<sha256>.wasm`."""
    return target() / "modules"


def binary(name: str, profile: str = "debug") -> Path:
    """A built program of this workspace."""
    return target() / profile / name
