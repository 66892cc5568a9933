"""What requests for an application come through: a server in the process, or a listener before another server."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from kcp import _core

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import trio

    from kcp.core.values import Headers

    # With the door and the request.
    Application: TypeAlias = Callable[["Door", _core.Request], Awaitable[None]]
    Event: TypeAlias = (
        _core.Request
        | _core.Readable
        | _core.Writable
        | _core.Gone
        | _core.Answered
        | _core.Keys
        | _core.Hook
        | _core.Work
    )

# Events taken from the core at a time. A batch of one costs twice the interpreter's time per event.
BATCH = 256


@contextmanager
def blocked_signals() -> Iterator[None]:
    """Make threads inherit a mask, so that every signal reaches the interpreter's own thread."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Call:
    """What waits for events about one id. Reading and writing wait apart: an application does both at once."""

    __slots__ = ("answer", "gone", "keys", "readable", "writable")

    def __init__(self, event: type[trio.Event]) -> None:
        self.answer: _core.Answered | None = None
        self.keys: _core.Keys | None = None
        self.gone = False
        self.readable = event()
        self.writable = event()

    async def wait_readable(self) -> None:
        """Wait until there is something to take."""
        event = self.readable
        await event.wait()
        if event is self.readable:  # of several who waited, the first replaces it
            self.readable = type(event)()

    async def wait_writable(self) -> None:
        """Wait until there is room again."""
        event = self.writable
        await event.wait()
        if event is self.writable:
            self.writable = type(event)()


class Door:
    """Requests for an application, and its answers. All methods but `close` belong to one trio run."""

    def __init__(self, door: _core.Server | _core.Front) -> None:
        """Stand before `door`."""
        self._door = door
        self._calls: dict[int, Call] = {}

    @property
    def address(self) -> tuple[str, int] | None:
        """IP address and port listened on."""
        return self._door.address

    def listen(self) -> None:
        """Begin to serve connections."""
        self._door.listen()

    def statistics(self) -> dict[str, int]:
        """Count requests bridged and connections; a server its events waiting and calls as well."""
        return self._door.statistics()

    async def run(
        self, application: Application | None = None, *, task_status: trio.TaskStatus[None] | None = None
    ) -> None:
        """Carry events between the core and this trio run; returns only when cancelled.

        Args:
            application: answers a bridged request; a task of its own for each.
            task_status: told when the loop runs.
        """
        import trio  # the listener is open before trio's 100 ms are spent

        async with trio.open_nursery() as nursery:
            if task_status is not None:
                task_status.started()
            while True:
                events = self._door.drain_events(BATCH)
                if not events:
                    await trio.lowlevel.wait_readable(self._door.fileno())
                    continue
                for event in events:
                    if isinstance(event, _core.Request):
                        self._calls[event.id] = Call(trio.Event)
                        nursery.start_soon(self._bridge, application, event)
                    else:
                        self._take(event, nursery)
                # What was woken runs before the next batch is taken.
                await trio.lowlevel.cancel_shielded_checkpoint()
                await trio.lowlevel.checkpoint_if_cancelled()

    def _take(self, event: Event, nursery: trio.Nursery) -> None:
        """Tell whoever waits for it of an event that is no request."""
        call = None if isinstance(event, _core.Work) else self._calls.get(event.id)
        if call is None:  # nobody waits any more
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
        call.readable.set()

    async def _bridge(self, application: Application | None, request: _core.Request) -> None:
        try:
            if application is not None:
                await application(self, request)
        finally:
            del self._calls[request.id]
            # Harmless when it was answered; a client that still waits gets 500.
            self._door.finish(request.id, broken=True)

    async def read_body(self, request: _core.Request) -> bytes | None:
        """Return the next piece of a request's body, empty at its end, None when the client has gone.

        A body that came whole is in `request.body` and not read here.
        """
        call = self._calls[request.id]
        while not call.gone:
            try:
                piece = self._door.read_body(request.id)
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
        return self._door.reply(request.id, status, headers, first, more)

    async def write_body(self, request: _core.Request, data: bytes) -> bool:
        """Send another piece, when there is room for it; False when the client has gone.

        Checkpoint: always. A writer whose client has gone has to be cancellable.
        """
        import trio

        call = self._calls[request.id]
        try:
            while not self._door.write_body(request.id, data):
                await call.wait_writable()
        except BrokenPipeError:
            await trio.lowlevel.checkpoint()
            return False
        await trio.lowlevel.checkpoint()
        return True

    def finish(self, request: _core.Request) -> None:
        """End an answer whose head said that more would follow."""
        self._door.finish(request.id)

    async def drain(self, seconds: float) -> int:
        """Stop accepting, end watches, wait for requests at most so long; return how many connections were cut.

        `run` has to go on meanwhile: requests that the application works on need it.
        """
        import trio

        return await trio.to_thread.run_sync(self._door.drain, seconds)

    def close(self) -> None:
        """End the core's threads. A second call does nothing."""
        self._door.close()


class Front(Door):
    """A listener without a store: every request is for the application, and what it answers is its own."""

    def __init__(
        self,
        listen: tuple[str, int],
        *,
        certificate: bytes,
        key: bytes,
        client_ca: bytes | None = None,
        workers: int = 0,
    ) -> None:
        """Bind the address; clients wait in the socket's backlog until `listen`.

        Args:
            listen: IP address and port, 0 picks one.
            certificate: PEM of the serving chain, leaf first.
            key: PEM of its key.
            client_ca: PEM of the authorities whose client certificates are believed; None asks for none.
            workers: threads of the runtime; 0 chooses by the number of cores.

        Raises:
            OSError: the address is taken or is not this machine's.
            ValueError: a certificate or key cannot be used.
        """
        with blocked_signals():
            front = _core.Front(listen=listen, certificate=certificate, key=key, client_ca=client_ca, workers=workers)
        super().__init__(front)
