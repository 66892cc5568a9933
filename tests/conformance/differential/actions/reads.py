"""Gets, lists and watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.differential.actions.make import PARTIAL, PARTIAL_LIST, TABLE, a_kind, step
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from tests.conformance.differential.model import Kind, World
    from tests.conformance.differential.step import Step

TABLE_ONLY = "application/json;as=Table;v=v1;g=meta.k8s.io"
OBJECT_ACCEPTS = (
    TABLE,
    TABLE,
    PARTIAL,
    PARTIAL_LIST,
    "application/yaml",
    "*/*",
    "application/*",
    "",
    "text/html",
    "application/cbor",
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
    "application/json;as=Nope;v=v1;g=meta.k8s.io",
    "text/html, application/json;q=0.5",
    "application/json;q=0.1, application/yaml",
)
LIST_ACCEPTS = (*OBJECT_ACCEPTS, PARTIAL_LIST, PARTIAL_LIST, TABLE, TABLE, TABLE)


def get(world: World) -> Step | None:
    """Read an object, in one of its forms."""
    rng, known = world.rng, world.pick()
    if known is None:
        return None
    headers, query, fault = {}, {}, "-"
    if rng.random() < 0.35:
        headers["Accept"] = rng.choice(OBJECT_ACCEPTS)
        fault = "accept"
    if rng.random() < 0.15:
        revision = rng.choice(["0", f"{{{{{known.source}:metadata.resourceVersion}}}}", "x", "-1", ""])
        query["resourceVersion"] = revision
        fault = "revision"
    if rng.random() < 0.08:
        query["includeObject"] = rng.choice(["None", "Object", "Metadata", "Nope"])
        headers["Accept"] = TABLE
    method = "HEAD" if rng.random() < 0.03 else "GET"
    return step(world, method, known.path, what=("get", known.kind.label, fault), headers=headers, query=query)


def get_missing(world: World) -> Step:
    """Read an object that is not there."""
    kind = a_kind(world)
    name = world.rng.choice(["missing", "Missing", "a b", "%2e%2e", "x" * 300, "system:nothing", "a%2Fb"])
    return step(
        world,
        "GET",
        kind.path(world.namespace, name.replace(" ", "%20")),
        what=("get", kind.label, "missing"),
        headers={"Accept": TABLE} if world.chance(0.2) else {},
    )


def _selectors(world: World, kind: Kind) -> dict[str, str]:
    rng, query = world.rng, {}
    if rng.random() < 0.45:
        query["labelSelector"] = rng.choice(
            [
                "app",
                "!app",
                "app=web",
                "app==db",
                "app!=web",
                "app in (web,db)",
                "app notin (web)",
                "app=",
                "app in ()",
                "app=web,changed",
                "x>1",
                "",
                "app in (web,)",
                "changed notin (v1), app",
            ]
        )
    if rng.random() < 0.35:
        fields = [
            "metadata.name=one",
            "metadata.name!=one",
            "metadata.namespace=ns-" + TOKEN,
            "metadata.name=one,metadata.name=two",
        ]
        for field in kind.fields:
            fields += [f"{field}=red", f"{field}!=Normal", f"{field}=", f"{field}=one"]
        query["fieldSelector"] = rng.choice(fields)
    return query


def _scope(world: World, kind: Kind, query: dict[str, str]) -> str:
    """Return a collection's path; one that is wider than the episode is narrowed by its label."""
    if kind.namespaced and world.rng.random() < 0.85:
        return kind.collection(world.namespace)
    query["labelSelector"] = ",".join(filter(None, [f"e={TOKEN}", query.get("labelSelector", "")]))
    return kind.collection(None)


def list_objects(world: World) -> Step:
    """List with selectors, limits, revisions, in one of a list's forms."""
    rng, kind = world.rng, a_kind(world)
    query, headers, fault = _selectors(world, kind), {}, "-"
    path = _scope(world, kind, query)
    if rng.random() < 0.3:
        query["limit"] = rng.choice(["1", "2", "0", "500"])
    if rng.random() < 0.25:
        fault = "revision"
        known = world.pick()
        at = f"{{{{{known.source}:metadata.resourceVersion}}}}" if known else "0"
        revision, match = rng.choice(
            [("0", ""), ("0", "NotOlderThan"), (at, "NotOlderThan"), (at, "Exact"), (at, ""), ("", "")]
        )
        query["resourceVersion"] = revision
        if match:
            query["resourceVersionMatch"] = match
        if revision == "0":
            query.pop("limit", None)
    if rng.random() < 0.4:
        fault = "accept"
        headers["Accept"] = rng.choice(LIST_ACCEPTS)
        if rng.random() < 0.2:
            query["includeObject"] = rng.choice(["None", "Object", "Metadata"])
    found = step(world, "GET", path, what=("list", kind.label, fault), query=query, headers=headers)
    # Where a kube-apiserver has objects of its own after those of the episode, only it has more pages.
    is_shared = kind.resource in ("clusterroles", "clusterrolebindings")
    if "limit" in query and "resourceVersion" not in query and "accept" not in found.what[2] and not is_shared:
        world.last_list, world.last_list_path = found.name, found.path
    return found


def list_page(world: World) -> Step | None:
    """Go on with a list that was cut."""
    if not world.last_list:
        return None
    rng, base = world.rng, world.last_list_path
    label = next((kind.label for kind in world.kinds if f"/{kind.resource}?" in base), "")
    if not label:
        return None
    path = base + f"&continue={{{{{world.last_list}:metadata.continue}}}}"
    fault = "continue"
    if rng.random() < 0.15:
        path, fault = path + "&resourceVersion=5", "continue+revision"
    elif rng.random() < 0.1:
        path, fault = path + "&resourceVersionMatch=Exact&resourceVersion=0", "continue+match"
    found = step(world, "GET", path, what=("list", label, fault))
    if fault == "continue" and rng.random() < 0.5:
        world.last_list = ""
    return found


