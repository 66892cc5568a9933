"""A server inside the process.

Life of a server: `Server(options)` binds the address and opens the store; `listen` begins to serve; `run`, in a
nursery, carries events between the core and trio and is what calls and the application need; `drain` ends watches and
requests; `close` closes the store.
"""

from __future__ import annotations

import logging
import os
import signal
import weakref
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kcp import _core
from kcp.config import definitions
from kcp.core.values import Answer, Headers, Key, Token, User
from kcp.resources import bootstrap_roles, built_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    import trio

    Hook: TypeAlias = Callable[[bytes], Awaitable[tuple[int, bytes]]]
    Application: TypeAlias = Callable[["Server", _core.Request], Awaitable[None]]

log = logging.getLogger(__name__)

# Events taken from the core at a time. A batch of one costs twice the interpreter's time per event.
BATCH = 256
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
    root_ca: str = ""
    service_account_key: str | None = None
    tokens: tuple[Token, ...] = ()
    token_file: str | None = None
    event_ttl: float = 3600.0
    total_object_limit: int = 0
    clusters: tuple[str, ...] = ()
    bridge: bool = False
    workers: int = 0


class _Call:
    """What waits for events about one id. Reading and writing wait apart: an application does both at once."""

    __slots__ = ("answer", "gone", "keys", "readable", "writable")

    def __init__(self, event: type[trio.Event]) -> None:
        self.answer: _core.Answered | None = None
        self.keys: _core.Keys | None = None
        self.gone = False
        self.readable = event()
        self.writable = event()

    async def wait_readable(self) -> None:
        event = self.readable
        await event.wait()
        if event is self.readable:  # of several who waited, the first replaces it
            self.readable = type(event)()

    async def wait_writable(self) -> None:
        event = self.writable
        await event.wait()
        if event is self.writable:
            self.writable = type(event)()


class StreamedAnswer:
    """An answer whose body comes piece by piece: iterate over it."""

    __slots__ = ("_call", "_core", "_id", "_rest", "headers", "status")

    def __init__(self, core: _core.Server, call: _Call, answer: _core.Answered) -> None:
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


class Server:
    """A server inside the process. All methods but `call_blocking` and `close` belong to one trio run."""

    def __init__(self, options: Options) -> None:
        """Bind the address and open the store.

        Raises:
            OSError: the address is taken or is not this machine's.
            StoreError: the store cannot be opened.
            ValueError: a certificate, key or token file cannot be used.
        """
        # The runtime's threads inherit the mask, so that every signal reaches the interpreter's own thread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
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
                root_ca=options.root_ca,
                service_account_key=options.service_account_key,
                tokens=[(token.secret, token.user.as_core()) for token in options.tokens],
                token_file=options.token_file,
                event_ttl=options.event_ttl,
                total_object_limit=options.total_object_limit,
                bridge=options.bridge,
                workers=options.workers,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._calls: dict[int, _Call] = {}
        self._work: dict[str, trio.Event] = {}
        _open.add(self)

    @property
    def address(self) -> tuple[str, int] | None:
        """IP address and port listened on."""
        return self._core.address

    def listen(self) -> None:
        """Begin to serve connections."""
        self._core.listen()

    def statistics(self) -> dict[str, int]:
        """Count events waiting, requests bridged, calls and connections."""
        return self._core.statistics()

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
        import trio  # the listener is open before trio's 100 ms are spent

        async with trio.open_nursery() as nursery:
            if task_status is not None:
                task_status.started()
            while True:
                events = self._core.drain_events(BATCH)
                if not events:
                    await trio.lowlevel.wait_readable(self._core.fileno())
                    continue
                for event in events:
                    match event:
                        case _core.Request():
                            self._calls[event.id] = _Call(trio.Event)
                            nursery.start_soon(self._bridge, application, event)
                        case _core.Hook():
                            nursery.start_soon(self._decide, (hooks or {}).get(event.name), event)
                        case _core.Work():
                            self._work[event.kind].set()
                        case _:
                            self._tell(event)
                # What was woken runs before the next batch is taken.
                await trio.lowlevel.cancel_shielded_checkpoint()
                await trio.lowlevel.checkpoint_if_cancelled()

    def _tell(self, event: _core.Readable | _core.Writable | _core.Gone | _core.Answered | _core.Keys) -> None:
        call = self._calls.get(event.id)
        if call is None:  # nobody waits any more
            if isinstance(event, _core.Answered) and event.body is None:
                self._core.forget_call(event.id)
            return
        match event:
            case _core.Answered():
                call.answer = event
            case _core.Keys():
                call.keys = event
            case _core.Gone():
                call.gone = True
                call.writable.set()
            case _core.Writable():
                call.writable.set()
                return
            case _core.Readable():
                pass
        call.readable.set()

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
        call = self._calls[id] = _Call(trio.Event)
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
        call = self._calls[id] = _Call(trio.Event)
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
        call = self._calls[id] = _Call(trio.Event)
        try:
            while call.answer is None:
                await call.wait_readable()
        finally:
            del self._calls[id]
        return Answer(call.answer.status, call.answer.headers, call.answer.body or b"")

    # Bridged requests.

    async def _bridge(self, application: Application | None, request: _core.Request) -> None:
        try:
            if application is not None:
                await application(self, request)
        finally:
            del self._calls[request.id]
            # Harmless when it was answered; a client that still waits gets 500.
            self._core.finish(request.id, broken=True)

    async def read_body(self, request: _core.Request) -> bytes | None:
        """Return the next piece of a request's body, empty at its end, None when the client has gone.

        A body that came whole is in `request.body` and not read here.
        """
        call = self._calls[request.id]
        while not call.gone:
            try:
                piece = self._core.read_body(request.id)
            except BrokenPipeError:
                return None
            if piece is not None:
                return piece
            await call.wait_readable()
        return None

    async def wait_gone(self, request: _core.Request) -> None:
        """Wait until the client of a request has gone."""
        call = self._calls[request.id]
        while not call.gone:
            await call.wait_readable()

    def reply(self, request: _core.Request, status: int, headers: Headers, first: bytes, more: bool) -> bool:
        """Send the head of an answer with its first piece; False when nobody waits for it any more."""
        return self._core.reply(request.id, status, headers, first, more)

    async def write_body(self, request: _core.Request, data: bytes) -> bool:
        """Send another piece, when there is room for it; False when the client has gone.

        Checkpoint: always. A writer whose client has gone has to be cancellable.
        """
        import trio

        call = self._calls[request.id]
        try:
            while not self._core.write_body(request.id, data):
                await call.wait_writable()
        except BrokenPipeError:
            await trio.lowlevel.checkpoint()
            return False
        await trio.lowlevel.checkpoint()
        return True

    def finish(self, request: _core.Request) -> None:
        """End an answer whose head said that more would follow."""
        self._core.finish(request.id)

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

    async def drain(self, seconds: float) -> int:
        """Stop accepting, end watches, wait for requests at most so long; return how many connections were cut.

        `run` has to go on meanwhile: requests that the application works on need it.
        """
        import trio

        return await trio.to_thread.run_sync(self._core.drain, seconds)

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
