"""`kcp crds install`: a workspace that serves kinds of Kubernetes, and kubectl at work in it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from kcp.config import contrib
from tests.conftest import kcp_command

if TYPE_CHECKING:
    from tests.e2e.conftest import LogicalCluster

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {creationTimestamp: null, labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:1", ports: [{containerPort: 80}], resources: {limits: {cpu: 1, memory: 64Mi}}}
      - {name: side, image: "side:1"}
"""


def crds(cluster: LogicalCluster, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `kcp crds` as a user of the cluster."""
    return subprocess.run(
        [kcp_command(), "crds", *words, "--kubeconfig", str(cluster.kubeconfig)],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        check=False,
    )


def installed(cluster: LogicalCluster, *words: str) -> list[str]:
    done = crds(cluster, "install", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_everything_that_comes_with_kcp_is_taken_and_served_at_once(cluster: LogicalCluster) -> None:
    """Each definition is structural, as the server checks, and there is nothing to wait for afterwards."""
    names = sorted(contrib())
    assert installed(cluster, "all") == [f"customresourcedefinition/{name} created" for name in names]
    served = set(cluster.kubectl("api-resources", "-o", "name").split())
    assert {name.removesuffix(".core") for name in names} <= served
    found = cluster.kubectl.json("get", "crds")["items"]
    for definition in found:
        conditions = {c["type"]: c["status"] for c in definition["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions.get("NonStructuralSchema", "False") == "False"
    assert installed(cluster, "all") == [f"customresourcedefinition/{name} unchanged" for name in names]


def test_a_definition_is_brought_up_to_date_and_keeps_what_others_wrote(cluster: LogicalCluster) -> None:
    installed(cluster, "services")
    cluster.kubectl("label", "crd", "services.core", "team=net")
    cluster.kubectl("patch", "crd", "services.core", "--type=merge", "-p", '{"spec":{"names":{"categories":["mine"]}}}')
    assert installed(cluster, "services.core") == ["customresourcedefinition/services.core configured"]
    definition = cluster.kubectl.json("get", "crd", "services.core")
    assert definition["metadata"]["labels"] == {"team": "net"}
    assert "mine" not in definition["spec"]["names"]["categories"]


def test_kubectl_works_with_deployments_as_in_any_cluster(cluster: LogicalCluster) -> None:
    assert installed(cluster, "deployments.apps") == ["customresourcedefinition/deployments.apps created"]
    kubectl = cluster.kubectl
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl("scale", "deployment/web", "--replicas=3")
    # A strategic merge patch changes one container by its name and leaves the other.
    containers = [{"name": "web", "image": "web:2"}]
    kubectl(
        "patch", "deployment", "web", "-p", json.dumps({"spec": {"template": {"spec": {"containers": containers}}}})
    )
    web = kubectl.json("get", "deployment", "web")
    spec = web["spec"]
    assert spec["replicas"] == 3
    assert [c["image"] for c in spec["template"]["spec"]["containers"]] == ["web:2", "side:1"]
    assert spec["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    # What was applied comes back, and the replicas are the manifest's again.
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", stdin=MANIFEST)
    web = kubectl.json("get", "deployment", "web")
    assert (web["spec"]["replicas"], web["spec"]["template"]["spec"]["containers"][0]["image"]) == (2, "web:1")

    following = kubectl.start("rollout", "status", "deployment/web", "--timeout=60s")
    assert following.stdout is not None
    assert "Waiting for deployment" in following.stdout.readline()
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    status = {"status": {"observedGeneration": web["metadata"]["generation"], **counts}}
    kubectl("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    rest = following.stdout.read()
    following.stdout.close()
    assert following.wait(60) == 0
    assert "successfully rolled out" in rest

    heading, row = kubectl("get", "deployments", "-o", "wide").splitlines()
    assert heading.split()[-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[1:4] == ["2/2", "2", "2"]
    assert row.split()[-3:] == ["web,side", "web:1,side:1", "app=web"]


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("install",), 1, "error: which definitions?"),
        (("install", "nixes.apps"), 1, 'error: no definition "nixes.apps" comes with kcp'),
        (("install", "all", "--token=wrong"), 1, "error: "),
        (("install", "all", "--server=http://127.0.0.1:1"), 1, "error: Unable to connect to the server"),
        (("install", "--colour"), 2, "error: unknown flag: --colour"),
    ],
)
def test_what_goes_wrong_is_one_line(
    cluster: LogicalCluster, words: tuple[str, ...], code: int, complaint: str
) -> None:
    done = crds(cluster, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(complaint)
    assert done.stderr.count("\n") == 1


def test_a_name_that_somebody_else_has_is_told(cluster: LogicalCluster) -> None:
    """The definition is there but not served, and the server's reason is passed on."""
    other = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.apps"},
        "spec": {
            "group": "apps",
            "scope": "Namespaced",
            "names": {"plural": "rollouts", "kind": "Deployment"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(other))
    done = crds(cluster, "install", "deployments.apps")
    assert done.returncode == 1
    assert "deployments.apps is not served: " in done.stderr
    assert "already in use" in done.stderr
