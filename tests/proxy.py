"""A TCP proxy between a client and its server, whose connections a test cuts or holds up."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Proxy:
    """Passes bytes to a server on loopback."""

    def __init__(self, url: str) -> None:
        """Listen on a free port for the server of `url`."""
        parts = urlsplit(url)
        assert parts.hostname
        self._target = (parts.hostname, parts.port or 443)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._refusing = False
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Reset every connection in the middle of whatever it carries; returns how many there were."""
        with self._lock:
            cut, self._open = self._open, set()
        for one in cut:
            # A reset, not an orderly end.
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.shutdown(socket.SHUT_RDWR)
        return len(cut) // 2

    @contextmanager
    def down(self) -> Iterator[None]:
        """Cut everything, and every new connection at once, while the block lasts."""
        self._refusing = True
        self.cut()
        try:
            yield
        finally:
            self._refusing = False

    def close(self) -> None:
        """Stop."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for source, drain in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, drain), daemon=True).start()

    def _pass(self, source: socket.socket, drain: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                drain.sendall(data)
        with self._lock:
            self._open -= {source, drain}
        for one in (source, drain):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        # Whichever side is last closes both; closing twice is harmless.
        for one in (source, drain):
            one.close()


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    """Run a proxy to the server of `url` until the block is left."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
