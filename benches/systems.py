"""The systems that are compared: how each is started on loopback, reached and ended."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
# The second is listed; it holds nothing but what is listed.
NAMESPACES = ("bench", "bench-list")
USER = "alice"
# Tokens of the owners of workspaces begin with this.
TENANT_TOKEN = "bench-owner-token"
# What the measured identity may do: an ordinary namespaced role, so that every request is authorized by rules.
ROLE: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "bench"},
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        }
    ],
}
BINDING: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "bench"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "bench"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
}
# Lets it into the logical cluster. Kubernetes has no such role and does not miss it.
ENTRY: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "bench-entry"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "system:kcp:workspace:access",
    },
    "subjects": BINDING["subjects"],
}


@dataclass(kw_only=True)
class Running:
    """A started system. Sizes are bytes, times seconds."""

    name: str
    server: str
    ca: Path
    admin_token: str
    user_token: str
    pids: list[int]
    ready_after: float
    directory: Path
    _ended: bool = field(default=False)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> int:
        """Send one request as administrator; returns the status code."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.server + path, data=data, method=method, headers=headers)
        context = ssl.create_default_context(cafile=str(self.ca))
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def prepare(self) -> None:
        """Create the namespace and the ordinary identity that the load runs as."""
        for namespace in NAMESPACES:
            roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
            created = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            steps = [
                ("/api/v1/namespaces", created),
                (f"{roles}/roles", ROLE),
                (f"{roles}/rolebindings", BINDING),
                ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", ENTRY),
            ]
            for path, body in steps:
                status = self.call("POST", path, body)
                if status not in (201, 409):
                    raise SystemExit(f"error: {self.name}: POST {path} answered {status}")

    def rss(self) -> int:
        """Resident memory of all its processes."""
        total = 0
        for pid in self.pids:
            status = Path(f"/proc/{pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
            total += int(line.split()[1]) * 1024
        return total

    def kill(self) -> None:
        """Kill its processes, by their ids, and wait for them."""
        self._ended = True
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            while _alive(pid):
                _reap(pid)
                time.sleep(0.02)

    def end(self) -> None:
        """End its processes, by their ids, and wait for them."""
        if self._ended:
            return
        self._ended = True
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 20
        for pid in self.pids:
            while _alive(pid):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                    deadline = time.monotonic() + 5
                _reap(pid)
                time.sleep(0.02)


def start_kcp(directory: Path, extra: list[str] | None = None, tokens: Sequence[str] = ()) -> Running:
    """Start `kcp start` with its store in `directory` and wait for its ready line.

    `tokens` are further lines of its token file.
    """
    token_file = directory / "tokens.csv"
    own = f'bench-user-token,{USER},{USER}-uid,"developers"'
    token_file.write_text("".join(f"{line}\n" for line in [own, *tokens]))
    command = [
        str(Path(sys.executable).parent / "kcp"),
        "start",
        "--root-directory",
        str(directory / "kcp"),
        "--bind-address",
        "127.0.0.1",
        "--secure-port",
        "0",
        "--token-auth-file",
        str(token_file),
        *(extra or []),
    ]
    begin = time.monotonic()
    with (directory / "kcp.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    ready_after = time.monotonic() - begin
    if "kcp is ready: " not in line:
        process.kill()
        raise SystemExit(f"error: kcp did not start: {line or (directory / 'kcp.log').read_text()}")
    address = line.split("kcp is ready: ", 1)[1].split()[0].rstrip("/")
    kubeconfig = directory / "kcp/admin.kubeconfig"
    ca, token = _from_kubeconfig(kubeconfig, directory, "shard-admin")
    return Running(
        name="kcp",
        server=f"{address}/clusters/bench",
        ca=ca,
        admin_token=token,
        user_token="bench-user-token",
        pids=[process.pid],
        ready_after=ready_after,
        directory=directory,
    )


def start_kube(directory: Path) -> Running:
    """Start kube-apiserver over etcd as `hack/peer-apiserver` does."""
    tool = ROOT / "hack/peer-apiserver"
    begin = time.monotonic()
    subprocess.run([str(tool), "up", str(directory)], check=True, stdout=subprocess.DEVNULL)
    ready_after = time.monotonic() - begin
    ca, token = _from_kubeconfig(directory / "admin.kubeconfig", directory, "admin")
    rows = [line.split(",") for line in (directory / "tokens.csv").read_text().splitlines()]
    user_token = next(row[0] for row in rows if row[1] == USER)
    config = _kubeconfig(directory / "admin.kubeconfig")
    return Running(
        name="kube-apiserver + etcd",
        server=str(config["clusters"][0]["cluster"]["server"]),
        ca=ca,
        admin_token=token,
        user_token=user_token,
        pids=_pids(directory),
        ready_after=ready_after,
        directory=directory,
    )


def has_kube() -> bool:
    """Whether hack/peers has built the peer."""
    return (Path(os.environ.get("KCP_PEERS_DIR") or ROOT / ".tools/peers") / "kube-apiserver").is_file()


def scratch(name: str) -> Path:
    """Make a directory for one run."""
    return Path(tempfile.mkdtemp(prefix=f"kcp-bench-{name}-"))


def _kubeconfig(path: Path) -> dict[str, Any]:
    text = path.read_text()
    try:
        config: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        import yaml

        config = yaml.safe_load(text)
    return config


def _from_kubeconfig(path: Path, directory: Path, user: str) -> tuple[Path, str]:
    import base64

    config = _kubeconfig(path)
    token = next(entry["user"]["token"] for entry in config["users"] if entry["name"] == user)
    cluster = config["clusters"][0]["cluster"]
    ca = directory / "bench-ca.pem"
    if "certificate-authority-data" in cluster:
        ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    else:
        ca.write_bytes(Path(cluster["certificate-authority"]).read_bytes())
    return ca, str(token)


def _pids(directory: Path) -> list[int]:
    pids: dict[str, int] = json.loads((directory / "pids.json").read_text())
    # The API server ends before the store it writes to.
    return list(reversed(pids.values()))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
