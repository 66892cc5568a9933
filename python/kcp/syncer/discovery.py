"""Which resources are synced: what was asked for, as both clusters serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcp.client.places import Resource
from kcp.client.status import StatusError
from kcp.syncer.plan import Kind
from kcp.syncer.transform import CONFIGMAPS, SECRETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.client.session import Session

DEFAULT = ("deployments.apps",)
# They are made downstream by the syncer itself, or mean something in their own cluster alone.
NEVER = frozenset({"namespaces", "events", "events.events.k8s.io", "serviceaccounts", "endpoints"})


class SyncerError(Exception):
    """The syncer cannot do what it is asked for: one line."""


async def find_resources(upstream: Session, downstream: Session, words: Sequence[str]) -> dict[Resource, Kind]:
    """Return what `words` (`resource.group`, or a resource's name alone) mean, and what goes along with it.

    Raises:
        SyncerError: something is unknown on a side, has no namespaces, or cannot be watched.
        StatusError, UnreachableError: a server refuses to say, or does not answer.
    """
    above, below = await served_at(upstream), await served_at(downstream)
    found = {}
    for word in words or DEFAULT:
        resource, about = _one(above, word, upstream)
        if not about["namespaced"]:
            raise SyncerError(f'"{resource.full_name}" has no namespace; only what has one is synced')
        if resource.full_name in NEVER:
            raise SyncerError(f'"{resource.full_name}" belongs to its own cluster and is not synced')
        if not {"list", "watch", "patch"} <= set(about["verbs"]):
            raise SyncerError(f'"{resource.full_name}" cannot be listed, watched and patched at {upstream.server}')
        await _check_served(downstream, below, resource)
        found[resource] = Kind(resource.api_version, about["kind"], about["has_status"], True)
    for name, kind in ((SECRETS, "Secret"), (CONFIGMAPS, "ConfigMap")):
        found.setdefault(Resource("", "v1", name), Kind("v1", kind, False, False))
    return found


def _one(served: dict[str, Any], word: str, at: Session) -> tuple[Resource, dict[str, Any]]:
    matching = [r for r in served if word in (r, r.partition(".")[0])]
    if not matching:
        raise SyncerError(f'no resource "{word}" is served at {at.server}')
    if word not in matching and len(matching) > 1:
        raise SyncerError(f'"{word}" may be {" or ".join(sorted(matching))}; name one')
    about: dict[str, Any] = served[word if word in matching else matching[0]]
    return about["resource"], about


async def _check_served(downstream: Session, served: dict[str, Any], resource: Resource) -> None:
    about = served.get(resource.full_name)
    if about is None:
        raise SyncerError(f'"{resource.full_name}" is served upstream alone: {downstream.server} has no such resource')
    if about["resource"].version != resource.version:
        # What is preferred there does not matter as long as it has ours.
        try:
            listed = await downstream.get(_document(resource.group, resource.version))
        except StatusError as error:
            if not error.is_not_found:
                raise
            listed = {}
        if resource.name not in {one["name"] for one in listed.get("resources") or ()}:
            raise SyncerError(f"{downstream.server} does not serve {resource.full_name} as {resource.version}")


def _document(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


async def served_at(session: Session) -> dict[str, Any]:
    """Return what a server has, by `resource.group`, at the version it prefers."""
    found: dict[str, Any] = {}
    groups = [("", "v1")]
    for group in (await session.get("/apis")).get("groups") or ():
        groups.append((group["name"], group["preferredVersion"]["version"]))
    for group, version in groups:
        try:
            listed = (await session.get(_document(group, version))).get("resources") or ()
        except StatusError as error:
            # One group that is broken is no reason to know nothing; what was asked of it will be missed.
            if error.code in {401, 403}:
                raise
            continue
        with_status = {one["name"].partition("/")[0] for one in listed if one["name"].endswith("/status")}
        for one in listed:
            if "/" not in one["name"]:
                resource = Resource(group, version, one["name"])
                found[resource.full_name] = {
                    **one,
                    "resource": resource,
                    "has_status": one["name"] in with_status,
                }
    return found


async def name_of_cluster(upstream: Session, given: str) -> str:
    """Return the name of the logical cluster that `given`, a name or a path, leads to; it is what locators hash.

    Raises:
        SyncerError: the server does not say.
    """
    listed = await upstream.get("/api/v1/namespaces", {"limit": "1"})
    for namespace in listed.get("items") or ():
        if name := (namespace["metadata"].get("annotations") or {}).get("kcp.io/cluster"):
            return str(name)
    if ":" not in given:
        return given
    raise SyncerError(f'{upstream.server} does not tell the name of the logical cluster "{given}"')


async def check_apart(upstream: Session, downstream: Session) -> None:
    """Refuse to sync a logical cluster to itself: copies carry the placement label, and would be copied without end.

    Raises:
        SyncerError: both are one: they have a namespace of one uid.
        StatusError, UnreachableError: a server refuses to say, or does not answer.
    """
    for namespace in (await upstream.get("/api/v1/namespaces", {"limit": "1"})).get("items") or ():
        try:
            found = await downstream.get(Resource("", "v1", "namespaces").object("", namespace["metadata"]["name"]))
        except StatusError as error:
            if not error.is_not_found:
                raise
        else:
            if found["metadata"].get("uid") == namespace["metadata"]["uid"]:
                raise SyncerError(f"{downstream.server} is the workspace itself, not a physical cluster")
