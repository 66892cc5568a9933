"""The cluster-controller with running servers; a kcp with definitions of native kinds plays the physical clusters."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kcp.kubeconfig import load, locate
from kcp.syncer.names import Site
from kcp.workload.kubeconfig import inline
from tests.conftest import KcpServer, running_kcp
from tests.e2e.conftest import Clients, write_kubeconfig
from tests.e2e.program import running
from tests.e2e.syncing import LABEL, SYNCER, Object, Side
from tests.proxy import proxy_to

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
COMMAND = (BIN / "kcp", "cluster-controller")
IMAGE = "registry.example/syncer:1"


@pytest.fixture(scope="module")
def east(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KcpServer]:
    """Run the server that plays the physical clusters."""
    with running_kcp(tmp_path_factory.mktemp("east")) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def controller(kcp_server: KcpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("controller")
    config = write_kubeconfig(home, kcp_server, kcp_server.url, kcp_server.tokens["admin"])
    flags = ("--resources_to_sync", "configmaps", "--syncer-image", IMAGE)
    with running([*COMMAND, "--kubeconfig", config, *flags], {"PYTHONUNBUFFERED": "1"}) as program:
        program.wait_for_line("cluster-controller is running")
        yield
        program.stop()


@dataclass(frozen=True, slots=True)
class Physical:
    """A logical cluster of the other server, as a physical cluster."""

    side: Side
    config: Path

    @property
    def kubeconfig(self) -> str:
        return inline(load(locate(str(self.config), {})))


@pytest.fixture
def physical(east: KcpServer, tmp_path: Path) -> Physical:
    home = tmp_path / "physical"
    home.mkdir()
    url = east.new_cluster()
    config = write_kubeconfig(home, east, url, east.tokens["admin"])
    return Physical(Side(Clients(east, home).kubectl(url), "default"), config)


@pytest.fixture
def workspace(clients: Clients) -> Side:
    return Side(clients.kubectl(clients.server.new_cluster()), "default")


def registration(name: str, kubeconfig: str, **spec: Object) -> Object:
    return {
        "apiVersion": "workload.kcp.io/v1alpha1",
        "kind": "WorkloadCluster",
        "metadata": {"name": name},
        "spec": {"kubeconfig": kubeconfig, **spec},
    }


def ready(thing: Object) -> Object:
    """Return the one condition; empty while there is none."""
    conditions = (thing or {}).get("status", {}).get("conditions", [])
    assert len(conditions) <= 1
    return conditions[0] if conditions else {}


def wait_ready(workspace: Side, name: str, reason: str = "WorkloadClusterReady") -> Object:
    """Wait for a cluster's condition with a reason, and return the object then."""
    found = workspace.wait(f"workloadcluster/{name}", lambda thing: ready(thing).get("reason") == reason)
    assert ready(found)["status"] == str(reason == "WorkloadClusterReady")
    return found


def look(workspace: Side, name: str) -> None:
    """Have the controller look at a cluster now: its registration changes."""
    now = workspace.get(f"workloadcluster/{name}")["spec"]["unschedulable"]
    patch = json.dumps({"spec": {"unschedulable": not now}})
    workspace("patch", "workloadcluster", name, "--type=merge", "-p", patch)


def configmap(name: str, cluster: str) -> Object:
    labels = {LABEL: cluster}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


def test_each_cluster_is_told_of_by_itself(workspace: Side, physical: Physical) -> None:
    good = physical.kubeconfig
    url = json.loads(good)["clusters"][0]["cluster"]["server"]
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        quiet = f"https://127.0.0.1:{silent.getsockname()[1]}"
        nobody = f"https://127.0.0.1:{closed.getsockname()[1]}"
        closed.close()
        workspace.put(registration("silent", good.replace(url, quiet)))
        workspace.put(registration("away", good.replace(url, nobody)))
        workspace.put(registration("broken", "certainly: [no kubeconfig"))
        workspace.put(registration("program", "users: [{name: u, user: {exec: {command: sh}}}]"))
        workspace.put(registration("refused", good.replace('"token": "', '"token": "not-')))
        workspace.put(registration("good", good))
        assert ready(wait_ready(workspace, "good")).keys() >= {"lastTransitionTime", "lastHeartbeatTime"}
        broken = ready(wait_ready(workspace, "broken", "InvalidKubeConfig"))
        assert (broken["severity"], "\n" in broken["message"]) == ("Error", False)
        assert "has exec" in ready(wait_ready(workspace, "program", "InvalidKubeConfig"))["message"]
        assert "Unable to connect" in ready(wait_ready(workspace, "away", "WorkloadClusterUnreachable"))["message"]
        assert "Unauthorized" in ready(wait_ready(workspace, "refused", "WorkloadClusterNotReady"))["message"]
        unheard = ready(wait_ready(workspace, "silent", "WorkloadClusterUnreachable"))
        assert f"{quiet} did not answer within 5 seconds" in unheard["message"]
    assert ready(workspace.get("workloadcluster/good"))["status"] == "True"


