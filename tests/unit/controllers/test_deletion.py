"""Controllers over a server in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

from kcp.controllers import CONTROLLERS, UnknownControllerError, choose, runner
from kcp.core import Options, Server, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ADMIN = User("admin", ("system:masters",))
NAMESPACES = "/clusters/one/api/v1/namespaces"
DEFINITIONS = "/clusters/one/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/clusters/one/apis/example.com/v1/namespaces/default/widgets"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server(Options())
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()
    server.close()


async def send(server: Server, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    answer = await server.call(method, path, headers=[(b"content-type", b"application/json")], body=content, user=ADMIN)
    return answer.status, json.loads(answer.body)


async def gone(server: Server, collection: str, name: str) -> None:
    """Wait for the deletion of an object, by watching it."""
    path = f"{collection}?watch=true&fieldSelector=metadata.name%3D{name}"
    async with server.stream("GET", path, user=ADMIN) as watch:
        if (await send(server, "GET", f"{collection}/{name}"))[0] == 404:
            return
        seen = b""
        while b'"DELETED"' not in seen:
            seen += await watch.read()


async def with_controllers(server: Server, nursery: trio.Nursery) -> None:
    for controller in choose(["*"]):
        nursery.start_soon(runner.run, controller, server, server, server)


async def test_a_deleted_namespace_is_emptied_and_goes(server: Server, nursery: trio.Nursery) -> None:
    await with_controllers(server, nursery)
    await send(server, "POST", NAMESPACES, {"metadata": {"name": "doomed"}})
    status, _ = await send(server, "POST", f"{NAMESPACES}/doomed/configmaps", {"metadata": {"name": "a"}})
    assert status == 201
    _, deleted = await send(server, "DELETE", f"{NAMESPACES}/doomed")
    assert deleted["status"]["phase"] == "Terminating"
    with trio.fail_after(10):
        await gone(server, NAMESPACES, "doomed")
    assert (await send(server, "GET", f"{NAMESPACES}/doomed/configmaps"))[1]["items"] == []


async def test_a_namespace_waits_for_the_finalizers_of_what_it_holds(server: Server, nursery: trio.Nursery) -> None:
    await with_controllers(server, nursery)
    await send(server, "POST", NAMESPACES, {"metadata": {"name": "held"}})
    held = {"metadata": {"name": "a", "finalizers": ["example.com/mine"]}}
    _, created = await send(server, "POST", f"{NAMESPACES}/held/configmaps", held)
    await send(server, "DELETE", f"{NAMESPACES}/held")
    with trio.fail_after(10):
        while "deletionTimestamp" not in created["metadata"]:
            _, created = await send(server, "GET", f"{NAMESPACES}/held/configmaps/a")
    assert (await send(server, "GET", f"{NAMESPACES}/held"))[0] == 200
    created["metadata"]["finalizers"] = []
    await send(server, "PUT", f"{NAMESPACES}/held/configmaps/a", created)
    with trio.fail_after(20):
        await gone(server, NAMESPACES, "held")


async def test_a_deleted_definition_takes_its_objects_along(server: Server, nursery: trio.Nursery) -> None:
    await with_controllers(server, nursery)
    assert (await send(server, "POST", DEFINITIONS, DEFINITION))[0] == 201
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}
    assert (await send(server, "POST", WIDGETS, widget))[0] == 201
    await send(server, "DELETE", f"{DEFINITIONS}/widgets.example.com")
    with trio.fail_after(10):
        await gone(server, DEFINITIONS, "widgets.example.com")
    assert (await server.call("GET", WIDGETS, user=ADMIN)).status == 404
    assert (await send(server, "POST", DEFINITIONS, DEFINITION))[0] == 201
    assert (await send(server, "GET", WIDGETS))[1]["items"] == []


async def test_work_of_a_run_before_is_found_by_its_index(tmp_path: Path) -> None:
    first = Server(Options(store=tmp_path / "store"))
    namespace = json.dumps({"metadata": {"name": "doomed"}}).encode()
    first.call_blocking(
        "POST", NAMESPACES, headers=[(b"content-type", b"application/json")], body=namespace, user=ADMIN
    )
    first.call_blocking("DELETE", f"{NAMESPACES}/doomed", user=ADMIN)
    first.close()

    second = Server(Options(store=tmp_path / "store"))
    async with trio.open_nursery() as nursery:
        await nursery.start(second.run)
        await with_controllers(second, nursery)
        with trio.fail_after(10):
            await gone(second, NAMESPACES, "doomed")
        nursery.cancel_scope.cancel()
    second.close()


EVERY = {
    "namespace-controller",
    "customresourcedefinition-controller",
    "garbage-collector-controller",
    "serviceaccount-token-controller",
    "workspace-controller",
}


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["*"], EVERY),
        (["*", "-namespace-controller"], EVERY - {"namespace-controller"}),
        (["namespace-controller"], {"namespace-controller"}),
        ([], set()),
    ],
)
def test_controllers_are_chosen_as_kube_controller_manager_does(names: list[str], chosen: set[str]) -> None:
    assert {controller.name for controller in choose(names)} == chosen


def test_an_unknown_controller_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownControllerError, match="fly") as raised:
        choose(["-fly"])
    assert all(controller.name in str(raised.value) for controller in CONTROLLERS)
