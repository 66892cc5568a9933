"""Deployments, Services and Pods as whole objects: defaults, status at birth, ownership of fields, items of lists.

Pods name what admission plugins of a kube-apiserver would add for nodes: a service account and tolerations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import CORE, JSON_PATCH, MERGE, STRATEGIC, get, named, namespace, patch, post, put

if TYPE_CHECKING:
    from tests.conformance.exchange import Json

SPACE = "born"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{SPACE}/deployments"
SERVICES = f"{CORE}/namespaces/{SPACE}/services"
PODS = f"{CORE}/namespaces/{SPACE}/pods"
APPLY = "application/apply-patch+yaml"
TOLERATES_ALL = [{"operator": "Exists"}]
PROBE: dict[str, Any] = {"httpGet": {"port": 80}}


def resources(**kinds: Json) -> dict[str, Any]:
    """Return a container `c` with resources."""
    return {"name": "c", "image": "example.com:5000/i:1", "resources": kinds}


def pod_spec(*containers: Json, **more: Json) -> dict[str, Any]:
    """Return the spec of a Pod to which admission has nothing to add."""
    return {
        "containers": list(containers) or [{"name": "c", "image": "i"}],
        "automountServiceAccountToken": False,
        "serviceAccountName": "default",
        "tolerations": TOLERATES_ALL,
        **more,
    }


def pod(name: str, *containers: Json, **more: Json) -> dict[str, Any]:
    """Return a Pod."""
    return named("v1", "Pod", name, spec=pod_spec(*containers, **more))


def deployment(name: str, spec: Json, **more: Json) -> dict[str, Any]:
    """Return a Deployment of a pod's spec."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    selector = {"matchLabels": labels}
    return named("apps/v1", "Deployment", name, spec={"selector": selector, "template": template, **more})


def service(name: str, **spec: Json) -> dict[str, Any]:
    """Return a Service."""
    return named("v1", "Service", name, spec=spec)


def apply(name: str, path: str, body: dict[str, Any], options: str = "fieldManager=applier") -> Ask:
    """Apply an object at its own name."""
    target = f"{path}/{body['metadata']['name']}?{options}"
    return Ask(name, "PATCH", target, body, headers={"Content-Type": APPLY})


BARE = {"containers": [{"name": "c", "image": "i"}]}
FULL: dict[str, Any] = {
    "hostNetwork": False,
    "nodeSelector": {},
    "imagePullSecrets": [],
    "hostname": "",
    "volumes": [
        {"name": "none"},
        {"name": "secret", "secret": {"secretName": "s", "items": []}},
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "host", "hostPath": {"path": "/x"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "all", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1024Mi"}},
        {
            "name": "claim",
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1000M"}}}
                }
            },
        },
        {"name": "iscsi", "iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.2001-04.com.example:x", "lun": 0}},
        {"name": "image", "image": {"reference": "example.com/i:1"}},
    ],
    "initContainers": [{"name": "i", "image": "i:latest", "command": []}],
    "containers": [
        {
            "name": "a",
            "image": "example.com:5000/a",
            "stdin": False,
            "workingDir": "",
            "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP", "hostPort": 0}],
            "env": [
                {"name": "N", "value": ""},
                {"name": "M", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "L", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            ],
            "resources": {
                "limits": {"cpu": 1, "memory": "1024Mi"},
                "requests": {"cpu": "0.5", "memory": "1536Ki", "ephemeral-storage": "1e3"},
            },
            "livenessProbe": PROBE,
            "readinessProbe": {"grpc": {"port": 81}},
            "startupProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 5, "failureThreshold": 0},
            "lifecycle": {"preStop": {"httpGet": {"port": 80, "path": "/x"}}},
            "securityContext": {"privileged": False, "capabilities": {"add": [], "drop": ["ALL"]}},
            "volumeMounts": [{"name": "none", "mountPath": "/n", "readOnly": False}],
        },
        {"name": "b", "image": "b@sha256:" + "0" * 64, "imagePullPolicy": "Never", "terminationMessagePolicy": "File"},
        {"name": "d", "image": "b:latest@sha256:" + "0" * 64},
    ],
}
CPU_AND_MEMORY = {"cpu": "100m", "memory": "1Gi"}
WEB_PORTS = [{"port": 80, "name": "web"}, {"port": 53, "name": "dns", "protocol": "UDP", "targetPort": "dns"}]
APPLIED = deployment("applied", {**BARE, "hostNetwork": False, "nodeSelector": {}}, replicas=2)
APPLIED_POD = pod("applied", resources(limits={"cpu": "1000m"}))
APPLIED_SERVICE = service("applied", clusterIP="None", ports=[{"port": 80}], selector={"a": "b"})
BARE_PATH = f"{DEPLOYMENTS}/bare"

