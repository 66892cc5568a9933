"""Requests no HTTP library would send: bytes on a TLS connection, and what comes back."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import KcpServer

SECONDS = 30
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; code 0 is a connection that was closed without one."""

    code: int
    headers: http.client.HTTPMessage
    body: bytes

    def status(self) -> dict[str, Any]:
        """Return the body as the `Status` it has to be."""
        found: dict[str, Any] = json.loads(self.body)
        assert found["kind"] == "Status"
        assert found["code"] == self.code
        return found


@dataclass(frozen=True, slots=True)
class Victim:
    """A server under attack, with what its operating system and its log tell about it."""

    server: KcpServer
    process_id: int
    log: Path

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server.url.rpartition(":")[2])

    def connect(self) -> socket.socket:
        """Open a TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), SECONDS)

    def connect_tls(self, protocol: str = "http/1.1") -> ssl.SSLSocket:
        """Open a TLS connection for one protocol."""
        context = ssl.create_default_context(cadata=self.server.ca.decode())
        context.set_alpn_protocols([protocol])
        return context.wrap_socket(self.connect(), server_hostname="127.0.0.1")

    def send(self, data: bytes, method: str = "GET") -> Answer:
        """Send bytes over HTTP/1.1's port and read one response."""
        with self.connect_tls() as connection:
            # The server may answer and close before it has read everything.
            with contextlib.suppress(OSError):
                connection.sendall(data)
            return read_answer(connection, method)

    def request(
        self,
        method: str,
        target: str | bytes,
        body: bytes = b"",
        *,
        user: str | None = "admin",
        headers: Iterable[tuple[str, str | bytes]] = (),
        length: bool = True,
    ) -> Answer:
        """Send one request as it is: nothing is escaped, checked or added but what the arguments name."""
        raw = target if isinstance(target, bytes) else target.encode()
        lines = [method.encode() + b" " + raw + b" HTTP/1.1", b"Connection: close", b"Host: 127.0.0.1"]
        if user is not None:
            lines.append(f"Authorization: Bearer {self.server.tokens[user]}".encode())
        for name, value in headers:
            lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
        if body and length:
            lines.append(b"Content-Length: %d" % len(body))
        return self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body, method)

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        status = Path(f"/proc/{self.process_id}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def open_files(self) -> int:
        """Return how many file descriptors are open."""
        return len(list(Path(f"/proc/{self.process_id}/fd").iterdir()))

    def threads(self) -> dict[str, str]:
        """Return the threads that live as long as the process: names by id."""
        tasks = Path(f"/proc/{self.process_id}/task").iterdir()
        names = {task.name: (task / "comm").read_text().strip() for task in tasks}
        # The core's own pool lets idle threads for blocking work go; its workers are told by their answers.
        return {number: name for number, name in names.items() if name != "kcp-core"}


def read_answer(connection: ssl.SSLSocket, method: str = "GET") -> Answer:
    """Read one response; a closed or reset connection reads as code 0."""
    # Closed also when it broke off: a response that is left open keeps the connection's file.
    response = http.client.HTTPResponse(connection, method=method)
    try:
        with contextlib.closing(response):
            response.begin()
            return Answer(response.status, response.headers, response.read())
    except (http.client.HTTPException, ConnectionError, ssl.SSLError):
        return Answer(0, http.client.HTTPMessage(), b"")
