"""The importer: what a physical cluster has of some resources, as imports in a logical cluster, kept up to date."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Never

import trio

from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError
from kcp.negotiation.definitions import spec_of
from kcp.negotiation.kinds import API_VERSION, IMPORTS, KINDS, SHOWN, UNPUBLISHED, Api, api_of, common
from kcp.puller import discover, pull, resources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kcp.client.session import Session
    from kcp.negotiation.kinds import Object

logger = logging.getLogger(__name__)

# Seconds between two looks at a physical cluster.
PERIOD = 60.0
PAGE = 500
_JSON = "application/json"
_TRIES = 5


@dataclass(slots=True)
class Imported:
    """What one look brought: names of imports by what was done, and why something has none."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Pulled:
    """What a physical cluster has, and what could not be found out."""

    specs: dict[Api, Object]
    unknown: set[tuple[str, str]]
    """Groups and plurals of which nothing can be said; the plural is empty for a whole group."""
    complaints: list[str]

    def is_gone(self, api: Api) -> bool:
        """Whether an API is known to be there no more."""
        return api not in self.specs and not {(api.group, ""), (api.group, api.plural)} & self.unknown


class Importer:
    """Keeps the imports of one WorkloadCluster."""

    def __init__(self, upstream: Session, downstream: Session, cluster: Object, resources: Sequence[str]) -> None:
        """Import into the logical cluster of `upstream`; asks nothing yet.

        Args:
            upstream: of somebody who may write imports there.
            downstream: the physical cluster.
            cluster: the WorkloadCluster, which owns what is imported.
            resources: names as kubectl's; empty for everything that the physical cluster stores.
        """
        self.location: str = cluster["metadata"]["name"]
        self._upstream = upstream
        self._downstream = downstream
        self._owner = {
            "apiVersion": cluster["apiVersion"],
            "kind": cluster["kind"],
            "name": self.location,
            "uid": cluster["metadata"]["uid"],
            "controller": True,
        }
        self._resources = tuple(resources)

    async def run(self, *, period: float = PERIOD) -> Never:
        """Look now and then every `period` seconds; returns only when cancelled."""
        said: list[str] = []
        while True:
            try:
                found = (await self.look()).complaints
            except (StatusError, UnreachableError, KubeconfigError) as error:
                found = [str(error)]
            for complaint in found:
                if complaint not in said:
                    logger.warning("%s: %s", self.location, complaint)
            said = found
            await trio.sleep(period)

    async def look(self) -> Imported:
        """Pull once and make the imports what was found.

        What the physical cluster could not tell about stays as it is.

        Raises:
            StatusError, UnreachableError, KubeconfigError: a server refuses or does not answer. What was done stays.
        """
        pulled = await self._pull()
        imported = Imported(complaints=list(pulled.complaints))
        mine = {api_of(thing): thing for thing in await self._mine()}
        for api, spec in pulled.specs.items():
            await self._put(api, spec, mine.get(api), imported)
        for api, thing in mine.items():
            if pulled.is_gone(api):
                await self._delete(thing)
                imported.deleted.append(thing["metadata"]["name"])
        return imported

    async def remove(self) -> list[str]:
        """Delete all imports of the cluster, which is going; returns their names."""
        mine = await self._mine()
        for thing in mine:
            await self._delete(thing)
        return [thing["metadata"]["name"] for thing in mine]

    async def _pull(self) -> _Pulled:
        source = _Source(self._downstream, trio.lowlevel.current_trio_token())
        return await trio.to_thread.run_sync(_pulled, source, self._resources, abandon_on_cancel=True)

    async def _mine(self) -> list[Object]:
        found: list[Object] = []
        query = {"limit": str(PAGE)}
        while True:
            page = await self._upstream.get(IMPORTS.collection(), query)
            found += [thing for thing in page.get("items") or () if thing["spec"]["location"] == self.location]
            if not (more := page["metadata"].get("continue")):
                return found
            query = {"limit": str(PAGE), "continue": more}

    async def _put(self, api: Api, spec: Object, found: Object | None, imported: Imported) -> None:
        """Create an import, or bring its API up to date; its strategy is for people to change."""
        name = api.import_from(self.location)
        for _ in range(_TRIES):
            if found is None:
                metadata = {"name": name, "annotations": {SHOWN: api.api_version}, "ownerReferences": [self._owner]}
                head = {"apiVersion": API_VERSION, "kind": KINDS[IMPORTS], "metadata": metadata}
                wanted = {"location": self.location, "schemaUpdateStrategy": UNPUBLISHED, **spec}
                try:
                    await self._upstream.post(IMPORTS.collection(), {**head, "spec": wanted})
                except StatusError as error:
                    if error.reason != "AlreadyExists":
                        raise
                    found = await self._upstream.get(IMPORTS.object("", name))
                    continue
                imported.created.append(name)
                return
            path = IMPORTS.object("", found["metadata"]["name"])
            if common(found["spec"]) == spec:
                return
            own = {k: v for k, v in found["spec"].items() if k not in common(found["spec"])}
            try:
                await self._upstream.put(path, {**found, "spec": {**own, **spec}})
            except StatusError as error:
                if not (error.is_conflict or error.is_not_found):
                    raise
                found = await self._looked_up(path)
                continue
            imported.updated.append(found["metadata"]["name"])
            return
        imported.complaints.append(f"{name}: others change it all the time")

    async def _looked_up(self, path: str) -> Object | None:
        try:
            return await self._upstream.get(path)
        except StatusError as error:
            if error.is_not_found:
                return None
            raise

    async def _delete(self, thing: Object) -> None:
        try:
            await self._upstream.delete(IMPORTS.object("", thing["metadata"]["name"]), uid=thing["metadata"]["uid"])
        except StatusError as error:
            if not error.is_not_found:
                raise


class _Source:
    """A session, as threads ask it."""

    def __init__(self, session: Session, token: trio.lowlevel.TrioToken) -> None:
        self._session = session
        self._token = token

    def get(self, target: str, *, query: Mapping[str, str] | None = None, accept: str = _JSON) -> dict[str, Any]:
        """Return the document at a path."""
        call: Callable[[], Any] = partial(self._session.get, target, query, accept=accept)
        found: dict[str, Any] = trio.from_thread.run(call, trio_token=self._token)
        return found


def _pulled(source: _Source, names: Sequence[str]) -> _Pulled:
    """Pull in a thread."""
    catalogue = discover(source)
    resources, absent = resources_of(catalogue, names)
    pulled = _Pulled({}, set(), [])
    for missing in catalogue.missing:
        pulled.unknown.add((missing.rpartition("/")[0], ""))
        pulled.complaints.append(f"the physical cluster does not tell what {missing} has")
    pulled.complaints += [f'the physical cluster has no resource "{name}"' for name in absent]
    for found in pull(source, resources, descriptions=False):
        if found.note:
            pulled.complaints.append(f"{found.resource.full_name}: {found.note}")
        if found.definition is None:
            pulled.unknown.add((found.resource.group, found.resource.plural))
            continue
        for version in found.definition["spec"]["versions"]:
            if (spec := spec_of(found.definition, version["name"])) is not None:
                pulled.specs[Api(found.resource.group, version["name"], found.resource.plural)] = spec
    return pulled
