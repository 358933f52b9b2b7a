"""The caches beside Envoy, and the origin of all of them: nginx and Varnish as Debian has them, on loopback."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import load
from weirlib import packages, ports, processes, web
from weirlib.output import Failure, attempt
from weirlib.prepare import Tools

# The objects of the origin: everything under /small/ and under /large/.
SIZES = {"small": 1_024, "large": 65_536}
LIFETIME_S = 86_400
DEBIAN = {"nginx": "nginx", "varnishd": "varnish"}
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
NGINX = """daemon off; {main} pid {folder}/{name}.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 300s; {paths}
  open_file_cache max=100000 inactive=300s; open_file_cache_valid 300s;
  {http}
  server {{ listen 127.0.0.1:{port}; {server} }}
}}
"""
VARNISH = "-p thread_pools=1 -p default_ttl=0 -p default_grace=0 -p default_keep=3600".split()
VCL = """vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}
"""


@dataclass(frozen=True)
class Programs:
    """Where they are."""

    nginx: str
    varnish: str

    def versions(self) -> dict[str, str]:
        """What was compared with; both say it on stderr."""
        asked = {"nginx": f"{self.nginx} -v", "varnish": f"{self.varnish} -V"}
        said = {name: attempt(["sh", "-c", f"{command} 2>&1"]) or "" for name, command in asked.items()}
        return {name: text.splitlines()[0] if text else "" for name, text in said.items()}


def fetch() -> Programs:
    """Finds or installs them."""
    return Programs(_program("nginx"), _program("varnishd"))


def bodies() -> dict[str, str]:
    """What the origin answers with, by the start of the path."""
    return {name: ("weir" * size)[:size] for name, size in SIZES.items()}


@dataclass(frozen=True)
class Origin:
    """The one server behind every cache."""

    port: int

    def requests(self) -> int:
        """How many it has answered, those that ask this among them."""
        told = web.request(self.port, "GET", "/status").body.decode()
        found = re.search(r"^ \d+ \d+ (\d+)", told, re.MULTILINE)
        if not found:
            raise Failure(f"the origin does not say how many requests it had: {told!r}")
        return int(found[1])


def origin(ready: Tools, programs: Programs, folder: Path) -> tuple[Origin, processes.Child]:
    """Starts the origin."""
    port, files = ports.free(), folder / "objects"
    files.mkdir()
    for name, body in bodies().items():
        (files / name).write_text(body)
    places = " ".join(f"location /{name}/ {{ try_files /{name} =404; }}" for name in SIZES)
    lifetime = f'add_header Cache-Control "max-age={LIFETIME_S}";'
    server = f"root {files}; {lifetime} {places} location = /status {{ stub_status; }}"
    return Origin(port), _nginx(ready, programs, folder, "origin", port, "", server, load.cores()[1])


def nginx(ready: Tools, programs: Programs, folder: Path, port: int, behind: int) -> processes.Child:
    """nginx's proxy_cache, with one worker."""
    http = (
        f"proxy_cache_path {folder}/nginx-cache keys_zone=cache:64m max_size=1g inactive=1h use_temp_path=off;"
        f"upstream origin {{ server 127.0.0.1:{behind}; keepalive 32; }}"
    )
    server = (
        "location / { proxy_pass http://origin; proxy_cache cache; proxy_cache_revalidate on;"
        ' proxy_http_version 1.1; proxy_set_header Connection ""; }'
    )
    shutil.rmtree(folder / "nginx-cache", ignore_errors=True)
    return _nginx(ready, programs, folder, "nginx", port, http, server, load.cores()[0])


def varnish(ready: Tools, programs: Programs, folder: Path, port: int, behind: int) -> processes.Child:
    """Varnish with its objects in memory, for as long as the origin says; it logs into shared memory, as it always does."""
    script = folder / "cache.vcl"
    script.write_text(VCL.format(origin=behind))
    where = ["-j", "none", "-n", str(folder / "varnish"), "-f", str(script), "-a", f"127.0.0.1:{port}"]
    command = [programs.varnish, "-F", "-T", "none", *where, "-s", "malloc,256m", *VARNISH]
    return _started("varnish", command, folder, ready, port, load.cores()[0])


def _nginx(
    ready: Tools, programs: Programs, folder: Path, name: str, port: int, http: str, server: str, cores: set[int]
) -> processes.Child:
    config = folder / f"{name}.conf"
    main = "user root; worker_processes 1;" if _root() else "worker_processes 1;"
    paths = " ".join(f"{kind}_temp_path {folder}/temporary;" for kind in TEMPORARY)
    text = NGINX.format(
        main=main, folder=folder, name=name, paths=paths, http=http, port=port, server=server
    )
    config.write_text(text)
    command = [programs.nginx, "-p", str(folder), "-e", "stderr", "-c", str(config)]
    return _started(name, command, folder, ready, port, cores)


def _root() -> bool:
    return Path("/proc/self").stat().st_uid == 0


def _started(
    name: str, command: list[str], folder: Path, ready: Tools, port: int, cores: set[int]
) -> processes.Child:
    child = processes.Child(name, command, folder / f"{name}.log", ready.env, cores)
    child.wait_until(lambda: web.status(port, "/small/0") is not None, "an answer")
    return child


def _program(name: str) -> str:
    package = DEBIAN[name]
    # Where systemd runs, a package's service would start with its installation.
    if not _found(name) and not Path("/run/systemd/system").exists():
        packages.install(package)
    found = _found(name)
    if not found:
        raise Failure(f"{name} is missing", f"install it, on Debian: apt-get install {package}")
    return found


def _found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")
