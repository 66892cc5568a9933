"""Cut discovery documents to what kcp serves, so that a recorded answer can be compared at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CORE_RESOURCES = {"configmaps", "events", "namespaces", "secrets", "serviceaccounts"}
GROUPS = {
    "apiextensions.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "coordination.k8s.io",
    "events.k8s.io",
    "rbac.authorization.k8s.io",
    "stable.example.com",
}
VERSIONS = {"v1"}


def is_served(group: str) -> bool:
    """Tell whether kcp serves a group of built-in kinds, or a recording defines it."""
    return group in GROUPS


def keep_served(exchange: dict[str, Any], serves: Callable[[str], bool] = is_served) -> dict[str, Any]:
    """Return the exchange with discovery documents restricted to served groups and resources."""
    body = exchange.get("body")
    if not isinstance(body, dict):
        return exchange
    match body.get("kind"):
        case "APIGroupList":
            body["groups"] = [g for g in body["groups"] if serves(g["name"])]
        case "APIResourceList" if body.get("groupVersion") == "v1":
            body["resources"] = [r for r in body["resources"] if is_core(r["name"])]
        case "APIGroupDiscoveryList":
            body["items"] = [i for i in (served_group(i, serves) for i in body["items"]) if i is not None]
        case _ if isinstance(body.get("paths"), list):
            body["paths"] = [p for p in body["paths"] if is_served_path(p)]
    return exchange


def is_core(resource: str) -> bool:
    """Tell whether a resource or subresource of the core group is served."""
    return resource.split("/", maxsplit=1)[0] in CORE_RESOURCES


def is_served_path(path: str) -> bool:
    """Tell whether an entry of the index of paths is comparable."""
    parts = path.strip("/").split("/")
    if parts[0] == "apis" and len(parts) > 1:
        return parts[1] in GROUPS and (len(parts) < 3 or parts[2] in VERSIONS)
    return parts[0] not in ("healthz", "livez", "readyz") or len(parts) == 1


def served_group(item: dict[str, Any], serves: Callable[[str], bool]) -> dict[str, Any] | None:
    """Return a group of the aggregated document with only served versions and resources."""
    name = item["metadata"].get("name", "")
    if name and not serves(name):
        return None
    built_in = not name or name in GROUPS
    versions = [v for v in item["versions"] if v["version"] in VERSIONS or not built_in]
    if not name:
        versions = [v | {"resources": [r for r in v["resources"] if is_core(r["resource"])]} for v in versions]
    return item | {"versions": versions}
