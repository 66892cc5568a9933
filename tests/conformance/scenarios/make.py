"""Short constructors for the requests of scenarios."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Ask, Json

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

CORE = "/api/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

SERVED_GROUPS = (
    "apiextensions.k8s.io/v1",
    "authentication.k8s.io/v1",
    "authorization.k8s.io/v1",
    "coordination.k8s.io/v1",
    "events.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
)


def get(name: str, path: str, *, user: str = "admin", accept: str = "application/json") -> Ask:
    """Read a path."""
    return Ask(name, "GET", path, user=user, headers={"Accept": accept})


def settle(name: str, path: str) -> Ask:
    """Read a path until it is served."""
    return Ask(name, "GET", path, settle=True)


def post(name: str, path: str, body: Json, *, user: str = "admin", **headers: str) -> Ask:
    """Create an object."""
    return Ask(name, "POST", path, body, user, headers)


def put(name: str, path: str, body: Json, *, user: str = "admin") -> Ask:
    """Replace an object."""
    return Ask(name, "PUT", path, body, user)


def patch(name: str, path: str, body: Json, kind: str = MERGE, *, user: str = "admin") -> Ask:
    """Patch an object with one of the patch media types."""
    return Ask(name, "PATCH", path, body, user, {"Content-Type": kind})


def delete(name: str, path: str, body: Json = None, *, user: str = "admin") -> Ask:
    """Delete an object or a collection."""
    return Ask(name, "DELETE", path, body, user)


def namespace(name: str) -> Ask:
    """Create a namespace, as setup."""
    return post(f"namespace-{name}", f"{CORE}/namespaces", named("v1", "Namespace", name))


def named(api_version: str, kind: str, name: str, **fields: Json) -> dict[str, Any]:
    """Return an object with a name."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def config_map(name: str, **data: str) -> dict[str, Any]:
    """Return a ConfigMap."""
    return named("v1", "ConfigMap", name, data=data)


def crd(plural: str, kind: str, schema: dict[str, Any] | None = None, **version: Json) -> dict[str, Any]:
    """Return a namespaced CRD of group stable.example.com with one version, v1."""
    return named(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"{plural}.stable.example.com",
        spec={
            "group": "stable.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema or {"type": "object"}},
                    **version,
                }
            ],
        },
    )


def object_schema(properties: dict[str, Any], **rest: Json) -> dict[str, Any]:
    """Return a root schema whose `spec` has the given properties."""
    spec = {"type": "object", "properties": properties, **rest}
    return {"type": "object", "properties": {"spec": spec}}
