"""A syncer from its beginning to its end, for the command and for who runs one in its own process."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from kcp.client.connection import Connection
from kcp.client.session import Session
from kcp.syncer.discovery import DEFAULT, SyncerError, check_apart, find_resources, name_of_cluster
from kcp.syncer.engine import Engine
from kcp.syncer.names import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

AGENT = "kcp-syncer"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def at_cluster(connection: Connection, cluster: str) -> Connection:
    """Return the same connection in a logical cluster (path or name), whichever its URL names."""
    return connection.at(f"{connection.server.partition('/clusters/')[0].rstrip('/')}/clusters/{cluster}")


def in_cluster(environment: Mapping[str, str] = os.environ, account: Path = _ACCOUNT) -> Connection:
    """Return the connection of a pod to the cluster it runs in.

    Raises:
        SyncerError: this is no pod.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    try:
        authority = (account / "ca.crt").read_bytes()
    except OSError:
        authority = None
    if not host or not port or authority is None:
        raise SyncerError("--to-kubeconfig is needed: this does not run in a pod of the physical cluster")
    host = f"[{host}]" if ":" in host else host
    return Connection(server=f"https://{host}:{port}", authority=authority, token_file=str(account / "token"))


@asynccontextmanager
async def opened(
    upstream: Connection, downstream: Connection, *, cluster: str, resources: Sequence[str] = DEFAULT
) -> AsyncIterator[Engine]:
    """Give an engine that knows its site and what it syncs; the connections are closed when the block is left.

    Args:
        upstream: the logical cluster, which its URL names, by path or by name.
        downstream: the physical cluster.
        cluster: identifier of the physical cluster: what objects for it have in their placement label.
        resources: `resource.group`, or names of resources alone.

    Raises:
        SyncerError: a resource is not served on both sides, or cannot be synced; both sides are one.
        BadNameError: the identifier cannot be used.
        KubeconfigError: a connection cannot be used.
        StatusError, UnreachableError: a server refuses, or does not answer.
    """
    given = upstream.server.partition("/clusters/")[2].strip("/")
    Site(given, cluster)  # names are checked before anybody is asked
    above, below = Session(upstream, agent=AGENT), Session(downstream, agent=AGENT)
    try:
        site = Site(await name_of_cluster(above, given), cluster)
        await check_apart(above, below)
        yield Engine(site, above, below, await find_resources(above, below, resources))
    finally:
        with trio.CancelScope(shield=True):
            await above.close()
            await below.close()


async def run_syncer(
    upstream: Connection,
    downstream: Connection,
    *,
    cluster: str,
    resources: Sequence[str] = DEFAULT,
    task_status: trio.TaskStatus[Engine] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Sync until cancelled; as `opened`, whose errors are raised before it has started.

    Started by a nursery, it gives the engine once both sides were asked what they serve. Cancelled, it leaves nothing
    that the next one does not take up.
    """
    async with opened(upstream, downstream, cluster=cluster, resources=resources) as engine:
        task_status.started(engine)
        await engine.run()
