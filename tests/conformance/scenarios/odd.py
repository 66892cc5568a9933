"""Odd and broken requests that random ones have found to be answered otherwise once."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import (
    CORE,
    CRDS,
    RBAC,
    TABLE,
    config_map,
    crd,
    delete,
    get,
    named,
    namespace,
    patch,
    post,
    put,
    settle,
)
from tests.conformance.scenarios.objects import RBAC_V1, event, lease, role_ref

NS = "odd"
CORE_NS, RBAC_NS = f"{CORE}/namespaces/{NS}", f"{RBAC}/namespaces/{NS}"
DIALS = f"/apis/stable.example.com/v1/namespaces/{NS}/dials"
DIALS_V2 = DIALS.replace("/v1/", "/v2/")
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases"
UID = "11111111-2222-4333-8444-555555555555"


def dial(name: str, version: str = "v1", **fields: object) -> dict[str, object]:
    """Return a Dial."""
    return named(f"stable.example.com/{version}", "Dial", name, **fields)


DEFINITION = crd("dials", "Dial", {"type": "object", "properties": {"turns": {"type": "integer", "default": 8}}})
DEFINITION["spec"]["versions"].append(
    {
        "name": "v2",
        "served": True,
        "storage": False,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {
                    "turns": {"type": "integer", "default": 12},
                    "new": {"type": "string", "default": "n"},
                },
            }
        },
    }
)
REVIEW = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
FLAGS = f"/apis/stable.example.com/v1/namespaces/{NS}-causes/flags"
SCALED = crd(
    "flags",
    "Flag",
    {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 0, "maximum": 100}}},
            "status": {"type": "object", "properties": {"size": {"type": "integer"}, "pods": {"type": "string"}}},
        },
    },
    subresources={
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.size",
            "statusReplicasPath": ".status.size",
            "labelSelectorPath": ".status.pods",
        },
    },
)


def flag(name: str, **fields: object) -> dict[str, object]:
    """Return a Flag."""
    return named("stable.example.com/v1", "Flag", name, **fields)


def label_review(name: str, **requirement: object) -> Ask:
    """Ask what carol may list by a requirement of labels."""
    attributes = {"verb": "list", "resource": "configmaps", "labelSelector": {"requirements": [requirement]}}
    spec = {"user": "carol", "resourceAttributes": attributes}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return post(name, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)


NEAR = {"requirements": [{"key": "a", "operator": "Near"}]}

SCENARIOS = (
    Scenario(
        "odd-requests",
        "Odd and broken requests that random ones have found to be answered otherwise once.",
        (
            namespace(NS),
            post("crd", CRDS, DEFINITION),
            settle("served", DIALS),
            settle("served-v2", DIALS_V2),
            post("map-a", f"{CORE_NS}/configmaps", config_map("a")),
            post("map-b", f"{CORE_NS}/configmaps", config_map("b")),
            post("account", f"{CORE_NS}/serviceaccounts", named("v1", "ServiceAccount", "gone")),
            post("asked", f"{CORE_NS}/serviceaccounts", named("v1", "ServiceAccount", "asked")),
            post("dial", DIALS, dial("one")),
            post("lease", LEASES, lease("held", holderIdentity="me")),
        ),
        (
            post("defaults-of-another-version", DIALS_V2, dial("two", "v2")),
            get("read-through-another-version", f"{DIALS_V2}/one"),
            post("revision-is-no-number", f"{CORE_NS}/configmaps", named("v1", "ConfigMap", "r1")),
            post(
                "revision-text",
                f"{CORE_NS}/configmaps",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "r2", "resourceVersion": "x"}},
            ),
            delete("deleted-account-is-told", f"{CORE_NS}/serviceaccounts/gone"),
            Ask(
                "collection-as-table",
                "DELETE",
                f"{CORE_NS}/secrets",
                headers={"Accept": TABLE},
            ),
            delete("collection-unsafe", f"{DIALS}?ignoreStoreReadErrorWithClusterBreakingPotential=true"),
            delete("options-type", f"{CORE_NS}/configmaps/a", {"kind": "DeleteOptions", "gracePeriodSeconds": "x"}),
            delete("options-list", f"{CORE_NS}/configmaps/a", "[]"),
            post("group-version-malformed", f"{CORE_NS}/configmaps", config_map("x") | {"apiVersion": "a/b/c"}),
            post("group-version-malformed-custom", DIALS, dial("x") | {"apiVersion": "a/b/c"}),
            post("version-missing-custom", DIALS, {"kind": "Dial", "metadata": {"name": "x"}}),
            post("null-custom", DIALS, "null", **{"Content-Type": "application/json"}),
            put("put-collection-custom", DIALS, dial("x")),
            get("unknown-subresource-custom", f"{DIALS}/one/nothing"),
            put(
                "missing-with-uid",
                f"{RBAC_NS}/roles/missing",
                {"metadata": {"name": "missing", "uid": UID}, "rules": []},
            ),
            put(
                "missing-with-revision",
                f"{RBAC_NS}/roles/missing",
                {"metadata": {"name": "missing", "resourceVersion": "1"}, "rules": []},
            ),
            put(
                "grace-set",
                f"{DIALS}/one",
                {
                    **dial("one"),
                    "metadata": {
                        "name": "one",
                        "resourceVersion": "{{dial:metadata.resourceVersion}}",
                        "deletionGracePeriodSeconds": 30,
                    },
                },
            ),
            patch("revision-emptied-custom", f"{DIALS}/one", {"metadata": {"resourceVersion": ""}}),
            patch("version-patched", f"{CORE_NS}/configmaps/a", {"apiVersion": "v9"}),
            post("micro-time-number", LEASES, lease("x", renewTime=5)),
            post(
                "event-generated-name",
                f"{CORE_NS}/events?dryRun=All",
                {**event(NS, "x"), "metadata": {"generateName": "A_"}},
            ),
            post(
                "event-rules-first",
                f"{CORE_NS}/events",
                {
                    **event(NS, "x", involvedObject={"namespace": "other"}),
                    "metadata": {"name": "x", "labels": {"-a": "b"}},
                },
            ),
            post("namespace-of-none", f"{RBAC}/clusterroles?dryRun=All", {"metadata": {"name": "x", "namespace": "y"}}),
            post(
                "cluster-binding-kind",
                f"{RBAC}/clusterrolebindings",
                named(RBAC_V1, "ClusterRoleBinding", "x", roleRef=role_ref("Role")),
            ),
            put(
                "phase-empty",
                f"{CORE_NS}/status",
                {"metadata": {"name": NS}, "spec": {"finalizers": ["kubernetes"]}, "status": {}},
            ),
            get("list-named-as-alice", f"{CORE_NS}/secrets?fieldSelector=metadata.name%3Done", user="alice"),
            get("list-cut", f"{CORE_NS}/configmaps?limit=1&fieldSelector=metadata.name%21%3Db"),
            get("list-timeout-unit", f"{CORE_NS}/configmaps?timeout=5parsecs"),
            get("list-timeout-no-unit", f"{CORE_NS}/configmaps?timeout=5"),
            get("continue-short", f"{CORE_NS}/configmaps?continue=x"),
            get(
                "continue-empty-start",
                f"{CORE_NS}/configmaps?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIifQ",
            ),
            get("continue-version", f"{CORE_NS}/configmaps?continue=eyJ2IjoidjkiLCJydiI6MSwic3RhcnQiOiJhIn0"),
            get("continue-watch", f"{CORE_NS}/configmaps?watch=1&timeoutSeconds=1&continue=x"),
            get("namespace-of-namespaces", f"{CORE}/namespaces?fieldSelector=metadata.namespace%3Dx"),
            get("roles-as-table", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NS}-none/roles", accept=TABLE),
            get("maps-as-table", f"{CORE}/namespaces/{NS}-none/configmaps", accept=TABLE),
            post(
                "review-selector",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                {**REVIEW, "spec": {"resourceAttributes": {"verb": "list", "resource": "x", "labelSelector": NEAR}}},
            ),
            post(
                "token-unknown-field",
                f"{CORE_NS}/serviceaccounts/asked/token",
                {"spec": {"colour": "red"}},
            ),
            post(
                "tls-without-pem",
                f"{CORE_NS}/secrets",
                {
                    "metadata": {"name": "tls"},
                    "type": "kubernetes.io/tls",
                    "stringData": {"tls.crt": "x", "tls.key": "y"},
                },
            ),
            post(
                "yaml-key-twice",
                f"{CORE_NS}/configmaps",
                "kind: ConfigMap\nmetadata:\n  name: twice\nkind: ConfigMap\n",
                **{"Content-Type": "application/yaml"},
            ),
        ),
    ),
    Scenario(
        "odd-causes",
        "Refusals with every cause: scales of what is no object, labels of reviews; merge patches of null.",
        (
            namespace(f"{NS}-causes"),
            post("crd", CRDS, SCALED),
            settle("served", FLAGS),
            post("flag", FLAGS, flag("one", spec={"size": 1})),
            post("map", f"{CORE}/namespaces/{NS}-causes/configmaps", config_map("a")),
        ),
        (
            post("spec-text", FLAGS, flag("x", spec="x")),
            post("spec-list", FLAGS, flag("x", spec=[1, {"a": 2}])),
            patch("spec-number", f"{FLAGS}/one", {"spec": 1.5}),
            patch("status-text", f"{FLAGS}/one/status", {"status": "x"}),
            patch("status-values", f"{FLAGS}/one/status", {"status": {"size": "x", "pods": [True]}}),
            patch("scale-negative", f"{FLAGS}/one/scale", {"spec": {"replicas": -1}}),
            patch("scale-too-large", f"{FLAGS}/one/scale", {"spec": {"replicas": 101}}),
            patch("null-custom", f"{FLAGS}/one", "null"),
            patch("null-status", f"{FLAGS}/one/status", "null"),
            patch("null-scale", f"{FLAGS}/one/scale", "null"),
            patch("null", f"{CORE}/namespaces/{NS}-causes/configmaps/a", "null"),
            patch("null-missing", f"{CORE}/namespaces/{NS}-causes/configmaps/missing", "null"),
            label_review("label-key-empty", key="", operator="Exists", values=["x"]),
            label_review("label-key-parts", key="a/b/c", operator="NotIn"),
            label_review("label-value", key="a", operator="Newer", values=["x y"]),
            label_review("label-operator-empty", key="a", operator=""),
        ),
    ),
)
