"""Discovery, OpenAPI and the other documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.differential.actions.make import TABLE, a_kind, step

if TYPE_CHECKING:
    from tests.conformance.differential.model import World
    from tests.conformance.differential.step import Step

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
GROUPS = (
    "apiextensions.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "coordination.k8s.io",
    "events.k8s.io",
    "rbac.authorization.k8s.io",
    "diff.example.com",
)


def discovery(world: World) -> Step:
    """Ask what is served."""
    rng, group = world.rng, world.rng.choice(GROUPS)
    path = rng.choice(
        [
            "/api",
            "/apis",
            "/api/v1",
            f"/apis/{group}",
            f"/apis/{group}/v1",
            f"/apis/{group}/v1",
            "/apis/diff.example.com/v2",
            "/apis/nothing.example.com",
            "/apis/nothing.example.com/v1",
            f"/apis/{group}/v9",
            "/api/v2",
            "/apis/",
            "/api/v1/",
        ]
    )
    accept = rng.choice(["application/json"] * 6 + ["application/yaml", "*/*", "text/html", TABLE])
    if path in ("/api", "/apis") and rng.random() < 0.5:
        accept = rng.choice([AGGREGATED, f"{AGGREGATED},application/json", AGGREGATED.replace("v=v2", "v=v2beta1")])
    return step(world, "GET", path, what=("discovery", path, "-"), headers={"Accept": accept})


def openapi(world: World) -> Step:
    """Ask for a schema document; only its head is comparable as a whole."""
    rng, kind = world.rng, a_kind(world)
    path = rng.choice(
        ["/openapi/v3", f"/openapi/v3{kind.root}", "/openapi/v3/apis/nothing.example.com/v1", "/openapi/v2"]
    )
    accept = rng.choice(["application/json", "application/json", "*/*", "text/html", "application/yaml"])
    return step(world, "GET", path, what=("openapi", path, accept), headers={"Accept": accept})


def other(world: World) -> Step:
    """Ask for what is no resource."""
    rng = world.rng
    path = rng.choice(
        [
            "/version",
            "/version/",
            "/healthz",
            "/livez",
            "/readyz",
            "/healthz/ping",
            "/healthz/nothing",
            "/nothing",
            "/api/v1/nothing",
            "/.well-known/openid-configuration",
            "/readyz?exclude=nothing",
            "/livez/ping",
        ]
    )
    method = rng.choice(["GET"] * 8 + ["POST", "DELETE", "HEAD"])
    return step(world, method, path, what=("document", path, method))
