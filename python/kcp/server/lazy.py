"""The web application, made when it is first needed or when the server has nothing to do.

Quart takes 200 ms to import. In the event loop that would stall everything that waits for Python, so it happens in a
thread; a request that comes before waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from kcp.server.bridge import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio

    from kcp.core import Request, Server


class LazyApp:
    """The application behind a lock."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._app: QuartTrio | None = None
        self._lock = trio.Lock()

    async def get(self) -> QuartTrio:
        """Return the application, started."""
        async with self._lock:
            if self._app is None:
                app = await trio.to_thread.run_sync(self._make)
                await app.startup()
                self._app = app
            return self._app

    async def answer(self, server: Server, request: Request) -> None:
        """Answer a bridged request."""
        app = self._app or await self.get()
        await answer(app, server, request)  # type: ignore[arg-type]  # Quart types its own, narrower scopes

    async def close(self) -> None:
        """Tell the application that the server ends."""
        if self._app is not None:
            await self._app.shutdown()

    def _make(self) -> QuartTrio:
        from kcp.server.app import make_app

        return make_app(self._url)
