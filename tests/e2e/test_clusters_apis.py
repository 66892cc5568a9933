"""From a registered physical cluster to an API of its workspace, by the cluster-controller alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kcp.kubeconfig import load, locate
from kcp.syncer.names import Site
from kcp.workload.kubeconfig import inline
from tests.e2e.conftest import Clients, write_kubeconfig
from tests.e2e.program import running
from tests.e2e.syncing import LABEL, Object, Side
from tests.e2e.test_clusters import registration, wait_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import KcpServer

COMMAND = (Path(sys.executable).parent / "kcp", "cluster-controller")
API = "widgets.example.org"


@pytest.fixture(scope="module", autouse=True)
def controller(kcp_server: KcpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("controller")
    config = write_kubeconfig(home, kcp_server, kcp_server.url, kcp_server.tokens["admin"])
    flags = ("--resources-to-sync", API, "--auto-publish-apis", "--push-mode")
    with running([*COMMAND, "--kubeconfig", config, *flags], {"PYTHONUNBUFFERED": "1"}) as program:
        program.wait_for_line("cluster-controller is running")
        yield
        program.stop()


@pytest.fixture
def workspace(clients: Clients) -> Side:
    return Side(clients.kubectl(clients.server.new_cluster()), "default")


def definition(**fields: Object) -> Object:
    spec = {"type": "object", "properties": fields}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": API},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def physical(clients: Clients, home: Path, **fields: Object) -> tuple[Side, str]:
    """Return a logical cluster that plays a physical one which has the API with these fields, and its kubeconfig."""
    home.mkdir()
    server = clients.server
    url = server.new_cluster()
    side = Side(clients.kubectl(url), "default")
    side.put(definition(**fields))
    side("wait", "--for=condition=Established", f"crd/{API}")
    config = write_kubeconfig(home, server, url, server.tokens["admin"])
    return side, inline(load(locate(str(config), {})))


def fields_of(crd: Object) -> set[str]:
    return set(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])


def test_what_clusters_have_in_common_is_served_and_synced(workspace: Side, clients: Clients, tmp_path: Path) -> None:
    text = {"type": "string"}
    east, of_east = physical(clients, tmp_path / "east", size=text, color=text)
    _, of_west = physical(clients, tmp_path / "west", size=text, weight=text)
    workspace.put(registration("east", of_east))
    workspace.wait(f"crd/{API}", lambda o: o is not None and fields_of(o) == {"size", "color"})
    assert wait_ready(workspace, "east")["status"]["syncedResources"] == [API]

    # It is served already, so the second cluster, which lacks a field, changes nothing, and is told so.
    workspace.put(registration("west", of_west))
    told = workspace.wait(
        "apiresourceimport/widgets.west.v1.example.org", lambda o: o and _is(o, "Compatible", "False")
    )
    assert "color" in next(c["message"] for c in told["status"]["conditions"] if c["type"] == "Compatible")

    widget = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w", "labels": {LABEL: "east"}}}
    workspace.put({**widget, "spec": {"size": "big"}})
    home = workspace.get(f"{API}/w")["metadata"]["annotations"]["kcp.io/cluster"]
    below = Side(east.kubectl, Site(home, "east").namespace("default"))
    below.wait(f"{API}/w", lambda o: o is not None and o["spec"] == {"size": "big"})

    workspace("delete", f"{API}/w")
    below.wait(f"{API}/w", lambda o: o is None)
    workspace("delete", "workloadcluster", "--all")
    workspace.wait(f"crd/{API}", lambda o: o is None)
    assert workspace("get", "apiresourceimports,negotiatedapiresources", "-o", "name") == ""


def _is(thing: Object, kind: str, status: str) -> bool:
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return any((one["type"], one["status"]) == (kind, status) for one in conditions)
