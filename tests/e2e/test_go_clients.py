"""client-go and controller-runtime: the programs of `go/`, which are built where Go is present."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import HERE, REPOSITORY
from tests.e2e.program import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import LogicalCluster

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1200)]  # the first run on a machine compiles client-go
BUILT = REPOSITORY / ".tools" / "e2e-go"
COWBOY = """
apiVersion: wildwest.dev/v1alpha1
kind: Cowboy
metadata: {name: lucky}
spec: {intent: gold, horses: 2}
"""


@pytest.fixture(scope="module")
def go_programs() -> Path:
    """Build the programs and return the folder they are in; Go's own cache decides what there is to do."""
    flags = {"GOFLAGS": "-p=2 -mod=readonly -buildvcs=false"}
    command = ["go", "build", "-ldflags=-s -w", "-o", f"{BUILT}/", "./informer", "./manager"]
    subprocess.run(command, cwd=HERE / "go", env={**os.environ, **flags}, check=True)
    return BUILT


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_informers_follow_and_their_work_queue_writes(
    cowboys: LogicalCluster, go_programs: Path, encoding: str
) -> None:
    kubectl = cowboys.kubectl
    kubectl("create", "configmap", "before")
    with running([go_programs / "informer", encoding], kubectl.environment()) as informer:
        found = informer.wait_for_line("synced")
        assert sorted(found) == ["added before initial=true", "added kube-root-ca.crt initial=true", "synced"]

        kubectl("create", "-f", "-", stdin=COWBOY)
        informer.wait_for_line("cowboy added lucky")
        kubectl("create", "configmap", "question")
        kubectl("label", "configmap", "question", "ask=yes")
        seen = informer.wait_for_line("updated question map[answer:yes]")
        assert seen == ["added question initial=false", "updated question map[]", "updated question map[answer:yes]"]
        assert kubectl.json("get", "configmap", "question")["data"] == {"answer": "yes"}

        kubectl("delete", "configmap", "question")
        informer.wait_for_line("deleted question")
        kubectl("delete", "crd", "cowboys.wildwest.dev")
        informer.wait_for_line("cowboy deleted lucky")
        assert informer.stop().endswith("stopped\n")


def test_a_manager_is_elected_reconciles_and_hands_over(cowboys: LogicalCluster, go_programs: Path) -> None:
    kubectl = cowboys.kubectl
    manager = [go_programs / "manager"]
    with running(manager, kubectl.environment()) as first:
        first.wait_for_line("elected")
        holder = kubectl.json("get", "lease", "stables.wildwest.dev")["spec"]["holderIdentity"]
        kubectl("create", "-f", "-", stdin=COWBOY)
        kubectl("wait", "cowboy/lucky", "--for=jsonpath={.status.horses}=2", "--timeout=30s")
        stable = kubectl.json("get", "configmap", "lucky-stable")
        assert stable["data"] == {"horses": "2"}
        assert stable["metadata"]["ownerReferences"][0]["controller"] is True
        kubectl("delete", "configmap", "lucky-stable")
        kubectl("wait", "configmap/lucky-stable", "--for=create", "--timeout=30s")

        with running(manager, kubectl.environment()) as second:
            first.stop()
            second.wait_for_line("elected")
            assert kubectl.json("get", "lease", "stables.wildwest.dev")["spec"]["holderIdentity"] != holder
            kubectl("scale", "cowboy", "lucky", "--replicas=7")
            kubectl("wait", "cowboy/lucky", "--for=jsonpath={.status.horses}=7", "--timeout=30s")
            kubectl("delete", "cowboy", "lucky", "--timeout=30s")
            second.wait_for_line("buried lucky")
            second.stop()
