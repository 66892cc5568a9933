"""Requests and watches under trio to what a kubeconfig names, its logical cluster included."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import trio

from kcp.client.credentials import authorization, with_plugin
from kcp.client.status import StatusError, UnreachableError
from kcp.client.transport import open_transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from kcp.client.connection import Connection

CONNECT_SECONDS = 10.0
# To the head of an answer, and between two pieces of one.
READ_SECONDS = 60.0
# How much longer than the time it asked for a watch may be silent before it counts as dead.
GRACE_SECONDS = 30.0
# Bytes of one event; a server's limit for an object is far below.
LONGEST_LINE = 64 * 1024 * 1024
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"


class Session:
    """Verbs over HTTP/1.1, one connection for each request under way.

    Paths are below the connection's server. Every verb raises `StatusError` for answers of 400 and above,
    `UnreachableError` when no answer comes or it is no object, and `KubeconfigError` when the credentials cannot be
    had. Cancellation closes the request's connection; a write that arrived may still happen. Where an exec plugin gives
    the credentials, it is run in a thread, before the first request and again when they are refused.
    """

    def __init__(self, connection: Connection, *, agent: str = "kcp") -> None:
        """Reach the server of `connection`, as the client that calls itself `agent`.

        Raises:
            KubeconfigError: the connection cannot be used.
        """
        self._given = connection
        self._agent = agent
        self._clients: list[httpx.AsyncClient] = []
        self._connection = connection
        self._ready = not connection.exec_plugin
        self._renewal = trio.Lock()
        self._open()

    @property
    def server(self) -> str:
        """URL of the server."""
        return self._given.server

    async def get(self, path: str, query: Mapping[str, str] | None = None, *, accept: str = JSON) -> dict[str, Any]:
        """Return an object, a list or a document."""
        return await self.request("GET", path, query, accept=accept)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object."""
        return await self.request("POST", path, body=body)

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace an object."""
        return await self.request("PUT", path, body=body)

    async def merge_patch(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change an object by a JSON merge patch; a `resourceVersion` in it must still hold, else 409."""
        return await self.request("PATCH", path, body=patch, kind=MERGE_PATCH)

    async def apply(
        self, path: str, body: dict[str, Any], *, manager: str, force: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """Apply fields on the server as `manager`; `force` takes those of others. Returns the object as it is then."""
        query = {"fieldManager": manager, "force": str(force).lower(), **({"dryRun": "All"} if dry_run else {})}
        return await self.request("PATCH", path, query, body=body, kind=APPLY)

    async def delete(self, path: str, *, uid: str | None = None) -> dict[str, Any]:
        """Delete an object, in the background; `uid` is the one it must have, else 409."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        return await self.request("DELETE", path, body=options)

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: dict[str, Any] | None = None,
        kind: str = JSON,
        accept: str = JSON,
    ) -> dict[str, Any]:
        """Make a request and return the object it is answered with; `kind` is the media type of `body`."""
        headers = [("accept", accept)]
        content = None
        if body is not None:
            headers.append(("content-type", kind))
            content = json.dumps(body).encode()
        code, raw = await self._answered(method, path, query, headers, content)
        return self._decoded(raw, code)

    async def text(self, path: str) -> str:
        """Return what a path that has no object is answered with, as `/readyz` is."""
        code, raw = await self._answered("GET", path, None, [("accept", "text/plain, */*")], None)
        if code >= 300:
            raise UnreachableError(f"{self._given.server} answered {code} to {path}")
        return raw.decode(errors="replace")

    async def _answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: list[tuple[str, str]],
        content: bytes | None,
    ) -> tuple[int, bytes]:
        response = await self._send(method, path, query, headers, content, READ_SECONDS)
        try:
            raw = await response.aread()
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise self._unreachable(error) from error
        finally:
            await _close(response)
        if response.status_code >= 400:
            raise StatusError.of(response.status_code, raw)
        return response.status_code, raw

    @asynccontextmanager
    async def watch(
        self, path: str, query: Mapping[str, str], *, seconds: int
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Watch a collection for `seconds`; gives an iterator over the events, BOOKMARKs among them.

        It ends when the server ends the watch, and raises `UnreachableError` when that breaks off or says nothing for
        longer than asked, and `StatusError` for an ERROR event. Leaving the block closes the connection.
        """
        query = {**query, "watch": "true", "timeoutSeconds": str(seconds)}
        headers = [("accept", JSON), ("accept-encoding", "identity")]
        response = await self._send("GET", path, query, headers, None, seconds + GRACE_SECONDS)
        lines = _Lines(response)
        try:
            if response.status_code >= 400:
                raise StatusError.of(response.status_code, await lines.rest())
            yield _Events(self, lines)
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise self._unreachable(error) from error
        finally:
            await lines.leave()
            await _close(response)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: list[tuple[str, str]],
        content: bytes | None,
        patience: float,
    ) -> httpx.Response:
        if not self._ready:
            await self._renew(None)
        shown = self._connection
        response = await self._try(method, path, query, headers, content, patience)
        if response.status_code == 401 and self._given.exec_plugin:
            await _close(response)
            await self._renew(shown)
            response = await self._try(method, path, query, headers, content, patience)
        return response

    async def _try(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: list[tuple[str, str]],
        content: bytes | None,
        patience: float,
    ) -> httpx.Response:
        connection, client = self._connection, self._clients[-1]
        credential = authorization(connection)
        mine = [("authorization", credential)] if credential else []
        mine += [("user-agent", self._agent), *connection.impersonation]
        if connection.disable_compression:
            mine.append(("accept-encoding", "identity"))
        extensions = {"sni_hostname": connection.tls_server_name} if connection.tls_server_name else {}
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, read=patience, pool=None)
        try:
            request = client.build_request(
                method,
                connection.server.rstrip("/") + path,
                params=dict(query) if query else None,
                headers=[*mine, *headers],
                content=content,
                timeout=timeout,
                extensions=extensions,
            )
            if content is not None:
                request.stream = _Body(content)
            return await client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            raise self._unreachable(error) from error

    def _open(self) -> None:
        transport = open_transport(self._connection, self._connection.server)
        self._clients.append(httpx.AsyncClient(transport=transport, follow_redirects=False))

    async def _renew(self, refused: Connection | None) -> None:
        """Ask the exec plugin for credentials, once for all who have none or found the old ones refused."""
        async with self._renewal:
            if (self._ready and refused is None) or (refused is not None and self._connection is not refused):
                return
            before = self._connection
            self._connection = await trio.to_thread.run_sync(with_plugin, self._given)
            self._ready = True
            if (before.certificate, before.key) != (self._connection.certificate, self._connection.key):
                # Requests under way keep the old one.
                self._open()

    def _unreachable(self, error: Exception) -> UnreachableError:
        from kcp.client.http import unreachable

        return unreachable(self._given, error)

    def _decoded(self, raw: bytes, code: int) -> dict[str, Any]:
        try:
            decoded = json.loads(raw)
        except (ValueError, RecursionError):
            decoded = None
        if code >= 300 or not isinstance(decoded, dict):
            raise UnreachableError(f"{self._given.server} answered {code} with something that is no object")
        return decoded


