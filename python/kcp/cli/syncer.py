"""`syncer`: what is placed on a physical cluster goes there, and its status comes back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from kcp.cli.flags import FlagError
from kcp.cli.plugin import UserError
from kcp.cli.running import first_of, set_up_logging, until_signal
from kcp.client.connection import Overrides, connect
from kcp.kubeconfig import KubeconfigError, load, locate
from kcp.syncer.discovery import SyncerError
from kcp.syncer.health import serve
from kcp.syncer.names import BadNameError
from kcp.syncer.run import at_cluster, in_cluster, opened

if TYPE_CHECKING:
    from kcp.cli.plugin import Call
    from kcp.client.connection import Connection
    from kcp.kubeconfig import Kubeconfig
    from kcp.syncer.engine import Engine

REQUIRED = ("from-kubeconfig", "from-cluster", "cluster")


def run(call: Call) -> int:
    """Sync until SIGTERM or SIGINT.

    Raises:
        FlagError: a flag is missing or cannot be used.
        UserError, KubeconfigError, StatusError, UnreachableError: it cannot begin.
    """
    for name in REQUIRED:
        if not call.flag(name):
            raise FlagError(f"--{name} is required")
    address = _address(str(call.flag("metrics-bind-address")))
    set_up_logging(call)
    upstream = connect(_config(call, "from-kubeconfig"))
    upstream = at_cluster(upstream, str(call.flag("from-cluster")))
    try:
        downstream = _downstream(call)
        trio.run(_main, call, upstream, downstream, address)
    except Exception as error:
        first = first_of(error)
        if isinstance(first, SyncerError | BadNameError):
            raise UserError(str(first)) from None
        raise first from None
    return 0


def _config(call: Call, flag: str) -> Kubeconfig:
    return load(locate(str(call.flag(flag)), os.environ))


def _downstream(call: Call) -> Connection:
    if not call.flag("to-kubeconfig"):
        if call.flag("to-context"):
            raise KubeconfigError("--to-context is of a --to-kubeconfig")
        return in_cluster()
    return connect(_config(call, "to-kubeconfig"), Overrides(context=str(call.flag("to-context"))))


def _address(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise FlagError(f'--metrics-bind-address "{text}" is no host:port')
    return host.strip("[]"), int(port)


async def _main(call: Call, upstream: Connection, downstream: Connection, address: tuple[str, int] | None) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_signal, nursery.cancel_scope)
        words = call.words
        async with opened(upstream, downstream, cluster=str(call.flag("cluster")), resources=words) as engine:
            if call.flag("dry-run"):
                for line in await engine.plan() or ["nothing to do"]:
                    print(line)
                nursery.cancel_scope.cancel()
                return
            if address is not None:
                await _listen(nursery, engine, address)
            print(f"syncer is running: {engine.site.logical_cluster} to {engine.site.cluster}", flush=True)
            await engine.run()


async def _listen(nursery: trio.Nursery, engine: Engine, address: tuple[str, int]) -> None:
    host, port = address
    try:
        listeners = await trio.open_tcp_listeners(port, host=host or None)
    except OSError as error:
        raise SyncerError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    bound = listeners[0].socket.getsockname()
    print(f"health and metrics: http://{bound[0]}:{bound[1]}", flush=True)
    nursery.start_soon(serve, engine, listeners)
