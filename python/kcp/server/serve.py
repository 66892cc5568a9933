"""The one `trio.run` of a server process: nurseries nest in the order in which they end."""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING

import trio

from kcp import tenancy, virtual
from kcp.client import StatusError
from kcp.controllers import choose, runner
from kcp.server.bridge import answer
from kcp.server.lazy import LazyApp
from kcp.server.run import DRAIN_SECONDS

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from kcp.core import Request, Server
    from kcp.server.files import Serving
    from kcp.server.run import Move

log = logging.getLogger(__name__)


async def serve(
    server: Server,
    serving: Serving,
    url: str,
    kubeconfig: Path | None,
    controllers: Sequence[str],
    batteries: Collection[str],
    listening: socket.socket | None,
    virtual_workspaces: bool = True,
    move: Move | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then end in order.

    `listening` is Hypercorn's socket, if it is to serve; `move` says that objects name another place than is right now.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as joining:
            app = LazyApp(lambda: url, joining)
            services = virtual.standard(server) if virtual_workspaces else virtual.Services(server, ())

            async def application(server: Server, request: Request) -> None:
                if request.path.startswith("/services/"):
                    await answer(services, server, request)
                else:
                    await app.answer(server, request)

            await joining.start(server.run, application, tenancy.hooks(server))
            await tenancy.ensure_types(server, batteries)
            async with trio.open_nursery() as working:
                if move is not None:
                    working.start_soon(_follow, server, move)
                for controller in choose(controllers):
                    working.start_soon(runner.run, controller, server, server, server)
                if listening is not None:
                    from kcp.server.hypercorn import serve_hypercorn

                    await working.start(serve_hypercorn, server, app, serving, listening)
                hint = f"  (KUBECONFIG={kubeconfig} kubectl get ns)" if kubeconfig else ""
                print(f"kcp is ready: {url}{hint}", flush=True)
                await anext(aiter(signals))
                for number in (signal.SIGTERM, signal.SIGINT):  # who asks twice does not want to wait
                    signal.signal(number, signal.SIG_DFL)
                working.cancel_scope.cancel()
            cut = await server.drain(DRAIN_SECONDS)
            if cut:
                print(f"warning: {cut} connections were still at work and were cut", file=sys.stderr)
            await app.close()
            joining.cancel_scope.cancel()


async def _follow(server: Server, move: Move) -> None:
    """Let objects name the place where virtual workspaces are now."""
    try:
        await tenancy.refresh_urls(server, move.base)
    except StatusError as error:  # the next start tries again
        log.warning("workspace types may name virtual workspaces where they were: %s", error)
    else:
        move.done()
