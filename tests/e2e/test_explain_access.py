"""`kubectl kcp explain-access` against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import COMMAND_SECONDS

if TYPE_CHECKING:
    from tests.e2e.conftest import Clients

ENTER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: enter}
rules: [{verbs: [access], nonResourceURLs: [/]}]
"""
PLUGIN = str(Path(sys.executable).parent / "kubectl-kcp")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("alice", "get", "configmaps", "-n", "default"), 0, '"alice" may get configmaps in {}: allowed by 05-rbac: '),
        (
            ("alice", "get", "cm/one", "-n", "default"),
            0,
            'RoleBinding "readers/default" of Role "reader" to User "alice"',
        ),
        (("alice", "delete", "configmaps", "-n", "default"), 1, '"alice" may not delete configmaps in {}: '),
        (("alice", "get", "things.example.com"), 1, "may not get things.example.com in {}: "),
        (("bob", "get", "secrets", "--groups", "system:masters"), 0, '"bob" may get secrets in {}: '),
        (("alice", "get", "/metrics"), 1, "may not get /metrics in {}: "),
    ],
)
def test_the_rule_is_named(clients: Clients, words: tuple[str, ...], code: int, said: str) -> None:
    url = clients.server.new_cluster()
    admin = clients.kubectl(url)
    admin("create", "role", "reader", "--verb=get", "--resource=configmaps")
    admin("create", "rolebinding", "readers", "--role=reader", "--user=alice")
    # Without the verb access on "/" nobody gets as far as the rules.
    admin("create", "-f", "-", stdin=ENTER)
    admin("create", "clusterrolebinding", "enter", "--clusterrole=enter", "--user=alice")
    command = [PLUGIN, "explain-access", *words]
    done = subprocess.run(
        command, env=admin.environment(), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.stderr == ""
    assert done.returncode == code, done.stdout
    assert said.format(url.rpartition("/")[2]) in done.stdout


def test_the_gate_is_named_where_it_denies(clients: Clients) -> None:
    admin = clients.kubectl(clients.server.new_cluster())
    admin("create", "role", "reader", "--verb=get", "--resource=configmaps")
    admin("create", "rolebinding", "readers", "--role=reader", "--user=alice")
    command = [PLUGIN, "explain-access", "alice", "get", "configmaps", "-n", "default"]
    done = subprocess.run(
        command, env=admin.environment(), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith(": refused by 02-content: no verb=access permission on /")


def test_a_resource_nobody_serves_is_one_line(clients: Clients) -> None:
    admin = clients.kubectl(clients.server.new_cluster())
    command = [PLUGIN, "explain-access", "alice", "get", "sheriffs"]
    done = subprocess.run(
        command, env=admin.environment(), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith('error: the workspace does not have a resource type "sheriffs"')
