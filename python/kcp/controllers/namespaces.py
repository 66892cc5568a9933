"""Deletes what is in a terminating namespace, then lets the namespace go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kcp.client import StatusError, conditions
from kcp.client.conditions import Condition
from kcp.controllers.opening import find_deleted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.client import Client, Facts, Key

FINALIZER = "kubernetes"
# What runs goes before what it may still need.
FIRST = ("", "pods")


@dataclass(frozen=True, slots=True)
class Collection:
    """A namespaced resource and where its objects of one namespace are."""

    group: str
    resource: str
    path: str


@dataclass(slots=True)
class Content:
    """What is left in a namespace, and what went wrong."""

    objects: Counter[str] = field(default_factory=Counter)
    """Objects by `resource.group`; the core group's end in a dot."""
    finalizers: Counter[str] = field(default_factory=Counter)
    """Objects by what holds them."""
    discovery: str = ""
    """Why discovery failed; empty when it did not."""
    errors: list[str] = field(default_factory=list)

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left, for all that is known."""
        return not self.objects and not self.errors and not self.discovery


async def empty_namespace(client: Client, facts: Facts, key: Key) -> bool:
    """Delete the namespace's content; when nothing is left, remove the namespace's own finalizer.

    Returns:
        Whether the namespace needs nothing more of this controller. Objects held by finalizers keep it.
    """
    del facts
    path = f"/api/v1/namespaces/{key.name}"
    namespace = await find_deleted(client, path)
    if namespace is None or FINALIZER not in namespace["spec"].get("finalizers", []):
        return True
    content = Content()
    try:
        groups = await client.discover()
    except StatusError as error:
        content.discovery = str(error)
        groups = []
    await delete_content(client, collections(groups, key.name), content)
    namespace = await tell(client, path, namespace, content)
    if not content.is_gone:
        return False
    await finalize(client, path, namespace)
    return True


async def delete_content(client: Client, collections: Sequence[Collection], content: Content) -> None:
    """Delete every object of the collections, and note what is left. While there are pods, nothing else goes."""
    for collection in sorted(collections, key=lambda one: (one.group, one.resource) != FIRST):
        try:
            if (await client.get(f"{collection.path}?limit=1"))["items"]:
                await client.delete(collection.path, policy="Background")
            async for metadata in client.metadata(collection.path):
                content.objects[f"{collection.resource}.{collection.group}"] += 1
                content.finalizers.update(metadata.get("finalizers", []))
        except StatusError as error:
            # A resource that has gone, or that cannot be deleted, has nothing to delete.
            if error.code not in {404, 405}:
                content.errors.append(str(error))
        if (collection.group, collection.resource) == FIRST and not content.is_gone:
            return


def told(content: Content) -> list[Condition]:
    """Return what the namespace's status says of its content, in Kubernetes' words. True is trouble."""
    objects = ", ".join(sorted(f"{name} has {count} resource instances" for name, count in content.objects.items()))
    holders = ", ".join(sorted(f"{name} in {count} resource instances" for name, count in content.finalizers.items()))
    return [
        Condition("NamespaceDeletionDiscoveryFailure", True, "DiscoveryFailed", content.discovery)
        if content.discovery
        else Condition(
            "NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"
        ),
        Condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        Condition(
            "NamespaceDeletionContentFailure",
            True,
            "ContentDeletionFailed",
            f"Failed to delete all resource types, {len(content.errors)} remaining: "
            + ", ".join(sorted(content.errors)),
        )
        if content.errors
        else Condition(
            "NamespaceDeletionContentFailure",
            False,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        Condition("NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {objects}")
        if objects
        else Condition("NamespaceContentRemaining", False, "ContentRemoved", "All content successfully removed"),
        Condition(
            "NamespaceFinalizersRemaining",
            True,
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {holders}",
        )
        if holders
        else Condition(
            "NamespaceFinalizersRemaining",
            False,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ]


async def tell(client: Client, path: str, namespace: dict[str, Any], content: Content) -> dict[str, Any]:
    """Write the conditions, where they say something new, and return the namespace as it is then."""
    said = namespace.get("status", {}).get("conditions", [])
    wanted = conditions.merge(said, told(content), conditions.now())
    if wanted == said:
        return namespace
    version = namespace["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "status": {"conditions": wanted}}
    return await client.merge_patch(f"{path}/status", patch)


async def finalize(client: Client, path: str, namespace: dict[str, Any]) -> None:
    """Remove the finalizer `kubernetes` from the namespace's spec."""
    finalizers = namespace.get("spec", {}).get("finalizers", [])
    namespace["spec"] = {"finalizers": [name for name in finalizers if name != FINALIZER]}
    try:
        await client.put(f"{path}/finalize", namespace)
    except StatusError as error:
        if not error.is_not_found:
            raise


def collections(groups: list[dict[str, Any]], namespace: str) -> list[Collection]:
    """Return every collection in `namespace` that can be listed and deleted, one per resource."""
    found: dict[tuple[str, str], Collection] = {}
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
                path = f"{base}/namespaces/{namespace}/{plural}"
                found.setdefault((name, plural), Collection(name, plural, path))
    return list(found.values())
