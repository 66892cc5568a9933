"""What to do about one object, from what both clusters have of it. Pure: the same input gives the same plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from kcp.syncer.fields import still_owned
from kcp.syncer.names import CLUSTER_LABEL, CONTENT_ANNOTATION, LEAVE_ALONE_ANNOTATION
from kcp.syncer.transform import TOKEN_SECRET, desired, status_up

if TYPE_CHECKING:
    from kcp.syncer.names import Site
    from kcp.syncer.transform import Object


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource as both clusters serve it."""

    api_version: str
    kind: str
    has_status: bool
    """Whether it has a status of its own upstream."""
    selected_by_label: bool
    """Whether it was asked for; else it goes along with what refers to it, without a finalizer."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Put the finalizer on the object upstream."""


@dataclass(frozen=True, slots=True)
class Release:
    """Take the finalizer from the object upstream."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply `body` downstream; `uid` is that of the object there, empty when there is none."""

    body: Object
    uid: str
    why: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object downstream that has this uid."""

    uid: str
    why: str


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Write the status upstream."""

    status: Any


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do nothing downstream, and say why upstream."""

    why: str


Step: TypeAlias = "Hold | Release | Apply | Delete | WriteStatus | Refuse"


def decide(site: Site, kind: Kind, above: Object | None, below: Object | None, *, referred: bool = False) -> list[Step]:
    """Return the steps, in order, that bring one object nearer to its end; none when it is there.

    Args:
        site: the two clusters.
        kind: the object's.
        above: the object upstream as it is, whatever its labels; None: it is known not to be there.
        below: what stands downstream in its place, whoever made it; None: it is known that nothing does.
        referred: a workload that is synced needs it.

    A step whose effect the next one needs (a deletion) is the last; the plan is made anew when it shows.
    """
    mine = below is not None and site.owns(below)
    if above is None:
        return _end(below if mine else None, "it is gone upstream")
    metadata = above["metadata"]
    held = site.finalizer in (metadata.get("finalizers") or ())
    placed = (metadata.get("labels") or {}).get(CLUSTER_LABEL) == site.cluster
    selected = kind.selected_by_label and placed
    if metadata.get("deletionTimestamp"):
        return _leave(held, below if mine else None, "it is being deleted upstream")
    if not selected and not referred:
        return _leave(held, below if mine else None, "it is not for this cluster")
    if above.get("type") == TOKEN_SECRET and kind.kind == "Secret":
        return [Refuse("the token of a service account is of use in its own cluster alone")]
    if below is not None and not mine:
        return [Refuse("an object of that name, which no syncer made, is in its place downstream")]
    hold: list[Step] = [] if held or not selected else [Hold()]
    return [*hold, *_keep(site, kind, above, below)]


def _end(mine: Object | None, why: str) -> list[Step]:
    if mine is None or mine["metadata"].get("deletionTimestamp"):
        return []
    return [Delete(mine["metadata"]["uid"], why)]


def _leave(held: bool, mine: Object | None, why: str) -> list[Step]:
    if mine is not None:
        return _end(mine, why)
    return [Release()] if held else []


def _keep(site: Site, kind: Kind, above: Object, below: Object | None) -> list[Step]:
    body = desired(site, above, kind.api_version, kind.kind)
    if below is None:
        return [Apply(body, "", "it is not there")]
    metadata = below["metadata"]
    if metadata.get("deletionTimestamp"):
        return []  # applied again when it is gone
    copy = site.copy_of(below)
    if copy is not None and copy.uid != above["metadata"]["uid"]:
        return [Delete(metadata["uid"], "it is a copy of an earlier object of that name")]
    annotations = metadata.get("annotations") or {}
    if LEAVE_ALONE_ANNOTATION in annotations and copy is not None:
        return _status(kind, above, below, site)
    if annotations.get(CONTENT_ANNOTATION) != body["metadata"]["annotations"][CONTENT_ANNOTATION]:
        return [Apply(body, metadata["uid"], "it changed upstream")]
    if not still_owned(body, site.entry(below) or {}):
        # A field that the server there does not keep is never owned: status comes up all the same.
        return [Apply(body, metadata["uid"], "it was edited downstream"), *_status(kind, above, below, site)]
    return _status(kind, above, below, site)


def _status(kind: Kind, above: Object, below: Object, site: Site) -> list[Step]:
    copy = site.copy_of(below)
    if not kind.has_status or copy is None or copy.uid != above["metadata"]["uid"]:
        return []
    status = status_up(above, below, copy)
    return [] if status is None or status == above.get("status") else [WriteStatus(status)]
