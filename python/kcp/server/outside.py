"""`virtual-workspaces`: the virtual workspaces as a process of their own, before any kcp that a kubeconfig names.

Order of the start: the kubeconfig is read and the server behind asked whether it lets this one show it; certificates
are there; the address is bound; only then is trio imported, and the ready line printed.
Order of the end: not ready any more; watches end; the listener drains (no new connections, requests finish); the
connections to the server behind close.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kcp.client import HttpClient, StatusError, UnreachableError
from kcp.client.connection import Overrides, connect
from kcp.core import Front
from kcp.kubeconfig import KubeconfigError, load, locate
from kcp.server import files, logs
from kcp.server.files import StartError
from kcp.server.run import DRAIN_SECONDS, cannot_listen, serving_certificate, url_of

if TYPE_CHECKING:
    from kcp.client.connection import Connection
    from kcp.core import Door, Request
    from kcp.server.outside_options import OutsideOptions

# The context of a kcp's own kubeconfig whose user is in system:masters.
PREFERRED_CONTEXT = "shard-base"
# How long the server behind may take to answer at the start.
START_SECONDS = 10.0


def run(options: OutsideOptions) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartError: the server cannot start.
    """
    logs.set_up(options.logging_format, options.verbosity)
    connection = _behind(options)
    with ExitStack() as stack:
        root = options.root_directory
        if options.tls_cert_file is None:
            root = stack.enter_context(files.root_directory(root))
        front = _open(options, serving_certificate(options, root))
        stack.callback(front.close)
        front.listen()

        import trio

        assert front.address is not None
        url = url_of(files.external_host(options.bind_address), front.address[1])
        trio.run(_serve, front, connection, url)


def _behind(options: OutsideOptions) -> Connection:
    """Return the way to the server behind, which was asked."""
    try:
        config = load(locate(str(options.kubeconfig), os.environ))
        context = options.context or (PREFERRED_CONTEXT if PREFERRED_CONTEXT in config.contexts else "")
        connection = connect(config, Overrides(context=context))
        base = connection.server.partition("/clusters/")[0]
        with HttpClient(connection.at(base), agent="virtual-workspaces", seconds=START_SECONDS) as client:
            client.get("/internal/entries", query={"limit": "1"})
    except (KubeconfigError, UnreachableError) as error:
        raise StartError(f"kubeconfig {options.kubeconfig}: {error}") from error
    except StatusError as error:
        reasons = {
            401: "its credentials are refused",
            403: "its user is not in system:masters; --context chooses another",
            404: "its server is no kcp whose virtual workspaces run on their own",
        }
        raise StartError(f"kubeconfig {options.kubeconfig}: {reasons.get(error.code, error)}") from error
    return connection


def _open(options: OutsideOptions, serving: files.Serving) -> Front:
    client_ca = None if options.client_ca_file is None else files.read(options.client_ca_file, "client CA")
    try:
        return Front(
            (options.bind_address, options.secure_port),
            certificate=serving.certificate,
            key=serving.key,
            client_ca=client_ca,
        )
    except OSError as error:
        raise cannot_listen(options.bind_address, options.secure_port, error) from error
    except ValueError as error:
        raise StartError(str(error)) from error


async def _serve(front: Front, connection: Connection, url: str) -> None:
    """Serve until SIGTERM or SIGINT, then end in order."""
    import trio

    from kcp import virtual
    from kcp.server.bridge import answer
    from kcp.virtual.entrance import Entrance
    from kcp.virtual.remote import Remote

    remote = Remote(connection)
    entrance = Entrance(virtual.standard(remote), remote)

    async def application(door: Door, request: Request) -> None:
        await answer(entrance, door, request)

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(front.run, application)
            print(f"virtual-workspaces is ready: {url}", flush=True)
            await anext(aiter(signals))
            for number in (signal.SIGTERM, signal.SIGINT):  # who asks twice does not want to wait
                signal.signal(number, signal.SIG_DFL)
            entrance.stopping = True
            remote.end_watches()
            cut = await front.drain(DRAIN_SECONDS)
            if cut:
                print(f"warning: {cut} connections were still at work and were cut", file=sys.stderr)
            nursery.cancel_scope.cancel()
        await remote.close()
