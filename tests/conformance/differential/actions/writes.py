"""Creates, updates and subresources."""

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
    missing_name,
    on_collection,
    on_object,
    step,
    target_of,
    write_options,
)
from tests.conformance.differential.model import Kind, Target
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from tests.conformance.differential.model import Body, Known, World
    from tests.conformance.differential.step import Step

YAML = {"Content-Type": "application/yaml"}


def create(world: World) -> Step:
    """Create a valid object: by name, with a generated name, as a dry run, as YAML."""
    rng, kind = world.rng, a_kind(world)
    taken = {known.name for known in world.objects if known.kind is kind}
    name = next((n for n in (a_name(world, kind) for _ in range(6)) if n not in taken), a_name(world, kind))
    body, fault = a_body(world, kind, name), "-"
    query = write_options(world)
    headers: dict[str, str] = {}
    target = Target(kind, body["metadata"]["name"])
    if kind.resource != "customresourcedefinitions" and rng.random() < 0.15:
        del body["metadata"]["name"]
        body["metadata"]["generateName"] = "gen-" + (f"{TOKEN}-" if not kind.namespaced else "") + "x-"
        target = Target(kind)
    if not kind.custom and rng.random() < 0.1:
        body = {k: v for k, v in body.items() if k not in ("kind", "apiVersion")}
    content: Any = body
    if rng.random() < 0.1:
        content, headers = faults.as_yaml(body, rng), dict(YAML)
    if rng.random() < 0.08:
        headers["Accept"] = rng.choice([TABLE, PARTIAL, "application/yaml", "*/*", ""])
    if "dryRun" in query:
        fault = "dry-run"
    return on_collection(world, "POST", target, "create", fault, content, query=query, headers=headers)


def create_broken(world: World) -> Step:
    """Create an object with a fault of its kind, of metadata or of its header, or with bad options."""
    rng, kind = world.rng, a_kind(world)
    name = a_name(world, kind)
    body = a_body(world, kind, name)
    query = write_options(world)
    draw = rng.random()
    if draw < 0.5 and kind.faults:
        fault = rng.choice(sorted(kind.faults))
        body = kind.faults[fault](rng, body)
        if rng.random() < 0.1:
            body = faults.metadata(labels={"-a": "b"})(rng, body)
            fault += "+label"
    elif draw < 0.8:
        fault = rng.choice(sorted(faults.METADATA_FAULTS))
        body = faults.METADATA_FAULTS[fault](rng, body)
    elif draw < 0.9:
        fault = rng.choice(sorted(faults.HEADER_FAULTS))
        body = faults.HEADER_FAULTS[fault](rng, body)
    else:
        fault, query = rng.choice(BROKEN_OPTIONS)
    told = (body.get("metadata") or {}) if isinstance(body.get("metadata"), dict) else {}
    target = Target(kind, str(told.get("name") or ""))
    return on_collection(world, "POST", target, "create", fault, body, query=query)


def create_unknown_fields(world: World) -> Step:
    """Create an object with unknown and doubled fields under each field validation, as JSON or YAML."""
    rng, kind = world.rng, a_kind(world)
    name = a_name(world, kind)
    body = a_body(world, kind, name)
    fault = rng.choice(["unknown", "unknown-metadata", "duplicate", "both"])
    validation = rng.choice(["Ignore", "Warn", "Strict", ""])
    if fault in ("unknown", "both"):
        body["zzz"], body["aaa"] = 1, {"b": "c"}
    if fault == "unknown-metadata":
        body["metadata"]["colour"] = "red"
    text = faults.as_yaml(body, rng) if (as_yaml := rng.random() < 0.3) else json.dumps(body)
    if fault in ("duplicate", "both"):
        if as_yaml:
            text += f"\nkind: {kind.kind}\n" if not text.startswith("{") else ""
        else:
            text = text[:-1] + f', "kind": "{kind.kind}"}}'
    return on_collection(
        world,
        "POST",
        Target(kind, body["metadata"]["name"]),
        "create",
        f"fields-{fault}-{validation or 'default'}",
        text,
        query={"fieldValidation": validation} if validation else {},
        headers=YAML if as_yaml else {"Content-Type": "application/json"},
    )


def create_again(world: World) -> Step | None:
    """Create an object that exists."""
    known = world.pick()
    if known is None or not known.kind.deletable:
        return None
    body = known.edited()
    body["metadata"].pop("resourceVersion", None)
    return on_collection(
        world, "POST", target_of(known), "create", "exists", body, query={"dryRun": "All"} if world.chance(0.3) else {}
    )


