"""The server that a kubeconfig names as what virtual workspaces show.

The kubeconfig's user has to be in `system:masters`: it acts as whoever a view asks as, callers among them, and asks
what only that group is told. Its credentials never reach a caller, and nothing of a caller's reaches the server but who
he is and what his request wants.
"""

from __future__ import annotations

import json
import logging
import ssl
import string
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
import trio

from kcp.client import Answer
from kcp.client.credentials import authorization, with_plugin
from kcp.client.transport import open_transport
from kcp.kubeconfig import KubeconfigError
from kcp.virtual.visit import is_watch, refuse, split_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kcp.client import Headers, User
    from kcp.client.connection import Connection

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
# To the head of an answer, and between two pieces of one that is no watch.
READ_SECONDS = 60.0
# What names of headers take as it is; upper case would be lost.
_PLAIN = frozenset(string.ascii_lowercase + string.digits + "-_.~")
UNREACHABLE = "the server behind cannot be reached"


class Remote:
    """An `Upstream` over HTTP/1.1, one connection for each request under way.

    Bodies pass byte for byte, as fast as their reader takes them; leaving a stream closes its connection.
    """

    def __init__(self, connection: Connection) -> None:
        """Reach the server of `connection`, whatever logical cluster its URL names.

        Raises:
            KubeconfigError: the connection cannot be used, or its exec plugin fails.
        """
        self._given = connection
        self._connection = with_plugin(connection)
        self._base = connection.server.partition("/clusters/")[0].rstrip("/")
        self._transport = open_transport(self._connection, self._base)
        self._renewal = trio.Lock()
        self._watches: set[_Streamed] = set()
        self._ending = False

    async def call(
        self, method: str, target: str, *, headers: Headers | None = None, body: bytes = b"", user: User | None = None
    ) -> Answer:
        """Make a request as `user` (None: the kubeconfig's) and return its whole answer.

        Raises:
            StatusError: 503, there is no answer.
            BrokenPipeError: the answer's body broke off.
        """
        async with self.stream(method, target, headers=headers, body=body, user=user) as answer:
            return Answer(answer.status, answer.headers, b"".join([piece async for piece in answer]))

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, headers: Headers | None = None, body: bytes = b"", user: User | None = None
    ) -> AsyncIterator[_Streamed]:
        """As `call`, but with a body that is read piece by piece.

        Cancellation closes the request's connection; a write that arrived may still happen.
        """
        mine = [*(headers or ()), *(identity(user) if user is not None else ())]
        watches = is_watch(split_query(target.partition("?")[2].encode()))
        response = await self._send(method, target, mine, body, watches=watches)
        answer = _Streamed(response)
        try:
            if watches:
                self._watches.add(answer)
                if self._ending:
                    answer.end()
            yield answer
        finally:
            self._watches.discard(answer)
            await answer.leave()
            await response.aclose()

    async def ask(self, question: bytes) -> Answer:
        """Ask what no path of the API tells: `entries`, which logical clusters somebody may enter."""
        wanted = json.loads(question)
        if wanted.pop("question") != "entries":
            raise refuse(501, "the server behind is not asked that over HTTP")
        groups = [("group", group) for group in wanted.pop("groups")]
        return await self.call("GET", f"/internal/entries?{urlencode([*wanted.items(), *groups])}")

    def end_watches(self) -> None:
        """End the bodies of all watches as if the server had; those that begin later end at once."""
        self._ending = True
        for answer in list(self._watches):
            answer.end()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _send(self, method: str, target: str, headers: Headers, body: bytes, *, watches: bool) -> httpx.Response:
        shown = authorization(self._connection)
        response = await self._try(method, target, headers, body, shown, watches=watches)
        if response.status_code == 401 and self._given.exec_plugin:
            await response.aclose()
            await self._renew(shown)
            response = await self._try(method, target, headers, body, authorization(self._connection), watches=watches)
        if response.status_code == 401:
            # The caller's own credentials were not even shown there.
            await response.aclose()
            log.error("the server behind refuses the kubeconfig's credentials")
            raise refuse(503, "the server behind refuses this one")
        return response

    async def _try(
        self, method: str, target: str, headers: Headers, body: bytes, shown: str, *, watches: bool
    ) -> httpx.Response:
        mine = [(name.encode(), value.encode()) for name, value in self._connection.impersonation]
        if shown:
            mine.append((b"authorization", shown.encode()))
        timeout = {"connect": CONNECT_SECONDS, "write": READ_SECONDS, "pool": None}
        timeout["read"] = None if watches else READ_SECONDS
        # As it was decided about, and not as a library would normalise it.
        path = httpx.URL(self._base).raw_path.rstrip(b"/") + target.encode("ascii")
        extensions: dict[str, Any] = {"timeout": timeout, "target": path}
        if self._connection.tls_server_name:
            extensions["sni_hostname"] = self._connection.tls_server_name
        request = httpx.Request(
            method, self._base, headers=[*headers, *mine], content=body or None, extensions=extensions
        )
        try:
            return await self._transport.handle_async_request(request)
        except (httpx.HTTPError, ssl.SSLError) as error:
            log.warning("%s: %s", UNREACHABLE, " ".join(str(error or type(error).__name__).split())[:300])
            raise refuse(503, UNREACHABLE) from error

    async def _renew(self, refused: str) -> None:
        """Ask the exec plugin for new credentials, once for all who found the old ones refused."""
        async with self._renewal:
            if authorization(self._connection) != refused:
                return
            try:
                self._connection = await trio.to_thread.run_sync(with_plugin, self._given)
            except KubeconfigError as error:
                log.error("%s", error)


class _Streamed:
    """An answer whose body is iterated over."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]
        self._pieces = aiter(response.stream)  # type: ignore[arg-type] # an asynchronous one, of this transport
        self._scope: trio.CancelScope | None = None
        self._ended = False

    def end(self) -> None:
        """Let the body end here."""
        self._ended = True
        if self._scope is not None:
            self._scope.cancel()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        with trio.CancelScope() as self._scope:
            try:
                return await anext(self._pieces)
            except httpx.HTTPError as error:
                raise BrokenPipeError(str(error)) from error
        raise StopAsyncIteration  # cancelled by `end`

    async def leave(self) -> None:
        """Give up what was not read.

        Generators of the library do not close each other: a cancellation in the innermost ends them and the connection.
        """
        with trio.CancelScope(shield=True) as scope:
            scope.cancel()
            with suppress(StopAsyncIteration, httpx.HTTPError):
                while True:
                    await anext(self._pieces)


def identity(user: User) -> Headers:
    """Return the headers that act as `user`.

    Raises:
        StatusError: 403 for somebody whose name, or what else is known of him, no header carries unchanged.
    """
    pairs = [("impersonate-user", user.name), *(("impersonate-group", group) for group in user.groups)]
    if user.uid:
        pairs.append(("impersonate-uid", user.uid))
    for key, values in user.extra:
        name = "".join(letter if letter in _PLAIN else _escaped(letter) for letter in key)
        pairs += [(f"impersonate-extra-{name}", value) for value in values]
    if not user.name or any(value != value.strip() or not _is_text(value) for _, value in pairs):
        raise refuse(403, "who is calling cannot be told to the server behind")
    return [(name.encode(), value.encode()) for name, value in pairs]


def _is_text(value: str) -> bool:
    return not any(ord(letter) < 32 or ord(letter) == 127 for letter in value)


def _escaped(letter: str) -> str:
    return quote(letter, safe="") if quote(letter, safe="") != letter else f"%{ord(letter):02X}"
