"""Puts a syncer into a physical cluster, and takes it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcp.client.status import StatusError
from kcp.workload.manifests import MANAGER, REGISTRATION, is_current, manifests

if TYPE_CHECKING:
    from kcp.client.session import Session
    from kcp.workload.manifests import Installation, Manifest

# What everything else is in, or what is outside of it.
_WIDE = ("clusterrolebindings", "clusterroles", "namespaces")


async def install(session: Session, wanted: Installation) -> bool:
    """Apply what is wanted, unless all of it is there as it is wanted; return whether anything was applied.

    Raises:
        StatusError, UnreachableError: the cluster refuses, or does not answer. What was applied before that stays, and
            the next call goes on.
    """
    parts = manifests(wanted)
    if await _is_installed(session, wanted, parts):
        return False
    for part in parts:  # the Deployment is last: that it is current says that all the others were applied
        await session.apply(part.path, part.body, manager=MANAGER, force=True)
    return True


async def _is_installed(session: Session, wanted: Installation, parts: list[Manifest]) -> bool:
    """Tell whether nothing was taken away, and the Deployment is as it is wanted."""
    for part in parts:
        found = await _find(session, part.path)
        if found is None or (part.resource.name == "deployments" and not is_current(found, wanted)):
            return False
    return True


async def remove(session: Session, installed: Installation) -> bool:
    """Delete what `install` made, the cluster-wide objects included; return whether nothing of it is left.

    Only what carries the registration's label is deleted, and only that very object. A namespace takes its time; the
    next call tells whether it is gone.

    Raises:
        StatusError, UnreachableError: the cluster refuses, or does not answer.
    """
    by_name = {part.resource.name: part.path for part in manifests(installed)}
    gone = [await _remove(session, by_name[plural], installed) for plural in _WIDE]
    return all(gone)


async def _remove(session: Session, path: str, installed: Installation) -> bool:
    """Delete one object if it is the installation's; return whether it is known to be gone."""
    found = await _find(session, path)
    if found is None or not _is_ours(found, installed):
        return True
    if "deletionTimestamp" in found["metadata"]:
        return False
    try:
        answer = await session.delete(path, uid=str(found["metadata"]["uid"]))
    except StatusError as error:
        if error.is_not_found:
            return True
        if error.is_conflict:  # another one by now: the next call looks at it
            return False
        raise
    # What waits for finalizers is answered with itself.
    return answer.get("kind") == "Status" and found["kind"] != "Namespace"


def is_running(pods: list[dict[str, Any]]) -> bool:
    """Tell whether the pods of an installation are the one that syncs: one, running, ready."""
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if len(alive) != 1:
        return False
    status = alive[0].get("status") or {}
    said = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    return status.get("phase") == "Running" and said.get("Ready") == "True"


async def pods_of(session: Session, installed: Installation) -> list[dict[str, Any]]:
    """Return the pods of an installation.

    Raises:
        StatusError, UnreachableError: the cluster refuses, or does not answer.
    """
    path = f"/api/v1/namespaces/{installed.identity}/pods"
    answer = await session.get(path, {"labelSelector": f"{REGISTRATION}={installed.identity}"})
    found: list[dict[str, Any]] = answer.get("items") or []
    return found


def _is_ours(found: dict[str, Any], installed: Installation) -> bool:
    return (found["metadata"].get("labels") or {}).get(REGISTRATION) == installed.identity


async def _find(session: Session, path: str) -> dict[str, Any] | None:
    try:
        return await session.get(path)
    except StatusError as error:
        if error.is_not_found:
            return None
        raise
