"""Many workspaces on one server: all are there, all answer, and they take little memory."""

from __future__ import annotations

import os
import random
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import read_kubeconfig, start_kcp
from tests.crash.writer import Door

if TYPE_CHECKING:
    import http.client
    import subprocess

    from tests.crash.ledger import Json

COUNT = int(os.environ.get("KCP_MANY_WORKSPACES", "20000"))
ORGANIZATIONS = 200
CONNECTIONS = 4
ANSWERING = 40
PAGE = 500
WORKSPACES = "apis/tenancy.kcp.io/v1alpha1/workspaces"
ACCOUNT = "api/v1/namespaces/default/serviceaccounts/default"
# Coarse on purpose: a schema, a cache or a task for each logical cluster passes them by far, an allocator does not.
BYTES_EACH = 16 * 1024
BYTES_EACH_AFTER_RESTART = 4 * 1024


def resident(process: subprocess.Popen[str]) -> int:
    """Return the resident memory of a process in bytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) * 1024


def make(door: Door, parent: str, names: list[str], kind: str) -> list[str]:
    """Make workspaces in a logical cluster; returns the names of theirs."""
    clusters = []
    with closing(door.connect()) as connection:
        for name in names:
            spec = {"type": {"name": kind, "path": "root"}}
            head = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name}}
            made = door.ask(connection, "POST", f"/clusters/{parent}/{WORKSPACES}", {**head, "spec": spec})
            assert made["status"]["phase"] == "Ready"
            clusters.append(made["spec"]["cluster"])
    return clusters


def found(door: Door, connection: http.client.HTTPSConnection, resource: str) -> set[str]:
    """Walk a list over all logical clusters; returns `cluster/name` of its objects, each of which comes once."""
    seen: set[str] = set()
    after = ""
    while True:
        page: Json = door.ask(connection, "GET", f"/clusters/*/{resource}?limit={PAGE}&continue={after}")
        for item in page["items"]:
            where = f"{item['metadata']['annotations']['kcp.io/cluster']}/{item['metadata']['name']}"
            assert where not in seen
            seen.add(where)
        after = page["metadata"].get("continue", "")
        if not after:
            return seen


def check(door: Door, parents: list[str], clusters: list[list[str]]) -> None:
    """Hold lists over all logical clusters to what was made, and some workspaces to what they are born with."""
    with closing(door.connect()) as connection:
        wanted = {f"{parent}/ws-{number}" for parent in parents for number in range(len(clusters[0]))}
        of_root = {f"root/org-{number}" for number in range(ORGANIZATIONS)}
        assert found(door, connection, WORKSPACES) == wanted | of_root
        born = found(door, connection, "api/v1/serviceaccounts")
        assert {f"{cluster}/default" for row in clusters for cluster in row} <= born
        for cluster in random.Random(1).sample([name for row in clusters for name in row], ANSWERING):
            account = door.ask(connection, "GET", f"/clusters/{cluster}/{ACCOUNT}")
            assert account["metadata"]["annotations"]["kcp.io/cluster"] == cluster
            body = {"metadata": {"name": f"mark-{random.SystemRandom().randrange(10**9)}"}}
            door.ask(connection, "POST", f"/clusters/{cluster}/api/v1/namespaces/default/configmaps", body)
            maps = door.ask(connection, "GET", f"/clusters/{cluster}/api/v1/configmaps")["items"]
            assert {"kube-root-ca.crt", body["metadata"]["name"]} <= {one["metadata"]["name"] for one in maps}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_workspaces_are_there_answer_and_take_little_memory(tmp_path: Path) -> None:
    root = tmp_path / "root"
    process, url = start_kcp(root)
    try:
        token = read_kubeconfig(root / "admin.kubeconfig")["users"]["kcp-admin"]["token"]
        trust = ssl.create_default_context(cafile=str(root / "ca.crt"))
        door = Door(url, token, trust)
        parents = make(door, "root", [f"org-{number}" for number in range(ORGANIZATIONS)], "organization")
        before = resident(process)
        names = [f"ws-{number}" for number in range(COUNT // ORGANIZATIONS)]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            clusters = list(pool.map(lambda parent: make(door, parent, names, "universal"), parents))
        assert len({name for row in clusters for name in row}) == ORGANIZATIONS * len(names)
        grown = resident(process) - before
        assert grown < BYTES_EACH * COUNT, f"{grown / COUNT:,.0f} bytes for each workspace"
        check(door, parents, clusters)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

        process, url = start_kcp(root)
        grown = resident(process) - before
        assert grown < BYTES_EACH_AFTER_RESTART * COUNT, f"{grown / COUNT:,.0f} bytes each after a restart"
        check(Door(url, token, trust), parents, clusters)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
