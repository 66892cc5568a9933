"""From a bridged request to an ASGI application and back.

Two things are easy to get wrong here. The head of an answer waits for the first piece of its body, so that a short
answer crosses to the core once. And sending to a client that has gone has to be a checkpoint: returning at once would
let a stream run to its end before its cancellation can reach it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from kcp.core import Door, Headers, Request

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    ASGI: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)


def scope_of(request: Request, address: tuple[str, int] | None) -> Scope:
    """Return the ASGI scope of a request; what kcp knows about it stands under `extensions`."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": "https",
        "path": unquote(request.path),
        "raw_path": request.path.encode(),
        "query_string": request.query.encode(),
        "root_path": "",
        "headers": request.headers,
        "client": request.client,
        "server": address,
        "extensions": {
            "kcp": {
                "cluster": request.cluster,
                "user": request.user,
                "uid": request.uid,
                "groups": tuple(request.groups),
                "extra": tuple((key, tuple(values)) for key, values in request.extra),
            }
        },
    }


async def answer(app: ASGI, server: Door, request: Request) -> None:
    """Let the application answer a request; cancel it when the client goes."""
    exchange = _Exchange(server, request)
    async with trio.open_nursery() as nursery:

        async def cancel_when_gone() -> None:
            await server.wait_gone(request)
            nursery.cancel_scope.cancel()

        nursery.start_soon(cancel_when_gone)
        try:
            await app(scope_of(request, server.address), exchange.receive, exchange.send)
        except Exception:  # whatever an application raises is a 500 for its one request, and the log tells it
            log.exception("%s %s failed", request.method, request.path)
        nursery.cancel_scope.cancel()


class _Exchange:
    """The two callables of ASGI for one request."""

    def __init__(self, server: Door, request: Request) -> None:
        self._server = server
        self._request = request
        self._read = False  # the whole body was received
        self._head: tuple[int, Headers] | None = None
        self._begun = False
        self._ended = False

    async def receive(self) -> Message:
        if self._read:
            await self._server.wait_gone(self._request)
            return {"type": "http.disconnect"}
        whole = self._request.body
        if whole is not None:
            self._read = True
            await trio.lowlevel.checkpoint()
            return {"type": "http.request", "body": whole, "more_body": False}
        piece = await self._server.read_body(self._request)
        if piece is None:
            return {"type": "http.disconnect"}
        self._read = not piece
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
                self._head = (message["status"], headers)
                await trio.lowlevel.checkpoint()
            case "http.response.body":
                await self._send_body(message.get("body", b""), more=message.get("more_body", False))
            case _:  # what the scope does not offer is not sent; an application that does it all the same is ignored
                await trio.lowlevel.checkpoint()

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        if self._head is None or self._ended:
            raise RuntimeError("a body was sent before its head, or after its end")
        self._ended = not more
        if not self._begun:
            self._begun = True
            self._server.reply(self._request, *self._head, data, more)
            await trio.lowlevel.checkpoint()
            return
        if data:
            await self._server.write_body(self._request, data)
        if not more:
            self._server.finish(self._request)
        if not data:
            # Behind the end: who is cancelled here has ended his body all the same.
            await trio.lowlevel.checkpoint()
