"""A server inside the process.

Life of a server: `Server(options)` binds the address and opens the store; `listen` begins to serve; `run`, in a
nursery, carries events between the core and trio and is what calls and the application need; `drain` ends watches and
requests; `close` closes the store.
"""

from __future__ import annotations

import logging
import os
import weakref
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kcp import _core
from kcp.config import definitions
from kcp.core.door import Call, Door, blocked_signals
from kcp.core.values import Answer, Headers, Key, Token, User
from kcp.resources import bootstrap_roles, built_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    import trio

    from kcp.core.door import Application, Event

    Hook: TypeAlias = Callable[[bytes], Awaitable[tuple[int, bytes]]]

log = logging.getLogger(__name__)

# Keys of unfinished work taken at a time.
WORK_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a server is made of. The defaults make one that listens nowhere and forgets everything."""

    store: Path | None = None
    fsync: bool = True
    listen: tuple[str, int] | None = None
    certificate: bytes = b""
    key: bytes = b""
    client_ca: bytes | None = None
    external_host: str | None = None
    virtual_workspace_url: str = ""
    root_ca: str = ""
    service_account_key: str | None = None
    tokens: tuple[Token, ...] = ()
    token_file: str | None = None
    event_ttl: float = 3600.0
    total_object_limit: int = 0
    clusters: tuple[str, ...] = ()
    bridge: bool = False
    workers: int = 0


class StreamedAnswer:
    """An answer whose body comes piece by piece: iterate over it."""

    __slots__ = ("_call", "_core", "_id", "_rest", "headers", "status")

    def __init__(self, core: _core.Server, call: Call, answer: _core.Answered) -> None:
        self.status = answer.status
        self.headers: Headers = answer.headers
        self._core = core
        self._call = call
        self._id = answer.id
        self._rest = answer.body

    def __aiter__(self) -> StreamedAnswer:
        """Iterate over the pieces that were not read yet."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece."""
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def read(self) -> bytes:
        """Return the next piece, empty at the end.

        Raises:
            BrokenPipeError: the body broke off.
        """
        if self._rest is not None:
            piece, self._rest = self._rest, b""
            return piece
        while (more := self._core.read_answer(self._id)) is None:
            await self._call.wait_readable()
        return more


