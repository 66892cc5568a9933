"""A source that has documents and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kcp.client import StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGET_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


@dataclass
class Documents:
    """Documents by path; a number in place of one is the code of a refusal."""

    documents: dict[str, Json] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def get(
        self, target: str, *, query: Mapping[str, str] | None = None, accept: str = "application/json"
    ) -> dict[str, Any]:
        """Return a document."""
        self.asked.append((target, accept))
        found: Json = self.documents.get(target, 404)
        if isinstance(found, int):
            raise StatusError.of(found, f"refused {target}".encode())
        document: dict[str, Any] = found
        return document


def aggregated(*groups: Json) -> Json:
    """Return a list of groups as aggregated discovery has it."""
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": list(groups)}


def discovered(group: str, *versions: tuple[str, list[Json]], stale: bool = False) -> Json:
    """Return a group of aggregated discovery."""
    freshness = "Stale" if stale else "Current"
    rows = [{"version": v, "resources": resources, "freshness": freshness} for v, resources in versions]
    return {"metadata": {"name": group} if group else {}, "versions": rows}


def listed(plural: str, kind: str, *, below: tuple[str, ...] = (), **more: Json) -> Json:
    """Return a namespaced resource of aggregated discovery."""
    return {
        "resource": plural,
        "responseKind": {"group": "", "version": "", "kind": kind},
        "scope": "Namespaced",
        "singularResource": kind.lower(),
        "verbs": WIDGET_VERBS,
        "subresources": [{"subresource": name, "responseKind": {"kind": kind}, "verbs": ["get"]} for name in below],
        **more,
    }


def model(group: str, version: str, kind: str, **properties: Json) -> Json:
    """Return the OpenAPI definition of a kind."""
    gvk = {"group": group, "version": version, "kind": kind}
    return {"type": "object", "properties": properties, "x-kubernetes-group-version-kind": [gvk]}


def v3(**schemas: Json) -> Json:
    """Return an OpenAPI document."""
    return {"openapi": "3.0.0", "components": {"schemas": schemas}}
