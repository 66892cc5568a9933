"""`workspaces`: the Workspaces that somebody may enter, wherever they are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kcp.client import StatusError
from kcp.virtual import documents
from kcp.virtual.service import UNRESOLVED, VirtualWorkspace
from kcp.virtual.visit import SYSTEM, refuse
from kcp.virtual.window import Window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kcp.virtual.visit import Visit

COLLECTION = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
ROW = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
SCOPES = ("personal", "organization", "all")
ORGANIZATION = "organization"
ROOT = "root"
# Logical clusters asked for at a time.
PAGE = 500
# With this header a watch over all logical clusters tells what one user may enter; `system:masters` may send it.
VIEWER = b"x-kcp-internal-viewer"
# What a client may ask of a list besides pages.
SELECTORS = ("labelSelector", "fieldSelector")


def viewer(visit: Visit) -> bytes:
    """Return for whom the data path is to watch Workspaces, as ASCII."""
    user = visit.user
    extra = {key: list(values) for key, values in user.extra}
    wire = {"user": user.name, "groups": list(user.groups), "uid": user.uid, "extra": extra}
    # The one character that JSON leaves as it is and headers do not take.
    return json.dumps({**wire, "scope": visit.parameters[0]}).replace("\x7f", "\\u007f").encode()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Workspace stands, and the logical cluster that it stands for."""

    cluster: str
    parent: str
    name: str

    @property
    def path(self) -> str:
        """The object's own path."""
        return f"/clusters/{self.parent}{COLLECTION}/{quote(self.name)}"


class Workspaces(VirtualWorkspace):
    """`/services/workspaces/SCOPE/clusters/*`.

    `all`: every Workspace whose logical cluster the caller may enter. `personal`: those of them that he created.
    `organization`: those of them beneath a workspace of type `organization` in `root`.
    """

    name = "workspaces"
    parameters = 1

    async def authorize(self, visit: Visit) -> None:
        """Let in whoever is known; what he sees is up to each logical cluster."""
        if "system:authenticated" not in visit.user.groups and not visit.is_master:
            raise refuse(403, "access denied")
        if visit.parameters[0] not in SCOPES or visit.cluster != "*":
            raise refuse(404, UNRESOLVED)

    def views(self, visit: Visit) -> list[Window]:
        """Return what discovery tells."""
        return [Window("tenancy.kcp.io", "v1alpha1", "workspaces")]

    async def serve(self, visit: Visit) -> None:
        """Answer a get, a list or a watch."""
        views = self.views(visit)
        if await documents.serve(visit, views):
            return
        info = visit.info
        if not views[0].shows(info):
            raise refuse(404, "the server could not find the requested resource")
        search = Search(visit)
        match info.verb:
            case "get":
                await visit.forward((await search.named(info.name)).path, SYSTEM)
            case "list" if visit.parameters[0] == "all" and await search.sees_all():
                await visit.forward(visit.target("*"), SYSTEM)
            case "list":
                await search.list()
            case "watch":
                await visit.forward(visit.target("*"), SYSTEM, headers=[(VIEWER, viewer(visit))])
            case _:
                raise refuse(405, "the server does not allow this method on the requested resource")


