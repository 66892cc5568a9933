"""The four kinds of patch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.conformance.differential import faults
from tests.conformance.differential.actions.make import (
    BROKEN_OPTIONS,
    PARTIAL,
    TABLE,
    a_body,
    a_kind,
    a_name,
    on_object,
    step,
    target_of,
    write_options,
)
from tests.conformance.differential.model import Target
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from tests.conformance.differential.model import Body, Known, World
    from tests.conformance.differential.step import Step
    from tests.conformance.exchange import Json

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCHES = (MERGE, JSON, STRATEGIC, APPLY)


def _patch(world: World, known: Known, body: Json, media: str, verb: str, fault: str, **query: str) -> Step:
    headers = {"Content-Type": media}
    if world.chance(0.05):
        headers["Accept"] = world.rng.choice([TABLE, PARTIAL, "application/yaml"])
    return step(
        world,
        "PATCH",
        known.path,
        body,
        what=(verb, known.kind.label, fault),
        query=write_options(world) | query,
        headers=headers,
        target=target_of(known),
    )


def _delta(world: World, known: Known) -> Body:
    """Return the difference to a valid other form, with a little of everything patches can say."""
    rng = world.rng
    changed = known.kind.change(rng, known.edited())
    delta = {key: value for key, value in changed.items() if key not in ("metadata", "kind", "apiVersion")}
    before = {key: known.body.get(key) for key in delta}
    delta = {key: value for key, value in delta.items() if value != before[key] or rng.random() < 0.2}
    metadata: Body = {}
    if rng.random() < 0.35:
        metadata["labels"] = rng.choice([{"app": "patched"}, {"app": None}, None, {"changed": "v1", "e": TOKEN}])
        if metadata["labels"] is None:
            del metadata["labels"]
    if rng.random() < 0.2:
        metadata["annotations"] = rng.choice([{"note": "patched"}, {"note": None}, {}])
    if rng.random() < 0.1:
        metadata["finalizers"] = rng.choice([[], None, ["example.com/hold"]])
    if rng.random() < 0.1:
        metadata["resourceVersion"] = rng.choice([f"{{{{{known.source}:metadata.resourceVersion}}}}", "1", ""])
    if metadata:
        delta["metadata"] = metadata
    return delta


def merge(world: World) -> Step | None:
    """Send a merge patch."""
    known = world.pick()
    if known is None:
        return None
    delta, fault = _delta(world, known), "-"
    if world.chance(0.2):
        fault = world.rng.choice(sorted(known.kind.faults))
        broken = known.kind.faults[fault](world.rng, known.edited())
        delta = {
            k: v for k, v in broken.items() if k not in ("metadata", "kind", "apiVersion") and v != known.body.get(k)
        }
    elif world.chance(0.1):
        delta, fault = {}, "empty"
    return _patch(world, known, delta, MERGE, "merge-patch", fault)


def _value(world: World) -> Json:
    return world.rng.choice(["x", "eA==", 5, True, None, {}, [], {"a": "b"}, ["a"], "", 1.5])


def json_patch(world: World) -> Step | None:
    """Send a JSON patch."""
    rng, known = world.rng, world.pick()
    if known is None:
        return None
    paths = [
        *known.kind.paths,
        "/metadata/labels/app",
        "/metadata/annotations",
        "/metadata/annotations/note",
        "/nothing/there",
    ]
    operations: list[Body] = []
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(paths)
        match rng.choice(["add", "add", "replace", "remove", "test", "move", "copy"]):
            case "add" | "replace" as op:
                value = "patched" if "metadata" in path and path.count("/") > 2 else _value(world)
                operations.append({"op": op, "path": path, "value": value})
            case "remove":
                operations.append({"op": "remove", "path": path})
            case "test":
                where = rng.choice(["/kind", "/apiVersion", path])
                value = {"/kind": known.kind.kind, "/apiVersion": known.kind.api_version}.get(where, _value(world))
                operations.append({"op": "test", "path": where, "value": value})
            case op:
                operations.append({"op": op, "from": rng.choice(paths), "path": path})
    if rng.random() < 0.3:
        operations = [{"op": "add", "path": "/metadata/labels/patched", "value": rng.choice(["v1", "v2"])}]
    touched = json.dumps([[operation.get("path"), operation.get("from")] for operation in operations])
    return _patch(world, known, operations, JSON, "json-patch", "annotations" if "/annotations" in touched else "-")


def strategic(world: World) -> Step | None:
    """Send a strategic merge patch, with directives now and then."""
    rng, known = world.rng, world.pick()
    if known is None:
        return None
    delta, fault = _delta(world, known), "-"
    if rng.random() < 0.35:
        fault = "directive"
        delta = rng.choice(
            [
                {"metadata": {"labels": {"$patch": "replace", "e": TOKEN}}},
                {"metadata": {"labels": {"$patch": "delete"}}},
                {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/hold"]}},
                {
                    "metadata": {
                        "finalizers": ["example.com/other"],
                        "$setElementOrder/finalizers": ["example.com/other", "example.com/hold"],
                    }
                },
                {"metadata": {"ownerReferences": [{"uid": faults.OWNER["uid"], "$patch": "delete"}]}},
                {"metadata": {"ownerReferences": [faults.OWNER]}},
                {"metadata": {"labels": {"$patch": "nope"}}},
                {"$retainKeys": ["metadata", "kind", "apiVersion"], "metadata": {"labels": {"app": "kept"}}},
                {"metadata": {"$retainKeys": ["name"]}},
                {"secrets": [{"name": "one", "$patch": "delete"}]},
                {"secrets": [{"name": "merged"}], "$setElementOrder/secrets": [{"name": "merged"}, {"name": "one"}]},
                {"secrets": [{"colour": "red"}]},
                {"rules": [], "subjects": []},
                {"data": {"$patch": "replace", "new": "eA=="}},
            ]
        )
    return _patch(world, known, delta, STRATEGIC, "strategic-patch", fault)


BROKEN_BODIES: tuple[tuple[str, str, str], ...] = (
    ("not-json", MERGE, "a: b"),
    ("empty", MERGE, ""),
    ("list", MERGE, "[]"),
    ("text", MERGE, '"x"'),
    ("null", MERGE, "null"),
    ("number", MERGE, "5"),
    ("metadata-text", MERGE, '{"metadata": "x"}'),
    ("metadata-null", MERGE, '{"metadata": null}'),
    ("labels-text", MERGE, '{"metadata": {"labels": "x"}}'),
    ("label-number", MERGE, '{"metadata": {"labels": {"a": 5}}}'),
    ("name", MERGE, '{"metadata": {"name": "other"}}'),
    ("name-null", MERGE, '{"metadata": {"name": null}}'),
    ("namespace", MERGE, '{"metadata": {"namespace": "other"}}'),
    ("uid", MERGE, '{"metadata": {"uid": "other"}}'),
    ("kind", MERGE, '{"kind": "Other"}'),
    ("kind-null", MERGE, '{"kind": null}'),
    ("version", MERGE, '{"apiVersion": "v9"}'),
    ("creation", MERGE, '{"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}'),
    ("deletion", MERGE, '{"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}}'),
    ("generation", MERGE, '{"metadata": {"generation": 77}}'),
    ("managed-fields", MERGE, '{"metadata": {"managedFields": []}}'),
    ("managed-fields-bad", MERGE, '{"metadata": {"managedFields": [{"operation": "X"}]}}'),
    ("unknown", MERGE, '{"unknown": {"a": 1}}'),
    ("unknown-metadata", MERGE, '{"metadata": {"colour": "red"}}'),
    ("duplicate", MERGE, '{"metadata": {"labels": {"a": "b"}}, "metadata": {"labels": {"a": "c"}}}'),
    ("finalizer", MERGE, '{"metadata": {"finalizers": ["nope"]}}'),
    ("json-object", JSON, "{}"),
    ("json-empty", JSON, ""),
    ("json-empty-list", JSON, "[]"),
    ("json-null", JSON, "null"),
    ("json-cut", JSON, "[{"),
    ("json-of-text", JSON, '["x"]'),
    ("json-of-null", JSON, "[null]"),
    ("json-op", JSON, '[{"op": "burn", "path": "/metadata"}]'),
    ("json-op-missing", JSON, '[{"path": "/metadata"}]'),
    ("json-path-missing", JSON, '[{"op": "add", "value": 1}]'),
    ("json-value-missing", JSON, '[{"op": "add", "path": "/metadata/labels"}]'),
    ("json-pointer", JSON, '[{"op": "add", "path": "metadata", "value": 1}]'),
    ("json-root", JSON, '[{"op": "replace", "path": "", "value": {}}]'),
    ("json-remove-missing", JSON, '[{"op": "remove", "path": "/nothing"}]'),
    ("json-test", JSON, '[{"op": "test", "path": "/kind", "value": "Nope"}]'),
    ("json-test-missing", JSON, '[{"op": "test", "path": "/nothing", "value": "x"}]'),
    ("json-index", JSON, '[{"op": "add", "path": "/metadata/finalizers/7", "value": "example.com/x"}]'),
    ("json-index-negative", JSON, '[{"op": "remove", "path": "/metadata/finalizers/-1"}]'),
    ("json-from-missing", JSON, '[{"op": "move", "path": "/metadata/labels"}]'),
    ("json-unknown-key", JSON, '[{"op": "test", "path": "/kind", "value": "Nope", "colour": "red"}]'),
    ("json-name", JSON, '[{"op": "replace", "path": "/metadata/name", "value": "other"}]'),
    ("json-kind", JSON, '[{"op": "replace", "path": "/kind", "value": "Other"}]'),
    ("json-unknown", JSON, '[{"op": "add", "path": "/unknown", "value": 1}]'),
    (
        "json-escape",
        JSON,
        '[{"op": "add", "path": "/metadata/annotations", "value": {"a/b": "c"}},'
        ' {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "d"}]',
    ),
    ("strategic-not-json", STRATEGIC, "a: b"),
    ("strategic-list", STRATEGIC, "[]"),
    ("strategic-null", STRATEGIC, "null"),
    ("strategic-unknown", STRATEGIC, '{"unknown": 1}'),
    ("strategic-labels", STRATEGIC, '{"metadata": {"labels": "x"}}'),
    ("strategic-finalizers", STRATEGIC, '{"metadata": {"finalizers": "x"}}'),
    (
        "strategic-order",
        STRATEGIC,
        '{"metadata": {"finalizers": ["example.com/a"], "$setElementOrder/finalizers": ["example.com/b"]}}',
    ),
    ("strategic-patch-root", STRATEGIC, '{"$patch": "delete"}'),
    ("strategic-patch-replace", STRATEGIC, '{"$patch": "replace", "metadata": {"name": "one"}}'),
    ("media-json", "application/json", "{}"),
    ("media-none", "", "{}"),
    ("media-text", "text/plain", "{}"),
    ("media-parameter", "application/merge-patch+json; charset=utf-8", "{}"),
    ("apply-cbor", "application/apply-patch+cbor", "{}"),
)


def broken(world: World) -> Step | None:
    """Send a patch that is malformed, aims at what cannot change, has bad options, or finds no object."""
    rng, known = world.rng, world.pick()
    if known is None or rng.random() < 0.08:
        kind = a_kind(world)
        name = f"missing-{TOKEN}"
        media = rng.choice(PATCHES[:3])
        patch: Any = (
            [{"op": "add", "path": "/a", "value": 1}] if media == JSON else rng.choice([{}, {"metadata": {"uid": "x"}}])
        )
        return step(
            world,
            "PATCH",
            kind.path(world.namespace, name),
            patch,
            what=("patch", kind.label, "missing"),
            headers={"Content-Type": media},
            query=write_options(world),
            target=Target(kind, name),
        )
    if rng.random() < 0.1:
        fault, query = rng.choice(BROKEN_OPTIONS)
        return on_object(
            world,
            "PATCH",
            known,
            "patch",
            fault,
            {"metadata": {"labels": {"app": "x"}}},
            query=query,
            headers={"Content-Type": rng.choice([MERGE, STRATEGIC])},
        )
    fault, media, text = rng.choice(BROKEN_BODIES)
    return _patch(world, known, text, media, "patch", fault)


APPLY_FAULTS = {
    "managed-fields": faults.metadata(managedFields=[]),
    "name-other": faults.metadata(name="other"),
    "name-missing": faults.metadata(name=None),
    "version-other": faults.top(apiVersion="v9"),
    "kind-other": faults.top(kind="Other"),
    "kind-missing": faults.top(kind=None),
    "unknown": faults.top(zzz=1),
    "unknown-metadata": faults.metadata(colour="red"),
    "revision": faults.metadata(resourceVersion="1"),
    "uid": faults.metadata(uid="11111111-2222-4333-8444-555555555555"),
    "label-bad": faults.metadata(labels={"a": "b c"}),
    "labels-text": faults.metadata(labels="x"),
    "metadata-missing": faults.top(metadata=None),
}


def apply(world: World) -> Step:
    """Apply: create, change, drop fields, run into conflicts, with faults now and then."""
    rng = world.rng
    known = world.pick()
    if known is not None and rng.random() < 0.75:
        kind, name = known.kind, known.name
        body: Body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {
                "name": name,
                "labels": {"e": TOKEN, **rng.choice([{}, {"app": "applied"}, {"app": "again"}])},
            },
        }
        content = kind.change(rng, known.edited()) if rng.random() < 0.6 else known.edited()
        body |= {k: v for k, v in content.items() if k not in ("metadata", "status", "kind", "apiVersion")}
        if rng.random() < 0.2:
            body = {key: body[key] for key in ("apiVersion", "kind", "metadata")}
    else:
        kind = a_kind(world)
        name = a_name(world, kind)
        body = a_body(world, kind, name)
        name = body["metadata"]["name"]
    query, fault = write_options(world) | {"fieldManager": rng.choice(["one", "one", "two", "three"])}, "-"
    if rng.random() < 0.3:
        query["force"] = rng.choice(["true", "true", "false"])
    if rng.random() < 0.2:
        fault = rng.choice(sorted(APPLY_FAULTS))
        body = APPLY_FAULTS[fault](rng, body)
    elif rng.random() < 0.08 and kind.faults:
        fault = rng.choice(sorted(kind.faults))
        body = kind.faults[fault](rng, body)
    text: Any = faults.as_yaml(body, rng) if rng.random() < 0.4 else json.dumps(body)
    if rng.random() < 0.06:
        fault, text = rng.choice(
            [
                ("empty", ""),
                ("text", "x"),
                ("list", "[]"),
                ("yaml", "a: [b"),
                ("twice", "kind: A\nkind: B"),
                ("null", "null"),
            ]
        )
    if rng.random() < 0.06:
        fault = rng.choice(["manager-missing", "manager-long", "force-text"])
        if fault == "manager-missing":
            del query["fieldManager"]
        else:
            query |= {"manager-long": {"fieldManager": "m" * 129}, "force-text": {"force": "x"}}[fault]
    path = kind.path(world.namespace, name)
    subresource = ""
    if kind.subresources and "status" in kind.subresources and rng.random() < 0.1:
        subresource = "/status"
    return step(
        world,
        "PATCH",
        path + subresource,
        text,
        what=("apply" + subresource.replace("/", "-"), kind.label, fault),
        query=query,
        headers={"Content-Type": APPLY},
        target=Target(kind, name),
    )
