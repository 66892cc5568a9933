"""Placement in all logical clusters of a server: a controller for each that has something to place on."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import trio

from kcp.client.informer import Informer, cluster_and_name
from kcp.client.session import Session
from kcp.placement.controller import CLUSTERS, NAMESPACES, Controller, Rules
from kcp.syncer.names import CLUSTER_LABEL, ORIGIN_LABEL

if TYPE_CHECKING:
    from kcp.client.connection import Connection
    from kcp.client.informer import Change

logger = logging.getLogger(__name__)

AGENT = "kcp-placement"


async def run_everywhere(
    upstream: Connection, rules: Rules, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Place until cancelled; has started when all clusters and all that is placed are known.

    Two at once do the same work twice and nothing worse.

    Args:
        upstream: the server, outside of any logical cluster; its user is in `system:masters`.
        rules: of all logical clusters.

    Raises:
        StatusError, UnreachableError: the server refuses, or does not answer; only before it has started.
        KubeconfigError: the connection cannot be used.
    """
    everywhere = Session(upstream.at(f"{upstream.server}/clusters/*"), agent=AGENT)
    try:
        # An informer would try for ever.
        await everywhere.get(CLUSTERS.collection(), {"limit": "1"})
        async with trio.open_nursery() as nursery:
            await _Everyone(nursery, upstream, everywhere, rules).follow()
            task_status.started()
    finally:
        with trio.CancelScope(shield=True):
            await everywhere.close()


class _Everyone:
    """The controllers under way, by logical cluster."""

    def __init__(self, nursery: trio.Nursery, upstream: Connection, everywhere: Session, rules: Rules) -> None:
        self._nursery = nursery
        self._upstream = upstream
        self._rules = rules
        self._running: dict[str, Controller] = {}
        # What there is to place on, and what is placed, by logical cluster.
        self._objects: dict[str, set[tuple[str, str]]] = {}
        # Copies in a physical cluster carry the label too.
        selectors = {CLUSTERS: "", NAMESPACES: f"{CLUSTER_LABEL},!{ORIGIN_LABEL}"}
        self._informers = [
            Informer(
                everywhere,
                resource,
                labels=labels,
                naming=cluster_and_name,
                handler=partial(self._changed, resource.name),
            )
            for resource, labels in selectors.items()
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
        running = self._running.get(cluster)
        if not there:
            del self._objects[cluster]
            if running is not None:
                running.end()
        elif running is not None:
            running.go_on()
        else:
            self._nursery.start_soon(self._place, cluster)

    async def _place(self, cluster: str) -> None:
        """Place in a logical cluster as long as there is something to do; one at a time."""
        if cluster in self._running:
            return
        base = self._upstream
        session = Session(base.at(f"{base.server}/clusters/{cluster}"), agent=AGENT)
        try:
            while cluster in self._objects:
                logger.info("%s: placing", cluster)
                self._running[cluster] = Controller(session, self._rules)
                await self._running[cluster].run()
        finally:
            self._running.pop(cluster, None)
            with trio.CancelScope(shield=True):
                await session.close()
