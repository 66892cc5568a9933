"""Ends workspaces that are being deleted: their logical clusters are emptied, and what blocks that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.client import StatusError, conditions
from kcp.client.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.client import Client, Ending, Facts, Key, LeftOver

NAME = "workspace-controller"
TYPE = "WorkspaceContentDeleted"
LOGICAL_CLUSTER = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"


async def end_workspace(client: Client, facts: Facts, key: Key) -> bool:
    """Mark the logical cluster of a deleted workspace, empty it, and let both go.

    Returns:
        Whether nothing is left to do.
    """
    return await _settle(client, await facts.end_workspace(key))


async def end_logical_cluster(client: Client, facts: Facts, key: Key) -> bool:
    """Empty a logical cluster that is being deleted, and let it and its workspace go.

    Returns:
        Whether nothing is left to do.
    """
    return await _settle(client, await facts.end_cluster(key.cluster))


async def _settle(client: Client, ending: Ending) -> bool:
    if not ending.gone and ending.left:
        await _tell(client.of(ending.cluster), blocked(ending.left))
    return ending.gone


def blocked(left: Sequence[LeftOver]) -> Condition:
    """Return the condition that says what is left and what holds it."""
    resources = [f"{_qualified(one.resource)} has {one.count} resource instances" for one in left]
    message = "Some resources are remaining: " + ", ".join(sorted(resources))
    holding: dict[str, int] = {}
    for one in left:
        for finalizer, count in one.finalizers.items():
            holding[finalizer] = holding.get(finalizer, 0) + count
    if holding:
        parts = [f"{name} in {count} resource instances" for name, count in sorted(holding.items())]
        message += "; Some content in the logical cluster has finalizers remaining: " + ", ".join(parts)
    return Condition(TYPE, False, "SomeResourcesRemain", message)


def _qualified(resource: str) -> str:
    # Resources of the core group are written with a dot at their end, as upstream does.
    return resource if "." in resource else f"{resource}."


async def _tell(client: Client, condition: Condition) -> None:
    try:
        cluster = await client.get(LOGICAL_CLUSTER)
        said = cluster.get("status", {}).get("conditions") or []
        wanted = conditions.merge(said, [condition], conditions.now())
        if wanted == said:
            return
        version = cluster["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "status": {"conditions": wanted}}
        await client.merge_patch(f"{LOGICAL_CLUSTER}/status", patch)
    except StatusError as error:
        # Told again with the next look, if there is still something to tell.
        if not (error.is_not_found or error.is_conflict):
            raise
