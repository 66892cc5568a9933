"""What secrets, config maps and events must hold, may not change, and are read as (kube-api 6.3 to 6.5)."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Ask, Json, Scenario
from tests.conformance.scenarios.make import (
    APPLY,
    CORE,
    JSON_PATCH,
    STRATEGIC,
    config_map,
    delete,
    get,
    named,
    namespace,
    patch,
    post,
    put,
)
from tests.conformance.scenarios.objects import event, new_event

SECRETS = f"{CORE}/namespaces/contents/secrets"
MAPS = f"{CORE}/namespaces/contents/configmaps"
EVENTS = f"{CORE}/namespaces/contents/events"
NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/contents/events"
TIME = "2026-01-01T00:00:00.000000Z"
K8S = "kubernetes.io"
CONTENTS: dict[str, dict[str, Any]] = {
    "opaque": {"stringData": {"a": "b"}},
    "own-type": {"type": "example.com/own", "stringData": {"a": "b"}},
    "bootstrap": {"type": "bootstrap.kubernetes.io/token", "stringData": {"a": "b"}},
    "dockercfg": {"type": f"{K8S}/dockercfg", "stringData": {".dockercfg": "{}"}},
    "dockercfg-empty": {"type": f"{K8S}/dockercfg", "stringData": {".dockercfg": ""}},
    "dockercfg-list": {"type": f"{K8S}/dockercfg", "stringData": {".dockercfg": "[]"}},
    "dockerconfigjson": {"type": f"{K8S}/dockerconfigjson", "stringData": {".dockerconfigjson": '{"auths":{}}'}},
    "dockerconfigjson-text": {"type": f"{K8S}/dockerconfigjson", "stringData": {".dockerconfigjson": '"secret word'}},
    "user": {"type": f"{K8S}/basic-auth", "stringData": {"username": "u"}},
    "password": {"type": f"{K8S}/basic-auth", "stringData": {"password": "p"}},
    "ssh": {"type": f"{K8S}/ssh-auth", "stringData": {"ssh-privatekey": "k"}},
    "ssh-empty": {"type": f"{K8S}/ssh-auth", "stringData": {"ssh-privatekey": ""}},
    "tls": {"type": f"{K8S}/tls", "stringData": {"tls.crt": "", "tls.key": ""}},
    "tls-certificate": {"type": f"{K8S}/tls", "stringData": {"tls.crt": ""}},
    "tls-key": {"type": f"{K8S}/tls", "stringData": {"tls.key": ""}},
    "too-large": {"stringData": {"a": "x" * (512 * 1024), "b": "x" * (512 * 1024 + 1)}},
    "large": {"stringData": {"a": "x" * 512, "b": "x" * 512}},
    "key-upper": {"stringData": {"A-._9": "x"}},
    "key-slash": {"stringData": {"a/b": "x"}},
    "text-and-bytes": {"data": {"a": "eA==", "b": "eQ=="}, "stringData": {"a": "z"}},
}
LATER = "2026-01-01T00:10:00.000000Z"
V1_EVENTS: dict[str, dict[str, Any]] = {
    "everything": {
        "eventTime": TIME,
        "action": "Testing",
        "reportingComponent": "example.com/recorder",
        "reportingInstance": "r-1",
        "series": {"count": 2, "lastObservedTime": TIME},
        "related": {"kind": "Secret", "name": "s", "namespace": "contents"},
    },
    "time-alone": {"eventTime": TIME},
    "no-controller": {"eventTime": TIME, "action": "a", "reportingInstance": "r"},
    "controller": {"eventTime": TIME, "action": "a", "reportingInstance": "r", "reportingComponent": "a b"},
    "instance-long": {
        "eventTime": TIME,
        "action": "a",
        "reportingInstance": "r" * 129,
        "reportingComponent": "example.com/r",
    },
    "action-long": {
        "eventTime": TIME,
        "action": "a" * 129,
        "reportingInstance": "r",
        "reportingComponent": "example.com/r",
    },
    "reason-long": {
        "eventTime": TIME,
        "action": "a",
        "reason": "r" * 129,
        "reportingInstance": "r",
        "reportingComponent": "example.com/r",
    },
    "message-long": {
        "eventTime": TIME,
        "action": "a",
        "message": "m" * 1025,
        "reportingInstance": "r",
        "reportingComponent": "example.com/r",
    },
    "message-long-without-time": {"message": "m" * 1025},
    "type-odd": {"type": "Odd"},
    "series-one": {"series": {"count": 1, "lastObservedTime": TIME}},
    "object-in-another-namespace": {"involvedObject": {"kind": "ConfigMap", "name": "a", "namespace": "other"}},
    "object-of-the-cluster": {"involvedObject": {"kind": "Namespace", "name": "contents"}},
}
SERIES: Json = {"count": 2, "lastObservedTime": TIME}


def secret(name: str, **fields: Json) -> dict[str, Any]:
    """Return a secret."""
    return named("v1", "Secret", name, **fields)


def frozen(kind: str, name: str, path: str, data: Json) -> tuple[Ask, ...]:
    """Return what is tried on an object that may not change, the last of which is its end."""
    one = f"{path}/{name}"
    steps = {
        "add": {"data": {"b": data}},
        "change": {"data": {"a": data}},
        "remove": {"data": {"a": None}},
        "thaw": {"immutable": False},
        "thaw-null": {"immutable": None},
        "thaw-and-change": {"immutable": None, "data": {"a": data}},
        "same": {"data": {}, "immutable": True},
        "label": {"metadata": {"labels": {"x": "y"}}},
        "annotate": {"metadata": {"annotations": {"x": "y"}}},
    }
    return (
        *(patch(f"{kind}-{step}", one, body) for step, body in steps.items()),
        patch(f"{kind}-json", one, [{"op": "replace", "path": "/data/a", "value": data}], JSON_PATCH),
        patch(f"{kind}-strategic", one, {"data": {"$patch": "delete"}}, STRATEGIC),
        delete(f"{kind}-deleted", one),
    )


SCENARIOS = (
    Scenario(
        "secret-types",
        "Secrets by their type: what each must hold, and how texts become bytes.",
        (namespace("contents"),),
        (
            *(post(name, f"{SECRETS}?dryRun=All", secret(name, **fields)) for name, fields in CONTENTS.items()),
            post("stored", SECRETS, secret("stored", data={"a": "eA=="}, stringData={"b": "y"})),
            patch("text-merged", f"{SECRETS}/stored", {"stringData": {"a": "z", "c": "w"}}),
            patch("text-strategic", f"{SECRETS}/stored", {"stringData": {"d": "v"}}, STRATEGIC),
            patch(
                "text-json",
                f"{SECRETS}/stored",
                [{"op": "add", "path": "/stringData", "value": {"e": "u"}}],
                JSON_PATCH,
            ),
            put("text-updated", f"{SECRETS}/stored", secret("stored", stringData={"only": "this"})),
            patch("type-changed", f"{SECRETS}/stored", {"type": "example.com/other"}),
            patch("type-emptied", f"{SECRETS}/stored", {"type": ""}),
            patch("type-removed", f"{SECRETS}/stored", {"type": None}),
            patch(
                "text-applied", f"{SECRETS}/applied?fieldManager=me", secret("applied", stringData={"a": "b"}), APPLY
            ),
            patch(
                "text-applied-again",
                f"{SECRETS}/applied?fieldManager=me",
                secret("applied", stringData={"c": "d"}),
                APPLY,
            ),
            get("by-type", f"{SECRETS}?fieldSelector=type%3DOpaque,metadata.name%3Dstored"),
        ),
    ),
    Scenario(
        "immutable-contents",
        "Secrets and config maps that may not change.",
        (
            namespace("contents"),
            post("frozen-secret", SECRETS, secret("frozen", immutable=True, stringData={"a": "b"})),
            post("frozen-map", MAPS, config_map("frozen", a="b") | {"immutable": True}),
            post("frozen-bytes", MAPS, named("v1", "ConfigMap", "bytes", immutable=True, binaryData={"a": "eA=="})),
            post("soft", MAPS, config_map("soft", a="b")),
        ),
        (
            *frozen("secret", "frozen", SECRETS, "eg=="),
            *frozen("map", "frozen", MAPS, "z"),
            patch("bytes-change", f"{MAPS}/bytes", {"binaryData": {"a": "eg=="}}),
            patch("bytes-beside", f"{MAPS}/bytes", {"data": {"b": "c"}}),
            put("bytes-updated", f"{MAPS}/bytes", config_map("bytes", a="b")),
            patch("freezes-with-a-change", f"{MAPS}/soft", {"immutable": True, "data": {"a": "c"}}),
            patch("stays-frozen", f"{MAPS}/soft", {"data": {"a": "d"}}),
            post(
                "both-kinds-of-data",
                f"{MAPS}?dryRun=All",
                named("v1", "ConfigMap", "x", data={"a": "b"}, binaryData={"a": "eA==", "b": "eA=="}),
            ),
            post(
                "together-too-large",
                f"{MAPS}?dryRun=All",
                named("v1", "ConfigMap", "x", data={"a": "x" * (1024 * 1024)}, binaryData={"b": "eA=="}),
            ),
        ),
    ),
    Scenario(
        "event-series",
        "Events of both groups: what each demands, how one is read through the other, series, updates.",
        (namespace("contents"),),
        (
            *(
                post(name, f"{EVENTS}?dryRun=All", event("contents", "x", **fields))
                for name, fields in V1_EVENTS.items()
            ),
            post("core", EVENTS, event("contents", "core")),
            get("core-as-new", f"{NEW_EVENTS}/core"),
            post("core-full", EVENTS, event("contents", "core-full", **V1_EVENTS["everything"])),
            get("core-full-as-new", f"{NEW_EVENTS}/core-full"),
            post("new", NEW_EVENTS, new_event("contents", "new", series=None)),
            get("new-as-core", f"{EVENTS}/new"),
            patch("series", f"{NEW_EVENTS}/new", {"series": {"count": 2, "lastObservedTime": LATER}}),
            patch("series-goes-on", f"{NEW_EVENTS}/new", {"series": {"count": 9, "lastObservedTime": LATER}}),
            patch("series-too-short", f"{NEW_EVENTS}/new", {"series": {"count": 1}}),
            patch("series-without-time", f"{NEW_EVENTS}/new", {"series": {"lastObservedTime": None}}),
            get("series-as-core", f"{EVENTS}/new"),
            patch("label", f"{NEW_EVENTS}/new", {"metadata": {"labels": {"x": "y"}}}),
            patch("note", f"{NEW_EVENTS}/new", {"note": "Another."}),
            patch("regarding", f"{NEW_EVENTS}/new", {"regarding": {"name": "another"}}),
            patch("event-time", f"{NEW_EVENTS}/new", {"eventTime": LATER}),
            patch("type", f"{NEW_EVENTS}/new", {"type": "Warning"}),
            patch("core-message", f"{EVENTS}/core", {"message": "Another.", "count": 4}),
            patch("core-of-new", f"{EVENTS}/new", {"message": "Another."}),
            patch("core-through-new", f"{NEW_EVENTS}/core", {"deprecatedCount": 5}),
            put("created-by-update", f"{EVENTS}/put", event("contents", "put")),
            put("updated-without-version", f"{EVENTS}/put", event("contents", "put", count=7)),
            post("series-one", f"{NEW_EVENTS}?dryRun=All", new_event("contents", "x", series={**SERIES, "count": 1})),
            post("series-two", f"{NEW_EVENTS}?dryRun=All", new_event("contents", "x", series=SERIES)),
            post(
                "old-fields",
                f"{NEW_EVENTS}?dryRun=All",
                new_event(
                    "contents",
                    "x",
                    deprecatedCount=1,
                    deprecatedFirstTimestamp="2026-01-01T00:00:00Z",
                    deprecatedLastTimestamp="2026-01-01T00:00:00Z",
                    deprecatedSource={"component": "c"},
                ),
            ),
            post("no-type", f"{NEW_EVENTS}?dryRun=All", new_event("contents", "x", type="")),
            get("selected-new", f"{NEW_EVENTS}?fieldSelector=regarding.kind%3DConfigMap,metadata.name%3Dnew"),
            get("selected-core", f"{EVENTS}?fieldSelector=involvedObject.kind%3DConfigMap,metadata.name%3Dnew"),
            patch("mark", f"{EVENTS}/put", {"metadata": {"labels": {"go": "now"}}}),
            delete("collection", f"{EVENTS}?labelSelector=go%3Dnow"),
            get("collection-is-gone", f"{EVENTS}/put"),
        ),
    ),
)
