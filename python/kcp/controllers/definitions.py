"""Deletes the objects of a custom resource whose definition is being deleted, then lets the definition go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcp.client import StatusError, conditions
from kcp.client.conditions import Condition
from kcp.controllers.opening import find_deleted

if TYPE_CHECKING:
    from kcp.client import Client, Facts, Key

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
TYPE = "Terminating"

IN_PROGRESS = Condition(TYPE, True, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
CHECK = Condition(
    TYPE,
    True,
    "InstanceDeletionCheck",
    "could not confirm zero CustomResources remaining: context deadline exceeded",
)
COMPLETED = Condition(TYPE, False, "InstanceDeletionCompleted", "removed all instances")
# Seconds that objects may take to go before the condition says that they do not.
CHECK_AFTER = 60.0
NEVER_ESTABLISHED = Condition(TYPE, False, "NeverEstablished", "resource was never established")


async def delete_instances(client: Client, facts: Facts, key: Key) -> bool:
    """Delete every object of the definition; when none is left, remove the definition's finalizer.

    Returns:
        Whether the definition needs nothing more of this controller. Objects held by finalizers keep it.
    """
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{key.name}"
    definition = await find_deleted(client, path)
    if definition is None or FINALIZER not in definition["metadata"].get("finalizers", []):
        return True
    if not is_established(definition):
        definition = await tell(client, path, definition, NEVER_ESTABLISHED)
    else:
        if reason(definition) != CHECK.reason:
            definition = await tell(client, path, definition, IN_PROGRESS)
        left = await facts.delete_instances(key.cluster, key.name)
        if left.error is not None:
            message = f"could not issue all deletes: {left.error}"
            await tell(client, path, definition, Condition(TYPE, True, "InstanceDeletionFailed", message))
            return False
        if left.objects:
            if conditions.seconds_since(definition["metadata"]["deletionTimestamp"]) >= CHECK_AFTER:
                await tell(client, path, definition, CHECK)
            return False
        definition = await tell(client, path, definition, COMPLETED)
    metadata = definition["metadata"]
    rest = [name for name in metadata.get("finalizers", []) if name != FINALIZER]
    patch = {"metadata": {"finalizers": rest, "resourceVersion": metadata["resourceVersion"]}}
    # A create that was under way when the definition was deleted may have come after the look for objects: then this is
    # refused as a conflict, and everything begins again.
    try:
        # The main endpoint would hold the whole definition against its rules: stored versions that it does not have
        # any more would keep it for ever.
        await client.merge_patch(f"{path}/status", patch)
    except StatusError as error:
        if not error.is_not_found:
            raise
    return True


def is_established(definition: dict[str, Any]) -> bool:
    """Tell whether the definition was ever in force, so that there can be objects of it."""
    said = definition.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in said)


def reason(definition: dict[str, Any]) -> str | None:
    """Return how far the deletion is, as the condition tells it."""
    said = definition.get("status", {}).get("conditions") or []
    return next((one["reason"] for one in said if one["type"] == TYPE), None)


async def tell(client: Client, path: str, definition: dict[str, Any], condition: Condition) -> dict[str, Any]:
    """Write a condition, if it says something new, and return the definition as it is then."""
    said = definition.get("status", {}).get("conditions") or []
    wanted = conditions.merge(said, [condition], conditions.now())
    if wanted == said:
        return definition
    version = definition["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "status": {"conditions": wanted}}
    return await client.merge_patch(f"{path}/status", patch)
