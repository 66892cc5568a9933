"""Deployments, Services and Pods as custom resources, used by kubectl as if they were built in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import REPOSITORY

if TYPE_CHECKING:
    from tests.conftest import KcpServer
    from tests.e2e.conftest import Client, Clients

CONTRIB = REPOSITORY / "python" / "kcp" / "config" / "contrib"
CRDS = [CONTRIB / f"{name}.yaml" for name in ("deployments.apps", "pods.core", "services.core")]


@pytest.fixture
def kubectl(clients: Clients, kcp_server: KcpServer) -> Client:
    """Return a kubectl for a new logical cluster that has the definitions."""
    kubectl = clients.kubectl(kcp_server.new_cluster())
    for path in CRDS:
        kubectl("create", "-f", str(path))
    return kubectl


def applied(image: str, **spec: object) -> str:
    """Return a Deployment of two containers for `kubectl apply`."""
    containers = [{"name": "a", "image": image, "ports": [{"containerPort": 80}]}, {"name": "b", "image": "b:1"}]
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": body})


def test_a_deployment_is_created_scaled_exposed_and_listed_with_all(kubectl: Client) -> None:
    """kube-api 2.5 (typed clients send protobuf), 2.A, 3.7.5."""
    kubectl("create", "deployment", "web", "--image=web:1", "--port=80")
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("set", "image", "deployment/web", "web=web:2")
    kubectl("set", "env", "deployment/web", "COLOUR=red")
    kubectl("expose", "deployment/web", "--port=80", "--target-port=8080")
    kubectl("run", "one", "--image=one:1")
    spec = kubectl.json("get", "deployment", "web")["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert (spec["replicas"], container["image"]) == (3, "web:2")
    assert container["env"] == [{"name": "COLOUR", "value": "red"}]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    table = kubectl("get", "all", "-o", "wide")
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line and "/" in line.split()[0]}
    assert rows["deployment.apps/web"][0] == "0/3"
    assert rows["deployment.apps/web"][-3:] == ["web", "web:2", "app=web"]
    assert rows["service/web"][:4] == ["ClusterIP", "<none>", "<none>", "80/TCP"]
    assert rows["pod/one"][0] == "0/1"
    described = kubectl("describe", "deployment", "web")
    assert "3 desired" in described
    assert "app=web" in kubectl("describe", "service", "web")
    kubectl("delete", "deployment,service,pod", "--all")
    assert "No resources found" in kubectl.run("get", "all").stderr


def test_apply_merges_lists_by_their_keys(kubectl: Client) -> None:
    """kube-api 3.7.5: what others set stays, what was applied before and is gone goes."""
    kubectl("apply", "-f", "-", stdin=applied("a:1"))
    kubectl(
        "patch", "deployment", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"c"}]}}}}'
    )
    assert "a:1" in kubectl.run("diff", "-f", "-", stdin=applied("a:2")).stdout
    kubectl("apply", "-f", "-", stdin=applied("a:2", minReadySeconds=5))
    spec = kubectl.json("get", "deployment", "web")["spec"]
    images = {container["name"]: container["image"] for container in spec["template"]["spec"]["containers"]}
    assert images == {"a": "a:2", "b": "b:1", "c": "c"}
    kubectl("apply", "-f", "-", stdin=applied("a:2"))
    assert "minReadySeconds" not in kubectl.json("get", "deployment", "web")["spec"]
    kubectl("rollout", "restart", "deployment/web")
    template = kubectl.json("get", "deployment", "web")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]


MANIFESTS = (
    applied("a:1"),
    applied("a:1", replicas=0, paused=False, strategy={"type": "Recreate"}),
    """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {}}
spec:
  hostNetwork: false
  volumes: [{name: none}, {name: memory, emptyDir: {medium: Memory, sizeLimit: 1024Mi}}]
  containers:
  - name: a
    image: a
    args: []
    env: [{name: EMPTY, value: ""}]
    resources: {limits: {cpu: 1, memory: 1024Mi}, requests: {cpu: 0.5}}
    livenessProbe: {httpGet: {port: 80}}
""",
    """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}, {port: 53, protocol: UDP, name: dns}], clusterIP: None}
""",
)


@pytest.mark.parametrize("how", ["--server-side=true", "--server-side=false"])
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_what_was_applied_does_not_differ(kubectl: Client, manifest: str, how: str) -> None:
    """The same manifest again is no change, as a dry run and as a write."""
    kubectl("apply", how, "-f", "-", stdin=manifest)
    before = kubectl.json("get", "deployments,pods,services")
    done = kubectl.run("diff", how, "-f", "-", stdin=manifest)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    kubectl("apply", how, "-f", "-", stdin=manifest)
    assert kubectl.json("get", "deployments,pods,services") == before


def test_a_rollout_is_followed_to_its_end(kubectl: Client) -> None:
    """What a syncer reports in the status is what `rollout status` reads."""
    kubectl("create", "deployment", "web", "--image=web:1")
    generation = kubectl.json("get", "deployment", "web")["metadata"]["generation"]
    following = kubectl.start("rollout", "status", "deployment/web", "--timeout=60s")
    assert following.stdout is not None
    assert "Waiting for deployment" in following.stdout.readline()
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    status = {"status": {"observedGeneration": generation, **counts}}
    kubectl("patch", "deployment", "web", "--subresource=status", "-p", json.dumps(status))
    rest = following.stdout.read()
    following.stdout.close()
    assert following.wait(60) == 0
    assert 'deployment "web" successfully rolled out' in rest
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=1", "--timeout=30s")


def test_deep_fields_are_explained(kubectl: Client) -> None:
    """kube-api 1.5: documents lead to the schema of the definition."""
    text = kubectl("explain", "deployment.spec.template.spec.containers.livenessProbe")
    assert "periodSeconds" in text
