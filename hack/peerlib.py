"""Run peers on loopback: start them, wait until they answer, end them by their pids. For the scripts of this folder."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = Path(os.environ.get("KCP_PEERS_DIR") or Path(__file__).resolve().parent.parent / ".tools/peers")
START_SECONDS = 120
STOP_SECONDS = 20
PIDS = "pids.json"
# user → groups; each gets a random token in tokens.csv
USERS = {"admin": ["system:masters"], "alice": ["developers"]}


def fail(message: str) -> NoReturn:
    """End with one line on stderr."""
    sys.exit(f"hack/{Path(sys.argv[0]).name}: {message}")


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that are free now, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def spawn(directory: Path, name: str, arguments: list[str], program: str = "") -> int:
    """Start a peer in a session of its own with its output in a log, and note its pid before anything else happens.

    `program` is the file, where it is not called as the peer is.
    """
    path = PEERS / (program or name)
    if not path.is_file():
        fail(f"{path} is missing (run hack/peers)")
    with (directory / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            start_new_session=True,
        )
    record = directory / PIDS
    pids: dict[str, int] = json.loads(record.read_text()) if record.exists() else {}
    pids[name] = process.pid
    record.write_text(json.dumps(pids))
    return process.pid


def alive(pid: int) -> bool:
    """Tell whether the process runs; one of our own that ended is reaped on the way."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        # Who was started by a run that is over waits for the system to take note of its end, which may take seconds.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_ready(url: str) -> bool:
    """Ask the readiness endpoint once."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is minutes old and our own; only readiness is read
    try:
        with urllib.request.urlopen(url + "/readyz", timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def write_kubeconfig(path: Path, url: str, ca: Path, tokens: dict[str, str], *, inline: bool = False) -> None:
    """Write a kubeconfig (JSON is YAML) with one context per user and one without credentials.

    With `inline` it needs no other file.
    """
    users = [{"name": name, "user": {"token": token}} for name, token in tokens.items()]
    users.append({"name": "anonymous", "user": {}})
    trusted = {"certificate-authority": str(ca)}
    if inline:
        trusted = {"certificate-authority-data": base64.b64encode(ca.read_bytes()).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "peer", "cluster": {"server": url, **trusted}},
        ],
        "users": users,
        "contexts": [{"name": u["name"], "context": {"cluster": "peer", "user": u["name"]}} for u in users],
        "current-context": "admin",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2) + "\n")


def wait(directory: Path, condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; end everything and fail when a program ends, or time is up."""
    pids: dict[str, int] = json.loads((directory / PIDS).read_text())
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        dead = next((name for name, pid in pids.items() if not alive(pid)), None)
        if dead or time.monotonic() > deadline:
            down(directory)
            fail(f"{f'{dead} ended' if dead else what}; see {directory}/*.log")
        time.sleep(0.1)


def start_apiserver(directory: Path, *, durable: bool = True, inline: bool = False) -> Path:
    """Start etcd and kube-apiserver, wait until the latter is ready, and return the path of a kubeconfig.

    `durable`: whether etcd syncs its files. `inline`: whether the kubeconfig needs no other file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / PIDS).exists():
        fail(f"{directory} already has servers ({sys.argv[0]} down)")
    etcd_port, raft_port, api_port = free_ports(3)
    etcd_url, raft_url = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{raft_port}"
    url = f"https://127.0.0.1:{api_port}"

    tokens = {name: secrets.token_hex(16) for name in USERS}
    rows = [f'{tokens[u]},{u},{u}-uid,"{",".join(groups)}"\n' for u, groups in USERS.items()]
    token_file = directory / "tokens.csv"
    token_file.touch(mode=0o600)
    token_file.write_text("".join(rows))
    key = directory / "sa.key"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)], check=True)
    spawn(
        directory,
        "etcd",
        [
            f"--data-dir={directory / 'etcd'}",
            f"--listen-client-urls={etcd_url}",
            f"--advertise-client-urls={etcd_url}",
            f"--listen-peer-urls={raft_url}",
            f"--initial-advertise-peer-urls={raft_url}",
            f"--initial-cluster=default={raft_url}",
            "--log-level=warn",
            *([] if durable else ["--unsafe-no-fsync"]),
        ],
    )
    spawn(
        directory,
        "kube-apiserver",
        [
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={api_port}",
            f"--cert-dir={directory / 'certs'}",
            f"--token-auth-file={token_file}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # A loopback address cannot be an endpoint of the service `kubernetes`.
            "--endpoint-reconciler-type=none",
        ],
    )
    (directory / "etcd.url").write_text(etcd_url)
    wait(directory, lambda: is_ready(url), "the server did not come up")
    config = directory / "admin.kubeconfig"
    write_kubeconfig(config, url, directory / "certs" / "apiserver.crt", tokens, inline=inline)
    return config


def down(directory: Path) -> None:
    """End the programs of a directory, the last one first, by their pids."""
    record = directory / PIDS
    if not record.exists():
        return
    pids: dict[str, int] = json.loads(record.read_text())
    for name, pid in reversed(pids.items()):
        command = Path(f"/proc/{pid}/cmdline")
        if not command.exists() or name.encode() not in command.read_bytes():
            continue  # ended already, and the number may belong to somebody else now
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while alive(pid):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
    record.unlink()
