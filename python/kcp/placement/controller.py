"""The controller of placement in one logical cluster: informers, a queue, labels and conditions written."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import trio

from kcp.client import conditions
from kcp.client.informer import Informer
from kcp.client.pace import Backoff
from kcp.client.places import Resource
from kcp.client.queue import Queue
from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError
from kcp.placement.plan import (
    CONDITION,
    MANAGER,
    WHY_ANNOTATION,
    Cluster,
    Decision,
    Namespace,
    cluster_of,
    decide,
    is_placeable,
    label_for,
    namespace_of,
)
from kcp.syncer.discovery import DEFAULT, NEVER, served_at
from kcp.syncer.names import CLUSTER_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kcp.client.informer import Change
    from kcp.client.session import Session
    from kcp.placement.plan import Object

logger = logging.getLogger(__name__)

CLUSTERS = Resource("workload.kcp.io", "v1alpha1", "workloadclusters")
NAMESPACES = Resource("", "v1", "namespaces")
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
WORKERS = 2
# Seconds a key is put off at last when it cannot be finished.
LAST_DELAY = 60.0
# Seconds until it is asked again what is served, while something is missing or the server does not say.
FIRST_WAIT, LAST_WAIT = 0.5, 60.0
_EXPECTED = (StatusError, UnreachableError, KubeconfigError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds in all logical clusters."""

    resources: tuple[str, ...] = DEFAULT
    """What follows its namespace: `resource.group`."""
    grace: timedelta = timedelta(minutes=5)
    """How long a cluster may be away before what is on it moves."""