class _Body(httpx.AsyncByteStream):
    """The body of a request, in one piece.

    The library's own is a generator, which nobody closes when a connection breaks in the middle of it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Piece(self._content)


class _Piece:
    def __init__(self, content: bytes) -> None:
        self._left = [content]

    def __aiter__(self) -> _Piece:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class _Lines:
    """The lines of an answer's body."""

    def __init__(self, response: httpx.Response) -> None:
        self._pieces = aiter(response.stream)  # type: ignore[arg-type] # an asynchronous one, of this transport
        self._buffer = bytearray()
        self._seen = 0

    async def next(self) -> bytes | None:
        """Return the next whole line, None at the end; what follows the last line break is no line."""
        while (end := self._buffer.find(b"\n", self._seen)) < 0:
            self._seen = len(self._buffer)
            if self._seen > LONGEST_LINE:
                raise httpx.ReadError("an event is longer than any object may be")
            try:
                self._buffer += await anext(self._pieces)
            except StopAsyncIteration:
                return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._seen = 0
        return line

    async def rest(self) -> bytes:
        """Return the whole body."""
        return b"".join([piece async for piece in self._pieces])

    async def leave(self) -> None:
        """Give up what was not read.

        Generators of the library do not close each other: a cancellation in the innermost ends them and the connection.
        """
        with trio.CancelScope(shield=True) as scope:
            scope.cancel()
            with suppress(StopAsyncIteration, httpx.HTTPError):
                while True:
                    await anext(self._pieces)


class _Events:
    """The events of a watch."""

    def __init__(self, session: Session, lines: _Lines) -> None:
        self._session = session
        self._lines = lines

    def __aiter__(self) -> _Events:
        return self

    async def __anext__(self) -> dict[str, Any]:
        line = await self._lines.next()
        if line is None:
            raise StopAsyncIteration
        try:
            event = json.loads(line)
            kind, about = event["type"], event["object"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise UnreachableError(f"{self._session.server} sent something that is no event of a watch") from None
        if kind == "ERROR" or not isinstance(about, dict):
            raise StatusError(about if isinstance(about, dict) else {})
        found: dict[str, Any] = event
        return found


async def _close(response: httpx.Response) -> None:
    with trio.CancelScope(shield=True):
        await response.aclose()
