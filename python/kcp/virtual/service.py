"""The ASGI application below `/services/`: finds the virtual workspace, asks it who may, lets it answer."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from kcp.client import StatusError, User
from kcp.virtual import documents
from kcp.virtual.visit import MASTERS, Visit, refuse, segments, split_query
from kcp.virtual.window import serve

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping, Sequence

    from kcp.virtual.visit import Receive, Send, Upstream
    from kcp.virtual.window import Window

    Scope: TypeAlias = MutableMapping[str, Any]

log = logging.getLogger(__name__)

UNRESOLVED = "Path not resolved to a valid virtual workspace"


class VirtualWorkspace(ABC):
    """One virtual workspace, at `/services/NAME/PARAMETER…/clusters/CLUSTER/…`."""

    name: str
    """The word after `/services/`."""
    parameters: int = 0
    """How many words stand between the name and `clusters`."""

    @abstractmethod
    async def authorize(self, visit: Visit) -> None:
        """Let the request pass; nothing else decides about it. It is asked before anything is told.

        Raises:
            StatusError: 403, or whatever fits.
        """

    @abstractmethod
    def views(self, visit: Visit) -> Sequence[Window]:
        """Return what there is to see, which discovery tells as well."""

    async def serve(self, visit: Visit) -> None:
        """Answer the request. Discovery and the views, unless the virtual workspace knows better."""
        views = self.views(visit)
        if not await documents.serve(visit, views):
            await serve(visit, views)


class Services:
    """All virtual workspaces of a server, as one ASGI application.

    Who is asking stands in the scope's extension `kcp`, which whoever authenticated put there; a request without it is
    401, whatever its headers say.
    """

    def __init__(self, upstream: Upstream, workspaces: Iterable[VirtualWorkspace]) -> None:
        """Serve `workspaces` over `upstream`."""
        self._upstream = upstream
        self._workspaces = {workspace.name: workspace for workspace in workspaces}

    @property
    def names(self) -> list[str]:
        """What is served."""
        return list(self._workspaces)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Whatever is refused is a `Status`."""
        if scope["type"] != "http":
            return
        blank = User("")
        visit = Visit(
            self._upstream, blank, (), "", (), "", scope["method"], split_query(scope["query_string"]),
            list(scope["headers"]), receive, send,
        )  # fmt: skip
        try:
            await self._answer(scope, visit)
        except StatusError as error:
            if visit.begun:
                raise
            await visit.answer(error.status, status=error.code or 500)
        except BrokenPipeError:
            if not visit.begun:
                await visit.answer(refuse(503, "the server behind broke off").status, status=503)
            raise

    async def _answer(self, scope: Scope, visit: Visit) -> None:
        known = (scope.get("extensions") or {}).get("kcp")
        if not known or not known.get("user"):
            raise refuse(401, "Unauthorized")
        visit.user = User(known["user"], tuple(known["groups"]), known.get("uid", ""), known.get("extra", ()))
        workspace = self._place(visit, segments(scope["raw_path"]))
        if workspace is None:
            raise refuse(404 if MASTERS in visit.user.groups else 403, UNRESOLVED)
        await workspace.authorize(visit)
        await workspace.serve(visit)

    def _place(self, visit: Visit, path: tuple[str, ...]) -> VirtualWorkspace | None:
        """Find the virtual workspace of a path and say in `visit` where in it the path leads."""
        workspace = self._workspaces.get(path[1]) if path[:1] == ("services",) and len(path) > 1 else None
        if workspace is None:
            return None
        clusters = 2 + workspace.parameters
        if len(path) < clusters + 2 or path[clusters] != "clusters":
            return None
        visit.parameters, visit.cluster = path[2:clusters], path[clusters + 1]
        visit.path = path[clusters + 2 :]
        visit.prefix = "/" + "/".join(quote(part, safe=":*") for part in path[: clusters + 2])
        # A path of several words is no cluster here; what is of the system is named by one word all the same.
        if ":" in visit.cluster and not visit.cluster.startswith("system:"):
            return None
        return workspace
