"""Windows: views that show some of the stored objects of a kind and leave the rest of the work to the data path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from kcp.virtual.visit import SYSTEM, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kcp.client import User
    from kcp.virtual.visit import Info, Visit

READ = ("get", "list", "watch")
METADATA = b"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
LABELS = "labelSelector"


@dataclass(frozen=True, slots=True)
class Window:
    """The objects of one resource that carry some labels.

    An object without them is not there: 404 by its name, absent from lists, DELETED in a watch when it loses them.
    """

    group: str
    """Empty for the core group."""
    version: str
    resource: str
    """Plural; `plural/status` shows a subresource."""
    labels: Mapping[str, str] = field(default_factory=dict)
    verbs: Sequence[str] = READ
    """What may be done; 405 for the rest. Of what writes, `update`, `patch` and `delete`."""
    user: User = SYSTEM
    """As whom the data path is asked."""

    def shows(self, info: Info) -> bool:
        """Whether a request is about this window's resource."""
        resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        return (self.group, self.version, self.resource) == (info.group, info.version, resource)

    def selector(self, visit: Visit) -> str:
        """Return the window's selector joined with what the client selects."""
        own = [f"{key}={value}" for key, value in self.labels.items()]
        return ",".join(own + [value for key, value in visit.query if key == LABELS and value])


async def serve(visit: Visit, views: Sequence[Window]) -> None:
    """Answer a request for a resource.

    Raises:
        StatusError: 404 for what no view shows, 405 for what it does not do.
    """
    info = visit.info
    window = next((window for window in views if window.shows(info)), None)
    if window is None:
        raise refuse(404, "the server could not find the requested resource")
    if info.verb not in window.verbs:
        raise refuse(405, f"the server does not allow this method on the requested resource: {info.verb}")
    if visit.cluster == "*" and info.verb not in {"list", "watch"}:
        raise refuse(405, "the server does not allow this method on the requested resource in the `*` logical cluster")
    if visit.cluster == "*" and info.namespace:
        raise refuse(400, "a list over all logical clusters is over all namespaces")
    if info.name:
        await _check(visit, window, info)
        await visit.forward(visit.target(), window.user)
    else:
        await visit.forward(visit.target(**{LABELS: window.selector(visit)}), window.user)


async def _check(visit: Visit, window: Window, info: Info) -> None:
    """Hold an object against the window before anybody gets at it."""
    path = f"/clusters/{visit.cluster}{info.collection}/{quote(info.name, safe=':')}"
    found = await visit.read(path, user=window.user, accept=METADATA)
    labels = found["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in window.labels.items()):
        resource = f"{info.resource}.{info.group}" if info.group else info.resource
        raise refuse(404, f'{resource} "{info.name}" not found')
