"""What the README promises."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.conftest import TOOLS, Client

if TYPE_CHECKING:
    from tests.conftest import KcpServer
    from tests.e2e.conftest import Clients

README = Path(__file__).resolve().parent.parent.parent / "README.md"


def as_the_readme_says(server: KcpServer, home: Path) -> Client:
    """Return kubectl with nothing but KUBECONFIG=.kcp/admin.kubeconfig."""
    (home / "config").symlink_to(server.kubeconfig)
    return Client(TOOLS / "kubectl", (), home)


def table_of_the_readme() -> list[tuple[str, ...]]:
    """Return the rows of the table of served resources."""
    lines = README.read_text().splitlines()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line[:1] == "|"]
    start = next(i for i, row in enumerate(rows) if row[0] == "NAME")
    return rows[start + 2 :]


def printed_rows(text: str) -> list[tuple[str, ...]]:
    """Return the rows of `kubectl api-resources`; only SHORTNAMES can be empty."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [tuple(row if len(row) == 5 else [row[0], "", *row[1:]]) for row in rows]


def test_api_resources_of_an_empty_cluster_are_the_readmes_table(clients: Clients) -> None:
    kubectl = clients.kubectl(clients.server.new_cluster())
    kubectl("create", "configmap", "first")

    served = printed_rows(kubectl("api-resources"))

    assert sorted(served) == sorted(table_of_the_readme())


def test_the_first_screen_ends_with_the_default_namespace(kcp_server: KcpServer, tmp_path: Path) -> None:
    kubectl = as_the_readme_says(kcp_server, tmp_path)

    lines = kubectl("get", "ns").splitlines()

    assert lines[0].split() == ["NAME", "STATUS", "AGE"]
    assert [line.split()[:2] for line in lines[1:]] == [["default", "Active"]]


def test_another_cluster_is_another_path(kcp_server: KcpServer, tmp_path: Path) -> None:
    kubectl = as_the_readme_says(kcp_server, tmp_path)
    second = ("--server", kcp_server.new_cluster())

    kubectl(*second, "create", "configmap", "hello", "--from-literal=a=b")

    assert "hello" in kubectl(*second, "get", "configmaps")
    assert "hello" not in kubectl("get", "configmaps")


def test_the_kubeconfig_is_for_its_owner_only_and_has_the_documented_contexts(kcp_server: KcpServer) -> None:
    assert kcp_server.kubeconfig.stat().st_mode & 0o777 == 0o600
    contexts = subprocess.run(
        [TOOLS / "kubectl", "config", "get-contexts", "-o", "name"],
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(kcp_server.kubeconfig)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {"root", "base", "system:admin", "shard-base"} <= set(contexts)
