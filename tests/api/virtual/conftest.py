"""Every test of a virtual workspace runs twice: inside `kcp start`, and over a process of its own."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.api.conftest import SECONDS, Houses, furnished
from tests.conftest import KcpServer, kcp_command, running_kcp, start, stop_kcp

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

READY = "virtual-workspaces is ready: "


def command() -> str:
    """Return the path of the command that is installed beside kcp."""
    return str(Path(kcp_command()).with_name("virtual-workspaces"))


@dataclass(frozen=True, slots=True)
class Outside:
    """A kcp without virtual workspaces, and the process that serves them."""

    server: KcpServer
    process: subprocess.Popen[str]
    url: str
    ca: bytes


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_outside(directory: Path, kubeconfig: Path, port: int, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Start the virtual workspaces of the kcp that a kubeconfig names; their certificate is in `directory`/virtual."""
    words = ["--kubeconfig", str(kubeconfig), "--root-directory", str(directory / "virtual")]
    words += ["--secure-port", str(port), *options]
    return start([command(), *words], directory / "virtual.log", READY)


@contextmanager
def running_outside(directory: Path, *options: str) -> Iterator[Outside]:
    """Run both processes; the kcp tells in its objects where the other is."""
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    apart = ("--run-virtual-workspaces=false", f"--shard-virtual-workspace-url={url}")
    with running_kcp(directory, *apart) as server:
        process, told = start_outside(directory, server.kubeconfig, port, *options)
        try:
            assert told == url
            yield Outside(server, process, url, (directory / "virtual" / "ca.crt").read_bytes())
        finally:
            assert stop_kcp(process) == 0


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with running_outside(tmp_path_factory.mktemp("outside")) as running:
        yield running


@pytest.fixture(params=["inside", "outside"])
def houses(request: pytest.FixtureRequest) -> Iterator[Houses]:
    if request.param == "inside":
        server = request.getfixturevalue("kcp_server")
        url, ca = server.url, server.ca
    else:
        running = request.getfixturevalue("outside")
        server, url, ca = running.server, running.url, running.ca
    trust = ssl.create_default_context(cadata=server.ca.decode())
    trust.load_verify_locations(cadata=ca.decode())
    with httpx.Client(verify=trust, timeout=SECONDS) as client:
        yield furnished(server, client, url, ca)
