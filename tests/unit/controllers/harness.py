"""A server in this process with all controllers, and an administrator who speaks to it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from kcp.controllers import choose, runner
from kcp.core import Options, Server, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Json: TypeAlias = dict[str, Any]

ADMIN = User("admin", ("system:masters",))
CLUSTER = "/clusters/one"
NAMESPACES = f"{CLUSTER}/api/v1/namespaces"
CONFIG_MAPS = f"{NAMESPACES}/default/configmaps"
DEFINITIONS = f"{CLUSTER}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = f"{CLUSTER}/apis/example.com/v1/namespaces/default/widgets"
# Longer than anything here takes on a busy machine.
PATIENCE = 60


class Harness:
    """The server and what is asked of it."""

    def __init__(self, server: Server) -> None:
        """Speak to `server` as an administrator."""
        self.server = server

    async def send(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Send a request and return code and body."""
        content = b"" if body is None else json.dumps(body).encode()
        kind = b"application/merge-patch+json" if method == "PATCH" else b"application/json"
        answer = await self.server.call(method, path, headers=[(b"content-type", kind)], body=content, user=ADMIN)
        if answer.header(b"content-type") != b"application/json":
            return answer.status, {"message": answer.body.decode()}
        return answer.status, json.loads(answer.body)

    async def good(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a request that has to be answered well."""
        code, answer = await self.send(method, path, body)
        assert code < 300, answer
        return answer

    async def create(self, collection: str, name: str, *owners: Json, **metadata: object) -> Json:
        """Create an object that has nothing but metadata, owned by other objects or by given references."""
        references = [owner if "metadata" not in owner else owned_by(owner) for owner in owners]
        body: Json = {"metadata": {"name": name, "ownerReferences": references, **metadata}}
        if collection.startswith(f"{CLUSTER}/apis/example.com"):
            body |= {"apiVersion": "example.com/v1", "kind": "Widget"}
        return await self.good("POST", collection, body)

    async def until(self, collection: str, name: str, holds: Callable[[Json | None], bool]) -> Json | None:
        """Watch an object until `holds` says so of it; None stands for an object that is gone."""
        path = f"{collection}?watch=true&fieldSelector=metadata.name%3D{name}"
        with trio.fail_after(PATIENCE):
            async with self.server.stream("GET", path, user=ADMIN) as watch:
                code, now = await self.send("GET", f"{collection}/{name}")
                found = None if code == 404 else now
                if holds(found):
                    return found
                seen = b""
                async for piece in watch:
                    *lines, seen = (seen + piece).split(b"\n")
                    for event in map(json.loads, lines):
                        found = None if event["type"] == "DELETED" else event["object"]
                        if holds(found):
                            return found
        raise AssertionError("the watch ended")

    async def changed(self, collection: str, name: str, holds: Callable[[Json], bool]) -> Json:
        """Wait until an object that stays is as `holds` wants it."""
        found = await self.until(collection, name, lambda one: one is not None and holds(one))
        assert found is not None
        return found

    async def gone(self, collection: str, name: str) -> None:
        """Wait until an object is gone."""
        await self.until(collection, name, lambda found: found is None)


def owned_by(owner: Json, **more: object) -> Json:
    """Return a reference to an owner."""
    named = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    return {**named, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], **more}


def definition(**version: object) -> Json:
    """Return the definition of widgets."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema, **version}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions},
    }


@asynccontextmanager
async def serving(options: Options | None = None, *, controllers: str = "*") -> AsyncIterator[Harness]:
    """Run a server and its controllers."""
    server = Server(options or Options())
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            for controller in choose([controllers] if controllers else []):
                nursery.start_soon(runner.run, controller, server, server, server)
            yield Harness(server)
            nursery.cancel_scope.cancel()
    finally:
        server.close()