def create_text(world: World) -> Step:
    """Create with a body that is no object, or of a strange media type."""
    rng, kind = world.rng, a_kind(world)
    body = a_body(world, kind, a_name(world, kind))
    headers = {"Content-Type": "application/json"}
    if rng.random() < 0.75:
        fault = rng.choice(sorted(faults.TEXT_FAULTS))
        text = faults.TEXT_FAULTS[fault](rng, json.dumps(body))
        fault = f"text-{fault}"
    else:
        text = json.dumps(body)
        media = rng.choice(
            [
                "text/plain",
                "application/xml",
                "",
                "application/json; charset=utf-8",
                "application/*",
                "a b",
                "APPLICATION/JSON",
                "application/merge-patch+json",
                "application/cbor",
            ]
        )
        headers, fault = {"Content-Type": media}, f"media-{media}"
    return on_collection(
        world,
        "POST",
        Target(kind, body["metadata"]["name"]),
        "create",
        fault,
        text,
        query=rng.choice([{}, {}, {"fieldValidation": "Strict"}, {"fieldValidation": "Ignore"}]),
        headers=headers,
    )


def update(world: World) -> Step | None:
    """Replace an object with a valid other form of it, or with itself."""
    rng, known = world.rng, world.pick()
    if known is None:
        return None
    body, fault = known.edited(), "-"
    draw = rng.random()
    if draw < 0.65:
        body = known.kind.change(rng, body)
    elif draw < 0.8:
        fault = "unchanged"
    else:
        body["metadata"].setdefault("labels", {})["changed"] = f"v{rng.randint(1, 3)}"
    if rng.random() < 0.15:
        body["metadata"]["uid"] = f"{{{{{known.source}:metadata.uid}}}}"
    if rng.random() < 0.2:
        del body["metadata"]["resourceVersion"]
        fault = "unconditional"
    if rng.random() < 0.15 and body["metadata"].get("finalizers"):
        body["metadata"]["finalizers"] = []
        fault = "finalizers-gone"
    headers = {"Accept": rng.choice([TABLE, PARTIAL, "application/yaml"])} if rng.random() < 0.05 else {}
    return on_object(world, "PUT", known, "update", fault, body, query=write_options(world), headers=headers)


UPDATE_METADATA_FAULTS = {
    "name-other": faults.metadata(name="other"),
    "name-missing": faults.metadata(name=None),
    "namespace-other": faults.metadata(namespace="other"),
    "uid-other": faults.metadata(uid="11111111-2222-4333-8444-555555555555"),
    "uid-text": faults.metadata(uid="other"),
    "creation-other": faults.metadata(creationTimestamp="2020-01-01T00:00:00Z"),
    "deletion-set": faults.metadata(deletionTimestamp="2020-01-01T00:00:00Z"),
    "grace-set": faults.metadata(deletionGracePeriodSeconds=30),
    "generation-back": faults.metadata(generation=-5),
    "generation-forward": faults.metadata(generation=50),
    "revision-text": faults.metadata(resourceVersion="abc"),
    "revision-zero": faults.metadata(resourceVersion="0"),
    "revision-negative": faults.metadata(resourceVersion="-1"),
    "label-value": faults.metadata(labels={"a": "b c"}),
    "annotation-key": faults.metadata(annotations={"a b": "c"}),
    "finalizer": faults.metadata(finalizers=["nope"]),
    "finalizer-new": faults.metadata(finalizers=["example.com/another"]),
    "owner-empty": faults.metadata(ownerReferences=[{}]),
    "managed-fields-empty": faults.metadata(managedFields=[]),
    "managed-fields-reset": faults.metadata(managedFields=[{}]),
    "managed-fields-bad": faults.metadata(managedFields=[{"operation": "X"}]),
    "unknown-metadata": faults.metadata(colour="red"),
}


def update_broken(world: World) -> Step | None:
    """Replace an object with a faulty one, or with bad options."""
    rng, known = world.rng, world.pick()
    if known is None:
        return None
    body, query, kind = known.edited(), write_options(world), known.kind
    draw = rng.random()
    if draw < 0.4 and (kind.update_faults or kind.faults):
        choice = dict(kind.update_faults if rng.random() < 0.6 and kind.update_faults else kind.faults)
        fault = rng.choice(sorted(choice))
        body = choice[fault](rng, body)
    elif draw < 0.8:
        fault = rng.choice(sorted(UPDATE_METADATA_FAULTS))
        body = UPDATE_METADATA_FAULTS[fault](rng, body)
    elif draw < 0.92:
        fault = rng.choice(sorted(faults.HEADER_FAULTS))
        body = faults.HEADER_FAULTS[fault](rng, body)
    else:
        fault, query = rng.choice(BROKEN_OPTIONS)
    return on_object(world, "PUT", known, "update", fault, body, query=query)


