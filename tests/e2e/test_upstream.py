"""Our plugins against upstream kcp, and upstream's plugins against ours.

Upstream's programs (`kcp`, `kubectl-ws`, `kubectl-create-workspace`) are not built here: `KCP_UPSTREAM_BIN` names a
directory that has them; without it these tests are skipped.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import COMMAND_SECONDS, TOOLS
from tests.e2e.program import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import KcpServer

UPSTREAM = Path(os.environ.get("KCP_UPSTREAM_BIN", ""))
OURS = Path(sys.executable).parent
pytestmark = [
    pytest.mark.peers,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (UPSTREAM / "kubectl-ws").is_file(), reason="KCP_UPSTREAM_BIN has no programs of upstream"),
]


def shell(directory: Path, plugins: Path, kubeconfig: bytes) -> dict[str, str]:
    """Return an environment in which kubectl finds the plugins of a directory."""
    directory.mkdir()
    (directory / "config").write_bytes(kubeconfig)
    return {
        "PATH": f"{plugins}:{TOOLS}:/usr/bin:/bin",
        "HOME": str(directory),
        "KUBECONFIG": str(directory / "config"),
    }


def told(environment: dict[str, str], line: str) -> str:
    """Run a kubectl command and return everything it said, and its exit code."""
    command = [str(TOOLS / "kubectl-1.37"), *line.split()]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    return f"{done.stdout}{done.stderr}exit {done.returncode}\n"


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listening.getsockname()[1] for listening in sockets]


@contextmanager
def upstream_kcp(root: Path) -> Iterator[bytes]:
    """Run upstream's server on loopback and yield its administrators' kubeconfig once it serves workspaces."""
    port, client, peer = free_ports(3)
    command: list[str | Path] = [UPSTREAM / "kcp", "start", f"--root-directory={root}", f"--secure-port={port}"]
    command += [
        "--bind-address=127.0.0.1",
        "--external-hostname=127.0.0.1",
        f"--embedded-etcd-directory={root / 'etcd'}",
    ]
    command += [f"--embedded-etcd-client-port={client}", f"--embedded-etcd-peer-port={peer}"]
    with running(command, {"PATH": "/usr/bin:/bin", "HOME": str(root.parent)}) as program:
        program.wait_for_line("finished bootstrapping root workspace phase 1")
        draining = threading.Thread(target=program.lines.read)  # a full pipe would stop the server
        draining.start()
        kubeconfig = (root / "admin.kubeconfig").read_bytes()
        yield kubeconfig
        program.process.terminate()
        draining.join(60)


# What both plugins have to say the same about.
WALK = (
    "ws .",
    "create workspace org --type root:organization --enter",
    "create workspace team",
    "create workspace team --ignore-existing",
    "create workspace team",
    "create workspace bad --type nope",
    "ws team",
    "create workspace deep",
    "ws ..:..",
    "ws tree",
    "ws tree --full",
    "ws :root:org:team",
    "ws -",
    "ws create-context mine",
    "ws current --short",
)


def test_our_plugins_say_what_upstreams_say_to_upstream(tmp_path: Path) -> None:
    # Two servers, so that both walks begin in the same place.
    said = []
    for name, plugins in (("theirs", UPSTREAM), ("ours", OURS)):
        with upstream_kcp(tmp_path / f"{name}-root") as kubeconfig:
            environment = shell(tmp_path / name, plugins, kubeconfig)
            said.append([(line, told(environment, line)) for line in WALK])
            # For a path that leads nowhere an administrator gets 404; upstream's plugin passes its words on.
            missing = told(environment, "ws missing").removesuffix("exit 1\n")
            assert missing in {
                'Error: workspace "root:missing" not found\n',
                "Error: the server could not find the requested resource\n",
            }
    theirs, ours = said
    assert ours == theirs
    assert any("Waiting for it to be ready" in text for _, text in ours)
    assert dict(ours)["ws tree"].startswith(".\n└── root\n    └── org\n        └── team\n")


def test_upstreams_plugins_walk_through_our_workspaces(kcp_server: KcpServer, tmp_path: Path) -> None:
    kubeconfig = kcp_server.kubeconfig.read_bytes()
    theirs = shell(tmp_path / "theirs", UPSTREAM, kubeconfig)
    assert told(theirs, "ws .") == "Current workspace is 'root'.\nexit 0\n"
    created = told(theirs, "create workspace upstream --type root:organization --enter")
    assert created.endswith("Current workspace is 'root:upstream' (type root:organization).\nexit 0\n")
    assert told(theirs, "create workspace team").endswith("is ready to use.\nexit 0\n")
    assert told(theirs, "ws team") == "Current workspace is 'root:upstream:team' (type root:universal).\nexit 0\n"
    assert told(theirs, "ws ..") == "Current workspace is 'root:upstream'.\nexit 0\n"
    assert told(theirs, "ws tree") == ".\n└── upstream\n    └── team\n\nexit 0\n"
    assert told(theirs, "ws -") == "Current workspace is 'root:upstream:team'.\nexit 0\n"
    # 404 is what an administrator gets, here as from upstream's server.
    assert told(theirs, "ws missing") == "Error: the server could not find the requested resource\nexit 1\n"
    assert told(theirs, "get workspaces -A").endswith("exit 0\n")