class _Key(NamedTuple):
    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Flow:
    """A resource whose objects follow their namespaces."""

    resource: Resource
    kind: str
    informer: Informer
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Controller:
    """Places the namespaces of one logical cluster, and what they hold."""

    def __init__(self, session: Session, rules: Rules) -> None:
        """Work in the logical cluster of `session`, whose user may read and label all of it; asks nothing yet."""
        self._session = session
        self._rules = rules
        self._queue: Queue[_Key] = Queue(last=LAST_DELAY)
        self._clusters = Informer(session, CLUSTERS, handler=self._cluster_changed)
        self._namespaces = Informer(session, NAMESPACES, handler=self._namespace_changed)
        self._definitions = Informer(session, DEFINITIONS, handler=lambda _: self._served.set())
        self._served = trio.Event()
        self._flows: dict[str, _Flow] = {}
        self._alarms: dict[str, trio.CancelScope] = {}
        self._scope = trio.CancelScope()
        self.ending = False
        """Whether there is nothing to place on any more."""

    async def run(self) -> None:
        """Place until cancelled, or until nothing is left to do after `end`."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                followed = (self._clusters, self._namespaces, self._definitions)
                for informer in followed:
                    nursery.start_soon(informer.run)
                for informer in followed:
                    await informer.wait_synced()
                nursery.start_soon(self._discover)
                for _ in range(WORKERS):
                    nursery.start_soon(self._work)

    def end(self) -> None:
        """End as soon as nothing is placed any more and everybody was told."""
        self.ending = True
        self._end_if_idle()

    def go_on(self) -> None:
        """There is something to place on again."""
        self.ending = False

    def _end_if_idle(self) -> None:
        known = self._clusters.is_synced and self._namespaces.is_synced
        if not (self.ending and known) or self._clusters.store or len(self._queue):
            return
        if not any(namespace_of(thing).cluster for thing in self._namespaces.store.values() if is_placeable(thing)):
            self._scope.cancel()

    def _cluster_changed(self, change: Change) -> None:
        if change.old is None or change.new is None or cluster_of(change.old) != cluster_of(change.new):
            for _, name in self._namespaces.store:
                self._look(NAMESPACES, "", name)

    def _namespace_changed(self, change: Change) -> None:
        _, name = change.name
        self._look(NAMESPACES, "", name)
        if change.new is None:
            self._alarm(name, None)
        elif change.old is None or namespace_of(change.old) != namespace_of(change.new):
            for flow in self._flows.values():
                for namespace, of_it in flow.informer.store:
                    if namespace == name:
                        self._look(flow.resource, namespace, of_it)

    def _object_changed(self, resource: Resource, change: Change) -> None:
        if change.new is not None:
            self._look(resource, *change.name)

    def _look(self, resource: Resource, namespace: str, name: str) -> None:
        self._queue.hasten(_Key(resource, namespace, name), trio.current_time())

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            done = False
            try:
                await (self._place(key.name) if key.resource == NAMESPACES else self._mark(key))
                done = True
            except _EXPECTED as error:
                gone = isinstance(error, StatusError) and error.is_not_found
                # The informers will tell of what is gone, and of what somebody else changed first.
                done = gone
                if not gone and not (isinstance(error, StatusError) and error.is_conflict):
                    logger.warning("%s %s/%s: %s", key.resource.name, key.namespace, key.name, error)
            except Exception:  # one object's trouble must not stop the others
                logger.exception("%s %s/%s", key.resource.name, key.namespace, key.name)
            (self._queue.done if done else self._queue.failed)(key, trio.current_time())
            self._end_if_idle()

    async def _place(self, name: str) -> None:
        """Bring a namespace nearer to what is decided; the next change or the alarm goes on."""
        thing = self._namespaces.store.get(("", name))
        if thing is None or not is_placeable(thing):
            return
        namespace = namespace_of(thing)
        decision = self._decide(namespace, self._clusters.store.values())
        if namespace.cluster and decision.cluster != namespace.cluster:
            # Nothing is moved on old news.
            listed = await self._session.get(CLUSTERS.collection())
            decision = self._decide(namespace, listed.get("items") or ())
        if decision.cluster != namespace.cluster:
            await self._move(thing, decision)
        else:
            self._alarm(name, decision.again)
            await self._say(thing, decision)

    def _decide(self, namespace: Namespace, clusters: Iterable[Object]) -> Decision:
        found: list[Cluster] = [cluster_of(one) for one in clusters]
        return decide(namespace, found, datetime.now(UTC), self._rules.grace)

    async def _move(self, thing: Object, decision: Decision) -> None:
        name = thing["metadata"]["name"]
        labels = {CLUSTER_LABEL: decision.cluster or None}
        patch = {**_same(thing), "labels": labels, "annotations": {WHY_ANNOTATION: decision.message}}
        await self._session.merge_patch(NAMESPACES.object("", name), {"metadata": patch})
        logger.info("namespace %s: placed %s: %s", name, decision.cluster or "nowhere", decision.message)

    async def _say(self, thing: Object, decision: Decision) -> None:
        said = (thing.get("status") or {}).get("conditions") or []
        wanted = conditions.Condition(CONDITION, decision.scheduled, decision.reason, decision.message)
        merged = conditions.merge(said, [wanted], conditions.now())
        if merged != said:
            path = f"{NAMESPACES.object('', thing['metadata']['name'])}/status"
            await self._session.merge_patch(path, {"metadata": _same(thing), "status": {"conditions": merged}})

    async def _mark(self, key: _Key) -> None:
        """Have an object follow its namespace."""
        flow = self._flows.get(key.resource.full_name)
        thing = flow.informer.store.get((key.namespace, key.name)) if flow else None
        above = self._namespaces.store.get(("", key.namespace))
        if flow is None or thing is None or above is None or not is_placeable(above):
            return
        cluster = label_for(thing, namespace_of(above))
        if cluster is None:
            return
        metadata = {"name": key.name, "namespace": key.namespace, "uid": thing["metadata"]["uid"]}
        body = {
            "apiVersion": flow.resource.api_version,
            "kind": flow.kind,
            "metadata": {**metadata, "labels": {CLUSTER_LABEL: cluster} if cluster else {}},
        }
        # Without force: who writes the label in this moment has the last word.
        await self._session.apply(flow.resource.object(key.namespace, key.name), body, manager=MANAGER)

    def _alarm(self, name: str, at: datetime | None) -> None:
        """Look at a namespace again at a time, and at no other that was named before."""
        if (before := self._alarms.pop(name, None)) is not None:
            before.cancel()
        if at is not None:
            seconds = (at - datetime.now(UTC)).total_seconds()
            scope = self._alarms[name] = trio.CancelScope(deadline=trio.current_time() + max(seconds, 0.01))
            self._nursery.start_soon(self._ring, name, scope)

    async def _ring(self, name: str, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep_forever()
        if self._alarms.get(name) is scope:
            del self._alarms[name]
            self._look(NAMESPACES, "", name)

    async def _discover(self) -> None:
        """Follow what is served of what is to follow its namespaces."""
        backoff = Backoff(FIRST_WAIT, LAST_WAIT)
        while True:
            self._served = trio.Event()
            missing = True
            try:
                found = wanted(await served_at(self._session), self._rules.resources)
                self._follow(found)
                missing = len(found) < len(self._rules.resources)
            except _EXPECTED as error:
                logger.warning("%s: %s", self._session.server, error)
            with trio.move_on_after(backoff.next() if missing else float("inf")):
                await self._served.wait()
                backoff.reset()

    def _follow(self, found: dict[str, tuple[Resource, str]]) -> None:
        for word in [word for word, flow in self._flows.items() if found.get(word, ("",))[0] != flow.resource]:
            self._flows.pop(word).scope.cancel()
        for word, (resource, kind) in found.items():
            if word not in self._flows:
                informer = Informer(self._session, resource)
                flow = self._flows[word] = _Flow(resource, kind, informer)
                informer.add_handler(partial(self._object_changed, resource))
                self._nursery.start_soon(_run, flow)


async def _run(flow: _Flow) -> None:
    with flow.scope:
        await flow.informer.run()


def wanted(served: dict[str, Object], words: Iterable[str]) -> dict[str, tuple[Resource, str]]:
    """Return resource and kind of what can follow its namespace, by `resource.group`; what is not served is left out.

    Args:
        served: as `kcp.syncer.discovery.served_at` returns it.
        words: `resource.group`, or a resource's name alone.
    """
    found = {}
    for name, about in served.items():
        named = any(word in (name, name.partition(".")[0]) for word in words)
        if named and about["namespaced"] and name not in NEVER and {"list", "watch", "patch"} <= set(about["verbs"]):
            found[name] = (about["resource"], about["kind"])
    return found


def _same(thing: Object) -> Object:
    """Return what a change has to be about."""
    return {field: thing["metadata"][field] for field in ("uid", "resourceVersion")}
