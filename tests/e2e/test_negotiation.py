"""Negotiation between running servers: a workspace, and two kcp that play physical clusters with different schemas."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from kcp.client import StatusError
from kcp.client.places import Resource
from kcp.negotiation.controller import Controller
from kcp.negotiation.everywhere import run_everywhere
from kcp.negotiation.importer import Importer
from kcp.negotiation.kinds import DEFINITIONS, IMPORTS, NEGOTIATED
from tests.conftest import KcpServer, running_kcp
from tests.e2e.places import Place, connection_of, is_true, place, said
from tests.proxy import Proxy, proxy_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Object = Any
CLUSTERS = Resource("workload.kcp.io", "v1alpha1", "workloadclusters")
COWBOYS = Resource("wild.io", "v1", "cowboys")
NAME, DEFINITION = "cowboys.v1.wild.io", "cowboys.wild.io"
EAST = {"intent": {"type": "string", "enum": ["ride", "rest", "sing"]}, "age": {"type": "integer"}}
EAST = {**EAST, "size": {"type": "integer", "maximum": 9}}
WEST = {"intent": {"type": "string", "enum": ["rest", "ride"]}, "horse": {"type": "string"}}
WEST = {**WEST, "size": {"type": "integer", "maximum": 5}}


def definition(fields: Object) -> Object:
    spec = {"type": "object", "properties": fields}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    version["subresources"] = {"status": {}}
    version["additionalPrinterColumns"] = [{"name": "Intent", "type": "string", "jsonPath": ".spec.intent"}]
    names = {"plural": "cowboys", "singular": "cowboy", "kind": "Cowboy", "listKind": "CowboyList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": DEFINITION},
        "spec": {"group": "wild.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def cowboy(**spec: Object) -> Object:
    return {"apiVersion": "wild.io/v1", "kind": "Cowboy", "metadata": {"name": "lucky"}, "spec": spec}


@dataclass(frozen=True, slots=True)
class Town(Place):
    """A logical cluster where cowboys may be defined."""

    async def wait_served(self, *fields: str) -> None:
        """Wait until the definition is established with just these fields."""

        def holds(found: Object) -> bool:
            return found is not None and is_true(found, "Established") and fields_of(found) == set(fields)

        await self.wait(DEFINITIONS, DEFINITION, holds)

    async def define(self, fields: Object) -> None:
        """Create or replace the definition of cowboys."""
        found = await self.get(DEFINITIONS, DEFINITION)
        if found is None:
            await self.session.post(DEFINITIONS.collection(), definition(fields))
            await self.wait_served(*fields)
        else:
            body = {**found, "spec": definition(fields)["spec"]}
            await self.session.put(DEFINITIONS.object("", DEFINITION), body)

    async def publish(self) -> None:
        await self.session.merge_patch(NEGOTIATED.object("", NAME), {"spec": {"publish": True}})

    async def wait_compatible(self, location: str, compatible: bool) -> Object:
        """Wait for the verdict on an import."""
        name = f"cowboys.{location}.v1.wild.io"
        wanted = "True" if compatible else "False"
        return await self.wait(IMPORTS, name, lambda o: o is not None and said(o, "Compatible") == wanted)


def fields_of(found: Object) -> set[str]:
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"].get("properties", ()))


@pytest.fixture(scope="module")
def physical(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KcpServer, KcpServer]]:
    """Run the servers that play the physical clusters."""
    with running_kcp(tmp_path_factory.mktemp("east")) as east, running_kcp(tmp_path_factory.mktemp("west")) as west:
        yield east, west


@dataclass(frozen=True, slots=True)
class Scene:
    """A workspace, and two physical clusters registered in it."""

    server: KcpServer
    url: str
    kcp: Town
    east: Town
    west: Town
    importers: dict[str, Importer]

    @asynccontextmanager
    async def negotiating(self, *, url: str = "", publish: bool = False) -> AsyncIterator[Controller]:
        """Run the controller."""
        async with place(connection_of(self.server, url or self.url)) as mine, trio.open_nursery() as nursery:
            controller = Controller(mine.session, publish=publish)
            nursery.start_soon(controller.run)
            yield controller
            nursery.cancel_scope.cancel()

    async def look(self, *locations: str) -> None:
        """Let importers look once."""
        for location in locations or self.importers:
            await self.importers[location].look()


@pytest.fixture
async def scene(kcp_server: KcpServer, physical: tuple[KcpServer, KcpServer]) -> AsyncIterator[Scene]:
    url = kcp_server.new_cluster()
    below = [server.cluster(f"test-{secrets.token_hex(5)}") for server in physical]
    async with (
        place(connection_of(kcp_server, url)) as above,
        place(connection_of(physical[0], below[0])) as first,
        place(connection_of(physical[1], below[1])) as second,
    ):
        kcp, east, west = Town(above.session), Town(first.session), Town(second.session)
        importers = {}
        for name, there, fields in (("east", east, EAST), ("west", west, WEST)):
            await there.define(fields)
            spec = {"kubeconfigSecretRef": {"namespace": "default", "name": name}}
            head = {"apiVersion": CLUSTERS.api_version, "kind": "WorkloadCluster"}
            body = {**head, "metadata": {"name": name}, "spec": spec}
            made = {**head, **await kcp.session.post(CLUSTERS.collection(), body)}
            importers[name] = Importer(kcp.session, there.session, made, ["cowboys.wild.io"])
        yield Scene(kcp_server, url, kcp, east, west, importers)


async def test_what_is_valid_where_it_was_negotiated_is_valid_in_both_clusters(scene: Scene) -> None:
    async with scene.negotiating():
        await scene.look()
        await scene.kcp.wait_compatible("east", True)
        await scene.kcp.wait_compatible("west", True)
        assert await scene.kcp.get(DEFINITIONS, DEFINITION) is None
        await scene.kcp.publish()
        await scene.kcp.wait_served("intent", "size")
        found = await scene.kcp.wait(NEGOTIATED, NAME, lambda o: is_true(o, "Published"))
        assert (said(found, "Submitted"), said(found, "Enforced")) == ("True", "False")
        await scene.kcp.wait(IMPORTS, "cowboys.west.v1.wild.io", lambda o: is_true(o, "Available"))
        collection = COWBOYS.collection("default")
        for wrong in ({"intent": "sing"}, {"size": 6}):
            with pytest.raises(StatusError) as refused:
                await scene.kcp.session.post(collection, cowboy(**wrong))
            assert refused.value.code == 422
        dropped = await scene.kcp.session.post(collection, cowboy(intent="ride", size=5, age=7, horse="jolly"))
        assert dropped["spec"] == {"intent": "ride", "size": 5}
        for there in (scene.east, scene.west):
            made = await there.session.post(collection, cowboy(**dropped["spec"]))
            assert made["spec"] == dropped["spec"]


async def test_what_is_served_is_narrowed_by_word_alone_and_widened_when_a_cluster_goes(scene: Scene) -> None:
    async with scene.negotiating(publish=True):
        await scene.look("east")
        await scene.kcp.wait_served("intent", "age", "size")
        await scene.kcp.wait(NEGOTIATED, NAME, lambda o: is_true(o, "Published"))
        await scene.look("west")
        found = await scene.kcp.wait_compatible("west", False)
        [compatible] = [c for c in found["status"]["conditions"] if c["type"] == "Compatible"]
        assert compatible["reason"] == "IncompatibleSchema"
        for part in ("spec.age: the field is removed", "spec.intent: enum no longer has", "spec.size: "):
            assert part in compatible["message"]
        path = IMPORTS.object("", "cowboys.west.v1.wild.io")
        await scene.kcp.session.merge_patch(path, {"spec": {"schemaUpdateStrategy": "UpdatePublished"}})
        await scene.kcp.wait_compatible("west", True)
        await scene.kcp.wait_served("intent", "size")
        # A look does not take the strategy back.
        await scene.look("west")
        assert (await scene.kcp.session.get(path))["spec"]["schemaUpdateStrategy"] == "UpdatePublished"
        # The cluster gets what the other has.
        await scene.west.define({**WEST, "age": EAST["age"]})
        await scene.look("west")
        await scene.kcp.wait_served("intent", "age", "size")
        # What it owned goes with it.
        await scene.kcp.session.delete(CLUSTERS.object("", "east"))
        await scene.kcp.wait_served("intent", "age", "size", "horse")
        await scene.west.session.delete(DEFINITIONS.object("", DEFINITION))
        await scene.west.wait(DEFINITIONS, DEFINITION, lambda o: o is None)
        await scene.look("west")
        await scene.kcp.wait(NEGOTIATED, NAME, lambda o: o is None)
        await scene.kcp.wait(DEFINITIONS, DEFINITION, lambda o: o is None)


async def test_a_definition_made_by_hand_dictates_until_it_goes(scene: Scene) -> None:
    async with scene.negotiating():
        await scene.kcp.define(EAST)
        before = await scene.kcp.get(DEFINITIONS, DEFINITION)
        await scene.look()
        await scene.kcp.wait_compatible("east", True)
        await scene.kcp.wait_compatible("west", False)
        found = await scene.kcp.wait(NEGOTIATED, NAME, lambda o: is_true(o, "Enforced"))
        assert (found["spec"]["publish"], said(found, "Published")) == (True, "True")
        assert await scene.kcp.get(DEFINITIONS, DEFINITION) == before
        await scene.kcp.session.delete(DEFINITIONS.object("", DEFINITION))
        await scene.kcp.wait_compatible("west", True)
        found = await scene.kcp.get(NEGOTIATED, NAME)
        assert found["spec"]["publish"] is False


async def test_what_happens_while_no_controller_runs_is_made_up_for(scene: Scene) -> None:
    await scene.look()
    async with scene.negotiating(publish=True):
        await scene.kcp.wait_served("intent", "size")
        await scene.kcp.wait_compatible("west", True)
        await scene.kcp.wait(NEGOTIATED, NAME, lambda o: is_true(o, "Published"))
    await scene.importers["west"].remove()
    async with scene.negotiating(publish=True):
        await scene.kcp.wait_served("intent", "age", "size")
    await scene.importers["east"].remove()
    async with scene.negotiating():
        await scene.kcp.wait(DEFINITIONS, DEFINITION, lambda o: o is None)
        assert await scene.kcp.get(NEGOTIATED, NAME) is None


@pytest.fixture
def proxy(kcp_server: KcpServer) -> Iterator[Proxy]:
    with proxy_to(kcp_server.url) as proxy:
        yield proxy


async def test_broken_connections_and_others_who_write_lose_no_change(scene: Scene, proxy: Proxy) -> None:
    url = scene.url.replace(scene.server.url, proxy.url)
    async with scene.negotiating(url=url, publish=True), trio.open_nursery() as nursery:
        nursery.start_soon(_scribble, scene.kcp)
        await scene.look("east")
        await scene.kcp.wait_served("intent", "age", "size")
        for number in range(2):
            field = f"field-{number}"
            await scene.east.define({**EAST, field: {"type": "string"}})
            await scene.look("east")
            proxy.cut()
            await scene.kcp.wait_served("intent", "age", "size", field)
            await _become(scene, proxy)
        nursery.cancel_scope.cancel()


async def _become(scene: Scene, proxy: Proxy) -> None:
    """Go back to the beginning while the controller reaches nothing."""
    with proxy.down():
        await scene.importers["east"].remove()
        await scene.east.define(EAST)
        await scene.look("east")
    await scene.kcp.wait_served("intent", "age", "size")


async def _scribble(kcp: Town) -> None:
    """Change everything that the controller writes, all the time, in what is none of its business."""
    number = 0
    while True:
        number += 1
        for resource, name in ((NEGOTIATED, NAME), (DEFINITIONS, DEFINITION), (IMPORTS, "cowboys.east.v1.wild.io")):
            try:
                patch = {"metadata": {"annotations": {"somebody": str(number)}}}
                await kcp.session.merge_patch(resource.object("", name), patch)
            except StatusError as error:
                if error.code not in {404, 409}:
                    raise
        await trio.sleep(0.01)


async def test_a_refused_definition_is_told_and_taken_once_it_can_be(scene: Scene) -> None:
    # Lists by keys that may be absent are no structural schema.
    keyed: Object = {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}}
    keyed |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"list": keyed}}}}
    spec = {"groupVersion": {"group": "wild.io", "version": "v1"}, "scope": "Namespaced", "kind": "Cowboy"}
    spec |= {"plural": "cowboys", "location": "north", "openAPIV3Schema": schema}
    async with scene.negotiating(publish=True):
        await scene.kcp.session.post(
            IMPORTS.collection(),
            {
                "apiVersion": IMPORTS.api_version,
                "kind": "APIResourceImport",
                "metadata": {"name": "north"},
                "spec": spec,
            },
        )
        found = await scene.kcp.wait(NEGOTIATED, NAME, lambda o: o is not None and said(o, "Submitted") == "False")
        [submitted] = [c for c in found["status"]["conditions"] if c["type"] == "Submitted"]
        assert submitted["reason"] == "Refused"
        assert "x-kubernetes-list-map-keys" in submitted["message"] or "required" in submitted["message"]
        keyed["items"]["required"] = ["k"]
        await scene.kcp.session.merge_patch(IMPORTS.object("", "north"), {"spec": {"openAPIV3Schema": schema}})
        await scene.kcp.wait_served("list")
        await scene.kcp.wait(NEGOTIATED, NAME, lambda o: is_true(o, "Submitted"))


async def test_what_a_cluster_cannot_tell_keeps_its_imports(
    scene: Scene, physical: tuple[KcpServer, KcpServer]
) -> None:
    url = scene.east.session.server
    with proxy_to(physical[0].url) as proxy:
        async with place(connection_of(physical[0], url.replace(physical[0].url, proxy.url))) as far:
            made = await scene.kcp.session.get(CLUSTERS.object("", "east"))
            importer = Importer(scene.kcp.session, far.session, made, ["cowboys.wild.io", "nothing.wild.io"])
            first = await importer.look()
            assert (first.created, first.deleted) == (["cowboys.east.v1.wild.io"], [])
            assert first.complaints == ['the physical cluster has no resource "nothing.wild.io"']
            found = await scene.kcp.get(IMPORTS, "cowboys.east.v1.wild.io")
            assert found["spec"]["subResources"] == [{"name": "status"}]
            assert found["metadata"]["annotations"]["apiresource.kcp.io/apiVersion"] == "wild.io/v1"
            [owner] = found["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["uid"]) == ("WorkloadCluster", made["metadata"]["uid"])
            async with trio.open_nursery() as nursery:
                with proxy.down():
                    nursery.start_soon(importer.run)
                    await trio.testing.wait_all_tasks_blocked(0.1)
                nursery.cancel_scope.cancel()
            assert await scene.kcp.get(IMPORTS, "cowboys.east.v1.wild.io") == found
            assert (await importer.look()).updated == []


async def test_all_workspaces_of_a_server_are_negotiated_each_by_itself(scene: Scene) -> None:
    base = connection_of(scene.server, scene.server.url)
    async with (
        place(connection_of(scene.server, scene.server.new_cluster())) as elsewhere,
        trio.open_nursery() as nursery,
    ):
        other = Town(elsewhere.session)
        await scene.look("east")
        await nursery.start(partial(run_everywhere, base, publish=True))
        await scene.kcp.wait_served("intent", "age", "size")
        # One that had nothing to negotiate begins, with the same names.
        head = {"apiVersion": CLUSTERS.api_version, "kind": "WorkloadCluster"}
        spec = {"kubeconfigSecretRef": {"namespace": "default", "name": "west"}}
        body = {**head, "metadata": {"name": "west"}, "spec": spec}
        made = {**head, **await other.session.post(CLUSTERS.collection(), body)}
        importer = Importer(other.session, scene.west.session, made, ["cowboys.wild.io"])
        await importer.look()
        await other.wait_served(*WEST)
        assert await scene.kcp.get(IMPORTS, "cowboys.west.v1.wild.io") is None
        # It ends with the last import, and may begin again.
        for _ in range(2):
            await importer.remove()
            await other.wait(NEGOTIATED, NAME, lambda o: o is None)
            await other.wait(DEFINITIONS, DEFINITION, lambda o: o is None)
            await importer.look()
            await other.wait_served(*WEST)
        await scene.kcp.wait_served("intent", "age", "size")
        nursery.cancel_scope.cancel()


async def test_who_may_not_see_everything_is_told_before_it_begins(scene: Scene) -> None:
    stranger = replace(connection_of(scene.server, scene.server.url), token=scene.server.tokens["alice"])
    with pytest.raises(StatusError) as refused:
        await run_everywhere(stranger)
    assert refused.value.code == 403