def test_a_cluster_that_goes_down_and_comes_back_is_told_while_another_stays_ready(
    workspace: Side, physical: Physical, east: KcpServer
) -> None:
    with proxy_to(east.url) as proxy:
        workspace.put(registration("weak", physical.kubeconfig.replace(east.url, proxy.url)))
        workspace.put(registration("strong", physical.kubeconfig))
        wait_ready(workspace, "weak")
        before = ready(wait_ready(workspace, "strong"))
        with proxy.down():
            look(workspace, "weak")
            look(workspace, "strong")
            down = ready(wait_ready(workspace, "weak", "WorkloadClusterUnreachable"))
            assert down["message"].startswith("Unable to connect to the server")
        wait_ready(workspace, "weak")
    after = ready(workspace.get("workloadcluster/strong"))
    assert (after["status"], after["lastTransitionTime"]) == ("True", before["lastTransitionTime"])


def test_a_kubeconfig_may_be_in_a_secret(workspace: Side, physical: Physical) -> None:
    thing = registration("east", "")
    thing["spec"] = {"kubeconfigSecretRef": {"namespace": "default", "name": "way"}}
    workspace.put(thing)
    missing = ready(wait_ready(workspace, "east", "InvalidKubeConfig"))
    assert missing["message"] == 'secret "default/way" with the kubeconfig is not there'
    workspace("create", "secret", "generic", "way", "--from-literal", f"other={physical.kubeconfig}")
    workspace.wait("workloadcluster/east", lambda o: 'has no key "kubeconfig"' in ready(o)["message"])
    workspace("delete", "secret", "way")
    workspace("create", "secret", "generic", "way", "--from-literal", f"kubeconfig={physical.kubeconfig}")
    wait_ready(workspace, "east")


def test_clusters_of_one_name_in_two_workspaces_are_two(clients: Clients, physical: Physical) -> None:
    first, second = (Side(clients.kubectl(clients.server.new_cluster()), "default") for _ in range(2))
    first.put(registration("east", physical.kubeconfig))
    second.put(registration("east", "nothing"))
    wait_ready(first, "east")
    wait_ready(second, "east", "InvalidKubeConfig")
    first("delete", "workloadcluster", "east")
    second.put(registration("east", physical.kubeconfig))
    wait_ready(second, "east")


def site_of(workspace: Side, cluster: str) -> Site:
    annotations = workspace.get("configmap/placed")["metadata"]["annotations"]
    return Site(annotations["kcp.io/cluster"], cluster)


def test_what_is_placed_is_pushed_until_the_registration_goes(workspace: Side, physical: Physical) -> None:
    workspace.put(registration("east", physical.kubeconfig, syncMode="Push"))
    found = wait_ready(workspace, "east")
    assert found["status"]["syncedResources"] == ["configmaps"]
    workspace.put(configmap("placed", "east"))
    below = Side(physical.side.kubectl, site_of(workspace, "east").namespace("default"))
    below.wait("configmap/placed", lambda o: o is not None and o["data"] == {"a": "1"})
    workspace("delete", "workloadcluster", "east")
    workspace.put(configmap("late", "east"))
    workspace.put(registration("west", physical.kubeconfig, syncMode="Push"))
    workspace.put(configmap("other", "west"))
    west = Side(physical.side.kubectl, site_of(workspace, "west").namespace("default"))
    west.wait("configmap/other", lambda o: o is not None)
    assert "finalizers" not in workspace.get("configmap/late")["metadata"]
    assert below.get("configmap/late") is None


def test_a_syncer_follows_its_registration(workspace: Side, physical: Physical, east: KcpServer) -> None:
    workspace.put(registration("east", physical.kubeconfig, syncMode="Push"))
    wait_ready(workspace, "east")
    # Another token is another connection; one that holds no rights cannot begin.
    weak = physical.kubeconfig.replace(east.tokens["admin"], east.tokens["alice"])
    workspace.put(registration("east", weak, syncMode="Push"))
    refused = wait_ready(workspace, "east", "ErrorStartingSyncer")
    assert refused["status"].get("syncedResources", []) == []
    workspace.put(registration("east", physical.kubeconfig, syncMode="Push"))
    wait_ready(workspace, "east")
    workspace.put(registration("east", physical.kubeconfig, syncMode="None"))
    workspace.wait("workloadcluster/east", lambda o: not o["status"].get("syncedResources"))


