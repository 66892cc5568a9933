"""Deletes the objects of a custom resource whose definition is being deleted, then lets the definition go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcp.client import Client, StatusError

if TYPE_CHECKING:
    from kcp.client import Key

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
PAGE = 500


async def delete_instances(client: Client, key: Key) -> bool:
    """Delete every object of the definition; when none is left, remove the definition's finalizer.

    Returns:
        Whether the definition needs nothing more. Objects held by finalizers keep it.
    """
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{key.name}"
    try:
        definition = await client.get(path)
    except StatusError as error:
        if error.is_not_found:
            return True
        raise
    metadata = definition["metadata"]
    finalizers = metadata.get("finalizers", [])
    if "deletionTimestamp" not in metadata or FINALIZER not in finalizers:
        return True
    collection = serving_path(definition)
    if collection is not None and not await empty(client, collection, definition):
        return False
    rest = [name for name in finalizers if name != FINALIZER]
    patch = {"metadata": {"finalizers": rest, "resourceVersion": metadata["resourceVersion"]}}
    try:
        await client.merge_patch(path, patch)
    except StatusError as error:
        if not error.is_not_found:
            raise
    return True


def serving_path(definition: dict[str, Any]) -> str | None:
    """Return the API path of a served version of the definition's resource; None when none is served."""
    spec = definition["spec"]
    if not any(
        condition["type"] == "Established" and condition["status"] == "True"
        for condition in definition.get("status", {}).get("conditions") or []
    ):
        return None
    version = next((version["name"] for version in spec["versions"] if version["served"]), None)
    if version is None:
        return None
    group = spec["group"]
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


async def empty(client: Client, base: str, definition: dict[str, Any]) -> bool:
    """Delete all objects, namespace by namespace; tell whether none is left."""
    plural = definition["spec"]["names"]["plural"]
    if definition["spec"]["scope"] == "Cluster":
        await client.delete(f"{base}/{plural}")
    else:
        token = ""
        namespaces: set[str] = set()
        while True:
            page = await client.get(f"{base}/{plural}?limit={PAGE}{token}")
            namespaces |= {item["metadata"]["namespace"] for item in page["items"]}
            if not (more := page["metadata"].get("continue")):
                break
            token = f"&continue={more}"
        for namespace in sorted(namespaces):
            await client.delete(f"{base}/namespaces/{namespace}/{plural}")
    return not (await client.get(f"{base}/{plural}?limit=1"))["items"]
