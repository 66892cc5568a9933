"""kube-rs: a watcher and a controller of `kube-rs/`, compiled by cargo and run as programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import HERE, REPOSITORY
from tests.e2e.program import running

if TYPE_CHECKING:
    from tests.e2e.conftest import LogicalCluster

pytestmark = pytest.mark.timeout(900)  # the first run on a machine compiles kube-rs
POSSE = """
apiVersion: posse.example.com/v1
kind: Posse
metadata: {name: clanton}
spec: {sheriff: wyatt, size: 3}
"""


@pytest.fixture(scope="module")
def kube_rs() -> Path:
    """Build the program, into the target directory of the server's own crates, and return its path."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    command = ["cargo", "build", "--quiet", "--locked", "--manifest-path", str(HERE / "kube-rs" / "Cargo.toml")]
    subprocess.run([*command, "--target-dir", str(target)], check=True)
    return target / "debug" / "kcp-e2e-kube-rs"


@pytest.mark.parametrize("initially", ["list", "stream"])
def test_a_watcher_sees_what_is_there_and_then_each_change(
    cluster: LogicalCluster, kube_rs: Path, initially: str
) -> None:
    kubectl = cluster.kubectl
    for name in ("one", "two", "three"):
        kubectl("create", "configmap", name, "--from-literal=step=0")

    with running([kube_rs, "watch", initially], kubectl.environment()) as watcher:
        found = watcher.wait_for_line("ready")
        assert found == [
            "init",
            "found kube-root-ca.crt",
            *(f"found {n} step=0" for n in ("one", "three", "two")),
            "ready",
        ]
        kubectl("create", "configmap", "four")
        kubectl("patch", "configmap", "one", "-p", '{"data":{"step":"1"}}')
        kubectl("delete", "configmap", "two")
        assert watcher.wait_for_line("deleted two") == ["applied four", "applied one step=1", "deleted two"]


def test_a_controller_defines_its_kind_and_keeps_what_it_owns(cluster: LogicalCluster, kube_rs: Path) -> None:
    kubectl = cluster.kubectl
    with running([kube_rs, "control"], kubectl.environment()) as controller:
        controller.wait_for_line("installed")
        refused = kubectl.fails("create", "-f", "-", stdin=POSSE.replace("size: 3", "size: 13"))
        assert "spec.size in body should be less than or equal to 12" in refused
        kubectl("create", "-f", "-", stdin=POSSE)
        kubectl("wait", "posse/clanton", "--for=jsonpath={.status.riders}=3", "--timeout=30s")
        roster = kubectl.json("get", "configmap", "clanton-roster", "--show-managed-fields")
        posse = kubectl.json("get", "posse", "clanton")
        assert roster["data"] == {"riders": "3"}
        assert [owner["uid"] for owner in roster["metadata"]["ownerReferences"]] == [posse["metadata"]["uid"]]
        owners = {(entry["manager"], entry["operation"]) for entry in roster["metadata"]["managedFields"]}
        assert owners == {("posse.example.com/kube-rs", "Apply")}
        assert posse["metadata"]["finalizers"] == ["posse.example.com/kube-rs"]

        kubectl("delete", "configmap", "clanton-roster")
        kubectl("wait", "configmap/clanton-roster", "--for=create", "--timeout=30s")
        kubectl("patch", "posse", "clanton", "--type=merge", "-p", '{"spec":{"size":5}}')
        kubectl("wait", "posse/clanton", "--for=jsonpath={.status.riders}=5", "--timeout=30s")
        assert kubectl.json("get", "configmap", "clanton-roster")["data"] == {"riders": "5"}

        kubectl("delete", "posse", "clanton", "--timeout=30s")
        controller.wait_for_line("disbanded clanton")
        assert controller.stop().endswith("stopped\n")
