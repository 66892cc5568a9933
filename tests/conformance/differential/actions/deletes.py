"""Deletes of objects and collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.differential.actions.make import TABLE, a_kind, missing_name, on_collection, on_object, step
from tests.conformance.differential.model import Target
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from tests.conformance.differential.model import World
    from tests.conformance.differential.step import Step
    from tests.conformance.exchange import Json


def _options(**fields: Json) -> dict[str, Any]:
    return {"kind": "DeleteOptions", "apiVersion": "v1", **fields}


def delete(world: World) -> Step | None:
    """Delete an object, with options in the body or the query."""
    rng, known = world.rng, world.pick()
    if known is None or not known.kind.deletable:
        return None
    body: Any = None
    query: dict[str, str] = {}
    fault = "-"
    uid, revision = f"{{{{{known.source}:metadata.uid}}}}", f"{{{{{known.source}:metadata.resourceVersion}}}}"
    if rng.random() < 0.6:
        fault, body = rng.choice(
            [
                ("background", _options(propagationPolicy="Background")),
                ("foreground", _options(propagationPolicy="Foreground")),
                ("orphan", _options(propagationPolicy="Orphan")),
                ("grace", _options(gracePeriodSeconds=5)),
                ("grace-zero", _options(gracePeriodSeconds=0)),
                ("uid", _options(preconditions={"uid": uid})),
                ("revision", _options(preconditions={"resourceVersion": revision})),
                ("dry-run", _options(dryRun=["All"])),
                ("empty", {}),
                ("group-version", {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}),
                ("own-version", {"kind": "DeleteOptions", "apiVersion": known.kind.api_version}),
                ("orphan-dependents", _options(orphanDependents=True)),
                ("no-orphan-dependents", _options(orphanDependents=False)),
            ]
        )
    elif rng.random() < 0.4:
        fault, query = rng.choice(
            [
                ("query-foreground", {"propagationPolicy": "Foreground"}),
                ("query-background", {"propagationPolicy": "Background"}),
                ("query-dry-run", {"dryRun": "All"}),
                ("query-grace", {"gracePeriodSeconds": "0"}),
            ]
        )
    headers = {"Accept": TABLE} if rng.random() < 0.05 else {}
    return on_object(
        world, "DELETE", known, "delete", fault, body, query=query, headers=headers, settles=fault != "dry-run"
    )


BROKEN: tuple[tuple[str, Any, dict[str, str]], ...] = (
    ("uid-other", _options(preconditions={"uid": "11111111-2222-4333-8444-555555555555"}), {}),
    ("revision-other", _options(preconditions={"resourceVersion": "1"}), {}),
    ("policy", _options(propagationPolicy="Sideways"), {}),
    ("both-policies", _options(propagationPolicy="Orphan", orphanDependents=True), {}),
    ("dry-run", _options(dryRun=["Some"]), {}),
    ("dry-run-two", _options(dryRun=["All", "Some"]), {}),
    ("grace-negative", _options(gracePeriodSeconds=-1, dryRun=["All"]), {}),
    ("grace-text", _options(gracePeriodSeconds="x"), {}),
    ("kind", {"kind": "Other", "apiVersion": "v1"}, {}),
    ("version", {"kind": "DeleteOptions", "apiVersion": "v9"}, {}),
    ("unknown", _options(colour="red", dryRun=["All"]), {}),
    ("text", "x", {}),
    ("list", "[]", {}),
    ("cut", "{", {}),
    ("null", "null", {"dryRun": "All"}),
    ("query-policy", None, {"propagationPolicy": "Sideways"}),
    ("query-dry-run", None, {"dryRun": "Some"}),
    ("query-grace", None, {"gracePeriodSeconds": "x"}),
    ("query-both", None, {"propagationPolicy": "Orphan", "orphanDependents": "true"}),
    ("query-unsafe", None, {"ignoreStoreReadErrorWithClusterBreakingPotential": "true"}),
    ("preconditions-text", _options(preconditions="x"), {}),
)


def delete_broken(world: World) -> Step:
    """Delete with bad options, or what is not there."""
    rng, known = world.rng, world.pick()
    if known is None or rng.random() < 0.25:
        kind = a_kind(world)
        name = missing_name(kind)
        body = rng.choice([None, {}, _options(propagationPolicy="Foreground"), _options(preconditions={"uid": "x"})])
        return step(
            world,
            "DELETE",
            kind.path(world.namespace, name),
            body,
            what=("delete", kind.label, "missing"),
            target=Target(kind, name),
        )
    fault, body, query = rng.choice(BROKEN)
    media = rng.choice(["application/json", "application/json", "application/json", "text/plain", "application/yaml"])
    return on_object(
        world,
        "DELETE",
        known,
        "delete",
        fault,
        body,
        query=query,
        headers={"Content-Type": media} if body is not None else {},
    )


def delete_collection(world: World) -> Step:
    """Delete a collection or part of it."""
    rng, kind = world.rng, a_kind(world)
    query: dict[str, str] = {}
    fault, body = "-", None
    if rng.random() < 0.6:
        query["labelSelector"] = rng.choice(["app=web", "app", "changed=v1", "app in (db)"])
    if rng.random() < 0.2:
        query["fieldSelector"] = rng.choice(["metadata.name=one", "metadata.name!=two"])
    if rng.random() < 0.35:
        fault, body, more = rng.choice([*BROKEN, ("foreground", _options(propagationPolicy="Foreground"), {})])
        query |= more
    if rng.random() < 0.2:
        query["dryRun"] = "All"
    if rng.random() < 0.1:
        fault = "selector"
        query["labelSelector"] = "a in"
    if rng.random() < 0.1:
        query["limit"] = "1"
    if not kind.namespaced or not kind.collection_deletable:
        query["labelSelector"] = ",".join(filter(None, [f"e={TOKEN}", query.get("labelSelector", "")]))
    headers = {"Accept": TABLE} if rng.random() < 0.05 else {}
    return on_collection(
        world, "DELETE", Target(kind, collection=True), "deletecollection", fault, body, query=query, headers=headers
    )
