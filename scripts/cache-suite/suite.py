"""The public HTTP cache test suite, npm package `http-cache-tests`: fetched once, its origin, and a run of its tests."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from score import Score
from weirlib import processes
from weirlib.lifetime import bound
from weirlib.output import Failure, attempt, step
from weirlib.places import cache

NAME, VERSION = "http-cache-tests", "0.4.5"
HERE = Path(__file__).resolve().parent
# The suite, and what its client needs. What else the package names as dependencies draws its pages for browsers.
PACKAGES = {
    f"{NAME}@{VERSION}": "DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A==",
    "node-fetch@2.7.0": "c4FRfUm/dbcWZ7U+1Wq0AwCyFL+3nt2bEw05wfxSz+DWpWsitgmSgYmy2dQdWyKC1694ELPqMs/YzUSNozLt8A==",
    "whatwg-url@5.0.0": "saE57nupxk6v3HY35+jzBwYa0rKSy0XR8JSxZPwgLr7ys0IBzhGviA1/TUGJLmSVqs8pb9AnvICXEuOHLprYTw==",
    "tr46@0.0.3": "N3WMsuqV66lT30CrXNbEjx4GEwlow3v6rr4mCcv6prnfwhS01rkgyFdjPNBYd9br7LpXV1+Emh01fHnq2Gdgrw==",
    "webidl-conversions@3.0.1": "2JAn3z8AR6rjK8Sm8orRC0h/bcl/DqL7tRPdGZ4I1CjdF+EaMLmYxBHyXuKL849eucPFhvBoxMsflfOb8kxaeQ==",
}
OLDEST_NODE = 16
PATIENCE_S = 300
INSTALL = "install Node.js 16 or newer with npm, on Debian: apt-get install nodejs npm"


@dataclass(frozen=True)
class Suite:
    """Where it is, and what runs it."""

    node: str
    folder: Path
    node_version: str

    def origin(self, port: int, log: Path) -> processes.Child:
        """Starts the origin that every test configures for itself."""
        child = processes.Child("origin", [self.node, str(HERE / "origin.mjs"), str(self.folder), str(port)], log)
        child.wait_until(lambda: child.output().startswith("ready"), "ready line")
        return child

    def run(self, url: str, only: Sequence[str] = (), dump: bool = False) -> Score:
        """Every test, or those named, through the proxy at a URL; with `dump` the exchanges go to stderr."""
        options = ["--dump"] * dump
        command = [self.node, "--no-warnings", str(HERE / "client.mjs"), str(self.folder), url, *options, *only]
        try:
            ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, preexec_fn=bound())
        except subprocess.TimeoutExpired as late:
            raise Failure(f"the tests did not end within {PATIENCE_S} s") from late
        if ran.returncode != 0:
            raise Failure("the tests could not be run", "read the messages above")
        return Score(json.loads(ran.stdout))


def ready() -> Suite:
    """Finds Node.js, and fetches the suite if it is missing."""
    node = shutil.which("node")
    version = (attempt([node, "--version"]) or "").strip() if node else ""
    found = re.match(r"v(\d+)\.", version)
    if not node or not found or int(found[1]) < OLDEST_NODE:
        raise Failure(f"the cache tests run on Node.js, found: {version or 'none'}", INSTALL)
    home = cache() / f"{NAME}-{VERSION}"
    if not home.exists():
        _fetch(home)
    return Suite(node, home / "node_modules" / NAME, version)


def _fetch(home: Path) -> None:
    npm = shutil.which("npm")
    if not npm:
        raise Failure(f"npm is missing: {NAME} is fetched with it", INSTALL)
    home.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the last rename can't leave half of it.
    with step(f"npm pack {NAME}@{VERSION}"), tempfile.TemporaryDirectory(dir=home.parent) as place:
        folder = Path(place)
        command = [npm, "pack", "--silent", "--pack-destination", place, *PACKAGES]
        if attempt(command, timeout=300) is None:
            raise Failure(f"{NAME} could not be downloaded", f"see what this says: {' '.join(command)}")
        for package, digest in PACKAGES.items():
            _unpack(folder, package, digest)
        (folder / "new").rename(home)


def _unpack(folder: Path, package: str, expected: str) -> None:
    name, version = package.rsplit("@", 1)
    archive = folder / f"{name}-{version}.tgz"
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != expected:
        raise Failure(f"{archive.name} has the SHA-512 {digest}, expected {expected}; it was not used")
    with tarfile.open(archive) as opened:
        opened.extractall(folder / name)
    modules = folder / "new" / "node_modules"
    modules.mkdir(parents=True, exist_ok=True)
    # npm packs everything into one folder, in old packages of any name.
    (inner,) = (folder / name).iterdir()
    inner.rename(modules / name)
