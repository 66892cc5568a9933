"""Requests that are refused: one of each kind, with the exact Status."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import (
    CORE,
    CRDS,
    JSON_PATCH,
    MERGE,
    RBAC,
    STRATEGIC,
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

NS = f"{CORE}/namespaces/refused"
MAPS = f"{NS}/configmaps"
MAP = config_map("one", a="1")

QUERIES = {
    "label-selector": "labelSelector=a%20b",
    "label-selector-operator": "labelSelector=a%20within%20(b)",
    "label-selector-open": "labelSelector=a%20in%20(b",
    "label-selector-key": "labelSelector=-bad-%3Dx",
    "label-selector-value": "labelSelector=a%3D-bad-",
    "label-selector-double": "labelSelector=a%3D%3D%3Db",
    "label-selector-greater": "labelSelector=a%3Eb",
    "label-selector-comma": "labelSelector=a,,b",
    "label-selector-long": "labelSelector=" + "a" * 64,
    "field-selector": "fieldSelector=nope",
    "field-selector-label": "fieldSelector=spec.nope%3Dx",
    "field-selector-data": "fieldSelector=data.a%3Dx",
    "field-selector-name": "fieldSelector=metadata.name%3Done",
    "field-selector-not-name": "fieldSelector=metadata.name!%3Done",
    "field-selector-namespace": "fieldSelector=metadata.namespace%3Dother",
    "field-selector-escape": "fieldSelector=metadata.name%3Da%5Cb",
    "limit-text": "limit=x",
    "limit-negative": "limit=-1",
    "continue-garbage": "limit=1&continue=nope",
    "continue-with-version": "limit=1&resourceVersion=5"
    "&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0",
    "version-text": "resourceVersion=abc",
    "version-negative": "resourceVersion=-1",
    "version-match-alone": "resourceVersionMatch=Exact",
    "version-match-unknown": "resourceVersion=1&resourceVersionMatch=Nope",
    "version-match-exact-zero": "resourceVersion=0&resourceVersionMatch=Exact",
    "version-match-with-continue": "resourceVersion=1&resourceVersionMatch=Exact&continue=x",
    "send-initial-events-on-list": "sendInitialEvents=true",
    "version-future": "resourceVersion=99999999",
    "version-exact-compacted": "resourceVersion=1&resourceVersionMatch=Exact",
    "timeout-bad": "timeout=x",
    "timeout-seconds-bad": "watch=1&timeoutSeconds=x",
    "watch-version-text": "watch=1&timeoutSeconds=1&resourceVersion=abc",
    "watch-match-alone": "watch=1&timeoutSeconds=1&resourceVersion=1&resourceVersionMatch=NotOlderThan",
    "watch-initial-without-match": "watch=1&timeoutSeconds=1&sendInitialEvents=true",
    "watch-initial-exact": "watch=1&timeoutSeconds=1&resourceVersion=1"
    "&sendInitialEvents=true&resourceVersionMatch=Exact",
    "watch-value-bad": "watch=maybe&timeoutSeconds=1",
    "export": "export=true",
    "unknown-parameter": "nope=1",
}

SCENARIOS = (
    Scenario(
        "refused-identity",
        "401 and 403.",
        (namespace("refused-identity"),),
        (
            Ask("bad-token", "GET", "/api", user="nobody", headers={"Authorization": "Bearer nope"}),
            Ask(
                "bad-scheme",
                "GET",
                f"{CORE}/namespaces",
                user="nobody",
                headers={"Authorization": "Basic YTpi"},
            ),
            get("list-namespaced", f"{CORE}/namespaces/refused-identity/secrets", user="alice"),
            get("list-everywhere", f"{CORE}/secrets", user="alice"),
            get("get-named", f"{CORE}/namespaces/refused-identity/secrets/x", user="alice"),
            get("watch", f"{CORE}/namespaces/refused-identity/secrets?watch=1", user="alice"),
            get("get-grouped", f"{RBAC}/namespaces/refused-identity/roles/x", user="alice"),
            get("get-cluster-scoped", f"{RBAC}/clusterroles/x", user="alice"),
            get("get-namespace", f"{CORE}/namespaces/refused-identity", user="alice"),
            get("anonymous", f"{CORE}/namespaces", user="anonymous"),
            get("unknown-resource", f"{CORE}/namespaces/refused-identity/nopes", user="alice"),
            post("create", f"{CORE}/namespaces/refused-identity/configmaps", MAP, user="alice"),
            put("update", f"{CORE}/namespaces/refused-identity/configmaps/one", MAP, user="alice"),
            patch("patch", f"{CORE}/namespaces/refused-identity/configmaps/one", {}, user="alice"),
            delete("delete", f"{CORE}/namespaces/refused-identity/configmaps/one", user="alice"),
            delete("deletecollection", f"{CORE}/namespaces/refused-identity/configmaps", user="alice"),
            post(
                "subresource", f"{CORE}/namespaces/refused-identity/serviceaccounts/x/token", {}, user="alice"
            ),
            get("strange-name", f"{CORE}/namespaces/refused-identity/configmaps/a%3Cb%3E&c", user="alice"),
            Ask(
                "impersonate", "GET", f"{CORE}/namespaces", user="alice", headers={"Impersonate-User": "bob"}
            ),
            Ask(
                "impersonate-group-without-user",
                "GET",
                f"{CORE}/namespaces",
                headers={"Impersonate-Group": "x"},
            ),
            Ask("impersonated", "GET", f"{CORE}/namespaces", headers={"Impersonate-User": "bob"}),
            get("nonresource", "/metrics", user="alice"),
            post("nonresource-post", "/healthz", {}, user="alice"),
        ),
    ),
    Scenario(
        "refused-missing",
        "404 and 405.",
        (namespace("refused-missing"),),
        (
            get("object", f"{CORE}/namespaces/refused-missing/configmaps/x"),
            get("grouped-object", f"{RBAC}/namespaces/refused-missing/roles/x"),
            get("cluster-object", f"{RBAC}/clusterroles/x"),
            get("namespace", f"{CORE}/namespaces/none"),
            get("crd", f"{CRDS}/x.example.com"),
            put(
                "update",
                f"{CORE}/namespaces/refused-missing/configmaps/one",
                MAP | {"metadata": {"name": "one", "resourceVersion": "1"}},
            ),
            put(
                "update-without-version",
                f"{CORE}/namespaces/refused-missing/serviceaccounts/one",
                named("v1", "ServiceAccount", "one"),
            ),
            put(
                "update-creates-role",
                f"{RBAC}/namespaces/refused-missing/roles/one",
                named("rbac.authorization.k8s.io/v1", "Role", "one"),
            ),
            patch("patch", f"{CORE}/namespaces/refused-missing/configmaps/x", {}),
            delete("delete", f"{CORE}/namespaces/refused-missing/configmaps/x"),
            post("create-in-missing-namespace", f"{CORE}/namespaces/none/configmaps", MAP),
            get("list-in-missing-namespace", f"{CORE}/namespaces/none/configmaps"),
            get("status-of-kind-without", f"{CORE}/namespaces/refused-missing/configmaps/x/status"),
            get("scale-of-kind-without", f"{CORE}/namespaces/refused-missing/configmaps/x/scale"),
            post("post-to-object", f"{CORE}/namespaces/refused-missing/configmaps/x", MAP),
            put("put-to-collection", f"{CORE}/namespaces/refused-missing/configmaps", MAP),
            patch("patch-collection", f"{CORE}/namespaces/refused-missing/configmaps", {}),
            delete("deletecollection-namespaces", f"{CORE}/namespaces"),
            post("post-without-namespace", f"{CORE}/configmaps", MAP),
            delete("deletecollection-without-namespace", f"{CORE}/configmaps"),
            get("get-without-namespace", f"{CORE}/configmaps/x"),
            get("get-review", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
            Ask("options", "OPTIONS", f"{CORE}/namespaces/refused-missing/configmaps"),
            Ask("strange-method", "BREW", f"{CORE}/namespaces/refused-missing/configmaps"),
            Ask("head", "HEAD", f"{CORE}/namespaces/refused-missing/configmaps"),
            post("post-to-version", "/version", {}),
            post("post-to-discovery", "/apis", {}),
        ),
    ),
    Scenario(
        "refused-media",
        "406, 413 and 415.",
        (
            namespace("refused"),
            post("map", MAPS, config_map("media", a="1")),
            post("crd", CRDS, crd("medias", "Media", object_schema({"a": {"type": "string"}}))),
            settle("served", "/apis/stable.example.com/v1/namespaces/refused/medias"),
            post(
                "cr",
                "/apis/stable.example.com/v1/namespaces/refused/medias",
                named("stable.example.com/v1", "Media", "x"),
            ),
        ),
        (
            get("accept-html", f"{MAPS}/media", accept="text/html"),
            get("accept-list-html", MAPS, accept="text/html"),
            get(
                "accept-table-alone-on-review", "/apis", accept="application/json;as=Table;v=v1;g=meta.k8s.io"
            ),
            get(
                "accept-partial-of-list",
                MAPS,
                accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            ),
            get(
                "accept-partial-list",
                MAPS,
                accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            ),
            get(
                "accept-partial",
                f"{MAPS}/media",
                accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            ),
            get(
                "accept-unknown-transform",
                f"{MAPS}/media",
                accept="application/json;as=Nope;v=v1;g=meta.k8s.io",
            ),
            get(
                "accept-protobuf-of-custom-resource",
                "/apis/stable.example.com/v1/namespaces/refused/medias/x",
                accept="application/vnd.kubernetes.protobuf",
            ),
            get("accept-cbor", f"{MAPS}/media", accept="application/cbor"),
            get("accept-yaml", f"{MAPS}/media", accept="application/yaml"),
            get("accept-any", f"{MAPS}/media", accept="*/*"),
            get("accept-application-any", f"{MAPS}/media", accept="application/*"),
            get("accept-with-fallback", f"{MAPS}/media", accept="text/html, application/json;q=0.5"),
            get("watch-yaml", f"{MAPS}?watch=1&timeoutSeconds=1", accept="application/yaml"),
            get("openapi-v2-html", "/openapi/v2", accept="text/html"),
            get(
                "include-object-bad",
                f"{MAPS}?includeObject=nope",
                accept="application/json;as=Table;v=v1;g=meta.k8s.io",
            ),
            post("content-text", MAPS, "a=b", **{"Content-Type": "text/plain"}),
            post("content-cbor", MAPS, "x", **{"Content-Type": "application/cbor"}),
            patch("patch-json-type", f"{MAPS}/media", {}, "application/json"),
            patch("patch-no-type", f"{MAPS}/media", "{}", ""),
            patch(
                "patch-strategic-custom-resource",
                "/apis/stable.example.com/v1/namespaces/refused/medias/x",
                {},
                STRATEGIC,
            ),
            post(
                "too-large",
                MAPS,
                '{"data":{"a":"' + "x" * (3 * 1024 * 1024) + '"}}',
                **{"Content-Type": "application/json"},
            ),
            post("too-large-stored", MAPS, config_map("large", a="x" * (1024 * 1024 + 1))),
            patch("patch-too-large", f"{MAPS}/media", '{"data":{"a":"' + "x" * (3 * 1024 * 1024) + '"}}'),
        ),
    ),
    Scenario(
        "refused-bodies",
        "400 for bodies that cannot be understood.",
        (namespace("refused-bodies"),),
        (
            post("empty", f"{CORE}/namespaces/refused-bodies/configmaps", ""),
            post("not-json", f"{CORE}/namespaces/refused-bodies/configmaps", "{nope"),
            post("truncated", f"{CORE}/namespaces/refused-bodies/configmaps", '{"kind":"ConfigMap",'),
            post("array", f"{CORE}/namespaces/refused-bodies/configmaps", "[]"),
            post("string", f"{CORE}/namespaces/refused-bodies/configmaps", '"x"'),
            post("null", f"{CORE}/namespaces/refused-bodies/configmaps", "null"),
            post(
                "trailing",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"t"}} x',
            ),
            post(
                "bad-yaml",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                "a: b: c",
                **{"Content-Type": "application/yaml"},
            ),
            post(
                "yaml",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  a: x\n",
                **{"Content-Type": "application/yaml"},
            ),
            post("wrong-kind", f"{CORE}/namespaces/refused-bodies/configmaps", named("v1", "Secret", "x")),
            post(
                "wrong-version", f"{CORE}/namespaces/refused-bodies/configmaps", named("v2", "ConfigMap", "x")
            ),
            post(
                "wrong-group",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                named("example.com/v1", "ConfigMap", "x"),
            ),
            post("unknown-kind", f"{CORE}/namespaces/refused-bodies/configmaps", named("v1", "Nope", "x")),
            post(
                "no-kind", f"{CORE}/namespaces/refused-bodies/configmaps", {"metadata": {"name": "no-kind"}}
            ),
            post(
                "kind-is-number",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                {"kind": 1, "apiVersion": "v1"},
            ),
            post(
                "wrong-type",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                named("v1", "ConfigMap", "x", data={"a": 1}),
            ),
            post(
                "wrong-type-deep",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                named("v1", "ConfigMap", "x") | {"metadata": {"name": "x", "labels": {"a": True}}},
            ),
            post(
                "wrong-type-metadata",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"},
            ),
            post(
                "bad-base64",
                f"{CORE}/namespaces/refused-bodies/secrets",
                named("v1", "Secret", "x", data={"a": "%%%"}),
            ),
            post(
                "bad-time",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "x", "creationTimestamp": "nope"},
                },
            ),
            post(
                "bad-int",
                "/apis/coordination.k8s.io/v1/namespaces/refused-bodies/leases",
                named("coordination.k8s.io/v1", "Lease", "x", spec={"leaseDurationSeconds": "a"}),
            ),
            post(
                "other-namespace",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "other"}},
            ),
            put("other-name", f"{CORE}/namespaces/refused-bodies/configmaps/a", config_map("b")),
            put(
                "no-name",
                f"{CORE}/namespaces/refused-bodies/configmaps/a",
                {"apiVersion": "v1", "kind": "ConfigMap"},
            ),
            post(
                "no-name-create",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                {"apiVersion": "v1", "kind": "ConfigMap"},
            ),
            post(
                "generate-name",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "generated-"}},
            ),
            post(
                "with-resource-version",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "resourceVersion": "5"}},
            ),
            post(
                "unknown-field-warn",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                named("v1", "ConfigMap", "warned", nope=1, data={}),
            ),
            post(
                "unknown-field-strict",
                f"{CORE}/namespaces/refused-bodies/configmaps?fieldValidation=Strict",
                named("v1", "ConfigMap", "x", nope=1, metada={}),
            ),
            post(
                "unknown-field-ignore",
                f"{CORE}/namespaces/refused-bodies/configmaps?fieldValidation=Ignore",
                named("v1", "ConfigMap", "ignored", nope=1),
            ),
            post(
                "duplicate-field-strict",
                f"{CORE}/namespaces/refused-bodies/configmaps?fieldValidation=Strict",
                '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"},"immutable":true,"immutable":false}',
            ),
            post(
                "duplicate-field-warn",
                f"{CORE}/namespaces/refused-bodies/configmaps",
                '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"immutable":true,"immutable":false}',
            ),
            post(
                "duplicate-yaml-strict",
                f"{CORE}/namespaces/refused-bodies/configmaps?fieldValidation=Strict",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: one\n  a: two\n",
                **{"Content-Type": "application/yaml"},
            ),
            post(
                "unknown-metadata-strict",
                f"{CORE}/namespaces/refused-bodies/configmaps?fieldValidation=Strict",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labls": {}}},
            ),
            post(
                "case-insensitive-strict",
                f"{CORE}/namespaces/refused-bodies/configmaps?fieldValidation=Strict",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "Data": {"a": "b"}},
            ),
            post("deep", f"{CORE}/namespaces/refused-bodies/configmaps", '{"a":' * 12000 + "1" + "}" * 12000),
        ),
    ),
    Scenario(
        "refused-options",
        "Query parameters that cannot be understood, and selectors.",
        (namespace("refused-options"), post("map", f"{CORE}/namespaces/refused-options/configmaps", MAP)),
        (
            *(
                get(name, f"{CORE}/namespaces/refused-options/configmaps?{query}")
                for name, query in QUERIES.items()
            ),
            get(
                "get-version-future",
                f"{CORE}/namespaces/refused-options/configmaps/one?resourceVersion=99999999",
            ),
            get("get-version-text", f"{CORE}/namespaces/refused-options/configmaps/one?resourceVersion=abc"),
            post("dry-run", f"{CORE}/namespaces/refused-options/configmaps?dryRun=nope", MAP),
            post(
                "field-manager-long",
                f"{CORE}/namespaces/refused-options/configmaps?fieldManager=" + "a" * 129,
                MAP,
            ),
            post(
                "field-manager-unprintable",
                f"{CORE}/namespaces/refused-options/configmaps?fieldManager=a%07",
                MAP,
            ),
            post(
                "field-validation", f"{CORE}/namespaces/refused-options/configmaps?fieldValidation=nope", MAP
            ),
            put("dry-run-update", f"{CORE}/namespaces/refused-options/configmaps/one?dryRun=nope", MAP),
            patch("dry-run-patch", f"{CORE}/namespaces/refused-options/configmaps/one?dryRun=nope", {}),
            patch("force-merge-patch", f"{CORE}/namespaces/refused-options/configmaps/one?force=true", {}),
            delete("dry-run-delete", f"{CORE}/namespaces/refused-options/configmaps/one?dryRun=nope"),
            delete("propagation", f"{CORE}/namespaces/refused-options/configmaps/one?propagationPolicy=nope"),
            delete(
                "propagation-and-orphan",
                f"{CORE}/namespaces/refused-options/configmaps/one?propagationPolicy=Orphan&orphanDependents=true",
            ),
            delete("grace", f"{CORE}/namespaces/refused-options/configmaps/one?gracePeriodSeconds=x"),
            delete(
                "grace-negative",
                f"{CORE}/namespaces/refused-options/configmaps/one",
                {"gracePeriodSeconds": -5},
            ),
            delete("body-garbage", f"{CORE}/namespaces/refused-options/configmaps/one", "{nope"),
            delete("body-other-kind", f"{CORE}/namespaces/refused-options/configmaps/one", MAP),
        ),
    ),
    Scenario(
        "refused-conflicts",
        "409 and 422 for writes against what is stored.",
        (
            namespace("refused-conflicts"),
            post("first", f"{CORE}/namespaces/refused-conflicts/configmaps", MAP),
            post(
                "frozen",
                f"{CORE}/namespaces/refused-conflicts/configmaps",
                config_map("frozen", a="1") | {"immutable": True},
            ),
            post(
                "role",
                f"{RBAC}/namespaces/refused-conflicts/roles",
                named("rbac.authorization.k8s.io/v1", "Role", "r"),
            ),
        ),
        (
            post("exists", f"{CORE}/namespaces/refused-conflicts/configmaps", MAP),
            post(
                "exists-grouped",
                f"{RBAC}/namespaces/refused-conflicts/roles",
                named("rbac.authorization.k8s.io/v1", "Role", "r"),
            ),
            post("exists-namespace", f"{CORE}/namespaces", named("v1", "Namespace", "refused-conflicts")),
            put(
                "stale",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {**MAP, "metadata": {"name": "one", "resourceVersion": "1"}},
            ),
            put(
                "other-uid",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {**MAP, "metadata": {"name": "one", "uid": "0f1a8b2c-0000-4000-8000-000000000000"}},
            ),
            put(
                "version-text",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {**MAP, "metadata": {"name": "one", "resourceVersion": "x"}},
            ),
            patch(
                "stale-patch",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"metadata": {"resourceVersion": "1"}},
            ),
            patch(
                "uid-patch",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"metadata": {"uid": "0f1a8b2c-0000-4000-8000-000000000000"}},
            ),
            patch(
                "name-patch",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"metadata": {"name": "two"}},
            ),
            patch(
                "namespace-patch",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"metadata": {"namespace": "two"}},
            ),
            patch("kind-patch", f"{CORE}/namespaces/refused-conflicts/configmaps/one", {"kind": "Secret"}),
            patch("type-patch", f"{CORE}/namespaces/refused-conflicts/configmaps/one", {"data": {"a": 1}}),
            patch(
                "time-patch",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}},
            ),
            patch(
                "unknown-field-patch",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one?fieldValidation=Strict",
                {"nope": 1},
            ),
            patch("not-json", f"{CORE}/namespaces/refused-conflicts/configmaps/one", "{nope"),
            patch("json-patch-object", f"{CORE}/namespaces/refused-conflicts/configmaps/one", {}, JSON_PATCH),
            patch(
                "json-patch-test",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                [{"op": "test", "path": "/data/a", "value": "9"}],
                JSON_PATCH,
            ),
            patch(
                "json-patch-missing",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                [{"op": "remove", "path": "/data/zzz"}],
                JSON_PATCH,
            ),
            patch(
                "json-patch-op",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                [{"op": "nope", "path": "/data/a"}],
                JSON_PATCH,
            ),
            patch(
                "json-patch-unknown-field",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one?fieldValidation=Strict",
                [{"op": "add", "path": "/data/b", "value": "1", "foo": 1}],
                JSON_PATCH,
            ),
            patch(
                "strategic-directive",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"data": {"$patch": "nope"}},
                STRATEGIC,
            ),
            patch("merge-array", f"{CORE}/namespaces/refused-conflicts/configmaps/one", [], MERGE),
            patch(
                "frozen-data", f"{CORE}/namespaces/refused-conflicts/configmaps/frozen", {"data": {"a": "2"}}
            ),
            patch(
                "frozen-flag", f"{CORE}/namespaces/refused-conflicts/configmaps/frozen", {"immutable": False}
            ),
            delete(
                "precondition-uid",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"preconditions": {"uid": "0f1a8b2c-0000-4000-8000-000000000000"}},
            ),
            delete(
                "precondition-version",
                f"{CORE}/namespaces/refused-conflicts/configmaps/one",
                {"preconditions": {"resourceVersion": "1"}},
            ),
        ),
    ),
)
