"""kubectl's plugins as users have them: found on PATH by a kubectl nobody here wrote."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.conftest import COMMAND_SECONDS, TOOLS
from tests.unit.cli.scripted import Workspaces, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import KcpServer

COMMANDS = Path(sys.executable).parent


@pytest.fixture
def tree() -> Iterator[Workspaces]:
    with serving(Workspaces()) as served:
        served.add("root:org", "organization")
        served.add("root:org:team")
        yield served


@pytest.fixture
def environment(tree: Workspaces, tmp_path: Path) -> dict[str, str]:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mine",
        "clusters": [{"name": "c", "cluster": {"server": f"{tree.url}/clusters/root"}}],
        "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    return {
        "PATH": f"{COMMANDS}:{TOOLS}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "config"),
        "TERM": "xterm",
    }


def run(environment: dict[str, str], *words: str) -> str:
    """Run a command that must succeed and return what it printed."""
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("kubectl", ["kubectl-1.33", "kubectl-1.37"])
def test_kubectl_finds_its_plugins(environment: dict[str, str], kubectl: str) -> None:
    program = str(TOOLS / kubectl)
    assert run(environment, program, "ws", "org") == "Current workspace is 'root:org' (type root:organization).\n"
    assert run(environment, program, "kcp", "workspace", "current", "--short") == "root:org\n"
    assert run(environment, program, "ws", "tree") == ".\n└── org\n    └── team\n\n"
    created = run(environment, program, "create", "workspace", "new", "--enter")
    assert created.splitlines()[-1] == "Current workspace is 'root:org:new' (type root:universal)."
    # What kubectl itself makes of the file that was written.
    assert run(environment, program, "config", "current-context") == "workspace.kcp.io/current\n"
    shown = run(environment, program, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    assert shown.endswith("/clusters/root:org:new")


def test_workspaces_of_a_real_server(environment: dict[str, str], kcp_server: KcpServer) -> None:
    Path(environment["KUBECONFIG"]).write_bytes(kcp_server.kubeconfig.read_bytes())
    kubectl = str(TOOLS / "kubectl-1.37")
    created = run(environment, kubectl, "create", "workspace", "plugins", "--type", "root:organization", "--enter")
    assert created.splitlines()[-1] == "Current workspace is 'root:plugins' (type root:organization)."
    assert run(environment, kubectl, "create", "workspace", "team").endswith("is ready to use.\n")
    assert "already exists" in run(environment, kubectl, "create", "workspace", "team", "--ignore-existing")
    assert run(environment, kubectl, "ws", "tree") == ".\n└── plugins\n    └── team\n\n"
    assert "ws=Ready  lc=Ready" in run(environment, kubectl, "ws", "tree", "--wide")
    assert run(environment, kubectl, "ws", "team", "--short") == "root:plugins:team\n"
    assert run(environment, kubectl, "create", "configmap", "inside") == "configmap/inside created\n"
    assert run(environment, kubectl, "ws", ":root").endswith("(type root).\n")
    missing = subprocess.run([kubectl, "ws", "nope"], env=environment, capture_output=True, text=True, check=False)
    assert (missing.returncode, missing.stderr) == (1, 'Error: workspace "root:nope" not found\n')
    alice = [kubectl, "ws", "--token", kcp_server.tokens["alice"], ":root:plugins"]
    denied = subprocess.run(alice, env=environment, capture_output=True, text=True, check=False)
    assert denied.returncode == 1
    assert denied.stderr in {
        'Error: access to workspace "root:plugins" denied\n',
        'Error: workspace "root:plugins" not found\n',
    }
    assert run(environment, kubectl, "ws", ".", "--short") == "root\n"


def test_kcp_has_the_plugins_as_commands(environment: dict[str, str]) -> None:
    kcp = str(COMMANDS / "kcp")
    assert run(environment, kcp, "ws", ".") == "Current workspace is 'root'.\n"
    assert run(environment, kcp, "kubectl-kcp", "ws", "current", "--short") == "root\n"
    assert "is ready to use" in run(environment, kcp, "kubectl-create-workspace", "by-kcp")


def test_kubectls_completion_offers_workspaces(environment: dict[str, str]) -> None:
    kubectl = str(TOOLS / "kubectl-1.37")
    assert run(environment, kubectl, "__complete", "ws", "org:t").splitlines()[0] == "org:team"
    assert "tree" in run(environment, kubectl, "__complete", "kcp", "ws", "tr")


def test_the_browser_walks_and_enters(environment: dict[str, str]) -> None:
    command = [str(COMMANDS / "kubectl-ws"), "-i"]
    main, terminal = pty.openpty()
    with subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        seen = b""

        def wait_for(text: bytes) -> None:
            nonlocal seen
            while text not in seen:
                seen += os.read(main, 65536)
            seen = seen.split(text, 1)[1]

        wait_for(b"kcp Workspaces")
        wait_for(b"bindings:0")
        os.write(main, b"j")  # to org
        wait_for(b"bindings:0")
        os.write(main, b"\x1b[C")  # expand it
        wait_for(b"team")
        wait_for(b"bindings:0")
        os.write(main, b"j")
        wait_for(b"bindings:0")
        os.write(main, b"\r")
        wait_for(b"Current workspace is 'root:org:team' (type root:universal).")
        assert process.wait(COMMAND_SECONDS) == 0
    os.close(main)
    assert run(environment, str(COMMANDS / "kubectl-ws"), ".", "--short") == "root:org:team\n"


@pytest.mark.parametrize("key", [b"q", b"\x1b", b"\x03"])
def test_the_browser_is_left_without_a_switch(environment: dict[str, str], key: bytes) -> None:
    before = Path(environment["KUBECONFIG"]).read_bytes()
    main, terminal = pty.openpty()
    command = [str(COMMANDS / "kubectl-ws"), "tree", "-i"]
    with subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        seen = b""
        while b"bindings:0" not in seen:
            seen += os.read(main, 65536)
        os.write(main, key)
        assert process.wait(COMMAND_SECONDS) == 0
    os.close(main)
    assert Path(environment["KUBECONFIG"]).read_bytes() == before


def test_eight_switches_at_once_leave_a_whole_kubeconfig(environment: dict[str, str], tree: Workspaces) -> None:
    for number in range(8):
        tree.add(f"root:w{number}")
    command = str(COMMANDS / "kubectl-ws")
    switches = [
        subprocess.Popen([command, f":root:w{number}"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(8)
    ]
    ends = [(switch.communicate(timeout=COMMAND_SECONDS), switch.returncode) for switch in switches]
    assert [code for _, code in ends] == [0] * 8, ends
    config = yaml.safe_load(Path(environment["KUBECONFIG"]).read_text())
    assert config["current-context"] == "workspace.kcp.io/current"
    servers = {entry["name"]: entry["cluster"]["server"].rpartition(":")[2] for entry in config["clusters"]}
    assert {servers["workspace.kcp.io/current"], servers["workspace.kcp.io/previous"]} < {f"w{n}" for n in range(8)}
    assert sorted(path.name for path in Path(environment["HOME"]).glob("*config*")) == ["config"]