@dataclass(slots=True)
class Search:
    """Looks for the Workspaces of one caller, by the index of who may enter what and never through all of them."""

    visit: Visit
    organizations: dict[str, bool] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """Which of them are wanted."""
        return self.visit.parameters[0]

    async def entries(self, after: str = "", limit: int = PAGE) -> dict[str, Any]:
        """Ask for logical clusters that the caller may enter, in the order of their names."""
        user = self.visit.user
        # What somebody owns is found by his name alone; administrators own no more than others.
        groups = [] if self.scope == "personal" else list(user.groups)
        question = {"question": "entries", "user": user.name, "groups": groups, "after": after, "limit": limit}
        answer = await self.visit.upstream.ask(json.dumps(question).encode())
        if answer.status >= 400:
            raise StatusError.of(answer.status, answer.body)
        found: dict[str, Any] = json.loads(answer.body)
        return found

    async def sees_all(self) -> bool:
        """Whether every logical cluster is open to the caller."""
        return bool((await self.entries(limit=1))["everywhere"])

    async def places(self, after: str = "") -> AsyncIterator[Place]:
        """Yield where the wanted Workspaces stand, in the order of their logical clusters' names."""
        more: str | None = after
        while more is not None:
            found = await self.entries(more)
            if found["everywhere"]:
                async for place in self._everywhere(after):
                    yield place
                return
            for name in found["clusters"]:
                if (known := await self.place(name)) is not None:
                    yield known
            more = found["after"]

    async def _everywhere(self, after: str) -> AsyncIterator[Place]:
        """Yield those of administrators, to whom the whole list is open."""
        clusters: list[str] = []
        token = ""
        while True:
            query = urlencode({"limit": PAGE, **({"continue": token} if token else {})})
            page = await self.visit.read(f"/clusters/*{COLLECTION}?{query}")
            clusters += [item["spec"]["cluster"] for item in page["items"] if item["spec"].get("cluster")]
            token = page["metadata"].get("continue", "")
            if not token:
                break
        for cluster in sorted(name for name in clusters if name > after):
            if (found := await self.place(cluster)) is not None:
                yield found

    async def place(self, cluster: str) -> Place | None:
        """Return where the Workspace of a logical cluster stands; None where it has none or it is not wanted."""
        try:
            row = await self.visit.read(f"/clusters/{quote(cluster, safe=':')}{ROW}")
        except StatusError as error:
            if error.code in {403, 404}:
                return None
            raise
        spec, annotations = row["spec"], row["metadata"].get("annotations") or {}
        owner = spec.get("owner") or {}
        if owner.get("resource") != "workspaces":
            return None
        if self.scope == "personal" and (spec.get("createdBy") or {}).get("username") != self.visit.user.name:
            return None
        if self.scope == ORGANIZATION and not await self._in_organization(annotations.get("kcp.io/path", "")):
            return None
        # The index knows names only; a service account is good in the logical cluster that it comes from.
        if self.visit.user.extra and not await self._enters(cluster):
            return None
        return Place(cluster, owner["cluster"], owner["name"])

    async def _enters(self, cluster: str) -> bool:
        return await self.visit.may_enter(cluster)

    async def _in_organization(self, path: str) -> bool:
        words = path.split(":")
        if len(words) < 3 or words[0] != ROOT:
            return False
        top = words[1]
        if top not in self.organizations:
            try:
                found = await self.visit.read(f"/clusters/{ROOT}{COLLECTION}/{quote(top)}")
                self.organizations[top] = found["spec"].get("type", {}).get("name") == ORGANIZATION
            except StatusError as error:
                if error.code != 404:
                    raise
                self.organizations[top] = False
        return self.organizations[top]

    async def named(self, name: str) -> Place:
        """Return the one Workspace of a name.

        Raises:
            StatusError: 404 for none, 409 for several, which only their parents tell apart.
        """
        found = [place async for place in self.places() if place.name == name]
        if not found:
            raise refuse(404, f'workspaces.tenancy.kcp.io "{name}" not found')
        if len(found) > 1:
            parents = ", ".join(sorted(place.parent for place in found))
            raise refuse(409, f'several workspaces are named "{name}", in the logical clusters {parents}')
        return found[0]

    async def rendered(self, place: Place) -> dict[str, Any]:
        """Return a list that holds the Workspace if the client's selectors select it, in the form the client wants."""
        query = {key: value for key, value in self.visit.query if key in {*SELECTORS, "includeObject"} and value}
        named = f"metadata.name={place.name}"
        query["fieldSelector"] = f"{named},{query['fieldSelector']}" if "fieldSelector" in query else named
        target = f"/clusters/{quote(place.parent, safe=':')}{COLLECTION}?{urlencode(query)}"
        accept = self.visit.header(b"accept") or b"application/json"
        found: dict[str, Any] = await self.visit.read(target, accept=accept)
        return found

    async def list(self) -> None:
        """Answer a list, as it was at its resourceVersion or later."""
        query = dict(self.visit.query)
        after, limit = query.get("continue", ""), query.get("limit", "0")
        if not limit.isdigit():
            raise refuse(400, f'limit: "{limit}" is no number')
        # A list of nothing, for its form and its resourceVersion.
        document = await self.rendered(Place("", ROOT, "."))
        field = "rows" if document["kind"] == "Table" else "items"
        found: list[tuple[str, str, Any]] = []
        more = ""
        async for place in self.places(after):
            if int(limit) and len(found) >= int(limit):
                more = found[-1][1]
                break
            for item in (await self.rendered(place))[field] or []:
                found.append((place.name, place.cluster, item))
        document[field] = [item for _, _, item in sorted(found, key=lambda one: one[:2])]
        document["metadata"].pop("continue", None)
        if more:
            document["metadata"]["continue"] = max(cluster for _, cluster, _ in found)
        await self.visit.answer(document)
