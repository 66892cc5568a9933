"""Fixtures every kind of test may use: a real kcp process, started as a user starts it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

READY = "kcp is ready: "
READY_SECONDS = 60
DRAIN_SECONDS = 20


@dataclass(frozen=True, slots=True)
class KcpServer:
    """A running `kcp start`: where it is, whom it trusts, and tokens by user name.

    Users: `admin` (group system:masters), `alice` (an ordinary user of group developers) and
    `kcp-admin`, the administrator of the generated kubeconfig.
    """

    url: str
    root_directory: Path
    kubeconfig: Path
    ca: bytes
    tokens: dict[str, str]

    def cluster(self, name: str) -> str:
        """Return the base URL of a logical cluster."""
        return f"{self.url}/clusters/{name}"

    def new_cluster(self) -> str:
        """Bring a logical cluster into being, as an administrator's first write does, and return its base URL."""
        url = self.cluster(f"test-{secrets.token_hex(5)}")
        maps = f"{url}/api/v1/namespaces/default/configmaps"
        self.send("POST", maps, b'{"metadata":{"name":"first"}}')
        self.send("DELETE", f"{maps}/first")
        return url

    def open_cluster(self, users: Iterable[str] = ()) -> str:
        """Bring a logical cluster into being that everybody may enter, and return its base URL.

        `users` may too, where a review names them without the groups of callers with credentials.
        """
        url = self.new_cluster()
        admit_everybody(lambda path, body: self.send("POST", url + path, body), users)
        return url

    def send(self, method: str, url: str, body: bytes | None = None) -> bytes:
        """Send a request as the administrator, which must succeed, and return the answer's body."""
        context = ssl.create_default_context(cadata=self.ca.decode())
        request = urllib.request.Request(url, body, method=method)
        request.add_header("Authorization", f"Bearer {self.tokens['admin']}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=READY_SECONDS, context=context) as answer:
            content: bytes = answer.read()
            return content


def admit_everybody(post: Callable[[str, bytes], object], users: Iterable[str] = ()) -> None:
    """Let all callers, and users that reviews name, into a logical cluster, whatever they may do there."""
    group = "rbac.authorization.k8s.io"
    named = [
        ("Group", "system:authenticated"),
        ("Group", "system:unauthenticated"),
        *(("User", user) for user in users),
    ]
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "everybody-enters"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:kcp:workspace:access"},
        "subjects": [{"apiGroup": group, "kind": kind, "name": name} for kind, name in named],
    }
    post(f"/apis/{group}/v1/clusterrolebindings", json.dumps(binding).encode())


def kcp_command() -> str:
    """Return the path of the kcp command that belongs to this interpreter, else the one on PATH."""
    beside = Path(sys.executable).parent / "kcp"
    command = str(beside) if beside.exists() else shutil.which("kcp")
    if command is None:
        pytest.fail("the kcp command is not installed (make build)")
    return command


def start_kcp(root: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Start kcp on a free port of loopback and return the process and its URL once it is ready."""
    words = ["start", "--root-directory", str(root), "--bind-address", "127.0.0.1", "--secure-port", "0", *options]
    return start([kcp_command(), *words], root.parent / f"{root.name}.log", READY)


def start(command: list[str], log_file: Path, ready: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return the process and its URL, which follows the words that say it is ready."""
    log = log_file.open("w")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    log.close()
    assert process.stdout is not None
    late = threading.Timer(READY_SECONDS, process.kill)
    late.start()
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(ready):
            late.cancel()
            return process, line[len(ready) :].split()[0].rstrip("/")
    late.cancel()
    process.stdout.close()
    process.wait()
    errors = log_file.read_text()[-2000:]
    pytest.fail(f"{' '.join(command[:2])} ended with {process.returncode}: {''.join(seen)}{errors}")


def stop_kcp(process: subprocess.Popen[str]) -> int:
    """End kcp as a service manager does and return its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        assert process.stdout is not None
        process.stdout.close()


def read_kubeconfig(path: Path) -> dict[str, Any]:
    """Read a kubeconfig with its named lists as mappings."""
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    return {
        kind: {entry["name"]: entry[kind.removesuffix("s")] for entry in config[kind]}
        for kind in ("clusters", "users", "contexts")
    }


@pytest.fixture(scope="session")
def kcp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KcpServer]:
    """Run one kcp process for the whole session; tests keep apart by logical clusters."""
    with running_kcp(tmp_path_factory.mktemp("kcp")) as server:
        yield server


@contextmanager
def running_kcp(directory: Path, *options: str) -> Iterator[KcpServer]:
    """Run a kcp whose data, log and tokens are kept in a directory."""
    tokens = {user: secrets.token_hex(16) for user in ("admin", "alice")}
    token_file = directory / "tokens.csv"
    token_file.write_text(
        f'{tokens["admin"]},admin,admin-uid,"system:masters"\n{tokens["alice"]},alice,alice-uid,"developers"\n'
    )
    root = directory / "root"
    process, url = start_kcp(root, "--token-auth-file", str(token_file), *options)
    try:
        kubeconfig = root / "admin.kubeconfig"
        entries = read_kubeconfig(kubeconfig)
        tokens["kcp-admin"] = entries["users"]["kcp-admin"]["token"]
        ca = base64.b64decode(entries["clusters"]["base"]["certificate-authority-data"])
        yield KcpServer(url, root, kubeconfig, ca, tokens)
    finally:
        stop_kcp(process)
