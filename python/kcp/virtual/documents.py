"""Discovery and OpenAPI of virtual workspaces: what the data path says of each kind, cut down to what a view serves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kcp.client import StatusError
from kcp.virtual.visit import SYSTEM, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.virtual.visit import Visit
    from kcp.virtual.window import Window

# Where kinds are asked for when a view is of all logical clusters: what kcp itself brings is served in every one.
ROOT = "root"
# Paths that are about the server.
SERVER = {("version",), ("healthz",), ("readyz",), ("livez",)}


async def serve(visit: Visit, views: Sequence[Window]) -> bool:
    """Answer a request for a document; False for what is none.

    Raises:
        StatusError: 404 for a group, version or document that no view is of; 405 for a write.
    """
    path = visit.path
    is_group = path[:1] == ("apis",) and len(path) <= 3
    is_core = path[:1] == ("api",) and len(path) <= 2
    if not (is_group or is_core or path[:2] == ("openapi", "v3") or path in SERVER or not path):
        return False
    if visit.method not in {"GET", "HEAD"}:
        raise refuse(405, "the server does not allow this method on the requested resource")
    if path in SERVER:
        await visit.forward("/" + path[0], SYSTEM)
        return True
    served = {(window.group, window.version) for window in views}
    wanted = (path[1] if is_group and len(path) > 1 else "") if not is_core else ""
    missing = (
        (is_group and len(path) > 1 and wanted not in {group for group, _ in served if group})
        or (is_group and len(path) == 3 and (path[1], path[2]) not in served)
        or (is_core and len(path) == 2 and ("", path[1]) not in served)
    )
    if missing or not path:
        raise refuse(404, "the server could not find the requested resource")
    await _answer(visit, views, served)
    return True


async def forward(visit: Visit) -> bool:
    """Answer a request for a document of one logical cluster with all that it serves; False for what is none."""
    path = visit.path
    known = path[:1] in {("api",), ("apis",)} or path[:2] in {("openapi", "v2"), ("openapi", "v3")} or path in SERVER
    if not known or visit.method not in {"GET", "HEAD"}:
        return False
    if path != ("openapi", "v3"):
        await visit.forward(visit.target(), SYSTEM)
        return True
    document = await visit.read(visit.target())
    for name, entry in document["paths"].items():
        query = entry["serverRelativeURL"].partition("?")[2]
        entry["serverRelativeURL"] = f"{visit.prefix}/openapi/v3/{name}" + (f"?{query}" if query else "")
    await visit.answer(document)
    return True


async def _answer(visit: Visit, views: Sequence[Window], served: set[tuple[str, str]]) -> None:
    accept = visit.header(b"accept") or b"application/json"
    cluster = ROOT if visit.cluster == "*" else visit.cluster
    path = "/".join(visit.path)
    if path.startswith("openapi/v3/"):
        group = visit.path[3:] if visit.path[2:3] == ("apis",) else ("", *visit.path[3:])
        if group not in served:
            raise refuse(404, "the server could not find the requested resource")
        await visit.forward(visit.target(cluster), SYSTEM)
        return
    headers = [(b"accept", accept)]
    answer = await visit.upstream.call("GET", f"/clusters/{cluster}/{path}", headers=headers, user=SYSTEM)
    if answer.status >= 400:
        raise StatusError.of(answer.status, answer.body)
    document = json.loads(answer.body)
    if "paths" in document:
        names = {f"apis/{group}/{version}" if group else f"api/{version}" for group, version in served}
        prefix = visit.prefix
        document["paths"] = {
            name: {"serverRelativeURL": f"{prefix}/openapi/v3/{name}"} for name in document["paths"] if name in names
        }
    else:
        _cut(document, views, served)
    await visit.answer(document, content_type=answer.header(b"content-type") or b"application/json")


def _cut(document: dict[str, Any], views: Sequence[Window], served: set[tuple[str, str]]) -> None:
    """Leave in a document of discovery what the views serve."""
    verbs = {(window.group, window.version, window.resource): list(window.verbs) for window in views}
    match document.get("kind"):
        case "APIVersions":
            document["versions"] = [name for name in document["versions"] if ("", name) in served]
        case "APIGroupList":
            document["groups"] = [group for group in document["groups"] if _cut_group(group, served)]
        case "APIGroup":
            _cut_group(document, served)
        case "APIResourceList":
            group, _, version = document["groupVersion"].rpartition("/")
            document["resources"] = [
                {**resource, "verbs": verbs[(group, version, resource["name"])]}
                for resource in document["resources"]
                if (group, version, resource["name"]) in verbs
            ]
        case "APIGroupDiscoveryList":
            for group in document["items"]:
                name = group["metadata"].get("name", "")
                for version in group["versions"]:
                    version["resources"] = _aggregated(version, name, verbs)
                group["versions"] = [version for version in group["versions"] if version["resources"]]
            document["items"] = [group for group in document["items"] if group["versions"]]


def _cut_group(group: dict[str, Any], served: set[tuple[str, str]]) -> bool:
    versions = [version for version in group["versions"] if (group["name"], version["version"]) in served]
    group["versions"] = versions
    if versions:
        group["preferredVersion"] = versions[0]
    return bool(versions)


def _aggregated(
    version: dict[str, Any], group: str, verbs: dict[tuple[str, str, str], list[str]]
) -> list[dict[str, Any]]:
    kept = []
    for resource in version["resources"]:
        plain = (group, version["version"], resource["resource"])
        subresources = [
            {**sub, "verbs": verbs[key]}
            for sub in resource.get("subresources") or []
            if (key := (*plain[:2], f"{plain[2]}/{sub['subresource']}")) in verbs
        ]
        if plain in verbs or subresources:
            kept.append({**resource, "verbs": verbs.get(plain, []), "subresources": subresources})
    return kept
