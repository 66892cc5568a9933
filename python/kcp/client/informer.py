"""What a server has of a resource, held here and kept up to date: list in pages, then watch.

An object leaves the store because a watch said so or because a whole list came without it; never because a request
failed or broke off. A watch that ends or breaks is taken up where it was; one that is too old is begun with a new list,
whose difference is told as changes.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Never, Protocol, TypeAlias

import trio

from kcp.client.pace import Backoff
from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from kcp.client.places import Resource

logger = logging.getLogger(__name__)

# Objects of a page.
PAGE = 500
# How long a watch is asked for (seconds), drawn between it and twice as long, so that not all end at once.
WATCH_SECONDS = 240
# Seconds between tries while the server does not answer as it should.
FIRST_WAIT = 0.2
LAST_WAIT = 30.0

Object: TypeAlias = "dict[str, Any]"
Name: TypeAlias = "tuple[str, str]"
"""Namespace and name; the namespace is empty for what has none."""


class Source(Protocol):
    """What an informer asks: `kcp.client.session.Session`, or a test's stand-in."""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Return a page of a list."""
        ...

    def watch(
        self, path: str, query: Mapping[str, str], *, seconds: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Object]]:
        """Watch a collection."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an object. `old` is None for `added`, `new` for `deleted`, where `old` is its last state."""

    type: Literal["added", "updated", "deleted"]
    old: Object | None
    new: Object | None

    @property
    def object(self) -> Object:
        """The newer state."""
        found = self.old if self.new is None else self.new
        assert found is not None
        return found

    @property
    def name(self) -> Name:
        """Namespace and name."""
        return name_of(self.object)


Handler: TypeAlias = "Callable[[Change], None]"
"""Told of a change, after the store has it. Does not wait; what it raises ends the informer."""


def name_of(thing: Object) -> Name:
    """Return namespace and name of an object."""
    metadata = thing["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def cluster_and_name(thing: Object) -> Name:
    """Return logical cluster and name of an object without a namespace: `naming` where all clusters are followed."""
    metadata = thing["metadata"]
    return metadata["annotations"]["kcp.io/cluster"], metadata["name"]


class Store(Mapping[Name, Object]):
    """The objects by namespace and name. Read only: who takes an object out must not change it."""

    def __init__(self, objects: dict[Name, Object]) -> None:
        """Show `objects`."""
        self._objects = objects

    def __getitem__(self, name: Name) -> Object:
        return self._objects[name]

    def __iter__(self) -> Iterator[Name]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)


