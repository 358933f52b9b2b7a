"""Redis, from Debian's packages."""

import shutil

from weirlib import packages
from weirlib.output import Failure


def ready() -> str:
    """The Redis server, installed where it is missing."""
    for program in ("redis-server", "redis-cli"):
        if not shutil.which(program):
            packages.install("redis-server")
    found = shutil.which("redis-server")
    if not found or not shutil.which("redis-cli"):
        raise Failure("redis-server is missing", "install it, on Debian: apt-get install redis-server")
    return found
