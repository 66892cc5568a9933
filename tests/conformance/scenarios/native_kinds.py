"""Deployments, Services and Pods: built in there, custom resources of native kinds here.

Answers are read as tables without objects, and as scales; `native_objects` compares whole objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import CORE, JSON_PATCH, MERGE, STRATEGIC, TABLE, named, namespace, patch, post

if TYPE_CHECKING:
    from tests.conformance.exchange import Json

# The definitions kcp needs for these kinds, by name (`kcp.config.contrib`).
NATIVES = ("deployments.apps", "pods.core", "services.core")
DEPLOYMENTS = "/apis/apps/v1/namespaces/natives/deployments"
SERVICES = f"{CORE}/namespaces/natives/services"
PODS = f"{CORE}/namespaces/natives/pods"
CONTAINERS = [{"name": "a", "image": "a:1", "ports": [{"containerPort": 80}]}, {"name": "b", "image": "b:1"}]


def deployment(name: str, **spec: Json) -> dict[str, Any]:
    """Return a Deployment of two containers."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
    return named(
        "apps/v1", "Deployment", name, spec={"selector": {"matchLabels": labels}, "template": template, **spec}
    )


def service(name: str, **spec: Json) -> dict[str, Any]:
    """Return a Service without an address of its own."""
    return named("v1", "Service", name, spec=spec)


def pod(name: str, **spec: Json) -> dict[str, Any]:
    """Return a Pod."""
    fields = {"containers": CONTAINERS, "automountServiceAccountToken": False, **spec}
    return named("v1", "Pod", name, spec=fields)


def rows(name: str, path: str) -> Ask:
    """Read cells."""
    return Ask(name, "GET", f"{path}?includeObject=None", headers={"Accept": TABLE})


def change(name: str, path: str, body: Json, kind: str = STRATEGIC) -> Ask:
    """Patch an object and read its cells."""
    headers = {"Accept": TABLE, "Content-Type": kind}
    return Ask(name, "PATCH", f"{path}?includeObject=None", body, headers=headers)


def status(name: str, path: str, **fields: Json) -> Ask:
    """Set the status of an object and read its cells."""
    return change(name, f"{path}/status", {"status": fields}, MERGE)


def containers(*items: Json, **more: Json) -> Json:
    """Return a patch of a Deployment's containers."""
    return {"spec": {"template": {"spec": {"containers": list(items), **more}}}}


def waiting(name: str, reason: str, **more: Json) -> dict[str, Any]:
    """Return the status of a container that waits."""
    return {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0,
            "state": {"waiting": {"reason": reason}}, **more}  # fmt: skip


RUNNING = {"name": "b", "image": "i", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}
WEB = f"{DEPLOYMENTS}/web"
ONE = f"{PODS}/one"
SCENARIOS = (
    Scenario(
        "native-kinds",
        "Deployments, Services and Pods: columns, strategic merge patches, scale.",
        (
            namespace("natives"),
            post("account", f"{CORE}/namespaces/natives/serviceaccounts", named("v1", "ServiceAccount", "default")),
            post("web", DEPLOYMENTS, deployment("web", replicas=3)),
            post("plain", DEPLOYMENTS, deployment("plain")),
            post("headless", SERVICES, service("headless", clusterIP="None", clusterIPs=["None"], selector={"a": "b"})),
            post("outside", SERVICES, service("outside", type="ExternalName", externalName="example.com")),
            post("one", PODS, pod("one")),
            post("gated", PODS, pod("gated", readinessGates=[{"conditionType": "example.com/x"}])),
            post("first", PODS, pod("first", initContainers=[{"name": "i", "image": "i"}])),
        ),
        (
            rows("deployments", DEPLOYMENTS),
            rows("deployment", WEB),
            rows("services", SERVICES),
            rows("pods", PODS),
            Ask("scale", "GET", f"{DEPLOYMENTS}/plain/scale"),
            patch("scale-merge", f"{WEB}/scale", {"spec": {"replicas": 5}}),
            patch("scale-strategic", f"{WEB}/scale", {"spec": {"replicas": 4}}, STRATEGIC),
            change("set-image", WEB, containers({"name": "a", "image": "a:2"})),
            change("add", WEB, containers({"name": "c", "image": "c:1"})),
            change("delete-one", WEB, containers({"name": "b", "$patch": "delete"})),
            change(
                "order", WEB, containers(**{"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}), STRATEGIC
            ),
            change("replace", WEB, containers({"name": "z", "image": "z"}, {"$patch": "replace"})),
            change("merge", WEB, containers({"name": "m", "image": "m:1"}), MERGE),
            change(
                "json",
                WEB,
                [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "j", "image": "j"}}],
                JSON_PATCH,
            ),
            change("no-key", WEB, containers({"image": "x"})),
            change("bad-directive", WEB, containers({"name": "m", "$patch": "nope"})),
            change("not-an-object", WEB, []),
            status("deployment-status", WEB, replicas=4, readyReplicas=2, updatedReplicas=4, availableReplicas=1),
            status("waits", ONE, phase="Pending", containerStatuses=[waiting("a", "ErrImagePull"), RUNNING]),
            status(
                "restarts",
                ONE,
                phase="Running",
                podIPs=[{"ip": "10.1.2.3"}],
                podIP="10.1.2.3",
                containerStatuses=[waiting("a", "CrashLoopBackOff", restartCount=4), RUNNING],
            ),
            status("gate", f"{PODS}/gated", conditions=[{"type": "example.com/x", "status": "True"}]),
            status(
                "initializes",
                f"{PODS}/first",
                initContainerStatuses=[waiting("i", "PodInitializing")],
                phase="Pending",
            ),
            status("succeeds", ONE, phase="Succeeded"),
        ),
        natives=True,
    ),
)
