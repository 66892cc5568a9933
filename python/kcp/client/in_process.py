"""The transport without a socket: requests go through the same chain as everybody's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from kcp.client.status import StatusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kcp.core import Answer, Headers, User

MERGE_PATCH = b"application/merge-patch+json"
JSON = b"application/json"
# Who owns the fields that controllers write, by the name that clients know their like by.
AGENT = (b"user-agent", b"kube-controller-manager/kcp")
# Objects of a page.
PAGE = 500
METADATA_LIST = b"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
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

    def __init__(self, caller: Caller, cluster: str, user: User, *, agent: str = "kcp") -> None:
        """Speak to `cluster` through `caller` as `user`; the fields it writes belong to the manager `agent`."""
        self._agent = agent.encode()
        self._caller = caller
        self._prefix = f"/clusters/{cluster}"
        self._user = user

    def of(self, cluster: str) -> Client:
        """Return the same client in another logical cluster."""
        return Client(self._caller, cluster, self._user, agent=self._agent.decode())

    async def get(self, path: str, *, accept: bytes = JSON) -> dict[str, Any]:
        """Return an object, a list or a document."""
        return await self._request("GET", path, [(b"accept", accept)], None)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object, or ask for what is created on the way (tokens)."""
        return await self._request("POST", path, [(b"content-type", JSON)], body)

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace an object."""
        return await self._request("PUT", path, [(b"content-type", JSON)], body)

    async def merge_patch(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change an object by a JSON merge patch."""
        return await self._request("PATCH", path, [(b"content-type", MERGE_PATCH)], patch)

    async def delete(
        self,
        path: str,
        *,
        policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> dict[str, Any]:
        """Delete an object or a collection.

        Args:
            path: of the object or the collection.
            policy: `Background`, `Foreground` or `Orphan`; None: the object's finalizers say, or its kind's default.
            uid: the object must have; else 409.
            resource_version: the object must have; else 409.

        Returns:
            A `Status` when the object is gone, else the object as it is now; the list of them for a collection.
        """
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {name: value for name, value in wanted.items() if value is not None}
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if preconditions:
            options["preconditions"] = preconditions
        if policy is not None:
            options["propagationPolicy"] = policy
        return await self._request("DELETE", path, [(b"content-type", JSON)], options)

    async def metadata(self, collection: str, *, fields: str = "") -> AsyncIterator[dict[str, Any]]:
        """Yield the metadata of every object of a collection, or of those that a field selector selects, page by page.

        Checkpoint: at each page.
        """
        selector, token = f"&fieldSelector={quote(fields)}" if fields else "", ""
        while True:
            page = await self.get(f"{collection}?limit={PAGE}{selector}{token}", accept=METADATA_LIST)
            # A list of metadata without items has none written, as in Kubernetes.
            for item in page["items"] or []:
                yield item["metadata"]
            if not (more := page["metadata"].get("continue")):
                return
            token = f"&continue={more}"

    async def discover(self) -> list[dict[str, Any]]:
        """Return every served group as `APIGroupDiscovery`, the core group first."""
        groups = []
        for path in ("/api", "/apis"):
            groups += (await self.get(path, accept=AGGREGATED))["items"]
        return groups

    async def _request(self, method: str, path: str, headers: Headers, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = [*headers, (b"user-agent", self._agent)]
        raw = b"" if body is None else json.dumps(body).encode()
        headers = [AGENT, *headers]
        answer = await self._caller.call(method, self._prefix + path, headers=headers, body=raw, user=self._user)
        if answer.status >= 400:
            raise StatusError.of(answer.status, answer.body)
        decoded: dict[str, Any] = json.loads(answer.body)
        return decoded
