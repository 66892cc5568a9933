"""Built-in objects that break the rules of their kind."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Ask, Json, Scenario
from tests.conformance.scenarios.make import CORE, RBAC, config_map, named, namespace, patch, post, put
from tests.conformance.scenarios.objects import RBAC_V1, RULE, SUBJECTS, event, lease, new_event, role_ref

NS = "invalid"
CORE_NS, RBAC_NS = f"{CORE}/namespaces/{NS}", f"{RBAC}/namespaces/{NS}"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases"
NEW_EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NS}/events"


def with_metadata(body: dict[str, Any], **metadata: Json) -> dict[str, Any]:
    """Return the object with more metadata."""
    return {**body, "metadata": {**body["metadata"], **metadata}}


def creates(path: str, bodies: dict[str, dict[str, Any]]) -> tuple[Ask, ...]:
    """Create each body as a dry run."""
    return tuple(post(name, f"{path}?dryRun=All", body) for name, body in bodies.items())


def role(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a Role with rules."""
    return named(RBAC_V1, "Role", "x", rules=rules)


def binding(ref: Json, subjects: Json) -> dict[str, Any]:
    """Return a RoleBinding."""
    return named(RBAC_V1, "RoleBinding", "x", roleRef=ref, subjects=subjects)


MAP = config_map("x")
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
SECRET_TYPES: dict[str, dict[str, Any]] = {
    "dockercfg": {"type": "kubernetes.io/dockercfg", "data": {}},
    "dockercfg-not-json": {"type": "kubernetes.io/dockercfg", "stringData": {".dockercfg": "x"}},
    "dockerconfigjson": {"type": "kubernetes.io/dockerconfigjson", "data": {}},
    "dockerconfigjson-not-json": {
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "x"},
    },
    "basic-auth": {"type": "kubernetes.io/basic-auth", "data": {}},
    "ssh-auth": {"type": "kubernetes.io/ssh-auth", "data": {}},
    "tls": {"type": "kubernetes.io/tls", "data": {}},
    "service-account-token": {"type": "kubernetes.io/service-account-token"},
    "data-key": {"data": {"a b": "eA=="}},
    "data-key-dots": {"data": {"..": "eA=="}},
    "data-key-long": {"data": {"a" * 254: "eA=="}},
}

