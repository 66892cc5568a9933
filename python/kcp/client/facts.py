"""What the core knows and no path of the API tells; for controllers in the server's process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from kcp.client.status import StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kcp.core import Answer, Key

# Dependents read at a time.
PAGE = 500

State: TypeAlias = Literal["solid", "absent", "waiting", "unknown", "misplaced"]
"""What an owner is like: there; not there, or another object of that name; being deleted, after its dependents; of a
kind that is not served; of a namespaced kind while the dependent is cluster-scoped."""


class Asker(Protocol):
    """What can be asked: `kcp.core.Server`."""

    async def ask(self, question: bytes) -> Answer:
        """Ask a question (JSON) and return the answer, JSON or a `Status`."""
        ...


@dataclass(frozen=True, slots=True)
class Owner:
    """A reference to an owner, and what the owner is like."""

    group: str
    kind: str
    name: str
    uid: str
    state: State
    implied: bool = False
    """Whether something else than `ownerReferences` makes it the owner."""
    collection: str = ""
    """Path of all objects of the owner's kind, where that is namespaced."""


@dataclass(frozen=True, slots=True)
class Described:
    """An object's metadata and where it is served."""

    path: str
    """Empty when no version of its resource is served."""
    api_version: str
    kind: str
    metadata: dict[str, Any]
    owners: tuple[Owner, ...] = field(default=())

    @property
    def uid(self) -> str:
        """The object's uid."""
        return str(self.metadata["uid"])

    @property
    def finalizers(self) -> list[str]:
        """Names of what holds the object."""
        return list(self.metadata.get("finalizers") or [])

    @property
    def is_deleted(self) -> bool:
        """Whether the object is marked for deletion."""
        return "deletionTimestamp" in self.metadata


@dataclass(frozen=True, slots=True)
class Dependents:
    """A page of the objects that name an owner."""

    items: tuple[Described, ...]
    after: dict[str, str] | None
    """Where the next page begins; None at the end."""
    record: int | None
    """Revision of the owner's record of unfinished work, read before the page."""
    named: bool
    """Whether the record says that the owner was named, and not that it was deleted."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a definition's objects."""

    objects: int
    error: str | None


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Objects of one resource that are still in a logical cluster."""

    resource: str
    """Storage name, `plural.group`."""
    count: int
    finalizers: dict[str, int]
    """How many of them each finalizer holds."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How far the end of a logical cluster is."""

    gone: bool
    cluster: str
    terminators: tuple[str, ...]
    left: tuple[LeftOver, ...]


class Facts:
    """Questions to the core. Every method raises `StatusError` when the core cannot answer."""

    def __init__(self, asker: Asker) -> None:
        """Ask `asker`."""
        self._asker = asker

    async def describe(self, key: Key) -> Described | None:
        """Return an object by its key; None when it is gone."""
        found = await self._ask("describe", {"object": key._asdict()})
        return _described(found) if found else None

    async def dependents(self, cluster: str, uid: str, after: Mapping[str, str] | None = None) -> Dependents:
        """Return the objects that name an owner, at most 500, each with its owners."""
        found = await self._ask("dependents", {"cluster": cluster, "uid": uid, "after": after, "limit": PAGE})
        items = tuple(_described(item) for item in found["dependents"])
        return Dependents(items, found["after"], found["record"], found["named"])

    async def finish(self, record: Key, revision: int) -> bool:
        """Remove a record of work that is done; False when it was written again since."""
        return bool((await self._ask("finish", {"record": record._asdict(), "revision": revision}))["finished"])

    async def delete_instances(self, cluster: str, definition: str) -> Left:
        """Delete all objects of a definition that is being deleted, whatever versions it serves."""
        found = await self._ask("deleteInstances", {"cluster": cluster, "definition": definition})
        return Left(found["left"], found["error"])

    async def end_workspace(self, workspace: Key) -> Ending:
        """Go on with the end of a workspace that is marked for deletion."""
        return _ending(await self._ask("endWorkspace", {"workspace": workspace._asdict()}))

    async def end_cluster(self, cluster: str) -> Ending:
        """Go on with the end of a logical cluster whose LogicalCluster is marked for deletion."""
        return _ending(await self._ask("endCluster", {"cluster": cluster}))

    async def _ask(self, question: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await self._asker.ask(json.dumps({"question": question, **arguments}).encode())
        if answer.status >= 400:
            raise StatusError.of(answer.status, answer.body)
        found: dict[str, Any] | None = json.loads(answer.body)
        return found or {}


def _described(found: dict[str, Any]) -> Described:
    owners = tuple(Owner(**owner) for owner in found.get("owners", []))
    return Described(found["path"], found["apiVersion"], found["kind"], found["metadata"], owners)


def _ending(found: dict[str, Any]) -> Ending:
    left = tuple(LeftOver(**one) for one in found["left"])
    return Ending(found["gone"], found["cluster"], tuple(found["terminators"]), left)