class Server(Door):
    """A server inside the process. All methods but `call_blocking` and `close` belong to one trio run."""

    def __init__(self, options: Options) -> None:
        """Bind the address and open the store.

        Raises:
            OSError: the address is taken or is not this machine's.
            StoreError: the store cannot be opened.
            ValueError: a certificate, key or token file cannot be used.
        """
        with blocked_signals():
            self._core = _core.Server(
                resources=built_in(),
                definitions=definitions(),
                bootstrap_roles=bootstrap_roles(),
                clusters=list(options.clusters),
                store=None if options.store is None else str(options.store),
                fsync=options.fsync,
                listen=options.listen,
                certificate=options.certificate,
                key=options.key,
                client_ca=options.client_ca,
                external_host=options.external_host,
                virtual_workspace_url=options.virtual_workspace_url,
                root_ca=options.root_ca,
                service_account_key=options.service_account_key,
                tokens=[(token.secret, token.user.as_core()) for token in options.tokens],
                token_file=options.token_file,
                event_ttl=options.event_ttl,
                total_object_limit=options.total_object_limit,
                bridge=options.bridge,
                workers=options.workers,
            )
        super().__init__(self._core)
        self._work: dict[str, trio.Event] = {}
        self._hooks: Mapping[str, Hook] = {}
        _open.add(self)

    async def run(
        self,
        application: Application | None = None,
        hooks: Mapping[str, Hook] | None = None,
        *,
        task_status: trio.TaskStatus[None] | None = None,
    ) -> None:
        """Carry events between the core and this trio run; returns only when cancelled.

        Args:
            application: answers a bridged request; a task of its own for each.
            hooks: decide in the middle of a write, by name; a task of its own for each decision. What waits for a hook
                that is missing is refused.
            task_status: told when calls can be made.
        """
        self._hooks = hooks or {}
        await super().run(application, task_status=task_status)

    def _take(self, event: Event, nursery: trio.Nursery) -> None:
        match event:
            case _core.Hook():
                nursery.start_soon(self._decide, self._hooks.get(event.name), event)
            case _core.Work():
                self._work[event.kind].set()
            case _core.Answered() if event.id not in self._calls:  # nobody waits any more
                if event.body is None:
                    self._core.forget_call(event.id)
            case _:
                super()._take(event, nursery)

    # Calls from within the process.

    async def call(
        self,
        method: str,
        target: str,
        *,
        headers: Headers | None = None,
        body: bytes = b"",
        user: User | None = None,
    ) -> Answer:
        """Make a request and return its whole answer; `run` has to be running. Not for watches.

        Args:
            method: as in HTTP.
            target: path and query.
            headers: of the request.
            body: of the request.
            user: who asks, without proof; None: whoever the headers' credential proves.

        Raises:
            BrokenPipeError: the answer's body broke off.

        Checkpoint: always; cancelling ends the request, though a write that was queued still happens.
        """
        async with self.stream(method, target, headers=headers, body=body, user=user) as answer:
            return Answer(answer.status, answer.headers, b"".join([piece async for piece in answer]))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        target: str,
        *,
        headers: Headers | None = None,
        body: bytes = b"",
        user: User | None = None,
    ) -> AsyncIterator[StreamedAnswer]:
        """As `call`, but with a body that is read piece by piece: for watches."""
        import trio

        id = self._core.call(method, target, headers or [], body, user.as_core() if user else None)
        call = self._calls[id] = Call(trio.Event)
        try:
            while call.answer is None:
                await call.wait_readable()
            yield StreamedAnswer(self._core, call, call.answer)
        finally:
            del self._calls[id]
            self._core.forget_call(id)

    def call_blocking(
        self,
        method: str,
        target: str,
        *,
        headers: Headers | None = None,
        body: bytes = b"",
        user: User | None = None,
    ) -> Answer:
        """As `call`, from any thread; waits outside the interpreter and needs no `run`. Not for watches."""
        done = self._core.call_blocking(method, target, headers or [], body, user.as_core() if user else None)
        return Answer(done.status, done.headers, done.body or b"")

    # Unfinished work.

    async def take_work(self, kind: str, after: Key | None = None) -> list[Key]:
        """Return keys of a kind of unfinished work, in order, at most 1,000; empty at their end.

        They stay until the work is done. A look that begins at the first key (`after` is None) is what `wait_work`
        counts from.

        Raises:
            OSError: the store cannot be read.
        """
        import trio

        if after is None:
            # In this order: a key that comes after the look is told, and one that came before it is in the look.
            self._core.want_work(kind)
            self._work[kind] = trio.Event()
        id = self._core.take_work(kind, WORK_PAGE, after)
        call = self._calls[id] = Call(trio.Event)
        try:
            while call.keys is None:
                await call.wait_readable()
        finally:
            del self._calls[id]
        if call.keys.error is not None:
            raise OSError(call.keys.error)
        return [Key(*key) for key in call.keys.keys]

    async def wait_work(self, kind: str) -> None:
        """Wait until a kind of unfinished work has new keys since `take_work` was last asked for its first page."""
        await self._work[kind].wait()

    async def ask(self, question: bytes) -> Answer:
        """Ask the core what no path of the API tells; `kcp.client.Facts` knows the questions."""
        import trio

        id = self._core.ask(question)
        call = self._calls[id] = Call(trio.Event)
        try:
            while call.answer is None:
                await call.wait_readable()
        finally:
            del self._calls[id]
        return Answer(call.answer.status, call.answer.headers, call.answer.body or b"")

    # Decisions.

    async def _decide(self, hook: Hook | None, event: _core.Hook) -> None:
        status, body = 503, b"null"
        try:
            if hook is not None:
                status, body = await hook(event.question)
        except Exception:  # a hook that fails refuses its one write, and the log tells it
            log.exception("hook %s failed", event.name)
            status = 500
        finally:
            self._core.answer_hook(event.id, status, body)

    # The end.

    def close(self) -> None:
        """Close the store. A second call does nothing."""
        self._core.close()
        _open.discard(self)


# Servers that a forked child has to forget: it has their descriptors but none of their threads.
_open: weakref.WeakSet[Server] = weakref.WeakSet()


def _forget_after_fork() -> None:
    for server in _open:
        descriptor = server._core.listening_descriptor
        server._core.forget_after_fork()
        if descriptor is not None:
            # Else the child would keep the address taken for as long as it lives.
            os.close(descriptor)


os.register_at_fork(after_in_child=_forget_after_fork)