def update_conflict(world: World) -> Step | None:
    """Replace an object as it was before."""
    known = world.pick()
    if known is None:
        return None
    body = known.kind.change(world.rng, known.edited())
    old = world.rng.choice(["1", "{{namespace:metadata.resourceVersion}}", "99999999999"])
    body["metadata"]["resourceVersion"] = old
    return on_object(
        world,
        "PUT",
        known,
        "update",
        "conflict" if old != "99999999999" else "conflict-future",
        body,
        query={"dryRun": "All"} if world.chance(0.2) else {},
    )


def update_missing(world: World) -> Step:
    """Replace an object that is not there; some kinds create it."""
    rng, kind = world.rng, a_kind(world)
    name = missing_name(kind)
    if kind.resource == "customresourcedefinitions":
        name = f"missing.{TOKEN}.example.com"
    body = a_body(world, kind, name)
    body["metadata"]["name"] = name
    fault = rng.choice(["missing", "missing-with-revision", "missing-with-uid"])
    if fault == "missing-with-revision":
        body["metadata"]["resourceVersion"] = rng.choice(["1", "0"])
    if fault == "missing-with-uid":
        body["metadata"]["uid"] = "11111111-2222-4333-8444-555555555555"
    return step(
        world,
        "PUT",
        kind.path(world.namespace, name),
        body,
        what=("update", kind.label, fault),
        query=write_options(world),
        target=Target(kind, name),
    )


def _with(world: World, subresource: str) -> Known | None:
    found = [known for known in world.objects if subresource in known.kind.subresources]
    return world.rng.choice(found) if found else None


STATUSES: dict[str, tuple[Any, ...]] = {
    "widgets": (
        {"ready": 2, "phase": "New"},
        {"ready": 5, "selector": "a=b"},
        {"conditions": [{"type": "Ready", "status": "True"}]},
        {"conditions": [{"type": "Ready"}, {"type": "Ready"}]},
        {"conditions": [{"status": "True"}]},
        {"phase": "Strange"},
        {"ready": "x"},
        {"colour": "red"},
        "x",
        None,
        {},
    ),
    "namespaces": (
        {"phase": "Active"},
        {"phase": "Terminating"},
        {"phase": "Strange"},
        {},
        {"conditions": [{"type": "X"}]},
    ),
    "customresourcedefinitions": (
        {"storedVersions": ["v1"]},
        {"storedVersions": []},
        {"storedVersions": ["v1", "v9"]},
        {"storedVersions": ["v9"]},
        {},
    ),
}


def status(world: World) -> Step | None:
    """Read, replace or patch a status."""
    rng, known = world.rng, _with(world, "status")
    if known is None:
        return None
    path, kind, draw = f"{known.path}/status", known.kind, rng.random()
    what = ("status", kind.label, "-")
    if draw < 0.2:
        return step(world, "GET", path, what=what)
    value = rng.choice(STATUSES[kind.resource])
    if kind.resource == "customresourcedefinitions" and isinstance(value, dict):
        value = {**known.body.get("status", {}), **value}
    if draw < 0.6:
        body = known.edited()
        body["status"] = value
        if rng.random() < 0.3:
            body["spec"] = {"size": 99} if kind.custom else body.get("spec")
        if rng.random() < 0.2:
            body["metadata"]["labels"] = {"status": "set", "e": TOKEN}
        if rng.random() < 0.1:
            body["metadata"]["resourceVersion"] = "1"
        return step(world, "PUT", path, body, what=what, query=write_options(world), target=target_of(known))
    return step(
        world,
        "PATCH",
        path,
        {"status": value, "spec": {"ignored": 1}} if rng.random() < 0.2 else {"status": value},
        what=("status-patch", kind.label, "-"),
        headers={"Content-Type": "application/merge-patch+json"},
        query=write_options(world),
        target=target_of(known),
    )


