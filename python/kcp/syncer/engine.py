"""The syncer at work: informers on both sides, keys in a queue, each brought nearer to its end by its plan."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Never

import trio

from kcp.client.informer import Change, Informer
from kcp.client.pace import Limiter
from kcp.client.places import Resource
from kcp.client.queue import Queue
from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError
from kcp.syncer.names import CLUSTER_LABEL, LOCATOR_ANNOTATION
from kcp.syncer.plan import Apply, Delete, Hold, Kind, Refuse, Release, Step, WriteStatus, decide
from kcp.syncer.transform import CONFIGMAPS, SECRETS, Reference, references

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from kcp.client.session import Session
    from kcp.syncer.names import Site
    from kcp.syncer.transform import Object

logger = logging.getLogger(__name__)

WORKERS = 4
# Writes a second over everything, and how many at once.
RATE = 50.0
BURST = 200
NAMESPACES = Resource("", "v1", "namespaces")
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
PAGE = 500
# Refusals that pass by themselves, or say nothing about the object.
PASSING = frozenset({401, 408, 409, 410, 429})


class Key(NamedTuple):
    """An object upstream: resource (`resource.group`), namespace, name."""

    resource: str
    namespace: str
    name: str


class RefusedError(Exception):
    """An object cannot be synced as things are: one line for its owner."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A resource, and what both clusters have of it."""

    resource: Resource
    kind: Kind
    above: Informer
    below: Informer