def play_pod(physical: Physical, namespace: str, label: str) -> None:
    """Have a pod that runs, as the controllers of a physical cluster would."""
    side = Side(physical.side.kubectl, namespace)
    metadata = {"name": "syncer-1", "namespace": namespace, "labels": {"workload.kcp.io/registration": label}}
    containers = [{"name": "syncer", "image": IMAGE}]
    side.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}})
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    side("patch", "pod", "syncer-1", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def test_a_syncer_is_installed_and_removed(workspace: Side, physical: Physical, tmp_path: Path) -> None:
    kinds = ("deployments.apps", "pods.core")
    subprocess.run([BIN / "kcp", "crds", "install", "--kubeconfig", physical.config, *kinds], check=True)
    workspace.put(registration("east", physical.kubeconfig, syncMode="Pull"))
    waiting = wait_ready(workspace, "east", "SyncerNotReady")
    assert ready(waiting)["severity"] == "Info"
    assert waiting["metadata"]["finalizers"] == ["workload.kcp.io/syncer-installed"]
    listed = json.loads(physical.side.kubectl("get", "deployments", "-A", "-o", "json"))["items"]
    [installed] = [one for one in listed if one["metadata"]["name"] == "syncer"]
    namespace = installed["metadata"]["namespace"]
    [container] = installed["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    play_pod(physical, namespace, namespace)
    assert wait_ready(workspace, "east")["status"]["syncedResources"] == ["configmaps"]

    # What the pod would do, with what it was given.
    given = Side(physical.side.kubectl, namespace).get("secret/kubeconfig")["data"]["kubeconfig"]
    (tmp_path / "given").write_bytes(base64.b64decode(given))
    arguments = [str(tmp_path / "given") if word == "/kcp/kubeconfig" else word for word in container["args"]]
    with running([SYNCER, *arguments, "--to-kubeconfig", physical.config], {"PYTHONUNBUFFERED": "1"}) as program:
        program.wait_for_line("both sides are listed")
        workspace.put(configmap("placed", "east"))
        below = Side(physical.side.kubectl, site_of(workspace, "east").namespace("default"))
        below.wait("configmap/placed", lambda o: o is not None)
        workspace("delete", "configmap", "placed", "--timeout=20s")
        program.stop()

    workspace("delete", "workloadcluster", "east", "--timeout=30s")
    for kind in ("namespace", "clusterrole", "clusterrolebinding"):
        assert "NotFound" in physical.side.kubectl.fails("get", kind, namespace)
    accounts = Side(workspace.kubectl, "kcp-syncers")
    for kind in ("serviceaccount", "secret", "clusterrole", "clusterrolebinding"):
        accounts.wait(f"{kind}/{namespace}", lambda o: o is None)


def test_a_cluster_that_cannot_be_reached_keeps_what_is_installed_there_known(
    workspace: Side, physical: Physical, east: KcpServer
) -> None:
    kinds = ("deployments.apps", "pods.core")
    subprocess.run([BIN / "kcp", "crds", "install", "--kubeconfig", physical.config, *kinds], check=True)
    with proxy_to(east.url) as proxy:
        workspace.put(registration("east", physical.kubeconfig.replace(east.url, proxy.url), syncMode="Pull"))
        wait_ready(workspace, "east", "SyncerNotReady")
        with proxy.down():
            workspace("delete", "workloadcluster", "east", "--wait=false")
            wait_ready(workspace, "east", "ErrorRemovingSyncer")
        workspace.wait("workloadcluster/east", lambda o: o is None)


def test_what_is_installed_is_removed_also_when_the_secret_went_first(workspace: Side, physical: Physical) -> None:
    kinds = ("deployments.apps", "pods.core")
    subprocess.run([BIN / "kcp", "crds", "install", "--kubeconfig", physical.config, *kinds], check=True)
    thing = registration("east", "", syncMode="Pull")
    del thing["spec"]["kubeconfig"]
    thing["spec"]["kubeconfigSecretRef"] = {"namespace": "default", "name": "way"}
    workspace("create", "secret", "generic", "way", "--from-literal", f"kubeconfig={physical.kubeconfig}")
    workspace.put(thing)
    wait_ready(workspace, "east", "SyncerNotReady")
    workspace("delete", "secret", "way")
    workspace("delete", "workloadcluster", "east", "--timeout=30s")
    assert "kcp-syncer" not in physical.side.kubectl("get", "namespaces,clusterroles", "-o", "name")


def test_a_workspace_is_not_synced_to_itself(workspace: Side, clients: Clients) -> None:
    own = inline(load(locate(str(workspace.kubectl.home / "config"), {})))
    workspace.put(registration("east", own, syncMode="Push"))
    refused = ready(wait_ready(workspace, "east", "ErrorStartingSyncer"))
    assert "is the workspace itself" in refused["message"]


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ((), 2, "--kubeconfig is required"),
        (("--kubeconfig=/nowhere",), 1, "No such file or directory"),
        (("--kubeconfig=x", "--push_mode", "-pull-mode"), 2, "exclude each other"),
    ],
)
def test_what_cannot_begin_says_why_in_a_line(words: tuple[str, ...], status: int, line: str) -> None:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == status
    [said] = done.stderr.splitlines()
    assert said.startswith("error: ")
    assert line in said


def test_who_may_not_see_everything_is_told(kcp_server: KcpServer, tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path, kcp_server, kcp_server.url, kcp_server.tokens["alice"])
    done = subprocess.run([*COMMAND, "--kubeconfig", config], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "alice" in done.stderr.splitlines()[-1]
    assert done.stdout == ""