def scale(world: World) -> Step | None:
    """Read, replace or patch a scale."""
    rng, known = world.rng, _with(world, "scale")
    if known is None:
        return None
    path, draw = f"{known.path}/scale", rng.random()
    headers: dict[str, str] = {}
    if draw < 0.35:
        if rng.random() < 0.3:
            headers["Accept"] = rng.choice([TABLE, PARTIAL])
        return step(world, "GET", path, what=("scale", known.kind.label, "-"), headers=headers)
    replicas = rng.choice([1, 2, 50, 101, -1, 0, "x", None])
    fault = "-" if replicas in (1, 2, 50) else f"replicas-{replicas}"
    if draw < 0.7:
        metadata: Body = {"name": known.name, "namespace": f"ns-{TOKEN}"}
        if rng.random() < 0.3:
            metadata["resourceVersion"] = rng.choice(["1", f"{{{{{known.source}:metadata.resourceVersion}}}}"])
        body: Body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": metadata,
            "spec": {"replicas": replicas},
        }
        if rng.random() < 0.15:
            body |= rng.choice([{"kind": "Other"}, {"apiVersion": "autoscaling/v9"}, {"colour": "red"}, {"spec": {}}])
            fault = "header"
        return step(world, "PUT", path, body, what=("scale", known.kind.label, fault), query=write_options(world))
    headers["Content-Type"] = "application/merge-patch+json"
    patch = {"spec": {"replicas": replicas}}
    return step(world, "PATCH", path, patch, what=("scale-patch", known.kind.label, fault), headers=headers)


def token(world: World) -> Step | None:
    """Ask for a token of a service account."""
    rng, known = world.rng, _with(world, "token")
    if known is None:
        return None
    spec = rng.choice(
        [
            {},
            {"expirationSeconds": 3600},
            {"expirationSeconds": 600},
            {"expirationSeconds": 599},
            {"expirationSeconds": -1},
            {"expirationSeconds": 2**33},
            {"expirationSeconds": "x"},
            {"audiences": ["a", "b"]},
            {"audiences": []},
            {"audiences": "x"},
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "nothing"}},
            {"boundObjectRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "nothing"}},
            {"boundObjectRef": {}},
            {"colour": "red"},
        ]
    )
    body: Body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    if rng.random() < 0.1:
        body["metadata"] = {"name": rng.choice(["other", known.name])}
    if rng.random() < 0.1:
        body["kind"] = "Other"
    return step(
        world, "POST", f"{known.path}/token", body, what=("token", known.kind.label, "-"), query=write_options(world)
    )


def finalize(world: World) -> Step | None:
    """Change the finalizers of a namespace."""
    rng, known = world.rng, _with(world, "finalize")
    if known is None:
        return None
    body = known.edited()
    body["spec"] = {"finalizers": rng.choice([["kubernetes"], ["kubernetes", "example.com/x"], ["nope"], []])}
    if body["spec"]["finalizers"] == [] and known.is_leaving:
        return None  # then somebody has to have emptied it
    return step(
        world, "PUT", f"{known.path}/finalize", body, what=("finalize", known.kind.label, "-"), target=target_of(known)
    )


def wrong_endpoint(world: World) -> Step:
    """Send a write where no such write is taken."""
    rng, kind = world.rng, a_kind(world)
    body = a_body(world, kind, "one")
    namespace: str | None = world.namespace
    choices: list[tuple[str, str, str]] = [
        ("post-to-object", "POST", kind.path(namespace, "one")),
        ("put-to-collection", "PUT", kind.collection(namespace)),
        ("patch-collection", "PATCH", kind.collection(namespace)),
        ("unknown-subresource", "GET", kind.path(namespace, "one", "nothing")),
        ("unknown-subresource-put", "PUT", kind.path(namespace, "one", "nothing")),
        ("status", "PUT", kind.path(namespace, "one", "status")),
        ("scale", "GET", kind.path(namespace, "one", "scale")),
        ("unknown-resource", "POST", kind.collection(namespace) + "x"),
        ("unknown-version", "GET", kind.collection(namespace).replace("/v1", "/v9", 1)),
        ("options", "OPTIONS", kind.collection(namespace)),
        ("trace", "BREW", kind.path(namespace, "one")),
        ("slash", "GET", kind.collection(namespace) + "/"),
        ("deep", "GET", kind.path(namespace, "one", "a/b/c")),
    ]
    if kind.namespaced:
        choices += [
            ("without-namespace", "POST", kind.collection(None)),
            ("delete-without-namespace", "DELETE", kind.collection(None)),
            ("get-without-namespace", "GET", kind.path(None, "one")),
            ("missing-namespace", "POST", kind.collection("nowhere")),
            ("list-missing-namespace", "GET", kind.collection("nowhere")),
        ]
    else:
        inside = f"{kind.root}/namespaces/{namespace}/{kind.resource}"
        choices += [("with-namespace", "POST", inside), ("list-with-namespace", "GET", inside)]
    fault, method, path = rng.choice(choices)
    if method == "GET" and not kind.namespaced and "one" not in path:
        path += f"?labelSelector=e%3D{TOKEN}"
    sent = body if method in ("POST", "PUT", "PATCH") else None
    headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
    return step(world, method, path, sent, what=("endpoint", kind.label, fault), headers=headers)


__all__ = ["Kind"]