class Engine:
    """Syncs the objects of one logical cluster that are placed on one physical cluster."""

    def __init__(self, site: Site, upstream: Session, downstream: Session, resources: Mapping[Resource, Kind]) -> None:
        """Sync `resources` of `site`; asks nothing yet."""
        self.site = site
        self.counts: Counter[str] = Counter()
        self.queue: Queue[Key] = Queue()
        self._upstream = upstream
        self._downstream = downstream
        self._limiter = Limiter(RATE, BURST)
        self._namespaces: set[str] = set()
        # Who needs which secret or configmap.
        self._needs: dict[Key, frozenset[Reference]] = {}
        self._needed: Counter[Reference] = Counter()
        self.flows = {resource.full_name: self._flow(resource, kind) for resource, kind in resources.items()}

    def _flow(self, resource: Resource, kind: Kind) -> Flow:
        # What goes along has no label: all of it is followed.
        goes_along = not resource.group and resource.name in {SECRETS, CONFIGMAPS}
        above = Informer(self._upstream, resource, labels="" if goes_along else self.site.selector)
        below = Informer(self._downstream, resource, labels=self.site.copies)
        flow = Flow(resource, kind, above, below)
        above.add_handler(lambda change: self._changed_above(flow, change))
        below.add_handler(lambda change: self._changed_below(flow, change))
        return flow

    @property
    def troubles(self) -> list[str]:
        """Why something is not heard from at the moment; empty when both sides were read whole and are followed."""
        found = []
        for flow in self.flows.values():
            for side, informer in (("upstream", flow.above), ("downstream", flow.below)):
                if informer.trouble or not informer.is_synced:
                    found.append(f"{side} {flow.resource.full_name}: {informer.trouble or 'not listed yet'}")
        return found

    async def run(self) -> Never:
        """Sync for ever; returns only when cancelled. What is under way then is done again by the next run."""
        async with trio.open_nursery() as nursery:
            self._follow(nursery)
            await self._wait_synced()
            logger.info("both sides are listed; syncing %s", ", ".join(self.flows))
            for _ in range(WORKERS):
                nursery.start_soon(self._work)
        raise AssertionError("unreachable")

    async def plan(self) -> list[str]:
        """Return a line for each step that a run would begin with; changes nothing."""
        lines: list[str] = []
        async with trio.open_nursery() as nursery:
            self._follow(nursery)
            await self._wait_synced()
            while len(self.queue):
                key = await self.queue.take()
                steps, _, _ = await self._steps(key)
                lines += [f"{key.resource} {key.namespace}/{key.name}: {say(step)}" for step in steps]
                self.queue.done(key, trio.current_time())
            nursery.cancel_scope.cancel()
        return sorted(lines)

    def _follow(self, nursery: trio.Nursery) -> None:
        for flow in self.flows.values():
            nursery.start_soon(flow.above.run)
            nursery.start_soon(flow.below.run)

    async def _wait_synced(self) -> None:
        """Wait for whole lists of everything: what is missing downstream or stray there is known only then."""
        for flow in self.flows.values():
            await flow.above.wait_synced()
            await flow.below.wait_synced()
        for flow in self.flows.values():
            if flow.kind.selected_by_label:
                async for key in self._left_behind(flow):
                    self.queue.offer(key, trio.current_time())

    async def _left_behind(self, flow: Flow) -> AsyncIterator[Key]:
        """Yield what a syncer holds upstream and is not placed here any more: it was moved while none ran."""
        query = {"limit": str(PAGE)}
        while True:
            page = await self._retried(flow.resource.collection(), query)
            for item in page.get("items") or ():
                metadata = item["metadata"]
                placed = (metadata.get("labels") or {}).get(CLUSTER_LABEL) == self.site.cluster
                if not placed and self.site.finalizer in (metadata.get("finalizers") or ()):
                    yield Key(flow.resource.full_name, metadata["namespace"], metadata["name"])
            if not (more := page["metadata"].get("continue")):
                return
            query = {"limit": str(PAGE), "continue": more}

    async def _retried(self, path: str, query: dict[str, str]) -> Object:
        while True:
            try:
                return await self._upstream.get(path, query, accept=METADATA)
            except UnreachableError as error:
                logger.warning("%s", error)
            await trio.sleep(1)

    # What happened, and which keys it is about. Nothing here waits.

    def _changed_above(self, flow: Flow, change: Change) -> None:
        key = Key(flow.resource.full_name, *change.name)
        states = [state for state in (change.old, change.new) if state is not None]
        placed = flow.kind.selected_by_label and any(self._is_placed(state) for state in states)
        concerned = placed or self._is_needed(key)
        if concerned and (len(states) < 2 or self._essence(states[0]) != self._essence(states[1])):
            self.queue.hasten(key, trio.current_time())
        if flow.kind.selected_by_label:
            stays = change.new is not None and self._is_placed(change.new)
            self._need(key, references(change.object) if stays else frozenset())

    def _changed_below(self, flow: Flow, change: Change) -> None:
        for state in (change.old, change.new):
            copy = None if state is None else self.site.copy_of(state)
            if copy is not None:
                self.queue.hasten(Key(flow.resource.full_name, copy.namespace, copy.name), trio.current_time())

    def _need(self, key: Key, needs: frozenset[Reference]) -> None:
        before = self._needs.pop(key, frozenset())
        if needs:
            self._needs[key] = needs
        self._needed.update(needs)
        self._needed.subtract(before)
        for reference in before ^ needs:
            if not self._needed[reference]:
                del self._needed[reference]
            self.queue.hasten(Key(*reference), trio.current_time())

    def _is_needed(self, key: Key) -> bool:
        return Reference(*key) in self._needed

    def _is_placed(self, thing: Object) -> bool:
        return (thing["metadata"].get("labels") or {}).get(CLUSTER_LABEL) == self.site.cluster

    def _essence(self, thing: Object) -> Object:
        """Return an object without what says nothing of it: a note of this syncer's must not wake it."""
        metadata = {k: v for k, v in thing["metadata"].items() if k not in {"resourceVersion", "managedFields"}}
        annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != self.site.trouble}
        return {**thing, "metadata": {**metadata, "annotations": annotations}}

    # One key at a time.

    async def _work(self) -> None:
        while True:
            key = await self.queue.take()
            done = False
            try:
                done = await self._reconcile(key)
            except (UnreachableError, KubeconfigError) as error:
                logger.warning("%s %s/%s: %s", *key, error)
            except StatusError as error:
                if not error.is_conflict:
                    logger.warning("%s %s/%s: %s", *key, error)
            except Exception:  # one object's trouble must not stop the others
                logger.exception("%s %s/%s", *key)
            self.counts["done" if done else "failed"] += 1
            (self.queue.done if done else self.queue.failed)(key, trio.current_time())

    async def _reconcile(self, key: Key) -> bool:
        flow = self.flows[key.resource]
        steps, above, _ = await self._steps(key)
        try:
            for step in steps:
                await self._limiter.wait()
                above = await self._do(flow, key, step, above)
                self.counts[type(step).__name__] += 1
                if not isinstance(step, Refuse):
                    logger.info("%s %s/%s: %s", *key, say(step))
        except RefusedError as error:
            await self._tell(flow, key, above, str(error))
            logger.warning("%s %s/%s: %s", *key, error)
            return False
        except StatusError as error:
            if 400 <= error.code < 500 and error.code not in PASSING:
                await self._tell(flow, key, above, str(error))
            raise
        await self._tell(flow, key, above, "")
        return True

    async def _steps(self, key: Key) -> tuple[list[Step], Object | None, Object | None]:
        """Return the plan for a key and what it was made from."""
        flow = self.flows[key.resource]
        place = (self.site.namespace(key.namespace), key.name)
        above = flow.above.store.get((key.namespace, key.name))
        if above is None:
            above = await _look(self._upstream, flow.resource.object(key.namespace, key.name), key.name)
        below = flow.below.store.get(place)
        if below is None:
            below = await _look(self._downstream, flow.resource.object(*place), key.name)
        steps = self._decide(flow, key, above, below)
        if any(isinstance(step, Delete | Release) for step in steps):
            # Nothing is taken away on old news.
            above = await _look(self._upstream, flow.resource.object(key.namespace, key.name), key.name)
            below = await _look(self._downstream, flow.resource.object(*place), key.name)
            steps = self._decide(flow, key, above, below)
        return steps, above, below

    def _decide(self, flow: Flow, key: Key, above: Object | None, below: Object | None) -> list[Step]:
        return decide(self.site, flow.kind, above, below, referred=self._is_needed(key))

    async def _do(self, flow: Flow, key: Key, step: Step, above: Object | None) -> Object | None:
        """Do one step; returns the object upstream as it is then."""
        there = flow.resource.object(self.site.namespace(key.namespace), key.name)
        here = flow.resource.object(key.namespace, key.name)
        if isinstance(step, Refuse):
            raise RefusedError(step.why)
        if isinstance(step, Apply):
            await self._apply(key, there, step)
        elif isinstance(step, Delete):
            with _ignored(404):
                await self._downstream.delete(there, uid=step.uid)
        elif above is not None and isinstance(step, Hold | Release):
            others = [f for f in above["metadata"].get("finalizers") or () if f != self.site.finalizer]
            wanted = [*others, self.site.finalizer] if isinstance(step, Hold) else others
            metadata = {"finalizers": wanted, "resourceVersion": above["metadata"]["resourceVersion"]}
            with _ignored(404 if isinstance(step, Release) else 0):
                return await self._upstream.merge_patch(here, {"metadata": metadata})
            return None
        elif above is not None and isinstance(step, WriteStatus):
            head = {"apiVersion": flow.kind.api_version, "kind": flow.kind.kind}
            with _ignored(404):
                return await self._upstream.put(f"{here}/status", {**above, **head, "status": step.status})
            return None
        return above

    async def _apply(self, key: Key, there: str, step: Apply) -> None:
        await self._ensure_namespace(key.namespace)
        body = step.body
        if step.uid:
            body = {**body, "metadata": {**body["metadata"], "uid": step.uid}}
        try:
            await self._downstream.apply(there, body, manager=self.site.manager, force=True)
        except StatusError as error:
            if error.code in {403, 404}:  # the namespace may be going
                self._namespaces.discard(key.namespace)
            raise

    async def _ensure_namespace(self, namespace: str) -> None:
        if namespace in self._namespaces:
            return
        name, locator = self.site.namespace(namespace), self.site.locator(namespace)
        found = await _look(self._downstream, NAMESPACES.object("", name), name)
        if found is not None:
            if found["metadata"].get("deletionTimestamp"):
                raise RefusedError(f"namespace {name} is being deleted downstream")
            said = (found["metadata"].get("annotations") or {}).get(LOCATOR_ANNOTATION)
            if said != locator and not self.site.owns(found):
                raise RefusedError(f"namespace {name} is there downstream, and no syncer made it")
        if found is None or said != locator:
            metadata = {"name": name, "labels": self.site.labels, "annotations": {LOCATOR_ANNOTATION: locator}}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            path = NAMESPACES.object("", name)
            await self._downstream.apply(path, body, manager=self.site.manager, force=True)
        self._namespaces.add(namespace)

    async def _tell(self, flow: Flow, key: Key, above: Object | None, why: str) -> None:
        """Say upstream why an object is not synced, or no longer."""
        if above is None:
            return
        said = (above["metadata"].get("annotations") or {}).get(self.site.trouble, "")
        if said == why:
            return
        note = {"metadata": {"annotations": {self.site.trouble: why[:1024] or None}}}
        try:
            await self._upstream.merge_patch(flow.resource.object(key.namespace, key.name), note)
        except (StatusError, UnreachableError) as error:
            logger.warning("%s %s/%s: %s", *key, error)


def say(step: Step) -> str:
    """Return what a step does, for people."""
    match step:
        case Hold():
            return "hold upstream by a finalizer"
        case Release():
            return "let go upstream"
        case Apply(uid=uid, why=why):
            return f"{'apply' if uid else 'create'} downstream: {why}"
        case Delete(why=why):
            return f"delete downstream: {why}"
        case WriteStatus():
            return "write status upstream"
        case Refuse(why=why):
            return f"not synced: {why}"


@contextmanager
def _ignored(code: int) -> Iterator[None]:
    """Let a refusal of this code pass."""
    try:
        yield
    except StatusError as error:
        if error.code != code:
            raise


async def _look(session: Session, path: str, name: str) -> Object | None:
    """Return an object as it is now; None only when the server says of this very object that it is not there.

    Raises:
        StatusError: it does not say; a resource that is not served is no missing object.
    """
    try:
        return await session.get(path)
    except StatusError as error:
        about = error.status.get("details") or {}
        if error.is_not_found and error.reason == "NotFound" and about.get("name") == name:
            return None
        raise