SCENARIOS = (
    Scenario(
        "native-objects",
        "Deployments, Services and Pods as whole objects: defaults, status at birth, owners, lists.",
        (
            namespace(SPACE),
            post("account", f"{CORE}/namespaces/{SPACE}/serviceaccounts", named("v1", "ServiceAccount", "default")),
        ),
        (
            post("deployment", DEPLOYMENTS, deployment("bare", BARE)),
            post("full", DEPLOYMENTS, deployment("full", FULL, minReadySeconds=0, paused=False, strategy={})),
            post("recreate", DEPLOYMENTS, deployment("recreate", BARE, strategy={"type": "Recreate"}, replicas=0)),
            post(
                "surge",
                DEPLOYMENTS,
                deployment("surge", BARE, strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
            ),
            post("pod", PODS, pod("plain")),
            post("burstable", PODS, pod("burstable", resources(requests={"cpu": "0.1"}))),
            post("guaranteed", PODS, pod("guaranteed", resources(limits={"cpu": "0.1", "memory": "1024Mi"}))),
            post(
                "guaranteed-in-other-words",
                PODS,
                pod("words", resources(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "1000m"})),
            ),
            post(
                "half-guaranteed",
                PODS,
                pod("half", resources(limits=CPU_AND_MEMORY), {"name": "d", "image": "d"}),
            ),
            post(
                "init-counts",
                PODS,
                pod("init", resources(limits=CPU_AND_MEMORY), initContainers=[{"name": "i", "image": "i"}]),
            ),
            post("other-resource", PODS, pod("other", resources(limits={"example.com/x": 1}))),
            post("zero-requests", PODS, pod("zero", resources(requests={"cpu": 0}))),
            post(
                "on-the-host",
                PODS,
                pod("host", {"name": "c", "image": "i", "ports": [{"containerPort": 80}]}, hostNetwork=True),
            ),
            post("pod-with-status", PODS, {**pod("asked"), "status": {"phase": "Running"}}),
            post("headless", SERVICES, service("headless", clusterIP="None", selector={"a": "b"}, ports=WEB_PORTS)),
            post("service", SERVICES, service("plain", ports=WEB_PORTS)),
            post("sticky", SERVICES, service("sticky", ports=WEB_PORTS, sessionAffinity="ClientIP")),
            post("balanced", SERVICES, service("balanced", ports=[{"port": 80}], type="LoadBalancer")),
            post("node-port", SERVICES, service("node-port", ports=[{"port": 80}], type="NodePort")),
            post("external", SERVICES, service("external", externalName="example.com", type="ExternalName")),
            get("deployments", f"{DEPLOYMENTS}?labelSelector=!x&fieldSelector=metadata.name=bare"),
            get("pods", f"{PODS}?fieldSelector=metadata.name=plain"),
            get("services", f"{SERVICES}?fieldSelector=metadata.name=headless"),
            get("nothing", f"{PODS}?fieldSelector=metadata.name=absent"),
            get("by-phase", f"{PODS}?fieldSelector=status.phase=Pending,metadata.name=plain"),
            get("by-other-phase", f"{PODS}?fieldSelector=status.phase!=Pending"),
            get("by-node", f"{PODS}?fieldSelector=spec.nodeName=,spec.hostNetwork=true"),
            get("by-account", f"{PODS}?fieldSelector=spec.serviceAccountName=default,metadata.name=zero"),
            get("by-unknown", f"{PODS}?fieldSelector=spec.unknown=x"),
            get("deployments-by-unknown", f"{DEPLOYMENTS}?fieldSelector=spec.replicas=1"),
            get("services-by-type", f"{SERVICES}?fieldSelector=spec.type=ExternalName"),
            get("services-by-unknown", f"{SERVICES}?fieldSelector=spec.ports=1"),
            Ask(
                "watch", "GET", f"{PODS}?watch=1&timeoutSeconds=1&fieldSelector=status.phase=Pending,metadata.name=zero"
            ),
            Ask("page", "GET", f"{DEPLOYMENTS}?limit=1"),
            apply("apply-dry", DEPLOYMENTS, APPLIED, "fieldManager=applier&dryRun=All"),
            apply("apply", DEPLOYMENTS, APPLIED),
            apply("apply-same", DEPLOYMENTS, APPLIED),
            apply("apply-other", DEPLOYMENTS, APPLIED, "fieldManager=other"),
            apply("apply-same-dry", DEPLOYMENTS, APPLIED, "fieldManager=applier&dryRun=All"),
            apply("apply-pod", PODS, APPLIED_POD),
            apply("apply-pod-same", PODS, APPLIED_POD),
            apply("apply-service", SERVICES, APPLIED_SERVICE),
            apply("apply-service-same", SERVICES, APPLIED_SERVICE),
            put("put-same", BARE_PATH, deployment("bare", BARE)),
            patch("annotate", BARE_PATH, {"metadata": {"annotations": {"a": "b"}}}),
            patch("label", BARE_PATH, {"metadata": {"labels": {"a": "b"}}}),
            patch("replicas", BARE_PATH, {"spec": {"replicas": 2}}, STRATEGIC),
            patch("back-to-default", BARE_PATH, {"spec": {"replicas": None}}, STRATEGIC),
            patch("no-strategy", BARE_PATH, {"spec": {"strategy": None}}),
            patch(
                "recreates",
                BARE_PATH,
                {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
                STRATEGIC,
            ),
            patch("status", f"{BARE_PATH}/status", {"status": {"replicas": 0, "observedGeneration": 3}}, MERGE),
            patch("status-gone", f"{BARE_PATH}/status", [{"op": "remove", "path": "/status"}], JSON_PATCH),
            patch("pod-label", f"{PODS}/plain", {"metadata": {"labels": {"a": "b"}}}),
            patch("pod-status", f"{PODS}/plain/status", {"status": {"podIP": "10.1.2.3"}}, MERGE),
            patch("pod-image", f"{PODS}/plain", {"spec": {"containers": [{"name": "c", "image": "j"}]}}, STRATEGIC),
            patch("service-port", f"{SERVICES}/headless", {"spec": {"ports": [{"port": 81, "name": "w"}]}}, STRATEGIC),
            put("service-created", f"{SERVICES}/new", service("new", clusterIP="None")),
            put("pod-not-created", f"{PODS}/new", pod("new")),
            put(
                "service-put",
                f"{SERVICES}/plain",
                {**service("plain", ports=[{"port": 80}]), "metadata": {"name": "plain"}},
            ),
        ),
        natives=True,
    ),
)
