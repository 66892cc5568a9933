"""What the actions share: names, identities, options, steps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from tests.conformance.differential import faults
from tests.conformance.differential.model import Body, Kind, Known, Target, World
from tests.conformance.differential.step import Step
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.exchange import Json

Action = Callable[[World], Step | None]

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
NAMES = ("one", "two", "three", "four", "five.dotted")


def step(
    world: World,
    method: str,
    path: str,
    body: Json = None,
    *,
    what: tuple[str, str, str],
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    target: Target | None = None,
    user: str | None = None,
    settle: bool = False,
) -> Step:
    """Return the next step; whose it is and whom he impersonates is drawn unless told."""
    name = world.next_name()
    if target is not None:
        world.extra[name] = target
    if query:
        path += ("&" if "?" in path else "?") + urlencode(query, safe="{}:@", quote_via=quote)
    headers = dict(headers or {})
    if user is None:
        user, more = identity(world)
        headers |= more
        if user != "admin" or more:
            what = (what[0], what[1], f"{what[2]}+{'impersonation' if more else 'identity'}")
    return Step(name, method, path, body, user, headers, what, settle)


def on_object(
    world: World,
    method: str,
    known: Known,
    verb: str,
    fault: str,
    body: Json = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    settles: bool = True,
) -> Step:
    """Return a step to an object that is known; without `settles` it leaves the object as it is."""
    target = target_of(known) if settles else None
    what = (verb, known.kind.label, fault)
    return step(world, method, known.path, body, what=what, query=query, headers=headers, target=target)


def on_collection(
    world: World,
    method: str,
    target: Target,
    verb: str,
    fault: str,
    body: Json = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Step:
    """Return a step to the collection that what it is about belongs to."""
    path, what = target.kind.collection(world.namespace), (verb, target.kind.label, fault)
    return step(world, method, path, body, what=what, query=query, headers=headers, target=target)


def missing_name(kind: Kind) -> str:
    """Return the name of an object that never exists."""
    return "missing" if kind.namespaced else f"missing-{TOKEN}"


def identity(world: World) -> tuple[str, dict[str, str]]:
    """Draw whose request it is: the administrator's, mostly."""
    draw = world.rng.random()
    if draw < 0.87:
        return "admin", {}
    if draw < 0.94:
        return "alice", {}
    if draw < 0.95:
        return "anonymous", {}
    if draw < 0.955:
        return "not-a-token", {}
    impersonations: tuple[dict[str, str], ...] = (
        {"Impersonate-User": "alice", "Impersonate-Group": "developers"},
        {"Impersonate-User": "bob"},
        {"Impersonate-User": f"system:serviceaccount:ns-{TOKEN}:default"},
        {"Impersonate-User": "root", "Impersonate-Group": "system:masters"},
        {"Impersonate-Group": "developers"},
        {"Impersonate-User": "alice", "Impersonate-Extra-Scopes": "view"},
        {"Impersonate-Uid": "5"},
    )
    return ("admin" if world.chance(0.75) else "alice"), dict(world.rng.choice(impersonations))


def a_kind(world: World) -> Kind:
    """Draw one of the episode's kinds."""
    return world.rng.choice(world.kinds)


def a_name(world: World, kind: Kind) -> str:
    """Draw a name for a new object; names of objects without namespace carry the episode's word."""
    name = world.rng.choice(NAMES)
    if kind.namespaced:
        return name
    return f"{name.split('.')[0]}-{TOKEN}"


def a_body(world: World, kind: Kind, name: str | None = None) -> Body:
    """Draw a valid object with a header and metadata."""
    rng = world.rng
    content = kind.make(rng)
    metadata: Body = {"name": name} if name else {}
    if kind.resource == "customresourcedefinitions":
        metadata = dict(content.pop("metadata"))
    metadata["labels"] = {"e": TOKEN}
    if rng.random() < 0.4:
        metadata["labels"]["app"] = rng.choice(["web", "db", ""])
    if rng.random() < 0.25:
        metadata["annotations"] = {"note": rng.choice(["", "some text", "a<b>&c"]), "example.com/x": "y"}
    if rng.random() < 0.06:
        metadata["finalizers"] = ["example.com/hold"]
    if rng.random() < 0.06:
        metadata["ownerReferences"] = [faults.OWNER]
    if kind.namespaced and rng.random() < 0.3:
        metadata["namespace"] = f"ns-{TOKEN}"
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **content}


def write_options(world: World) -> dict[str, str]:
    """Draw query parameters of a write, mostly none."""
    rng, query = world.rng, {}
    if rng.random() < 0.25:
        query["fieldValidation"] = rng.choice(["Ignore", "Warn", "Strict", "Strict"])
    if rng.random() < 0.15:
        query["fieldManager"] = rng.choice(["tester", "another", "kubectl"])
    if rng.random() < 0.12:
        query["dryRun"] = "All"
    return query


BROKEN_OPTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("dry-run", {"dryRun": "Some"}),
    ("dry-run-empty", {"dryRun": ""}),
    ("field-validation", {"fieldValidation": "Maybe"}),
    ("field-manager-long", {"fieldManager": "m" * 129}),
    ("field-manager-newline", {"fieldManager": "a\nb"}),
    ("timeout", {"timeout": "soon"}),
    ("timeout-negative", {"timeout": "-1s"}),
    ("force", {"force": "true"}),
    ("export", {"export": "true"}),
    ("pretty", {"pretty": "true"}),
    ("unknown-parameter", {"colour": "red"}),
    ("two-faults", {"dryRun": "x", "fieldValidation": "y", "fieldManager": "m" * 129}),
)


def target_of(known: Known) -> Target:
    """Return what a step about a known object is about."""
    return Target(known.kind, known.name)


def copied(body: Body) -> Body:
    """Return a body that may be changed."""
    return copy.deepcopy(body)
