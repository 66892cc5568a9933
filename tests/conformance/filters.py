"""Cut discovery documents to what kcp serves, so that a recorded answer can be compared at all."""

from __future__ import annotations

from typing import Any

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


def keep_served(exchange: dict[str, Any]) -> dict[str, Any]:
    """Return the exchange with discovery documents restricted to served groups and resources."""
    body = exchange.get("body")
    if not isinstance(body, dict):
        return exchange
    match body.get("kind"):
        case "APIGroupList":
            body["groups"] = [g for g in body["groups"] if g["name"] in GROUPS]
        case "APIResourceList" if body.get("groupVersion") == "v1":
            body["resources"] = [r for r in body["resources"] if is_core(r["name"])]
        case "APIGroupDiscoveryList":
            body["items"] = [i for i in map(served_group, body["items"]) if i is not None]
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


def served_group(item: dict[str, Any]) -> dict[str, Any] | None:
    """Return a group of the aggregated document with only served versions and resources."""
    name = item["metadata"].get("name", "")
    if name and name not in GROUPS:
        return None
    versions = [v for v in item["versions"] if v["version"] in VERSIONS]
    if not name:
        versions = [v | {"resources": [r for r in v["resources"] if is_core(r["resource"])]} for v in versions]
    return item | {"versions": versions}
