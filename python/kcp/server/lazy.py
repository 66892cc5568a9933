"""The web application, made when it is first needed.

Quart takes 200 ms to import and 18 MiB to keep, and most servers never show a page. In the event loop the import would
stall everything that waits for Python, so it happens in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import trio

from kcp.server.bridge import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from kcp.core import Request, Server
    from kcp.server.bridge import ASGI, Message


class LazyApp:
    """The application behind a lock, with its life in a nursery of the server."""

    def __init__(self, url: Callable[[], str], nursery: trio.Nursery) -> None:
        self._url = url
        self._nursery = nursery
        self._app: ASGI | None = None
        self._lock = trio.Lock()
        self._stop = trio.Event()
        self._stopped = trio.Event()

    async def make(self) -> ASGI:
        """Return an application that nobody has started."""
        return await trio.to_thread.run_sync(self._make)

    async def answer(self, server: Server, request: Request) -> None:
        """Answer a bridged request."""
        await answer(self._app or await self._started(), server, request)

    async def close(self) -> None:
        """Tell the application that the server ends, and wait for it."""
        self._stop.set()
        if self._app is not None:
            await self._stopped.wait()

    async def _started(self) -> ASGI:
        async with self._lock:
            if self._app is None:
                app = await self.make()
                await self._nursery.start(self._live, app)
                self._app = app
            return self._app

    async def _live(self, app: ASGI, *, task_status: trio.TaskStatus[None]) -> None:
        """Carry the application's lifespan, in which it keeps its own tasks."""
        begun = False

        async def receive() -> Message:
            nonlocal begun
            if not begun:
                begun = True
                return {"type": "lifespan.startup"}
            await self._stop.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Message) -> None:
            match message["type"]:
                case "lifespan.startup.complete":
                    task_status.started()
                case "lifespan.startup.failed" | "lifespan.shutdown.failed":
                    raise RuntimeError(f"the web application: {message.get('message', message['type'])}")
            await trio.lowlevel.checkpoint()

        try:
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
        finally:
            self._stopped.set()

    def _make(self) -> ASGI:
        from kcp.server.app import make_app

        app: Any = make_app(self._url)  # Quart types its own, narrower scopes
        return cast("ASGI", app)