SCENARIOS = (
    Scenario(
        "builtin-invalid-metadata",
        "Names, labels, annotations, finalizers and owners that are refused (configmaps, dry run).",
        (namespace(NS),),
        (
            *creates(
                f"{CORE_NS}/configmaps",
                {
                    "name-uppercase": config_map("Abc"),
                    "name-underscore": config_map("a_b"),
                    "name-dash": config_map("-a"),
                    "name-dots": config_map(".."),
                    "name-dot": config_map("."),
                    "name-slash": config_map("a/b"),
                    "name-percent": config_map("a%b"),
                    "name-unicode": config_map("ä"),
                    "name-nul": config_map("a\0b"),
                    "name-space": config_map("a b"),
                    "name-long": config_map("a" * 254),
                    "name-longest": config_map("a" * 253),
                    "name-empty": config_map(""),
                    "generate-name": {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "metadata": {"generateName": "A_"},
                    },
                    "label-key": with_metadata(MAP, labels={"-a": "b"}),
                    "label-prefix": with_metadata(MAP, labels={"A_/b": "c"}),
                    "label-slashes": with_metadata(MAP, labels={"a/b/c": "d"}),
                    "label-empty-key": with_metadata(MAP, labels={"": "d"}),
                    "label-value": with_metadata(MAP, labels={"a": "b c"}),
                    "label-value-long": with_metadata(MAP, labels={"a": "b" * 64}),
                    "label-key-long": with_metadata(MAP, labels={"a" * 64: "b"}),
                    "annotation-key": with_metadata(MAP, annotations={"a b": "c"}),
                    "annotation-long": with_metadata(MAP, annotations={"a": "b" * (256 * 1024)}),
                    "finalizer": with_metadata(MAP, finalizers=["nope"]),
                    "finalizer-standard": with_metadata(MAP, finalizers=["orphan", "foregroundDeletion"]),
                    "finalizer-invalid": with_metadata(MAP, finalizers=["a b"]),
                    "owner-empty": with_metadata(MAP, ownerReferences=[{}]),
                    "owner-api-version": with_metadata(MAP, ownerReferences=[{**OWNER, "apiVersion": "a/b/c"}]),
                    "owner-event": with_metadata(MAP, ownerReferences=[{**OWNER, "kind": "Event"}]),
                    "owner-twice": with_metadata(MAP, ownerReferences=[OWNER, OWNER]),
                    "owner-two-controllers": with_metadata(
                        MAP,
                        ownerReferences=[
                            {**OWNER, "controller": True},
                            {**OWNER, "uid": "v", "controller": True},
                        ],
                    ),
                    "generation-negative": with_metadata(MAP, generation=-1),
                    "managed-fields": with_metadata(MAP, managedFields=[{"operation": "Nope", "fieldsType": "Other"}]),
                    "several": with_metadata(config_map("A"), labels={"-a": "b", "c": "-"}, finalizers=["nope"]),
                },
            ),
        ),
    ),
    Scenario(
        "builtin-invalid-core",
        "Configmaps, secrets, service accounts, namespaces and events that are refused (creates: dry run).",
        (
            namespace(NS),
            post("map", f"{CORE_NS}/configmaps", config_map("stored", a="1")),
            post("secret", f"{CORE_NS}/secrets", named("v1", "Secret", "stored", stringData={"a": "b"})),
            post(
                "frozen",
                f"{CORE_NS}/secrets",
                named("v1", "Secret", "frozen", immutable=True, stringData={"a": "b"}),
            ),
            post("event", f"{CORE_NS}/events", event(NS, "stored")),
            post("new-event", NEW_EVENTS, new_event(NS, "new-stored")),
        ),
        (
            *creates(
                f"{CORE_NS}/configmaps",
                {
                    "configmap-key": named("v1", "ConfigMap", "x", data={"a b": "c"}),
                    "configmap-key-empty": named("v1", "ConfigMap", "x", data={"": "c"}),
                    "configmap-key-dots": named("v1", "ConfigMap", "x", data={"..": "c"}),
                    "configmap-key-twice": named("v1", "ConfigMap", "x", data={"a": "c"}, binaryData={"a": "eA=="}),
                    "configmap-binary-key": named("v1", "ConfigMap", "x", binaryData={"a b": "eA=="}),
                    "configmap-too-long": config_map("x", a="x" * (1024 * 1024 + 1)),
                },
            ),
            *creates(
                f"{CORE_NS}/secrets",
                {f"secret-{n}": named("v1", "Secret", "x", **fields) for n, fields in SECRET_TYPES.items()},
            ),
            patch("secret-type-change", f"{CORE_NS}/secrets/stored", {"type": "example.com/other"}),
            patch("secret-frozen", f"{CORE_NS}/secrets/frozen", {"stringData": {"a": "c"}}),
            *creates(f"{CORE_NS}/serviceaccounts", {"account-name": named("v1", "ServiceAccount", "A_b")}),
            *creates(
                f"{CORE}/namespaces",
                {
                    "namespace-name": named("v1", "Namespace", "a.b"),
                    "namespace-uppercase": named("v1", "Namespace", "A"),
                    "namespace-long": named("v1", "Namespace", "a" * 64),
                    "namespace-finalizer": named("v1", "Namespace", "x", spec={"finalizers": ["nope"]}),
                    "namespace-label": with_metadata(
                        named("v1", "Namespace", "x"), labels={"kubernetes.io/metadata.name": "y"}
                    ),
                },
            ),
            patch("namespace-phase", f"{CORE_NS}/status", {"status": {"phase": "Terminating"}}),
            patch("namespace-spec-finalizers", CORE_NS, {"spec": {"finalizers": []}}),
            put(
                "namespace-finalize",
                f"{CORE_NS}/finalize",
                named("v1", "Namespace", NS, spec={"finalizers": ["kubernetes", "nope"]}),
            ),
            *creates(
                f"{CORE_NS}/events",
                {
                    "event-without-object": {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"}},
                    "event-other-namespace": event(
                        NS, "x", involvedObject={"kind": "ConfigMap", "name": "a", "namespace": "other"}
                    ),
                    "event-minimal": event(NS, "x", source=None, firstTimestamp=None, lastTimestamp=None, count=None),
                    "event-with-time": event(NS, "x", eventTime="2026-01-01T00:00:00.000000Z"),
                },
            ),
            *creates(
                NEW_EVENTS,
                {
                    "new-event-empty": named("events.k8s.io/v1", "Event", "x"),
                    "new-event-without-time": new_event(NS, "x", eventTime=None),
                    "new-event-type": new_event(NS, "x", type="Strange"),
                    "new-event-controller": new_event(NS, "x", reportingController="a b"),
                    "new-event-instance": new_event(NS, "x", reportingInstance=""),
                    "new-event-reason-long": new_event(NS, "x", reason="r" * 129),
                    "new-event-note-long": new_event(NS, "x", note="n" * 1025),
                    "new-event-action": new_event(NS, "x", action=""),
                    "new-event-series": new_event(NS, "x", series={"count": 1}),
                    "new-event-deprecated": new_event(NS, "x", deprecatedCount=1),
                    "new-event-other-namespace": new_event(
                        NS, "x", regarding={"kind": "ConfigMap", "name": "a", "namespace": "other"}
                    ),
                },
            ),
            patch("new-event-change", f"{NEW_EVENTS}/new-stored", {"reason": "Other"}),
            patch("event-change", f"{CORE_NS}/events/stored", {"reason": "Other"}),
        ),
    ),
    Scenario(
        "builtin-invalid-rbac",
        "Roles, bindings and leases that are refused (creates: dry run).",
        (
            namespace(NS),
            post(
                "binding",
                f"{RBAC_NS}/rolebindings",
                named(RBAC_V1, "RoleBinding", "stored", roleRef=role_ref("Role"), subjects=SUBJECTS),
            ),
            post(
                "cluster-binding",
                f"{RBAC}/clusterrolebindings",
                named(
                    RBAC_V1,
                    "ClusterRoleBinding",
                    "invalid-stored",
                    roleRef=role_ref("ClusterRole"),
                    subjects=SUBJECTS,
                ),
            ),
            post("lease", LEASES, lease("stored", leaseTransitions=5)),
        ),
        (
            *creates(
                f"{RBAC_NS}/roles",
                {
                    "role-empty-rule": role([{}]),
                    "role-no-verbs": role([{"apiGroups": [""], "resources": ["configmaps"]}]),
                    "role-no-groups": role([{"resources": ["configmaps"], "verbs": ["get"]}]),
                    "role-no-resources": role([{"apiGroups": [""], "verbs": ["get"]}]),
                    "role-url": role([{"nonResourceURLs": ["/x"], "verbs": ["get"]}]),
                    "role-name": named(RBAC_V1, "Role", "a/b", rules=[RULE]),
                    "role-name-colon": named(RBAC_V1, "Role", "system:x", rules=[RULE]),
                    "role-name-percent": named(RBAC_V1, "Role", "a%b", rules=[RULE]),
                    "role-second-rule": role([RULE, {"verbs": []}]),
                },
            ),
            *creates(
                f"{RBAC}/clusterroles",
                {
                    "clusterrole-url-and-resource": named(
                        RBAC_V1, "ClusterRole", "x", rules=[{**RULE, "nonResourceURLs": ["/x"]}]
                    ),
                    "clusterrole-url": named(
                        RBAC_V1, "ClusterRole", "x", rules=[{"nonResourceURLs": ["/x"], "verbs": ["get"]}]
                    ),
                    "clusterrole-aggregation-empty": named(RBAC_V1, "ClusterRole", "x", aggregationRule={}),
                    "clusterrole-aggregation-selector": named(
                        RBAC_V1,
                        "ClusterRole",
                        "x",
                        aggregationRule={
                            "clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "Nope"}]}]
                        },
                    ),
                },
            ),
            *creates(
                f"{RBAC_NS}/rolebindings",
                {
                    "binding-without-ref": binding(None, SUBJECTS),
                    "binding-group": binding({**role_ref("Role"), "apiGroup": "x"}, SUBJECTS),
                    "binding-without-group": binding({"kind": "Role", "name": "x"}, SUBJECTS),
                    "binding-kind": binding(role_ref("Nope"), SUBJECTS),
                    "binding-name": binding(role_ref("Role", ""), SUBJECTS),
                    "binding-name-slash": binding(role_ref("Role", "a/b"), SUBJECTS),
                    "binding-no-subjects": binding(role_ref("Role"), []),
                    "binding-subject-kind": binding(role_ref("Role"), [{"kind": "Nope", "name": "a"}]),
                    "binding-subject-name": binding(role_ref("Role"), [{"kind": "User"}]),
                    "binding-subject-group": binding(
                        role_ref("Role"), [{"kind": "User", "name": "a", "apiGroup": "x"}]
                    ),
                    "binding-account-namespace": binding(role_ref("Role"), [{"kind": "ServiceAccount", "name": "a"}]),
                    "binding-account-name": binding(
                        role_ref("Role"), [{"kind": "ServiceAccount", "name": "A_", "namespace": "b"}]
                    ),
                    "binding-account-group": binding(
                        role_ref("Role"),
                        [{"kind": "ServiceAccount", "name": "a", "namespace": "b", "apiGroup": "x"}],
                    ),
                },
            ),
            *creates(
                f"{RBAC}/clusterrolebindings",
                {
                    "cluster-binding-to-role": named(
                        RBAC_V1, "ClusterRoleBinding", "x", roleRef=role_ref("Role"), subjects=SUBJECTS
                    )
                },
            ),
            patch("binding-ref-change", f"{RBAC_NS}/rolebindings/stored", {"roleRef": {"name": "other"}}),
            patch(
                "cluster-binding-ref-change",
                f"{RBAC}/clusterrolebindings/invalid-stored",
                {"roleRef": {"name": "other"}},
            ),
            *creates(
                LEASES,
                {
                    "lease-duration": lease("x", leaseDurationSeconds=0),
                    "lease-transitions": lease("x", leaseTransitions=-1),
                    "lease-strategy": lease("x", strategy="Nope"),
                    "lease-preferred": lease("x", preferredHolder="me"),
                    "lease-holder-empty": lease("x", holderIdentity=""),
                    "lease-time": lease("x", renewTime="nope"),
                    "lease-time-seconds": lease("x", renewTime="2026-01-01T00:00:00Z"),
                    "lease-name": lease("A_"),
                },
            ),
            patch("lease-transitions-less", f"{LEASES}/stored", {"spec": {"leaseTransitions": 1}}),
            put("lease-without-version", f"{LEASES}/stored", lease("stored")),
        ),
    ),
)
