"""`--listener hypercorn`: the same application through Hypercorn, for comparison and debugging.

Requests that are not for the application go through one catch-all into the same core call. Client certificates do not
reach it, and every request pays for the interpreter.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

if TYPE_CHECKING:
    import socket

    from kcp.core import Headers, Server
    from kcp.server.bridge import Receive, Scope, Send
    from kcp.server.files import Serving
    from kcp.server.lazy import LazyApp

# One byte more than any request may have: the core answers 413 with its own words.
LONGEST_BODY = 3 * 1024 * 1024 + 1
# Headers of one connection, which Hypercorn makes itself.
_HOP_BY_HOP = {b"connection", b"transfer-encoding", b"keep-alive"}


async def serve_hypercorn(
    server: Server,
    app: LazyApp,
    serving: Serving,
    listening: socket.socket,
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; begins when the address is listened on."""
    quart = await app.make()  # Hypercorn starts it

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_for_people(scope):
            await quart(scope, receive, send)
        else:
            await _through_core(server, scope, receive, send)

    # Hypercorn reads certificates from files only.
    with tempfile.TemporaryDirectory(prefix="kcp-") as directory:
        config = Config()
        config.certfile, config.keyfile = _write_pair(directory, serving)
        config.bind = [f"fd://{listening.detach()}"]
        config.alpn_protocols = ["h2", "http/1.1"]
        config.include_server_header = False
        config.errorlog = logging.getLogger("kcp.hypercorn")
        application: Any = asgi
        await serve(application, config, mode="asgi", shutdown_trigger=trio.sleep_forever, task_status=task_status)


def _write_pair(directory: str, serving: Serving) -> tuple[str, str]:
    certificate, key = Path(directory, "tls.crt"), Path(directory, "tls.key")
    certificate.write_bytes(serving.certificate)
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(serving.key)
    return str(certificate), str(key)


def _is_for_people(scope: Scope) -> bool:
    accepts = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
    return scope["path"] == "/" and scope["method"] in {"GET", "HEAD"} and accepts


async def _through_core(server: Server, scope: Scope, receive: Receive, send: Send) -> None:
    body = await _read(receive)
    if body is None:
        return
    target = scope["raw_path"].decode("ascii", "replace")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("ascii", "replace")
    headers: Headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
    async with trio.open_nursery() as nursery:

        async def cancel_when_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(cancel_when_gone)
        async with server.stream(scope["method"], target, headers=headers, body=body) as answer:
            kept = [(name, value) for name, value in answer.headers if name not in _HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answer.status, "headers": kept})
            if scope["method"] != "HEAD":
                async for piece in answer:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


async def _read(receive: Receive) -> bytes | None:
    """Return the body, cut where it is too long anyhow; None when the client has gone."""
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if length < LONGEST_BODY:
            pieces.append(message.get("body", b""))
            length += len(pieces[-1])
        if not message.get("more_body", False):
            return b"".join(pieces)
