"""Negotiation in all logical clusters of a server: a controller for each that has something to negotiate."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import trio

from kcp.client.informer import Informer, cluster_and_name
from kcp.client.session import Session
from kcp.negotiation.controller import Controller
from kcp.negotiation.kinds import IMPORTS, NEGOTIATED

if TYPE_CHECKING:
    from kcp.client.connection import Connection
    from kcp.client.informer import Change

logger = logging.getLogger(__name__)

AGENT = "kcp-negotiation"


async def run_everywhere(
    upstream: Connection, *, publish: bool = False, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Negotiate until cancelled; has started when all imports are known.

    Two at once do the same work twice and nothing worse.

    Args:
        upstream: the server, outside of any logical cluster; its user is in `system:masters`.
        publish: as of `Controller`.

    Raises:
        StatusError, UnreachableError: the server refuses, or does not answer; only before it has started.
        KubeconfigError: the connection cannot be used.
    """
    everywhere = Session(upstream.at(f"{upstream.server}/clusters/*"), agent=AGENT)
    try:
        # An informer would try for ever.
        await everywhere.get(IMPORTS.collection(), {"limit": "1"})
        async with trio.open_nursery() as nursery:
            everyone = _Everyone(nursery, upstream, everywhere, publish=publish)
            await everyone.follow()
            task_status.started()
    finally:
        with trio.CancelScope(shield=True):
            await everywhere.close()


class _Everyone:
    """The controllers under way, by logical cluster."""

    def __init__(self, nursery: trio.Nursery, upstream: Connection, everywhere: Session, *, publish: bool) -> None:
        self._nursery = nursery
        self._upstream = upstream
        self._publish = publish
        self._running: dict[str, trio.CancelScope] = {}
        # What there is to negotiate, by logical cluster.
        self._objects: dict[str, set[tuple[str, str]]] = {}
        self._informers = [
            Informer(everywhere, resource, naming=cluster_and_name, handler=partial(self._changed, resource.name))
            for resource in (IMPORTS, NEGOTIATED)
        ]

    async def follow(self) -> None:
        for informer in self._informers:
            self._nursery.start_soon(informer.run)
        for informer in self._informers:
            await informer.wait_synced()

    def _changed(self, resource: str, change: Change) -> None:
        cluster, name = cluster_and_name(change.object)
        there = self._objects.setdefault(cluster, set())
        if change.new is not None:
            there.add((resource, name))
        else:
            there.discard((resource, name))
        if there and cluster not in self._running:
            scope = self._running[cluster] = trio.CancelScope()
            self._nursery.start_soon(self._negotiate, cluster, scope)
        elif not there:
            # A definition that is left goes with its last owner, without a controller.
            del self._objects[cluster]
            if (scope_of := self._running.pop(cluster, None)) is not None:
                scope_of.cancel()

    async def _negotiate(self, cluster: str, scope: trio.CancelScope) -> None:
        base = self._upstream
        session = Session(base.at(f"{base.server}/clusters/{cluster}"), agent=AGENT)
        try:
            with scope:
                logger.info("%s: negotiating", cluster)
                await Controller(session, publish=self._publish).run()
        finally:
            with trio.CancelScope(shield=True):
                await session.close()
