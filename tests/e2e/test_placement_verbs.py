"""`kubectl kcp move` and `explain-placement` against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import COMMAND_SECONDS
from tests.e2e.syncing import LABEL, Side

if TYPE_CHECKING:
    from tests.e2e.conftest import Clients

PLUGIN = str(Path(sys.executable).parent / "kubectl-kcp")
KUBECONFIG = "apiVersion: v1"


class Workspace(Side):
    """A workspace with two clusters, and the plugin in it."""

    def kcp(self, *words: str) -> tuple[int, str, str]:
        """Run `kubectl kcp …`; return exit status, output and complaint."""
        done = subprocess.run(
            [PLUGIN, *words],
            env=self.kubectl.environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def label(self, what: str) -> str | None:
        found = (self.get(what)["metadata"].get("labels") or {}).get(LABEL)
        return None if found is None else str(found)

    def merge(self, what: str, patch: object, *flags: str) -> None:
        self("patch", what, "--type=merge", "-p", json.dumps(patch), *flags)


@pytest.fixture
def workspace(clients: Clients) -> Workspace:
    found = Workspace(clients.kubectl(clients.server.new_cluster()), "default")
    for name in ("east", "west"):
        head = {"apiVersion": "workload.kcp.io/v1alpha1", "kind": "WorkloadCluster", "metadata": {"name": name}}
        found.put({**head, "spec": {"kubeconfig": KUBECONFIG}})
    found("create", "configmap", "one")
    return found


def test_a_namespace_is_moved(workspace: Workspace) -> None:
    assert workspace.kcp("move", "ns/default", "--to", "east")[:2] == (0, "namespaces/default moves to east.\n")
    assert workspace.label("namespace/default") == "east"
    assert workspace.kcp("move", "ns/default", "--to", "west")[1] == "namespaces/default moves from east to west.\n"
    assert workspace.label("namespace/default") == "west"
    assert workspace.kcp("move", "ns/default", "--to", "west")[1] == "namespaces/default is on west already.\n"


def test_an_object_is_moved_by_itself(workspace: Workspace) -> None:
    workspace.kcp("move", "ns/default", "--to", "east")

    code, out, _ = workspace.kcp("move", "cm/one", "--to", "west")

    assert (code, out) == (0, "configmaps/one in default moves to west.\n")
    assert workspace.label("configmap/one") == "west"
    assert workspace.label("namespace/default") == "east"
    code, out, _ = workspace.kcp("explain-placement", "configmaps/one")
    assert code == 0
    assert out.splitlines() == [
        "configmaps/one in default is placed on west.",
        "It has a place of its own, whatever its namespace's is.",
    ]


def test_why_is_told_with_the_words_of_placement_and_syncer(workspace: Workspace) -> None:
    assert workspace.kcp("explain-placement", "cm/one")[:2] == (
        1,
        "configmaps/one in default is placed nowhere.\nNothing has placed it.\nnamespaces/default is placed nowhere.\n",
    )
    why = {"workload.kcp.io/placed-because": "east is the one cluster that takes it"}
    workspace.merge("namespace/default", {"metadata": {"labels": {LABEL: "east"}, "annotations": why}})
    condition = {
        "type": "NamespaceScheduled",
        "status": "True",
        "reason": "Scheduled",
        "message": "on east, which is ready",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    workspace.merge("namespace/default", {"status": {"conditions": [condition]}}, "--subresource=status")
    trouble = {"workload.kcp.io/trouble-east": "the cluster refuses it"}
    workspace.merge("configmap/one", {"metadata": {"labels": {LABEL: "east"}, "annotations": trouble}})

    code, out, _ = workspace.kcp("explain-placement", "cm/one")

    assert code == 0
    assert out.splitlines() == [
        "configmaps/one in default is placed on east.",
        "It follows its namespace.",
        "namespaces/default is placed on east.",
        "Why: east is the one cluster that takes it",
        "Now: Scheduled: on east, which is ready",
        "It is not synced: the cluster refuses it",
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("move", "ns/default", "--to", "nowhere"), "error: no such cluster in "),
        (("move", "ns/default"), "error: say what to move, and where: "),
        (("move", "default", "--to", "east"), 'error: "default" is no object; write <resource>/<name>'),
        (("move", "sheriffs/one", "--to", "east"), 'error: the workspace does not have a resource type "sheriffs"'),
        (("move", "cm/two", "--to", "east"), "error: "),
        (("move", "ns/default", "--to", "west"), 'error: cluster "west" is cordoned; "cluster uncordon west" opens it'),
        (("explain-placement", "cm/one", "cm/two"), "error: accepts 1 arg(s)"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    workspace: Workspace, words: tuple[str, ...], complaint: str
) -> None:
    workspace.kcp("cluster", "cordon", "west")

    code, out, said = workspace.kcp(*words)

    assert (code, out, said.count("\n")) == (1, "", 1)
    assert said.startswith(complaint)
    assert workspace.label("namespace/default") is None


def test_a_cluster_that_is_being_emptied_takes_nothing(workspace: Workspace) -> None:
    workspace.kcp("cluster", "drain", "east")
    code, _, said = workspace.kcp("move", "ns/default", "--to", "east")
    assert (code, said) == (1, 'error: cluster "east" is being emptied\n')
