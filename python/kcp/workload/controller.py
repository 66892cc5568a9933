"""The cluster-controller: follows the WorkloadClusters of all logical clusters, with a task for each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from kcp.client.informer import Informer, cluster_and_name
from kcp.client.session import Session
from kcp.workload.minder import AGENT, CLUSTERS, Minder

if TYPE_CHECKING:
    from kcp.client.informer import Change, Name
    from kcp.workload.minder import Settings


async def run_controller(settings: Settings, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Look after registered clusters until cancelled; has started when all that are registered are known.

    Two at once do the same work twice and nothing worse.

    Raises:
        StatusError, UnreachableError: the server refuses, or does not answer; only before it has started.
        KubeconfigError: the connection cannot be used.
    """
    base = settings.upstream
    above = Session(base, agent=AGENT)
    everywhere = Session(base.at(f"{base.server}/clusters/*"), agent=AGENT)
    try:
        # An informer would try for ever.
        await everywhere.get(CLUSTERS.collection(), {"limit": "1"})
        async with trio.open_nursery() as nursery:
            informer = Informer(everywhere, CLUSTERS, naming=cluster_and_name)
            informer.add_handler(partial(_changed, nursery, above, settings, {}))
            nursery.start_soon(informer.run)
            await informer.wait_synced()
            task_status.started()
    finally:
        with trio.CancelScope(shield=True):
            await above.close()
            await everywhere.close()


def _changed(
    nursery: trio.Nursery, above: Session, settings: Settings, minders: dict[Name, Minder], change: Change
) -> None:
    place = cluster_and_name(change.object)
    if change.type == "deleted":
        minders.pop(place).end()
    elif change.type == "updated":
        minders[place].saw(change.object)
    else:
        minders[place] = Minder(above, settings, place[0], change.object)
        nursery.start_soon(minders[place].run)
