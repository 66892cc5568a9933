"""hack/pcluster: what controllers do in a real cluster they do there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import TOOLS, Client
from tests.e2e.pcluster import HACK, running

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1800)]  # the first run on a machine compiles the programs


@pytest.fixture
def kubectl(pcluster: Path, tmp_path: Path) -> Client:
    return Client(TOOLS / "kubectl", ("--kubeconfig", str(pcluster)), tmp_path)


def test_a_deployment_rolls_out_and_everything_goes_with_its_namespace(kubectl: Client) -> None:
    kubectl("create", "namespace", "rolling")
    there = ("--namespace", "rolling")
    kubectl(*there, "create", "deployment", "web", "--image=web:1", "--replicas=3")
    assert "successfully rolled out" in kubectl(*there, "rollout", "status", "deployment/web", "--timeout=50s")
    kubectl(*there, "set", "image", "deployment/web", "web=web:2")
    assert "successfully rolled out" in kubectl(*there, "rollout", "status", "deployment/web", "--timeout=50s")
    status = kubectl.json(*there, "get", "deployment", "web")["status"]
    assert (status["readyReplicas"], status["updatedReplicas"], status["observedGeneration"]) == (3, 3, 2)
    pods = [p for p in kubectl.json(*there, "get", "pods")["items"] if "deletionTimestamp" not in p["metadata"]]
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"web:2"}
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    # The scheduler spreads them.
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-0", "node-1"}
    kubectl("delete", "namespace", "rolling", "--timeout=50s")


def test_a_job_completes(kubectl: Client) -> None:
    kubectl("create", "job", "soon-done", "--image=x")
    kubectl("wait", "--for=condition=complete", "job/soon-done", "--timeout=50s")


def test_the_kubeconfig_needs_no_other_file(pcluster: Path) -> None:
    """Such a kubeconfig is what a cluster is registered with."""
    config = json.loads(pcluster.read_text())
    assert "certificate-authority-data" in config["clusters"][0]["cluster"]
    assert str(pcluster.parent) not in pcluster.read_text()


def test_down_leaves_nothing(tmp_path: Path) -> None:
    with running("west", tmp_path) as kubeconfig:
        pids = json.loads((kubeconfig.parent / "pids.json").read_text())
        assert set(pids) == {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}
        again = subprocess.run(
            [HACK / "pcluster", "up", "west"],
            env={**os.environ, "KCP_PCLUSTERS_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (again.returncode, again.stdout) == (1, "")
        assert "already has servers" in again.stderr
    assert list(tmp_path.iterdir()) == []
    assert [name for name, pid in pids.items() if is_running(pid)] == []


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has reaped yet has no command line any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False
