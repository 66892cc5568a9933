"""Deletes what is in a terminating namespace, then lets the namespace go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcp.client import Client, StatusError

if TYPE_CHECKING:
    from kcp.client import Key

FINALIZER = "kubernetes"


async def empty_namespace(client: Client, key: Key) -> bool:
    """Delete the namespace's content; when nothing is left, remove the namespace's own finalizer.

    Returns:
        Whether the namespace needs nothing more. Objects held by finalizers keep it.
    """
    path = f"/api/v1/namespaces/{key.name}"
    try:
        namespace = await client.get(path)
    except StatusError as error:
        if error.is_not_found:
            return True
        raise
    if "deletionTimestamp" not in namespace["metadata"]:
        return True
    for collection in collections(await client.discover(), key.name):
        await client.delete(collection)
        if (await client.get(f"{collection}?limit=1"))["items"]:
            return False
    await finalize(client, path, namespace)
    return True


async def finalize(client: Client, path: str, namespace: dict[str, Any]) -> None:
    """Remove the finalizer `kubernetes` from the namespace's spec."""
    finalizers = namespace.get("spec", {}).get("finalizers", [])
    namespace["spec"] = {"finalizers": [name for name in finalizers if name != FINALIZER]}
    try:
        await client.put(f"{path}/finalize", namespace)
    except StatusError as error:
        if not error.is_not_found:
            raise


def collections(groups: list[dict[str, Any]], namespace: str) -> list[str]:
    """Return the path of every collection in `namespace` that can be listed and deleted, one per resource."""
    paths: dict[tuple[str, str], str] = {}
    for group in groups:
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            base = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
            for resource in version.get("resources", []):
                verbs = resource["verbs"]
                if resource["scope"] != "Namespaced" or "list" not in verbs or "deletecollection" not in verbs:
                    continue
                plural = resource["resource"]
                # Versions come in order of preference; the first serves all objects.
                paths.setdefault((name, plural), f"{base}/namespaces/{namespace}/{plural}")
    return list(paths.values())
