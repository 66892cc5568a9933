"""Updates of every kind, fields that are the server's, versions that come and go (kube-api 3.6, 4.2, 5.11)."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Ask, Json, Scenario
from tests.conformance.scenarios.make import (
    CORE,
    CRDS,
    JSON_PATCH,
    config_map,
    crd,
    delete,
    get,
    named,
    namespace,
    object_schema,
    patch,
    post,
    put,
    settle,
)
from tests.conformance.scenarios.objects import valid_objects

OBJECTS = valid_objects("updates")
MAPS = f"{CORE}/namespaces/system-fields/configmaps"
ONE = f"{MAPS}/mine"
GROUP = "/apis/stable.example.com"
JARS = f"{GROUP}/v1/namespaces/updates/jars"
OWN = f"{GROUP}/v1/namespaces/system-fields/jars"
MUGS = f"{GROUP}/v1/namespaces/system-fields/mugs"
TINS = "namespaces/updates/tins"
API = "stable.example.com/v1"
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
STATUS = {"type": "object", "properties": {"spec": FREE, "status": FREE}}
OTHER_UID = "0f1a8b2c-0000-4000-8000-000000000000"
OLD = "2020-01-01T00:00:00Z"
SYSTEM_FIELDS: dict[str, dict[str, Any]] = {
    "uid": {"uid": OTHER_UID},
    "creation": {"creationTimestamp": OLD},
    "no-creation": {"creationTimestamp": None},
    "deletion": {"deletionTimestamp": OLD},
    "grace": {"deletionGracePeriodSeconds": 5},
    "generation-up": {"generation": 99},
    "generation-down": {"generation": 0},
    "generation-below": {"generation": -1},
    "link": {"selfLink": "/x"},
    "namespace": {"namespace": "other"},
    "name": {"name": "other"},
    "generate-name": {"generateName": "made-"},
    "version-zero": {"resourceVersion": "0"},
    "version-empty": {"resourceVersion": ""},
}


def relabelled(body: dict[str, Any], **metadata: Json) -> dict[str, Any]:
    """Return the object with a label, as a change that every kind allows."""
    return {**body, "metadata": {**body["metadata"], "labels": {"changed": "yes"}, **metadata}}


def renamed(body: dict[str, Any]) -> dict[str, Any]:
    """Return the object under a name that nobody has."""
    return {**body, "metadata": {**body["metadata"], "name": "updates-new"}}


def updates(kind: str, path: str, body: dict[str, Any]) -> tuple[Ask, ...]:
    """Update what is missing, what is there without saying which revision, and what has changed since."""
    name = body["metadata"]["name"]
    return (
        put(f"{kind}-missing", f"{path}/updates-new", renamed(body)),
        put(f"{kind}-unconditional", f"{path}/{name}", relabelled(body)),
        put(f"{kind}-stale", f"{path}/{name}", relabelled(body, resourceVersion="1")),
        put(
            f"{kind}-missing-with-version",
            f"{path}/updates-none",
            {**body, "metadata": {**body["metadata"], "name": "updates-none", "resourceVersion": "1"}},
        ),
    )


def jar(**fields: Json) -> dict[str, Any]:
    """Return a jar."""
    return named(API, "Jar", "one", **fields)


def version(name: str, *, storage: bool = False, **fields: Json) -> dict[str, Any]:
    """Return a version of tins."""
    schema = {"openAPIV3Schema": object_schema({"a": {"type": "string"}})}
    return {"name": name, "served": True, "storage": storage, "schema": schema, **fields}


def tins(*versions: Json) -> dict[str, Any]:
    """Return the definition of tins."""
    definition = crd("tins", "Tin")
    return {**definition, "spec": {**definition["spec"], "versions": list(versions)}}


def tin(api_version: str, name: str = "one") -> dict[str, Any]:
    """Return a tin."""
    return named(f"stable.example.com/{api_version}", "Tin", name, spec={"a": "b"})


FIRST = (
    version("v2", storage=True),
    version("v1", deprecated=True),
    version("v1beta1", deprecated=True, deprecationWarning='Tins of "v1beta1" rust.'),
    version("v1alpha1", served=False),
)
SCENARIOS = (
    Scenario(
        "updates-by-kind",
        "Updates of objects of every kind: missing ones, without a revision, with an old one.",
        (
            namespace("updates"),
            *(post(kind, path, body) for kind, (path, body) in OBJECTS.items()),
            post("crd", CRDS, crd("jars", "Jar", STATUS, subresources={"status": {}})),
            settle("served", JARS),
            post("jar", JARS, jar(spec={"a": 1})),
        ),
        (
            *(ask for kind, (path, body) in OBJECTS.items() for ask in updates(kind, path, body)),
            *updates("jar", JARS, jar(spec={"a": 1})),
            put(
                "definition-unconditional",
                f"{CRDS}/jars.stable.example.com",
                relabelled(crd("jars", "Jar", STATUS, subresources={"status": {}})),
            ),
            put("definition-missing", f"{CRDS}/lots.stable.example.com", crd("lots", "Lot")),
        ),
    ),
    Scenario(
        "system-fields",
        "Fields of metadata that are the server's, in updates and patches, and how generations count.",
        (
            namespace("system-fields"),
            post("map", MAPS, config_map("mine", a="b")),
            post("crd", CRDS, crd("jars", "Jar", STATUS, subresources={"status": {}})),
            settle("served", OWN),
            post("crd-plain", CRDS, crd("mugs", "Mug", STATUS)),
            settle("served-plain", MUGS),
        ),
        (
            *(
                put(f"update-{name}", ONE, {"metadata": {"name": "mine", **fields}, "data": {"a": name}})
                for name, fields in SYSTEM_FIELDS.items()
            ),
            *(
                patch(f"patch-{name}", ONE, {"metadata": fields, "data": {"a": f"patched-{name}"}})
                for name, fields in SYSTEM_FIELDS.items()
            ),
            post(
                "jar-created",
                OWN,
                jar(spec={"a": 1}, status={"b": 1})
                | {"metadata": {"name": "one", "generation": 7, "finalizers": ["example.com/hold"]}},
            ),
            patch("jar-spec", f"{OWN}/one", {"spec": {"a": 2}}),
            patch("jar-same", f"{OWN}/one", {"spec": {"a": 2}}),
            patch("jar-metadata", f"{OWN}/one", {"metadata": {"annotations": {"c": "d"}}}),
            patch("jar-status-through-main", f"{OWN}/one", {"status": {"b": 2}}),
            patch("jar-other-field", f"{OWN}/one", {"other": 1}),
            patch("jar-generation", f"{OWN}/one", {"metadata": {"generation": 99}, "spec": {"a": 3}}),
            patch("jar-generation-down", f"{OWN}/one", {"metadata": {"generation": 1}, "spec": {"a": 4}}),
            patch("jar-status", f"{OWN}/one/status", {"status": {"b": 3}, "spec": {"a": 99}}),
            patch(
                "jar-status-json",
                f"{OWN}/one/status",
                [{"op": "replace", "path": "/status/b", "value": 4}, {"op": "replace", "path": "/spec/a", "value": 9}],
                JSON_PATCH,
            ),
            patch("jar-status-labels", f"{OWN}/one/status", {"metadata": {"labels": {"x": "y"}}, "status": {"b": 5}}),
            put(
                "jar-status-update",
                f"{OWN}/one/status",
                jar(spec={"a": 9}, status={"b": 6})
                | {"metadata": {"name": "one", "resourceVersion": "{{jar-status-labels:metadata.resourceVersion}}"}},
            ),
            delete("jar-deleted", f"{OWN}/one"),
            patch("jar-released", f"{OWN}/one", {"metadata": {"finalizers": None}, "spec": {"a": 5}}),
            get("jar-gone", f"{OWN}/one"),
            post("mug-created", MUGS, named(API, "Mug", "one", spec={"a": 1}, status={"b": 1})),
            patch("mug-status", f"{MUGS}/one", {"status": {"b": 2}}),
            patch("mug-no-status", f"{MUGS}/one/status", {"status": {"b": 2}}),
            patch("definition-labelled", f"{CRDS}/mugs.stable.example.com", {"metadata": {"labels": {"x": "y"}}}),
            patch("definition-changed", f"{CRDS}/mugs.stable.example.com", {"spec": {"names": {"shortNames": ["mg"]}}}),
            delete("released-by-nobody", f"{ONE}?propagationPolicy=Background"),
        ),
    ),
    Scenario(
        "served-versions",
        "Versions that are deprecated, not served, renamed and taken away.",
        (
            namespace("updates"),
            post("crd", CRDS, tins(*FIRST)),
            settle("served", f"{GROUP}/v1beta1/{TINS}"),
        ),
        (
            post("created-v1", f"{GROUP}/v1/{TINS}", tin("v1")),
            get("read-v1", f"{GROUP}/v1/{TINS}/one"),
            get("list-v1", f"{GROUP}/v1/{TINS}"),
            get("read-v1beta1", f"{GROUP}/v1beta1/{TINS}/one"),
            get("read-v2", f"{GROUP}/v2/{TINS}/one"),
            get("read-v1alpha1", f"{GROUP}/v1alpha1/{TINS}/one"),
            get("read-v3", f"{GROUP}/v3/{TINS}/one"),
            patch("patch-v1beta1", f"{GROUP}/v1beta1/{TINS}/one", {"spec": {"a": "c"}}),
            get("missing-v1", f"{GROUP}/v1/{TINS}/none"),
            get("watch-v1", f"{GROUP}/v1/{TINS}?watch=1&timeoutSeconds=1"),
            get("forbidden-v1", f"{GROUP}/v1/{TINS}", user="alice"),
            post("refused-v1", f"{GROUP}/v1/{TINS}", named("stable.example.com/v1", "Tin", "A_")),
            patch("renamed", f"{CRDS}/tins.stable.example.com", {"spec": {"versions": [*FIRST, version("v4beta1")]}}),
            settle("read-v4beta1", f"{GROUP}/v4beta1/{TINS}/one"),
            delete("deleted-v1", f"{GROUP}/v1/{TINS}/one"),
        ),
    ),
)
