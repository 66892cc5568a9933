"""`kubectl kcp cluster …` against a real server; another logical cluster of it plays the physical cluster."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kcp.workload.kubeconfig import connection_of
from tests.e2e.conftest import COMMAND_SECONDS, Client, write_kubeconfig
from tests.e2e.syncing import Side

if TYPE_CHECKING:
    from tests.e2e.conftest import Clients

PLUGIN = str(Path(sys.executable).parent / "kubectl-kcp")
PROGRAM = """
apiVersion: v1
kind: Config
current-context: it
clusters: [{name: it, cluster: {server: "https://127.0.0.1:6443"}}]
contexts: [{name: it, context: {cluster: it, user: it}}]
users:
- name: it
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: "true", interactiveMode: Never}}
"""


class Workspace(Side):
    """A workspace, and the plugin in it."""

    def cluster(self, *words: str) -> tuple[int, str, str]:
        """Run `kubectl kcp cluster …`; return exit status, output and complaint."""
        assert isinstance(self.kubectl, Client)
        done = subprocess.run(
            [PLUGIN, "cluster", *words],
            env=self.kubectl.environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def joined(self, name: str) -> dict[str, object]:
        found = self.get(f"workloadcluster/{name}")
        assert found is not None
        return dict(found["spec"])


@pytest.fixture
def workspace(clients: Clients) -> Workspace:
    return Workspace(clients.kubectl(clients.server.new_cluster()), "default")


@pytest.fixture
def physical(clients: Clients, tmp_path: Path) -> str:
    """Return the file of a kubeconfig that names the certificate of its server by file."""
    home = tmp_path / "physical"
    home.mkdir()
    server = clients.server
    return str(write_kubeconfig(home, server, server.new_cluster(), server.tokens["admin"]))


def test_a_joined_cluster_has_its_kubeconfig_in_a_secret_that_goes_with_it(workspace: Workspace, physical: str) -> None:
    done = workspace.cluster("join", "east", "--from-kubeconfig", physical, "--sync-mode", "pull")

    assert done[0] == 0, done
    assert done[1].startswith('Cluster "east" joined ')
    assert workspace.joined("east") == {
        "kubeconfigSecretRef": {"name": "workloadcluster-east", "namespace": "default", "key": "kubeconfig"},
        "syncMode": "Pull",
        "shareWith": "none",
        "unschedulable": False,
    }
    secret = workspace.get("secret/workloadcluster-east")
    content = base64.b64decode(secret["data"]["kubeconfig"])
    assert connection_of(content).server in Path(physical).read_text()
    assert b"certificate-authority-data" in content

    workspace("delete", "workloadcluster", "east")
    workspace.wait("secret/workloadcluster-east", lambda found: found is None)


def test_state_and_health_are_listed(workspace: Workspace, physical: str) -> None:
    assert workspace.cluster("list")[1].startswith("No clusters in ")
    for name in ("east", "west", "north"):
        assert workspace.cluster("join", name, "--from-kubeconfig", physical)[0] == 0
    condition = {"type": "Ready", "status": "False", "reason": "Gone", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = json.dumps({"status": {"conditions": [condition]}})
    workspace("patch", "workloadcluster", "west", "--subresource=status", "--type=merge", "-p", status)
    assert workspace.cluster("cordon", "west")[1] == 'Cluster "west" cordoned.\n'
    assert workspace.cluster("drain", "north")[1] == 'Cluster "north" draining.\n'

    code, out, _ = workspace.cluster("list")

    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["NAME", "READY", "STATE", "MODE", "SHARED", "REASON"],
        ["east", "Unknown", "schedulable", "none"],
        ["north", "Unknown", "draining", "none"],
        ["west", "False", "cordoned", "none", "Gone"],
    ]


def test_a_drained_cluster_takes_again_what_is_placed_after_uncordon(workspace: Workspace, physical: str) -> None:
    workspace.cluster("join", "east", "--from-kubeconfig", physical)
    workspace.cluster("drain", "east")
    drained = workspace.joined("east")
    assert drained["unschedulable"] is True
    assert str(drained["evictAfter"]).endswith("Z")

    assert workspace.cluster("uncordon", "east")[0] == 0

    assert workspace.joined("east")["unschedulable"] is False
    assert "evictAfter" not in workspace.joined("east")


def test_a_cluster_that_is_missing_does_not_keep_the_others_from_it(workspace: Workspace, physical: str) -> None:
    workspace.cluster("join", "east", "--from-kubeconfig", physical)

    code, out, complaint = workspace.cluster("cordon", "nowhere", "east")

    assert (code, out) == (1, 'Cluster "east" cordoned.\n')
    assert complaint.startswith("error: no such cluster in ")
    assert complaint.endswith(': "nowhere"\n')


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("east",), "error: say which physical cluster by --from-kubeconfig, --from-context or both\n"),
        (("east", "--from-context", "nowhere"), "error: "),
        (("east", "--from-kubeconfig", "{program}"), "error: "),
        (("east", "--from-kubeconfig", "{physical}", "--sync-mode", "drag"), 'error: --sync-mode "drag" is none of '),
        (("Not A Name", "--from-kubeconfig", "{physical}"), "error: "),
    ],
)
def test_what_cannot_be_joined_is_one_line_and_nothing_is_registered(
    workspace: Workspace, physical: str, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    code, out, said = workspace.cluster("join", *(word.format(physical=physical, program=program) for word in words))

    assert (code, out) == (1, "")
    assert said.startswith(complaint)
    assert said.count("\n") == 1
    assert workspace("get", "workloadclusters,secrets", "-o", "name") == ""


def test_a_secret_that_is_there_already_is_not_touched_and_nothing_is_registered(
    workspace: Workspace, physical: str
) -> None:
    workspace("create", "secret", "generic", "workloadcluster-east", "--from-literal=kubeconfig=mine")

    code, _, said = workspace.cluster("join", "east", "--from-kubeconfig", physical)

    assert (code, said.count("\n")) == (1, 1)
    assert "already exists" in said
    assert workspace("get", "workloadclusters", "-o", "name") == ""
    assert base64.b64decode(workspace.get("secret/workloadcluster-east")["data"]["kubeconfig"]) == b"mine"
