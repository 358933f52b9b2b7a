"""HTTP to loopback ports: one request, or many over one connection. Header values may be bytes."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = 10.0
Headers = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Answer:
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body)


class Connection:
    """Requests over one kept connection, opened anew when it was closed."""

    def __init__(self, port: int) -> None:
        self.wire = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)

    def request(self, method: str, target: str, headers: Headers | None = None, body: bytes | None = None) -> Answer:
        """Sends one request; OSError or HTTPException when there is no answer."""
        try:
            self.wire.request(method, target, body, dict(headers or {}))
            answer = self.wire.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        except BaseException:
            self.wire.close()
            raise

    def close(self) -> None:
        """Closes the connection."""
        self.wire.close()


def request(port: int, method: str, target: str, headers: Headers | None = None, body: bytes | None = None) -> Answer:
    """One request over a connection of its own."""
    connection = Connection(port)
    try:
        return connection.request(method, target, headers, body)
    finally:
        connection.close()


def status(port: int, path: str) -> int | None:
    """The status that a GET is answered with; None when there is no answer."""
    try:
        return request(port, "GET", path).status
    except (OSError, http.client.HTTPException):
        return None
