"""`initializingworkspaces` and `terminatingworkspaces`: logical clusters that wait for somebody to do his part."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha224
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import trio

from kcp.client import StatusError, User
from kcp.virtual import documents, rules
from kcp.virtual.service import VirtualWorkspace
from kcp.virtual.visit import SYSTEM, refuse
from kcp.virtual.window import Window, serve

if TYPE_CHECKING:
    from kcp.client import Answer
    from kcp.virtual.visit import Visit

GROUP, VERSION, RESOURCE = "core.kcp.io", "v1alpha1", "logicalclusters"
ROWS = f"/apis/{GROUP}/{VERSION}/{RESOURCE}"
ROW = "cluster"
PHASE = "tenancy.kcp.io/phase"
TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
# A patch that lost a race is tried so often.
ATTEMPTS = 5
LABEL_BYTES = 63


class Lifecycle(VirtualWorkspace):
    """What both have in common; they differ in words."""

    parameters = 1
    verb: str
    """On the workspace type, in the type's logical cluster: the gate."""
    field: str
    """The list of the status that names who is waited for."""
    word: str
    phase: str
    next_phase: str

    async def authorize(self, visit: Visit) -> None:
        """Ask in the type's logical cluster, which the caller has to be able to enter."""
        if visit.is_master:
            return
        cluster, _, name = visit.parameters[0].rpartition(":")
        if (
            not cluster
            or cluster == "system"
            or not await visit.may_inside(
                cluster, group="tenancy.kcp.io", resource="workspacetypes", name=name, verb=self.verb
            )
        ):
            raise refuse(
                403, f'{self.name}: verb "{self.verb}" on workspacetypes is needed for "{visit.parameters[0]}"'
            )

    def views(self, visit: Visit) -> list[Window]:
        """Return the window on the logical clusters that wait."""
        labels = self.labels(visit.parameters[0])
        verbs = ("list", "watch") if visit.cluster == "*" else ("get", "list", "watch")
        return [Window(GROUP, VERSION, RESOURCE, labels, verbs)]

    def labels(self, waited: str) -> dict[str, str]:
        """Return the labels of logical clusters that wait for `waited`; the data path puts them on."""
        prefix, digest = f"{self.word}.internal.kcp.io/", sha224(waited.encode()).hexdigest()
        return {PHASE: self.phase, f"{prefix}{digest[: LABEL_BYTES - len(prefix)]}": digest}

    async def serve(self, visit: Visit) -> None:
        """Answer: the logical clusters that wait, their status, and their content."""
        if visit.cluster == "*":
            await super().serve(visit)
            return
        info = visit.info
        if (info.group, info.resource) != (GROUP, RESOURCE):
            await self._content(visit)
        elif info.subresource == "status" and info.verb in {"update", "patch"}:
            await self._write_status(visit)
        elif info.subresource == "status" and info.verb == "get":
            await self._row(visit)
            await visit.forward(visit.target(), SYSTEM)
        else:
            await serve(visit, self.views(visit))

    async def _row(self, visit: Visit) -> dict[str, Any]:
        """Return the LogicalCluster, which has to wait for the caller's part.

        Raises:
            StatusError: 404 where it does not.
        """
        row = await self._find(visit)
        if row is None:
            raise refuse(404, f'{RESOURCE}.{GROUP} "{ROW}" not found')
        return row

    async def _find(self, visit: Visit) -> dict[str, Any] | None:
        try:
            row: dict[str, Any] = await visit.read(f"/clusters/{visit.cluster}{ROWS}/{ROW}")
        except StatusError as error:
            if error.code in {403, 404}:
                return None
            raise
        status = row.get("status") or {}
        waits = status.get("phase") == self.phase and visit.parameters[0] in (status.get(self.field) or [])
        return row if waits else None

    # Status.

    async def _write_status(self, visit: Visit) -> None:
        body = await visit.body()
        for attempt in range(1, ATTEMPTS + 1):
            row = await self._row(visit)
            wanted = await self._wanted(visit, body)
            self._check(visit.parameters[0], row.get("status") or {}, wanted.get("status") or {})
            answer = await self._put(visit, row, wanted)
            if answer.status != 409 or visit.method == "PUT" or attempt == ATTEMPTS:
                break
        await visit.begin(answer.status, [pair for pair in answer.headers if pair[0] in {b"content-type", b"warning"}])
        await visit.write(answer.body)
        await visit.end()

    async def _wanted(self, visit: Visit, body: bytes) -> dict[str, Any]:
        """Return the object that the request wants; what a patch amounts to is for the data path to say."""
        if visit.method == "PATCH":
            headers = [(b"accept", b"application/json"), (b"content-type", visit.header(b"content-type"))]
            target = visit.target(dryRun="All")
            tried = await visit.upstream.call("PATCH", target, headers=headers, body=body, user=SYSTEM)
            if tried.status >= 400:
                raise StatusError.of(tried.status, tried.body)
            body = tried.body
        try:
            wanted = json.loads(body)
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict) or not isinstance(wanted.get("status", {}), dict):
            raise refuse(400, "the body is no LogicalCluster in JSON")
        return wanted

    def _check(self, own: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Hold a status to what its initializer may write: conditions, and taking itself off."""
        before, after = old.get(self.field) or [], new.get(self.field) or []
        if after != before and after != [name for name in before if name != own]:
            raise refuse(422, f'only removing the "{own}" {self.word} is supported')
        follows = {"phase"} if not after and new.get("phase") == self.next_phase else set()
        fixed = (set(old) | set(new)) - {self.field, "conditions"} - follows
        if changed := sorted(key for key in fixed if old.get(key) != new.get(key)):
            raise refuse(422, f"status.{changed[0]} cannot be changed by the {self.word}")

    async def _put(self, visit: Visit, row: dict[str, Any], wanted: dict[str, Any]) -> Answer:
        """Write over what was checked, and nothing newer."""
        version = row["metadata"]["resourceVersion"]
        if visit.method == "PUT":
            version = (wanted.get("metadata") or {}).get("resourceVersion") or version
        metadata = {**row["metadata"], "resourceVersion": version}
        # The phase follows from who is left; the data path says it.
        status = {**(wanted.get("status") or {}), "phase": row["status"]["phase"]}
        body = json.dumps({**row, "metadata": metadata, "status": status}).encode()
        kept = [pair for pair in visit.query if pair[0] in {"dryRun", "fieldManager", "fieldValidation"}]
        target = f"/clusters/{visit.cluster}{ROWS}/{ROW}/status?{urlencode(kept)}"
        passed = {b"accept", b"user-agent"}
        headers = [pair for pair in visit.passed_headers() if pair[0] in passed]
        headers.append((b"content-type", b"application/json"))
        return await visit.upstream.call("PUT", target, headers=headers, body=body, user=SYSTEM)

    # Content.

    async def _content(self, visit: Visit) -> None:
        own = visit.parameters[0]
        row = await self._find(visit)
        if row is None:
            raise refuse(403, f'the logical cluster does not wait for the {self.word} "{own}"')
        if not visit.info.resource:
            # Who may do something here may know what there is.
            if not await documents.forward(visit):
                raise refuse(404, "the server could not find the requested resource")
            return
        user = await self._acting(visit, row)
        if visit.info.verb == "watch":
            await self._watch(visit, row, user)
        else:
            await visit.forward(visit.target(), user)

    async def _acting(self, visit: Visit, row: dict[str, Any]) -> User:
        """Return as whom the content is reached."""
        own = visit.parameters[0]
        info = visit.info
        if info.resource in {"watch", "proxy"}:  # prefixes that would make another request of the path
            raise refuse(404, "the server could not find the requested resource")
        granted = await self._permissions(visit)
        if granted:
            if not rules.allows(granted, info, "/" + "/".join(visit.path)):
                what = f"{info.verb} on {info.resource}" + (f".{info.group}" if info.group else "")
                raise refuse(403, f'{self.word} "{own}" denied by {self.word}Permissions: no rule allows {what}')
            return replace(visit.user, groups=(*visit.user.groups, f"system:kcp:{self.word}:{own}"))
        creator = row["spec"].get("createdBy")
        if not creator:
            raise refuse(500, "the logical cluster does not say who created it")
        extra = tuple((key, tuple(values)) for key, values in (creator.get("extra") or {}).items())
        return User(creator["username"], tuple(creator.get("groups") or ()), creator.get("uid", ""), extra)

    async def _permissions(self, visit: Visit) -> list[dict[str, Any]]:
        cluster, _, name = visit.parameters[0].rpartition(":")
        if not cluster or cluster == "system":
            return []
        found = await visit.read(f"/clusters/{quote(cluster, safe=':')}{TYPES}/{quote(name)}")
        return found["spec"].get(f"{self.word}Permissions") or []

    async def _watch(self, visit: Visit, row: dict[str, Any], user: User) -> None:
        """Pass a watch on until the logical cluster waits no more."""
        selector = ",".join(f"{key}={value}" for key, value in self.labels(visit.parameters[0]).items())
        since = row["metadata"]["resourceVersion"]
        query = urlencode({"watch": "true", "labelSelector": selector, "resourceVersion": since})
        async with trio.open_nursery() as nursery:

            async def pass_on() -> None:
                await visit.forward(visit.target(), user)
                nursery.cancel_scope.cancel()

            nursery.start_soon(pass_on)
            async with visit.upstream.stream("GET", f"/clusters/{visit.cluster}{ROWS}?{query}", user=SYSTEM) as guard:
                rest = b""
                async for piece in guard:
                    *lines, rest = (rest + piece).split(b"\n")
                    if any(json.loads(line)["type"] in {"DELETED", "ERROR"} for line in lines if line):
                        break
            nursery.cancel_scope.cancel()
        if visit.begun:
            await visit.end()


class Initializing(Lifecycle):
    """Logical clusters that wait for an initializer."""

    name = "initializingworkspaces"
    verb = "initialize"
    field = "initializers"
    word = "initializer"
    phase = "Initializing"
    next_phase = "Ready"


class Terminating(Lifecycle):
    """Logical clusters that are being deleted and wait for a terminator."""

    name = "terminatingworkspaces"
    verb = "terminate"
    field = "terminators"
    word = "terminator"
    phase = "Terminating"
    next_phase = "Deleting"
