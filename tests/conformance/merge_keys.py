"""What published schemas tell clients about merging: keys, strategies, kinds of lists and of maps (kube-api 1.5.8)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.exchange import Json

RECORDED = Path(__file__).resolve().parent / "recorded-merge-keys.json"
PARTS = (
    "api/v1",
    "apis/apiextensions.k8s.io/v1",
    "apis/authentication.k8s.io/v1",
    "apis/authorization.k8s.io/v1",
    "apis/coordination.k8s.io/v1",
    "apis/events.k8s.io/v1",
    "apis/rbac.authorization.k8s.io/v1",
)
EXTENSIONS = {f"x-kubernetes-{name}" for name in ("list-map-keys", "list-type", "map-type")} | {
    f"x-kubernetes-patch-{name}" for name in ("merge-key", "strategy")
}


def published(get: Callable[[str], Json]) -> dict[str, Json]:
    """Return the extensions of all schemas of the served groups, by schema and path; `get` reads a document."""
    schemas: dict[str, Json] = {}
    for part in PARTS:
        schemas |= get(f"/openapi/v3/{part}")["components"]["schemas"]
    return {name: dict(found(schema, "")) for name, schema in sorted(schemas.items())}


def found(node: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Yield the extensions below a node with their path."""
    if isinstance(node, list):
        for item in node:
            yield from found(item, path)
    if isinstance(node, dict):
        own = {key: node[key] for key in sorted(EXTENSIONS & node.keys())}
        if own:
            yield path, own
        for key, value in sorted(node.items()):
            yield from found(value, f"{path}/{key}")
