"""Server-side apply and who owns which field, of a built-in kind and of a custom resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import (
    APPLY,
    CORE,
    CRDS,
    JSON_PATCH,
    RBAC,
    crd,
    get,
    named,
    namespace,
    patch,
    post,
    put,
    settle,
)

if TYPE_CHECKING:
    from tests.conformance.exchange import Json

MAPS = f"{CORE}/namespaces/apply/configmaps"
ACCOUNTS = f"{CORE}/namespaces/apply/serviceaccounts"
GIZMOS = "/apis/stable.example.com/v1/namespaces/apply/gizmos"
REFUSED_MAPS = f"{CORE}/namespaces/apply-refused/configmaps"
ONE, REFUSED, SEEN = f"{MAPS}/one", f"{REFUSED_MAPS}/one", f"{GIZMOS}/seen"
TWICE = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata:\n  a: "1"\n  a: "1"\n'
NUMBER, TEXT, TEXTS = {"type": "integer"}, {"type": "string"}, {"type": "array", "items": {"type": "string"}}
PORT = {
    "type": "object",
    "required": ["port"],
    "properties": {"port": NUMBER, "protocol": TEXT | {"default": "TCP"}, "name": TEXT, "target": NUMBER},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": NUMBER,
                "note": TEXT | {"default": "none"},
                "either": {"x-kubernetes-int-or-string": True},
                "whole": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"},
                },
                "args": TEXTS,
                "tags": TEXTS | {"x-kubernetes-list-type": "set"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": PORT,
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "properties": {"replicas": NUMBER, "phase": TEXT}},
    },
}
SUBRESOURCES = {
    "status": {},
    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
}


def apply(name: str, path: str, body: Json, manager: str = "one", options: str = "", *, user: str = "admin") -> Ask:
    """Apply a document."""
    return patch(name, f"{path}?fieldManager={manager}{options}", body, APPLY, user=user)


def config_map(name: str, data: dict[str, Any] | None = None, **metadata: Json) -> dict[str, Any]:
    """Return a ConfigMap with metadata besides its name."""
    fields = {} if data is None else {"data": data}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, **fields}


def gizmo(name: str, spec: dict[str, Any] | None = None, **fields: Json) -> dict[str, Any]:
    """Return a custom resource."""
    return named("stable.example.com/v1", "Gizmo", name, **({} if spec is None else {"spec": spec}), **fields)


def scale(replicas: int, **metadata: Json) -> dict[str, Any]:
    """Return a scale of the gizmo that everything is done to."""
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "seen", "namespace": "apply", **metadata},
        "spec": {"replicas": replicas},
    }


def entry(manager: str, fields: Json, **rest: Json) -> dict[str, Any]:
    """Return an entry of managed fields."""
    return {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **rest,
    }


LAST = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"last","namespace":"apply"},"data":{"a":"1"}}'
LAST_APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": LAST}

SCENARIOS = (
    Scenario(
        "apply",
        "Documents applied to a configmap: owners, conflicts, removal, resets and what is refused.",
        (
            namespace("apply"),
            post(
                "role",
                f"{RBAC}/namespaces/apply/roles",
                named(
                    "rbac.authorization.k8s.io/v1",
                    "Role",
                    "patcher",
                    rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "get"]}],
                ),
            ),
            post(
                "binding",
                f"{RBAC}/namespaces/apply/rolebindings",
                named(
                    "rbac.authorization.k8s.io/v1",
                    "RoleBinding",
                    "patcher",
                    subjects=[{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
                    roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "patcher"},
                ),
            ),
        ),
        (
            apply("create", ONE, config_map("one", {"a": "1", "b": "1"})),
            apply("again", ONE, config_map("one", {"a": "1", "b": "1"})),
            apply("share", ONE, config_map("one", {"a": "1"}), "two"),
            apply("conflict", ONE, config_map("one", {"b": "2"}), "two"),
            apply("conflicts", ONE, config_map("one", {"a": "2", "b": "2"}), "three"),
            apply("force", ONE, config_map("one", {"b": "2"}), "two", "&force=true"),
            apply("drop", ONE, config_map("one"), "one"),
            apply("yaml", ONE, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  yaml: x\n", "one"),
            apply("dry", ONE, config_map("one", {"d": "1"}), "one", "&dryRun=All"),
            get("after-dry", ONE),
            apply("dry-create", f"{MAPS}/dry", config_map("dry", {"d": "1"}), "one", "&dryRun=All"),
            get("after-dry-create", f"{MAPS}/dry"),
            apply("name-from-live", ONE, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"yaml": "x"}}),
            apply("alice", ONE, config_map("one", {"alice": "1"}), "alice", user="alice"),
            apply("alice-creates", f"{MAPS}/hers", config_map("hers"), "alice", user="alice"),
            apply("labels", ONE, config_map("one", labels={"l": "1"}, annotations={"n": "1"}), "meta"),
            apply("finalizers", ONE, config_map("one", finalizers=["example.com/a"]), "meta"),
            apply("finalizers-of-two", ONE, config_map("one", finalizers=["example.com/b"]), "finalizer"),
            apply("finalizers-off", ONE, config_map("one"), "finalizer"),
            apply(
                "owner",
                ONE,
                config_map("one", ownerReferences=[{"apiVersion": "v1", "kind": "Node", "name": "o", "uid": "u"}]),
                "meta",
            ),
            apply("owner-off", ONE, config_map("one"), "meta"),
            put("put", ONE, config_map("one", {"put": "1"})),
            patch("merge", ONE, {"data": {"merge": "1", "put": "2"}}),
            patch("merge-same", ONE, {"data": {"merge": "1"}}),
            patch("binary", ONE, {"binaryData": {"b": "AAAA"}}),
            apply("null", ONE, config_map("one", {"null": None}), "null"),
            patch("reset", ONE, {"metadata": {"managedFields": []}}),
            patch("after-reset", ONE, {"data": {"reset": "1"}}),
            apply("before-first-conflict", ONE, config_map("one", {"reset": "2"}), "first"),
            apply("before-first", ONE, config_map("one", {"reset": "1"}), "first"),
            patch("reset-by-empty-entry", ONE, {"metadata": {"managedFields": [{}]}}),
            patch("entries", ONE, {"metadata": {"managedFields": [entry("given", {"f:data": {"f:merge": {}}})]}}),
            patch(
                "entries-by-json-patch",
                ONE,
                [{"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "renamed"}],
                JSON_PATCH,
            ),
            patch("entries-bad-operation", ONE, {"metadata": {"managedFields": [{"operation": "Nope"}]}}),
            patch("entries-bad-fields", ONE, {"metadata": {"managedFields": [entry("bad", {"data": {}})]}}),
            patch("entries-long-manager", ONE, {"metadata": {"managedFields": [entry("m" * 129, {"f:data": {}})]}}),
            patch(
                "entries-bad-type",
                ONE,
                {"metadata": {"managedFields": [entry("bad", {"f:data": {}}, fieldsType="Other")]}},
            ),
            patch(
                "entries-unserved-version",
                ONE,
                {"metadata": {"managedFields": [entry("old", {"f:data": {"f:put": {}}}, apiVersion="v9")]}},
            ),
            post(
                "create-with-entries",
                MAPS,
                config_map("with", {"a": "1"}, managedFields=[entry("x", {"f:data": {"f:a": {}, "f:gone": {}}})]),
            ),
            post("create-with-bad-entries", MAPS, config_map("bad", {"a": "1"}, managedFields=[{"operation": "Bad"}])),
            post("create-without-entries", MAPS, config_map("without", {"a": "1"}, managedFields=[])),
            post("create-by-agent", MAPS, config_map("agent", {"a": "1"}), **{"User-Agent": "an agent/1.0 (x)"}),
            post("create-by-manager", f"{MAPS}?fieldManager=me", config_map("manager", generateName="x")),
            apply("account", f"{ACCOUNTS}/robot", named("v1", "ServiceAccount", "robot", secrets=[{"name": "a"}])),
            apply(
                "account-secret-of-two",
                f"{ACCOUNTS}/robot",
                named("v1", "ServiceAccount", "robot", secrets=[{"name": "b"}], imagePullSecrets=[{"name": "p"}]),
                "two",
            ),
            apply("account-secret-off", f"{ACCOUNTS}/robot", named("v1", "ServiceAccount", "robot")),
        ),
    ),
    Scenario(
        "apply-refused",
        "Applied documents that are refused.",
        (namespace("apply-refused"), apply("one", REFUSED, config_map("one", {"a": "1"}))),
        (
            patch("no-manager", REFUSED, config_map("one"), APPLY),
            apply("manager-long", REFUSED, config_map("one"), "m" * 129),
            apply("dry-run-unknown", REFUSED, config_map("one"), "one", "&dryRun=Some"),
            patch("force-without-apply", f"{REFUSED}?force=false", {}),
            apply("kind", REFUSED, named("v1", "Secret", "one")),
            apply("version", REFUSED, named("v2", "ConfigMap", "one")),
            apply("no-kind", REFUSED, {"metadata": {"name": "one"}}),
            apply("entries", REFUSED, config_map("one", managedFields=[])),
            apply("entries-null", REFUSED, config_map("one", {"a": "1"}, managedFields=None)),
            apply("other-name", REFUSED, config_map("two")),
            apply("no-name-to-create", f"{REFUSED_MAPS}/new", {"apiVersion": "v1", "kind": "ConfigMap"}),
            apply("other-namespace", REFUSED, config_map("one", namespace="other")),
            apply("unknown-field", REFUSED, {**config_map("one"), "foo": 1}),
            apply("unknown-metadata", REFUSED, config_map("one", foo=1)),
            apply("unknown-field-strict", REFUSED, {**config_map("one"), "foo": 1}, "one", "&fieldValidation=Strict"),
            apply("number-for-string", REFUSED, config_map("one", {"a": 1})),
            apply("string-for-map", REFUSED, {**config_map("one"), "data": "x"}),
            apply("string-for-boolean", REFUSED, {**config_map("one"), "immutable": "x"}),
            apply("map-for-list", REFUSED, config_map("one", finalizers={"a": 1})),
            apply("string-for-number", REFUSED, config_map("one", generation="x")),
            apply("finalizer-twice", REFUSED, config_map("one", finalizers=["a/b", "a/b"])),
            apply("owner-without-uid", REFUSED, config_map("one", ownerReferences=[{"name": "x"}])),
            apply("list", REFUSED, "[]"),
            apply("empty", REFUSED, ""),
            apply("null", REFUSED, "null"),
            apply("twice-warns", REFUSED, TWICE),
            apply("twice-strict", REFUSED, TWICE, "one", "&fieldValidation=Strict"),
            apply("twice-ignored", REFUSED, TWICE, "one", "&fieldValidation=Ignore"),
            apply("uid-of-nothing", f"{REFUSED_MAPS}/new", config_map("new", uid="x")),
            apply("uid-of-another", REFUSED, config_map("one", uid="x")),
            apply("version-of-another", REFUSED, config_map("one", {"a": "1"}, resourceVersion="1")),
            apply("version-of-nothing", f"{REFUSED_MAPS}/versioned", config_map("versioned", resourceVersion="1")),
            apply("namespace-missing", f"{CORE}/namespaces/nowhere/configmaps/one", config_map("one")),
            apply("no-status", f"{REFUSED}/status", config_map("one")),
            apply("invalid", REFUSED, config_map("one", {"a b": "1"})),
        ),
    ),
    Scenario(
        "apply-last-applied",
        "kubectl takes over what it applied on its own.",
        (namespace("apply"),),
        (
            post(
                "create",
                f"{MAPS}?fieldManager=kubectl-client-side-apply",
                config_map("last", {"a": "1", "b": "1"}, annotations=LAST_APPLIED),
            ),
            apply("somebody", f"{MAPS}/last", config_map("last", {"a": "2"}), "somebody"),
            apply("more-than-noted", f"{MAPS}/last", config_map("last", {"a": "2", "b": "2"}), "kubectl"),
            apply("noted", f"{MAPS}/last", config_map("last", {"a": "2"}), "kubectl"),
            apply("noted-again", f"{MAPS}/last", config_map("last", {"a": "2"}), "kubectl"),
        ),
    ),
    Scenario(
        "apply-custom-resource",
        "Documents applied to a custom resource, its status and its scale.",
        (
            namespace("apply"),
            post("crd", CRDS, crd("gizmos", "Gizmo", SCHEMA, subresources=SUBRESOURCES)),
            settle("served", "/apis/stable.example.com/v1/gizmos"),
        ),
        (
            post(
                "create",
                GIZMOS,
                gizmo(
                    "made",
                    {"ports": [{"port": 80}], "tags": ["x"], "free": {"a": {"b": [1]}}, "either": 1},
                    status={"phase": "x"},
                ),
            ),
            apply(
                "apply",
                SEEN,
                gizmo(
                    "seen",
                    {
                        "replicas": 1,
                        "ports": [{"port": 80, "name": "http"}, {"port": 81}],
                        "tags": ["x", "y"],
                        "whole": {"a": "b"},
                        "args": ["1"],
                        "free": {"a": {"b": [1]}, "c": {}},
                        "either": "x",
                    },
                    status={"phase": "x"},
                ),
            ),
            apply("items-of-two", SEEN, gizmo("seen", {"ports": [{"port": 82}], "tags": ["z", "x"]}), "two"),
            apply("item-conflict", SEEN, gizmo("seen", {"ports": [{"port": 80, "name": "other"}]}), "three"),
            apply("whole-conflict", SEEN, gizmo("seen", {"whole": {"c": "d"}}), "three"),
            patch("item-changed", SEEN, [{"op": "add", "path": "/spec/ports/1/target", "value": 9}], JSON_PATCH),
            apply("items-dropped", SEEN, gizmo("seen", {"replicas": 1, "ports": [{"port": 80}]})),
            apply("default-over", SEEN, gizmo("seen", {"note": "mine"}), "noter"),
            apply("default-back", SEEN, gizmo("seen"), "noter"),
            apply("unknown-field", SEEN, gizmo("seen", {"foo": 1})),
            apply("unknown-field-strict", SEEN, gizmo("seen", {"foo": 1}), "one", "&fieldValidation=Strict"),
            apply("unknown-root", SEEN, {**gizmo("seen"), "foo": 1}),
            apply("unknown-metadata", SEEN, {**gizmo("seen"), "metadata": {"name": "seen", "foo": 1}}),
            apply("item-twice", SEEN, gizmo("seen", {"ports": [{"port": 80}, {"port": 80}]})),
            apply("item-null", SEEN, gizmo("seen", {"ports": [None]})),
            apply("item-of-set-object", SEEN, gizmo("seen", {"tags": [{"a": 1}]})),
            apply("string-for-number", SEEN, gizmo("seen", {"replicas": "x"})),
            apply("required", SEEN, gizmo("seen", {"ports": [{"protocol": "UDP"}]})),
            apply(
                "status", f"{SEEN}/status", gizmo("seen", {"replicas": 9}, status={"phase": "r", "replicas": 3}), "st"
            ),
            apply("status-conflict", f"{SEEN}/status", gizmo("seen", status={"phase": "q"}), "other"),
            patch("status-merge", f"{SEEN}/status", {"status": {"phase": "z"}, "metadata": {"labels": {"l": "1"}}}),
            apply("status-missing", f"{GIZMOS}/nope/status", gizmo("nope", status={"phase": "r"}), "st"),
            apply(
                "status-ignored", SEEN, gizmo("seen", {"replicas": 2, "ports": [{"port": 80}]}, status={"phase": "m"})
            ),
            put("scale", f"{SEEN}/scale", scale(5)),
            get("after-scale", SEEN),
            patch("scale-merge", f"{SEEN}/scale", {"spec": {"replicas": 7}}),
            get("after-scale-merge", SEEN),
            apply("scale-conflict", f"{SEEN}/scale", scale(6), "scaler"),
            apply("scale-force", f"{SEEN}/scale", scale(6), "scaler", "&force=true"),
            apply("scale-kind", f"{SEEN}/scale", gizmo("seen"), "scaler"),
            apply("scale-unknown", f"{SEEN}/scale", {**scale(6), "foo": 1}, "scaler"),
            apply("scale-missing", f"{GIZMOS}/nope/scale", {**scale(1), "metadata": {"name": "nope"}}, "scaler"),
        ),
    ),
)