class Informer:
    """Follows one resource, in one namespace or all, selected by labels and fields."""

    def __init__(
        self,
        source: Source,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        handler: Handler | None = None,
        naming: Callable[[Object], Name] = name_of,
        chance: random.Random | None = None,
    ) -> None:
        """Ask `source` for `resource`; `labels` and `fields` are selectors as in a URL, `chance` draws the waits.

        `naming` says where the store has an object: two of one name that are in different logical clusters (of a
        source that reads them all) need different places.
        """
        self._naming = naming
        self._source = source
        self._path = resource.collection(namespace)
        self._selectors = {"labelSelector": labels, "fieldSelector": fields}
        self._selectors = {name: selector for name, selector in self._selectors.items() if selector}
        self._handlers = [handler] if handler else []
        self._chance = chance or random.Random()
        self._objects: dict[Name, Object] = {}
        self._synced = trio.Event()
        self._trouble = trio.Event()
        # Where a watch goes on; empty: a list is needed first.
        self._version = ""
        self.store = Store(self._objects)
        self.resource = resource
        self.trouble = ""
        """Why nothing is heard from the server at the moment, in one line; empty while all is well."""

    @property
    def is_synced(self) -> bool:
        """Whether a whole list has come once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait until a whole list has come and its handlers were told."""
        await self._synced.wait()

    async def wait_troubled(self) -> None:
        """Wait until nothing is heard from the server; `trouble` says why."""
        await self._trouble.wait()

    def add_handler(self, handler: Handler) -> None:
        """Tell `handler` of what is in the store, as `added`, and of every change from now on."""
        for thing in list(self._objects.values()):
            handler(Change("added", None, thing))
        self._handlers.append(handler)

    async def run(self) -> Never:
        """Follow for ever; returns only when cancelled. May be run again and then goes on where it was.

        A server that refuses or does not answer is asked again, after 0.2 s at first and 30 s at last.
        """
        backoff = Backoff(FIRST_WAIT, LAST_WAIT, self._chance)
        while True:
            try:
                if not self._version:
                    await self._relist()
                await self._watch(backoff)
            except StatusError as error:
                if _is_too_old(error):
                    logger.info("%s: the watch is too old, listing anew", self._path)
                    self._version = ""
                else:
                    self._troubled(str(error))
            except (UnreachableError, KubeconfigError) as error:
                self._troubled(str(error))
            await trio.sleep(backoff.next())

    async def _relist(self) -> None:
        try:
            items, version = await self._list(PAGE)
        except StatusError as error:
            if error.code != 410:
                raise
            # The pages took longer than the server remembers.
            items, version = await self._list(0)
        found = {self._naming(item): item for item in items}
        # From here to the end nothing waits: nobody sees half of it.
        for name in [name for name in self._objects if name not in found]:
            self._remove(name, self._objects[name])
        for item in items:
            self._put(item)
        self._version = version
        self._well()
        self._synced.set()

    async def _list(self, limit: int) -> tuple[list[Object], str]:
        """Return all objects and the revision of the list, or raise; never a part of them."""
        items: list[Object] = []
        query = {**self._selectors, **({"limit": str(limit)} if limit else {})}
        version = ""
        while True:
            page = await self._source.get(self._path, query)
            metadata = page.get("metadata") or {}
            found = page.get("items") or []
            if not str(page.get("kind", "")).endswith("List") or not metadata.get("resourceVersion"):
                raise UnreachableError(f"the answer to a list of {self._path} is no list")
            version = version or str(metadata["resourceVersion"])
            items += found
            if not (more := metadata.get("continue")):
                return items, version
            query = {**query, "continue": more}

    async def _watch(self, backoff: Backoff) -> None:
        seconds = int(WATCH_SECONDS * self._chance.uniform(1, 2))
        query = {**self._selectors, "resourceVersion": self._version, "allowWatchBookmarks": "true"}
        began = trio.current_time()
        async with self._source.watch(self._path, query, seconds=seconds) as events:
            self._well()
            async for event in events:
                backoff.reset()
                thing = event["object"]
                if event["type"] in {"ADDED", "MODIFIED"}:
                    self._put(thing)
                elif event["type"] == "DELETED":
                    self._remove(self._naming(thing), thing)
                self._version = str(thing["metadata"]["resourceVersion"])
        # One that ends at once, again and again, is no reason to ask all the time.
        if trio.current_time() - began > LAST_WAIT:
            backoff.reset()

    def _put(self, new: Object) -> None:
        name = self._naming(new)
        old = self._objects.get(name)
        if old is not None and old["metadata"].get("uid") != new["metadata"].get("uid"):
            self._remove(name, old)  # went and came back while nobody looked
            old = None
        if old is not None and old["metadata"].get("resourceVersion") == new["metadata"].get("resourceVersion"):
            return
        self._objects[name] = new
        self._tell(Change("added" if old is None else "updated", old, new))

    def _remove(self, name: Name, last: Object) -> None:
        if self._objects.pop(name, None) is not None:
            self._tell(Change("deleted", last, None))

    def _tell(self, change: Change) -> None:
        for handler in self._handlers:
            handler(change)

    def _troubled(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("%s: %s", self._path, trouble)
        self.trouble = trouble
        self._trouble.set()

    def _well(self) -> None:
        if self.trouble:
            logger.warning("%s: the server answers again", self._path)
            self._trouble = trio.Event()
        self.trouble = ""


def _is_too_old(error: StatusError) -> bool:
    """Whether only a new list helps: what was asked for is forgotten, or was never there (a store put back)."""
    causes = (error.status.get("details") or {}).get("causes") or ()
    return error.code == 410 or any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)
