"""The transport without a socket: requests go through the same chain as everybody's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from kcp.client.status import StatusError

if TYPE_CHECKING:
    from kcp.core import Answer, Headers, User

MERGE_PATCH = b"application/merge-patch+json"
JSON = b"application/json"
AGGREGATED = b"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Caller(Protocol):
    """What can make a request: `kcp.core.Server`, or a test's stand-in."""

    async def call(
        self, method: str, target: str, *, headers: Headers | None, body: bytes, user: User | None
    ) -> Answer:
        """Make a request and return its whole answer."""
        ...


class Client:
    """Verbs in one logical cluster, as one user.

    Paths are those of the API below the logical cluster (`/api/v1/…`); objects are decoded JSON. Every method raises
    `StatusError` for answers of 400 and above, and is cancelled with its request (a queued write still happens).
    """

    def __init__(self, caller: Caller, cluster: str, user: User) -> None:
        """Speak to `cluster` through `caller` as `user`."""
        self._caller = caller
        self._prefix = f"/clusters/{cluster}"
        self._user = user

    async def get(self, path: str, *, accept: bytes = JSON) -> dict[str, Any]:
        """Return an object, a list or a document."""
        return await self._request("GET", path, [(b"accept", accept)], None)

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace an object."""
        return await self._request("PUT", path, [(b"content-type", JSON)], body)

    async def merge_patch(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change an object by a JSON merge patch."""
        return await self._request("PATCH", path, [(b"content-type", MERGE_PATCH)], patch)

    async def delete(self, path: str) -> dict[str, Any]:
        """Delete an object or a collection, its dependents in the background."""
        return await self._request("DELETE", path, [], None)

    async def discover(self) -> list[dict[str, Any]]:
        """Return every served group as `APIGroupDiscovery`, the core group first."""
        groups = []
        for path in ("/api", "/apis"):
            groups += (await self.get(path, accept=AGGREGATED))["items"]
        return groups

    async def _request(self, method: str, path: str, headers: Headers, body: dict[str, Any] | None) -> dict[str, Any]:
        raw = b"" if body is None else json.dumps(body).encode()
        answer = await self._caller.call(method, self._prefix + path, headers=headers, body=raw, user=self._user)
        if answer.status >= 400:
            raise StatusError.of(answer.status, answer.body)
        decoded: dict[str, Any] = json.loads(answer.body)
        return decoded
