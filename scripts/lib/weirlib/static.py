"""`envoy/`: static configurations, with ports of one's own, and the filter's part of them alone."""

import re
from pathlib import Path

from weirlib.output import Failure
from weirlib.places import ROOT

# Of every static configuration: its listener, its admin interface, its first upstream.
LISTENER, ADMIN, UPSTREAM = 10_000, 9_901, 9_101
SLOT = re.compile(r"^( *)value: \|\n((?:\1  .*\n|\n)+)", re.MULTILINE)


def path(filter_name: str) -> Path:
    """The file of a filter."""
    return ROOT / "envoy" / f"{filter_name}.yaml"


def rehomed(file: Path, filter_name: str, module: Path, ports: dict[int, int]) -> str:
    """A filter's file with other ports, and with the module where it is."""
    text, written = file.read_text(), f"target/modules/{filter_name}.wasm"
    for old, new in ports.items():
        text, count = re.subn(rf"\bport_value: {old}\b", f"port_value: {new}", text)
        if count == 0:
            raise Failure(f"{file} has no port_value: {old}")
    if written not in text:
        raise Failure(f"{file} does not load {written}")
    return text.replace(written, str(module))


def configuration(file: Path) -> str:
    """The filter's configuration: the text of the one block scalar."""
    found = SLOT.search(file.read_text())
    if not found:
        raise Failure(f"{file} has no filter configuration under `value: |`")
    inner = len(found[1]) + 2
    return "".join(f"{line[inner:]}\n" for line in found[2].splitlines())


def reconfigured(text: str, configuration: str) -> str:
    """A file's text with another filter configuration."""

    def put(found: re.Match[str]) -> str:
        inner = found[1] + "  "
        return f"{found[1]}value: |\n" + "".join(f"{inner}{line}\n" for line in configuration.splitlines())

    return SLOT.sub(put, text)
