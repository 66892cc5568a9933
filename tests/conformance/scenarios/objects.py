"""One valid object of each built-in kind, where its collection is, and what makes it invalid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.scenarios.make import CORE, RBAC, config_map, named

if TYPE_CHECKING:
    from tests.conformance.exchange import Json

RBAC_V1 = "rbac.authorization.k8s.io/v1"
RULE = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}
SUBJECTS = [
    {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "bob"},
    {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "testers"},
    {"kind": "ServiceAccount", "name": "robot", "namespace": "kube-system"},
]


def role_ref(kind: str, name: str = "reader") -> dict[str, str]:
    """Return a reference to a role."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def event(namespace: str, name: str, **fields: Json) -> dict[str, Any]:
    """Return a core event about a configmap."""
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "namespace": namespace},
        "reason": "Tested",
        "message": "It was tested.",
        "type": "Normal",
        "source": {"component": "recorder", "host": "here"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:05:00Z",
        "count": 3,
    }
    return body | fields


def new_event(namespace: str, name: str, **fields: Json) -> dict[str, Any]:
    """Return an event of events.k8s.io about a configmap."""
    body: dict[str, Any] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "namespace": namespace},
        "reason": "Tested",
        "note": "It was tested.",
        "type": "Normal",
        "action": "Testing",
        "reportingController": "example.com/recorder",
        "reportingInstance": "recorder-1",
    }
    return body | fields


def lease(name: str, **spec: Json) -> dict[str, Any]:
    """Return a lease."""
    return named("coordination.k8s.io/v1", "Lease", name, spec=spec)


def valid_objects(namespace: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return collection path and valid object by kind, all of them in `namespace` where they can."""
    core, rbac = f"{CORE}/namespaces/{namespace}", f"{RBAC}/namespaces/{namespace}"
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    events = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    return {
        "namespace": (f"{CORE}/namespaces", named("v1", "Namespace", f"{namespace}-other")),
        "configmap": (f"{core}/configmaps", config_map("one", a="1", b="2")),
        "secret": (
            f"{core}/secrets",
            named("v1", "Secret", "one", data={"a": "eA=="}, stringData={"b": "y"}),
        ),
        "serviceaccount": (f"{core}/serviceaccounts", named("v1", "ServiceAccount", "one")),
        "event": (f"{core}/events", event(namespace, "one.1")),
        "new-event": (events, new_event(namespace, "one.2")),
        "lease": (
            leases,
            lease("one", holderIdentity="me", leaseDurationSeconds=15, renewTime="2026-01-01T00:00:00.123456Z"),
        ),
        "role": (f"{rbac}/roles", named(RBAC_V1, "Role", "one", rules=[RULE])),
        "rolebinding": (
            f"{rbac}/rolebindings",
            named(RBAC_V1, "RoleBinding", "one", roleRef=role_ref("Role"), subjects=SUBJECTS),
        ),
        "clusterrole": (
            f"{RBAC}/clusterroles",
            named(RBAC_V1, "ClusterRole", f"{namespace}-one", rules=[RULE]),
        ),
        "clusterrolebinding": (
            f"{RBAC}/clusterrolebindings",
            named(
                RBAC_V1,
                "ClusterRoleBinding",
                f"{namespace}-one",
                roleRef=role_ref("ClusterRole"),
                subjects=SUBJECTS,
            ),
        ),
    }
