"""Collects garbage: objects whose owners are gone, and owners that wait for their dependents.

Two kinds of work: records of owners that were deleted or were not there when they were named, and objects that are
marked for deletion and held by `foregroundDeletion` or `orphan`. What is true of owners is asked of the core in the
moment it is judged; every change is a write like a client's, with the uid and the resourceVersion that were judged.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from kcp.client import StatusError, conditions
from kcp.controllers.judgement import FOREGROUND, ORPHAN, Delete, Release, Wait, blocks, judge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kcp.client import Client, Dependents, Described, Facts, Key, Owner

NAME = "garbage-collector-controller"
# Objects changed at a time: they share the store's syncs.
TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Collector:
    """One look at the dependents of one owner."""

    client: Client
    facts: Facts
    cluster: str

    async def settle(self, dependent: Described) -> bool:
        """Do what the judgement of an object says; False when it has to be looked at again."""
        verdict = judge(dependent)
        try:
            match verdict:
                case Wait():
                    return False
                case Release(uids):
                    await self.release(dependent, uids)
                case Delete():
                    await self.delete(dependent, verdict)
        except StatusError as error:
            if error.is_not_found:
                return True
            if error.is_conflict:
                return False
            raise
        return True

    async def release(self, dependent: Described, uids: frozenset[str]) -> None:
        """Take owners from an object's references."""
        references = dependent.metadata.get("ownerReferences", [])
        await self.change(dependent, {"ownerReferences": [one for one in references if one["uid"] not in uids] or None})

    async def delete(self, dependent: Described, verdict: Delete) -> None:
        """Delete an object; one that an owner waits for after its own dependents."""
        policy, version = verdict.policy, str(dependent.metadata["resourceVersion"])
        if verdict.before_owner and (own := (await self.facts.dependents(self.cluster, dependent.uid)).items):
            policy = "Foreground"
            if any(FOREGROUND in one.finalizers for one in own if one.is_deleted):
                # Owners in a circle would wait for each other for ever: this one no longer blocks its owners.
                references = dependent.metadata.get("ownerReferences", [])
                free = [one | {"blockOwnerDeletion": False} for one in references]
                changed = await self.change(dependent, {"ownerReferences": free})
                version = changed["metadata"]["resourceVersion"]
        await self.client.delete(dependent.path, policy=policy, uid=dependent.uid, resource_version=version)

    async def change(self, described: Described, metadata: dict[str, Any]) -> dict[str, Any]:
        """Change an object's metadata, if it is still as it was described."""
        known = {"uid": described.uid, "resourceVersion": described.metadata["resourceVersion"]}
        return await self.client.merge_patch(described.path, {"metadata": known | metadata})

    async def each(self, page: Dependents, act: Callable[[Described], Awaitable[bool]]) -> bool:
        """Do something about each object of a page; whether all of it could be done."""
        limit = trio.CapacityLimiter(TOGETHER)
        done = []

        async def one(dependent: Described) -> None:
            async with limit:
                done.append(await act(dependent))

        async with trio.open_nursery() as nursery:
            for dependent in page.items:
                nursery.start_soon(one, dependent)
        return all(done)


async def collect(client: Client, facts: Facts, key: Key) -> bool:
    """Settle the dependents of an owner that has a record, then remove the record."""
    collector = Collector(client, facts, key.cluster)
    uid, done = key.name, True
    first = page = await facts.dependents(key.cluster, uid)
    if first.record is None:
        return True
    elsewhere = Elsewhere(client)
    while True:
        if first.named:
            for dependent in page.items:
                await elsewhere.report(dependent)
        done &= await collector.each(page, collector.settle)
        if page.after is None:
            break
        page = await facts.dependents(key.cluster, uid, page.after)
    return done and await facts.finish(key, first.record)


async def let_go(client: Client, facts: Facts, key: Key) -> bool:
    """Delete or free the dependents of an object that is being deleted and waits for that, then let it go."""
    owner = await facts.describe(key)
    if owner is None:
        return True
    if not owner.path:
        return False  # no version is served: nobody can let it go
    collector = Collector(client, facts, key.cluster)
    if not owner.is_deleted:
        return True
    if ORPHAN in owner.finalizers:
        return await orphan(collector, owner) and await drop(collector, owner, ORPHAN)
    if FOREGROUND in owner.finalizers:
        return await delete_dependents(collector, owner) and await drop(collector, owner, FOREGROUND)
    return True


