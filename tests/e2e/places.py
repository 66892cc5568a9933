"""A logical cluster as its administrator sees it, by the client that controllers use."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from kcp.client import StatusError
from kcp.client.connection import Connection
from kcp.client.informer import Informer
from kcp.client.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kcp.client.places import Resource
    from tests.conftest import KcpServer

Object = Any
SECONDS = 30


@dataclass(frozen=True, slots=True)
class Place:
    """A logical cluster of a server, by a session."""

    session: Session

    async def get(self, resource: Resource, name: str) -> Object:
        """Return an object; None when it is not there."""
        try:
            return await self.session.get(resource.object("", name))
        except StatusError as error:
            if error.is_not_found:
                return None
            raise

    async def wait(self, resource: Resource, name: str, holds: Callable[[Object], object]) -> Object:
        """Wait until an object is as `holds` says (None: it is not there), watching it; return it then."""
        changed = trio.Event()

        def tell(_: object) -> None:
            nonlocal changed
            changed.set()
            changed = trio.Event()

        informer = Informer(self.session, resource, fields=f"metadata.name={name}", handler=tell)
        found = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(informer.run)
            with trio.move_on_after(SECONDS) as limit:
                await informer.wait_synced()
                while True:
                    found = informer.store.get(("", name))
                    if holds(found):
                        break
                    await changed.wait()
            nursery.cancel_scope.cancel()
        assert not limit.cancelled_caught, f"{name} does not come to be as expected: {found}"
        return found


def said(thing: Object, kind: str) -> str | None:
    """Return a condition's status."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((c["status"] for c in conditions if c["type"] == kind), None)


def is_true(thing: Object, kind: str) -> bool:
    return said(thing, kind) == "True"


def connection_of(server: KcpServer, url: str) -> Connection:
    return Connection(server=url, authority=server.ca, token=server.tokens["admin"])


@asynccontextmanager
async def place(connection: Connection) -> AsyncIterator[Place]:
    session = Session(connection)
    try:
        yield Place(session)
    finally:
        await session.close()
