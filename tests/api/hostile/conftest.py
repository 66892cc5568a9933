"""A server to attack, and the check that an attack left it unharmed."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.api.hostile.raw import CONFIGMAPS, Victim
from tests.conftest import KcpServer, read_kubeconfig, start_kcp, stop_kcp

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Run a server of its own, which logs all it can."""
    directory = tmp_path_factory.mktemp("hostile")
    tokens = {user: secrets.token_hex(16) for user in ("admin", "alice")}
    token_file = directory / "tokens.csv"
    token_file.write_text(
        f'{tokens["admin"]},admin,admin-uid,"system:masters"\n{tokens["alice"]},alice,alice-uid,"developers"\n'
    )
    root = directory / "root"
    process, url = start_kcp(root, "--token-auth-file", str(token_file), "-v", "10", "--unsafe-no-fsync")
    try:
        kubeconfig = root / "admin.kubeconfig"
        entries = read_kubeconfig(kubeconfig)
        tokens["kcp-admin"] = entries["users"]["kcp-admin"]["token"]
        ca = base64.b64decode(entries["clusters"]["base"]["certificate-authority-data"])
        server = KcpServer(url, root, kubeconfig, ca, tokens)
        yield Victim(server, process.pid, directory / "root.log")
    finally:
        assert stop_kcp(process) == 0


@pytest.fixture(scope="session")
def threads(victim: Victim) -> dict[str, str]:
    """The threads of the server before anything happened to it."""
    return victim.threads()


@pytest.fixture(scope="module")
def unharmed(victim: Victim, threads: dict[str, str]) -> Iterator[None]:
    """After a module's tests the server answers and writes, lost no thread, and logged neither panic nor token."""
    logged = victim.log.stat().st_size
    yield
    assert victim.request("GET", "/readyz", user=None).body == b"ok"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"alive-{secrets.token_hex(8)}"}}
    created = victim.request(
        "POST",
        f"/clusters/alive{CONFIGMAPS}",
        json.dumps(body).encode(),
        headers=[("Content-Type", "application/json")],
    )
    assert created.code == 201
    assert threads.items() <= victim.threads().items()
    with victim.log.open() as log:
        log.seek(logged)
        text = log.read()
    assert "panicked" not in text
    assert "Traceback" not in text
    assert not [user for user, token in victim.server.tokens.items() if token in text]