async def orphan(collector: Collector, owner: Described) -> bool:
    """Take an owner from the references of all its dependents; whether that is done."""

    async def free(dependent: Described) -> bool:
        try:
            await collector.release(dependent, frozenset({owner.uid}))
        except StatusError as error:
            if not error.is_not_found:
                if error.is_conflict:
                    return False
                raise
        return True

    page, done = await collector.facts.dependents(collector.cluster, owner.uid), True
    while True:
        done &= await collector.each(page, free)
        if page.after is None:
            return done
        page = await collector.facts.dependents(collector.cluster, owner.uid, page.after)


async def delete_dependents(collector: Collector, owner: Described) -> bool:
    """Delete the dependents of an owner; whether none is left that it waits for."""

    async def delete(dependent: Described) -> bool:
        return dependent.is_deleted or await collector.settle(dependent)

    page = await collector.facts.dependents(collector.cluster, owner.uid)
    while True:
        await collector.each(page, delete)
        if page.after is None:
            break
        page = await collector.facts.dependents(collector.cluster, owner.uid, page.after)
    page = await collector.facts.dependents(collector.cluster, owner.uid)
    while True:
        if any(blocks(dependent, owner.uid) for dependent in page.items):
            return False
        if page.after is None:
            return True
        page = await collector.facts.dependents(collector.cluster, owner.uid, page.after)


async def drop(collector: Collector, owner: Described, finalizer: str) -> bool:
    """Remove a finalizer; whether the object as it was described could be changed."""
    rest = [name for name in owner.finalizers if name != finalizer]
    try:
        await collector.change(owner, {"finalizers": rest})
    except StatusError as error:
        return error.is_not_found
    return FOREGROUND not in rest


class Elsewhere:
    """Finds owners in other namespaces than the objects that name them, and says so in events."""

    def __init__(self, client: Client) -> None:
        """Begin without knowing any."""
        self._client = client
        self._known: dict[tuple[str, str, str], bool] = {}

    async def report(self, dependent: Described) -> None:
        """Record an event for each owner that is there, but not where the reference leads."""
        for owner in dependent.owners:
            if owner.state in {"absent", "misplaced"} and owner.collection and not owner.implied:
                known = (owner.collection, owner.name, owner.uid)
                if known not in self._known:
                    self._known[known] = await self._is_somewhere(owner)
                if self._known[known]:
                    await self._tell(*event(dependent, owner, conditions.now()))

    async def _tell(self, path: str, event: dict[str, Any]) -> None:
        try:
            await self._client.post(path, event)
        except StatusError as error:
            # A namespace that is going takes no events, and the object goes with it.
            if error.code not in {403, 404}:
                raise

    async def _is_somewhere(self, owner: Owner) -> bool:
        found = self._client.metadata(owner.collection, fields=f"metadata.name={owner.name}")
        return any([metadata["uid"] == owner.uid async for metadata in found])


def event(dependent: Described, owner: Owner, time: str) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of the event that tells of an owner in another namespace."""
    metadata = dependent.metadata
    namespace = str(metadata.get("namespace", ""))
    reference = next(one for one in metadata["ownerReferences"] if one["uid"] == owner.uid)
    identity = f"[{reference['apiVersion']}/{owner.kind}, namespace: {namespace}, name: {owner.name}, uid: {owner.uid}]"
    kept_in = namespace or "default"
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": kept_in},
        "involvedObject": {
            "apiVersion": dependent.api_version,
            "kind": dependent.kind,
            "name": metadata["name"],
            "namespace": namespace,
            "uid": dependent.uid,
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Warning",
        "reason": "OwnerRefInvalidNamespace",
        "message": f'ownerRef {identity} does not exist in namespace "{namespace}"',
        "source": {"component": NAME},
        "reportingComponent": NAME,
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
    }
    return f"/api/v1/namespaces/{kept_in}/events", body
