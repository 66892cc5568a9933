"""The syncer to a real physical cluster: its controllers roll out, and upstream shows it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kcp.syncer.names import Site
from tests.e2e.conftest import TOOLS, Client, Clients, write_kubeconfig
from tests.e2e.syncing import Pair, Side, deployment

if TYPE_CHECKING:
    from tests.conftest import KcpServer

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1800)]  # the first run on a machine compiles the programs


@pytest.fixture
def pair(kcp_server: KcpServer, pcluster: Path, clients: Clients, tmp_path: Path) -> Pair:
    """Return a workspace that has the definition of deployments, and a physical cluster."""
    url = kcp_server.cluster(f"test-{secrets.token_hex(5)}")
    home = tmp_path / "from"
    home.mkdir()
    config = write_kubeconfig(home, kcp_server, url, kcp_server.tokens["admin"])
    kcp = str(Path(sys.executable).parent / "kcp")
    subprocess.run([kcp, "crds", "install", "--kubeconfig", str(config), "deployments.apps"], check=True)
    site = Site(url.rpartition("/")[2], "east")
    below = Client(TOOLS / "kubectl", ("--kubeconfig", str(pcluster)), tmp_path)
    flags = ("-from_kubeconfig", str(config), "-from_cluster", site.logical_cluster, "-cluster", "east")
    return Pair(
        Side(clients.kubectl(url), "default"),
        Side(below, site.namespace("default")),
        site,
        (*flags, "-to_kubeconfig", str(pcluster), "-to_context", "admin"),
    )


def test_a_rollout_is_followed_upstream_as_on_the_cluster_itself(pair: Pair) -> None:
    pair.above("create", "secret", "generic", "read", "--from-literal=a=1")
    thing = deployment(volumes=[{"name": "v", "secret": {"secretName": "read"}}])
    rollout = ("rollout", "status", "deployment/web", "--timeout=50s")
    with pair.syncing():
        pair.above.put(thing)
        assert "successfully rolled out" in pair.above(*rollout)
        status = pair.above.get("deployment/web")["status"]
        assert (status["readyReplicas"], status["availableReplicas"]) == (3, 3)
        pair.above("set", "image", "deployment/web", "web=web:2")
        assert "successfully rolled out" in pair.above(*rollout)
        pair.above("scale", "deployment/web", "--replicas=1")
        pair.above.wait("deployment/web", lambda o: o["status"].get("readyReplicas") == 1)
        pods = json.loads(pair.below("get", "pods", "-o", "json"))["items"]
        images = {p["spec"]["containers"][0]["image"] for p in pods if "deletionTimestamp" not in p["metadata"]}
        assert images == {"web:2"}
        # A real server defaults and rewrites what it is given; none of it is taken for an edit.
        before = pair.above.revision(), pair.below.revision()
    assert pair.run("--dry-run").stdout == "nothing to do\n"
    with pair.syncing():
        pair.below("scale", "deployment/web", "--replicas=4")
        pair.below.wait("deployment/web", lambda o: o["spec"]["replicas"] == 1)
        after = pair.above.revision(), pair.below.revision()
        assert [side["Secret/read"] for side in after] == [side["Secret/read"] for side in before]
        pair.above("delete", "deployment/web", "--timeout=50s")
        assert pair.below.get("deployment/web") is None
        pair.below.wait("secret/read", lambda o: o is None)


def test_what_the_cluster_refuses_is_told_upstream(pair: Pair) -> None:
    trouble = "workload.kcp.io/trouble-east"
    # Valid by the definition, and not by the rules of the real kind.
    thing = deployment()
    thing["spec"]["template"]["metadata"]["labels"] = {"app": "another"}
    with pair.syncing():
        pair.above.put(thing)
        above = pair.above.wait("deployment/web", lambda o: trouble in o["metadata"]["annotations"])
        assert "selector" in above["metadata"]["annotations"][trouble]
        pair.above.put(deployment())
        pair.above.wait("deployment/web", lambda o: trouble not in o["metadata"]["annotations"])
        assert "successfully rolled out" in pair.above("rollout", "status", "deployment/web", "--timeout=50s")
        pair.above("delete", "deployment/web", "--timeout=50s")
