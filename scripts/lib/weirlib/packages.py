"""Debian packages, where they can be installed."""

import functools
import os
import shutil

from weirlib.output import attempt, say


def can_install() -> bool:
    """Whether this user may install Debian packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


@functools.cache
def _refresh() -> None:
    attempt(["apt-get", "update", "-qq"], timeout=300)


def install(*names: str) -> bool:
    """Installs packages; whether that worked."""
    if not can_install():
        return False
    say(f"    installing {', '.join(names)} with apt-get")
    _refresh()
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", *names]
    return attempt(command, timeout=1200) is not None
