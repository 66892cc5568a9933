"""Clients as a user runs them, against the session's kcp: command-line programs, and what libraries need to start."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.pcluster import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import KcpServer

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
FIXTURES = HERE / "fixtures"
TOOLS = REPOSITORY / ".tools" / "bin"
COMMAND_SECONDS = 60
# A decoded JSON document.
Json = Any


@dataclass(frozen=True, slots=True)
class Client:
    """A command-line client with a home of its own, pointed at one logical cluster."""

    program: Path
    flags: tuple[str, ...]
    home: Path

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed and return what it printed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must fail and return what it complained."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, f"{' '.join(arguments)} succeeded: {done.stdout}"
        return done.stderr

    def json(self, *arguments: str) -> Json:
        """Run a command with `-o json` and return the document."""
        return json.loads(self(*arguments, "-o", "json"))

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command and return how it ended."""
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=self.environment(),
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that goes on; the caller ends it."""
        return subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE, text=True, env=self.environment())

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line."""
        return [str(self.program), *self.flags, *arguments]

    def environment(self) -> dict[str, str]:
        """Return an environment in which nothing of the developer's own set-up shows."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(self.home / "config"),
            "KUBECACHEDIR": str(self.home / "cache"),
            "LC_ALL": "C",
        }


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes clients for any logical cluster and user of one server."""

    server: KcpServer
    directory: Path

    def kubectl(self, cluster: str, user: str = "admin") -> Client:
        """Return a kubectl for a logical cluster (its base URL)."""
        return self.client("kubectl", cluster, user)

    def helm(self, cluster: str, user: str = "admin") -> Client:
        """Return a helm for a logical cluster (its base URL)."""
        return self.client("helm", cluster, user)

    def client(self, program: str, cluster: str, user: str) -> Client:
        """Write a kubeconfig and return a program that uses it."""
        path = TOOLS / program
        assert path.exists(), f"{program} is missing (hack/tools)"
        name = re.sub(r"[^\w-]", "_", f"{program}-{user[:20]}-{cluster.rpartition('/')[2]}")
        home = self.directory / name  # no colon: KUBECONFIG is a list of paths
        home.mkdir(exist_ok=True)
        write_kubeconfig(home, self.server, cluster, self.server.tokens.get(user, user))
        return Client(path, (), home)


def write_kubeconfig(home: Path, server: KcpServer, url: str, token: str) -> Path:
    """Write `config` and `ca.crt` into a directory and return the kubeconfig's path."""
    (home / "ca.crt").write_bytes(server.ca)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": str(home / "ca.crt")}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
        "current-context": "x",
    }
    (home / "config").write_text(json.dumps(config))
    (home / "config").chmod(0o600)  # helm warns about others who could read it
    return home / "config"


@dataclass(frozen=True, slots=True)
class LogicalCluster:
    """A fresh logical cluster, the administrator's kubeconfig for it, and a kubectl to look at it from outside."""

    url: str
    kubeconfig: Path
    kubectl: Client

    def create(self, fixture: str) -> None:
        """Create what a file of `fixtures/` holds."""
        self.kubectl("create", "-f", str(FIXTURES / fixture))


@pytest.fixture(scope="session")
def pcluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run one physical cluster for the whole session and return its administrator's kubeconfig."""
    with running("east", tmp_path_factory.mktemp("pclusters")) as kubeconfig:
        yield kubeconfig


@pytest.fixture
def clients(kcp_server: KcpServer, tmp_path: Path) -> Clients:
    return Clients(kcp_server, tmp_path)


@pytest.fixture
def cluster(clients: Clients) -> LogicalCluster:
    url = clients.server.new_cluster()
    kubectl = clients.kubectl(url)
    return LogicalCluster(url, kubectl.home / "config", kubectl)


@pytest.fixture
def cowboys(cluster: LogicalCluster) -> LogicalCluster:
    """Return a fresh logical cluster that serves cowboys.wildwest.dev/v1alpha1."""
    cluster.create("cowboys.yaml")
    return cluster
