"""Negotiation with a real physical cluster, whose schemas are those of Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import yaml

from kcp.client.connection import connect_as_told
from kcp.client.places import Resource
from kcp.config import contrib
from kcp.negotiation.controller import Controller
from kcp.negotiation.importer import Importer
from kcp.negotiation.kinds import DEFINITIONS, IMPORTS, NEGOTIATED
from tests.e2e.places import connection_of, is_true, place, said
from tests.e2e.syncing import deployment

if TYPE_CHECKING:
    from pathlib import Path

    from kcp.client.connection import Connection
    from tests.conftest import KcpServer
    from tests.e2e.places import Place

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1800)]  # the first run on a machine compiles the programs
Object = Any
CLUSTERS = Resource("workload.kcp.io", "v1alpha1", "workloadclusters")
DEPLOYMENTS = Resource("apps", "v1", "deployments")


@pytest.fixture
def real(pcluster: Path) -> Connection:
    return connect_as_told(pcluster.read_bytes(), trusted=True)


async def register(kcp: Place, name: str) -> Object:
    head = {"apiVersion": CLUSTERS.api_version, "kind": "WorkloadCluster"}
    spec = {"kubeconfigSecretRef": {"namespace": "default", "name": name}}
    return {**head, **await kcp.session.post(CLUSTERS.collection(), {**head, "metadata": {"name": name}, "spec": spec})}


async def test_deployments_of_two_releases_meet(kcp_server: KcpServer, real: Connection) -> None:
    # The other cluster is of a release in which pods had fewer fields.
    older = yaml.safe_load(contrib()["deployments.apps"])
    pod = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["template"]
    del pod["properties"]["spec"]["properties"]["hostUsers"]
    async with (
        place(connection_of(kcp_server, kcp_server.new_cluster())) as kcp,
        place(connection_of(kcp_server, kcp_server.new_cluster())) as west,
        place(real) as east,
        trio.open_nursery() as nursery,
    ):
        await west.session.post(DEFINITIONS.collection(), older)
        await west.wait(DEFINITIONS, "deployments.apps", lambda o: o is not None and is_true(o, "Established"))
        nursery.start_soon(Controller(kcp.session).run)
        for name, there in (("east", east), ("west", west)):
            found = await Importer(kcp.session, there.session, await register(kcp, name), ["deployments.apps"]).look()
            assert found.created == [f"deployments.{name}.v1.apps"]
            await kcp.wait(IMPORTS, found.created[0], lambda o: o is not None and is_true(o, "Compatible"))
        await kcp.session.merge_patch(NEGOTIATED.object("", "deployments.v1.apps"), {"spec": {"publish": True}})
        await kcp.wait(DEFINITIONS, "deployments.apps", lambda o: o is not None and is_true(o, "Established"))
        thing = deployment(hostUsers=True, restartPolicy="Always")
        made = await kcp.session.post(DEPLOYMENTS.collection("default"), thing)
        assert "hostUsers" not in made["spec"]["template"]["spec"]
        assert made["spec"]["template"]["spec"]["restartPolicy"] == "Always"
        body = {**thing, "spec": made["spec"]}
        for there in (east, west):
            query = {"dryRun": "All", "fieldValidation": "Strict"}
            taken = await there.session.request("POST", DEPLOYMENTS.collection("default"), query, body=body)
            assert taken["spec"]["template"]["spec"]["containers"][0]["name"] == "web"
        nursery.cancel_scope.cancel()


async def test_everything_that_a_cluster_stores_can_be_negotiated_and_served(
    kcp_server: KcpServer, real: Connection
) -> None:
    async with (
        place(connection_of(kcp_server, kcp_server.new_cluster())) as kcp,
        place(real) as east,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(Controller(kcp.session, publish=True).run)
        importer = Importer(kcp.session, east.session, await register(kcp, "east"), ["all"])
        first = await importer.look()
        assert len(first.created) > 30
        for name in first.created:
            found = await kcp.wait(IMPORTS, name, lambda o: o is not None and said(o, "Available") is not None)
            assert (said(found, "Compatible"), said(found, "Available")) == ("True", "True"), name
        again = await importer.look()
        assert (again.created, again.updated, again.deleted) == ([], [], [])
        nursery.cancel_scope.cancel()
