"""One kept connection to a server that is measured."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Client:
    """A connection of one user's. Anything but success ends the program."""

    def __init__(self, server: str, ca: Path, token: str) -> None:
        """Take the server's URL, whose path every request begins with, and the file of its authority."""
        url = urlsplit(server)
        assert url.hostname is not None
        self._prefix = url.path
        self._token = token
        context = ssl.create_default_context(cafile=str(ca))
        self._connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=330, context=context)

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, accept: str = "application/json"
    ) -> bytes:
        """Send a request and return the body of its answer."""
        return self._send(method, path, body, accept).read()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """Send a request that may be refused; returns status and body."""
        answer = self._request(method, path, body, "application/json")
        return answer.status, answer.read()

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the events of a watch until the server ends it; the connection is of no use afterwards."""
        for line in self._send("GET", path, None, "application/json"):
            yield json.loads(line)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, method: str, path: str, body: dict[str, Any] | None, accept: str) -> http.client.HTTPResponse:
        answer = self._request(method, path, body, accept)
        if answer.status not in (200, 201):
            raise SystemExit(f"error: {method} {path} answered {answer.status}: {answer.read()[:300]!r}")
        return answer

    def _request(self, method: str, path: str, body: dict[str, Any] | None, accept: str) -> http.client.HTTPResponse:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", "Accept": accept}
        path = path if path.startswith(self._prefix) else self._prefix + path
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        return self._connection.getresponse()