BROKEN_LISTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("label-syntax", {"labelSelector": "a in"}),
    ("label-key", {"labelSelector": "a b=c"}),
    ("label-operator", {"labelSelector": "a~b"}),
    ("label-value", {"labelSelector": "a=b c"}),
    ("label-value-long", {"labelSelector": "a=" + "b" * 64}),
    ("label-number", {"labelSelector": "a>b"}),
    ("label-comma", {"labelSelector": "a,,b"}),
    ("label-end", {"labelSelector": "a=b,"}),
    ("label-parenthesis", {"labelSelector": "a in (b"}),
    ("label-prefix", {"labelSelector": "A_/b=c"}),
    ("field-syntax", {"fieldSelector": "a"}),
    ("field-unknown", {"fieldSelector": "spec.nothing=a"}),
    ("field-operator", {"fieldSelector": "metadata.name>a"}),
    ("field-label", {"fieldSelector": "metadata.labels.a=b"}),
    ("field-escape", {"fieldSelector": "metadata.name=a\\b"}),
    ("limit-text", {"limit": "x"}),
    ("limit-negative", {"limit": "-1"}),
    ("continue-text", {"continue": "x"}),
    ("continue-base64", {"continue": "eyJ9"}),
    ("continue-empty-key", {"continue": "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIifQ"}),
    ("continue-version", {"continue": "eyJ2IjoidjkiLCJydiI6MSwic3RhcnQiOiJhIn0"}),
    ("revision-text", {"resourceVersion": "x"}),
    ("revision-negative", {"resourceVersion": "-5"}),
    ("match-without-revision", {"resourceVersionMatch": "Exact"}),
    ("match-unknown", {"resourceVersionMatch": "Around", "resourceVersion": "5"}),
    ("match-exact-zero", {"resourceVersionMatch": "Exact", "resourceVersion": "0"}),
    ("match-with-continue", {"resourceVersionMatch": "Exact", "resourceVersion": "5", "continue": "eyJ9"}),
    ("initial-events", {"sendInitialEvents": "true"}),
    ("timeout", {"timeoutSeconds": "x"}),
    ("timeout-duration", {"timeout": "5parsecs"}),
    ("include-object", {"includeObject": "Nope"}),
    ("watch-text", {"watch": "maybe", "timeoutSeconds": "1"}),
    ("bookmarks-text", {"allowWatchBookmarks": "x"}),
    ("two-faults", {"resourceVersionMatch": "Around", "sendInitialEvents": "true", "limit": "x"}),
)


def list_broken(world: World) -> Step:
    """List with bad options."""
    kind = a_kind(world)
    fault, query = world.rng.choice(BROKEN_LISTS)
    query = dict(query)
    path = kind.collection(world.namespace)
    if not kind.namespaced:
        query.setdefault("labelSelector", f"e={TOKEN}")
    headers = {"Accept": TABLE} if fault == "include-object" or world.chance(0.1) else {}
    return step(world, "GET", path, what=("list", kind.label, fault), query=query, headers=headers)


def watch(world: World) -> Step | None:
    """Watch for a second: what is there, or what has happened since an earlier step."""
    rng, kind = world.rng, a_kind(world)
    query: dict[str, str] = {"watch": rng.choice(["true", "1"]), "timeoutSeconds": "1"}
    query |= _selectors(world, kind)
    path, fault, headers = _scope(world, kind, query), "now", {}
    known = world.pick((kind,))
    draw = rng.random()
    if draw < 0.55:
        start = known.source if known and rng.random() < 0.4 else "namespace"
        query["resourceVersion"], fault = f"{{{{{start}:metadata.resourceVersion}}}}", "since"
    elif draw < 0.7:
        query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        fault = "initial-events"
    if rng.random() < 0.3:
        headers["Accept"] = rng.choice([TABLE, PARTIAL, TABLE_ONLY])
        fault += "+accept"
    return step(world, "GET", path, what=("watch", kind.label, fault), query=query, headers=headers)


BROKEN_WATCHES: tuple[tuple[str, dict[str, str]], ...] = (
    ("revision-text", {"resourceVersion": "x"}),
    ("match", {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "5"}),
    ("initial-without-match", {"sendInitialEvents": "true"}),
    ("initial-exact", {"sendInitialEvents": "true", "resourceVersionMatch": "Exact", "resourceVersion": "5"}),
    ("initial-without-bookmarks", {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}),
    ("no-initial-with-match", {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}),
    ("label", {"labelSelector": "a in"}),
    ("field", {"fieldSelector": "spec.nothing=x"}),
    ("timeout", {"timeoutSeconds": "x"}),
    ("continue", {"continue": "x"}),
    ("limit", {"limit": "1"}),
)


def watch_broken(world: World) -> Step:
    """Watch with bad options."""
    kind = a_kind(world)
    fault, query = world.rng.choice(BROKEN_WATCHES)
    query = {"watch": "true", "timeoutSeconds": "1", **query}
    if not kind.namespaced:
        query.setdefault("labelSelector", f"e={TOKEN}")
    path = kind.collection(world.namespace)
    headers = {"Accept": "text/html"} if world.chance(0.1) else {}
    return step(world, "GET", path, what=("watch", kind.label, fault), query=query, headers=headers)
