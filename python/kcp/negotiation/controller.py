"""The controller of negotiation in one logical cluster: informers, a queue of resources, each brought to its plan."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Never

import trio

from kcp.client.conditions import now
from kcp.client.informer import Change, Informer
from kcp.client.queue import Queue
from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError
from kcp.negotiation.kinds import DEFINITIONS, IMPORTS, NEGOTIATED, Family, api_of
from kcp.negotiation.plan import Create, Delete, Replace, State, WriteStatus, decide, takes_away

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kcp.client.places import Resource
    from kcp.client.session import Session
    from kcp.negotiation.kinds import Object
    from kcp.negotiation.plan import Step

logger = logging.getLogger(__name__)

WORKERS = 2
PAGE = 500
# Seconds a resource is put off at last when it cannot be finished.
LAST_DELAY = 60.0
# Refusals that say nothing about what was sent.
PASSING = frozenset({401, 403, 404, 408, 409, 410, 429})


class Controller:
    """Negotiates the APIs that are imported into one logical cluster, and serves what is to be served."""

    def __init__(self, session: Session, *, publish: bool = False) -> None:
        """Work in the logical cluster of `session`; asks nothing yet.

        Args:
            session: of somebody who may write imports, what is negotiated, and definitions there.
            publish: whether what is negotiated anew is served at once, without anybody's word.
        """
        self.queue: Queue[Family] = Queue(last=LAST_DELAY)
        self._session = session
        self._publish = publish
        # Why a definition was not taken.
        self._refusals: dict[Family, str] = {}
        self._informers = {
            resource: Informer(session, resource, handler=self._changed)
            for resource in (IMPORTS, NEGOTIATED, DEFINITIONS)
        }

    @property
    def troubles(self) -> list[str]:
        """Why something is not heard from at the moment; empty when all was listed and is followed."""
        return [
            f"{resource.full_name}: {informer.trouble or 'not listed yet'}"
            for resource, informer in self._informers.items()
            if informer.trouble or not informer.is_synced
        ]

    async def run(self) -> Never:
        """Negotiate for ever; returns only when cancelled. What is under way then is done again by the next run."""
        async with trio.open_nursery() as nursery:
            for informer in self._informers.values():
                nursery.start_soon(informer.run)
            for informer in self._informers.values():
                await informer.wait_synced()
            for _ in range(WORKERS):
                nursery.start_soon(self._work)
        raise AssertionError("unreachable")

    def _changed(self, change: Change) -> None:
        for thing in (change.old, change.new):
            if thing is not None:
                self.queue.hasten(_family_of(thing), trio.current_time())

    async def _work(self) -> None:
        while True:
            family = await self.queue.take()
            done = False
            try:
                done = await self._reconcile(family)
            except (UnreachableError, KubeconfigError) as error:
                logger.warning("%s: %s", family.definition, error)
            except StatusError as error:
                # Somebody was faster, which the informers will tell.
                if error.code != 409:
                    logger.warning("%s: %s", family.definition, error)
            except Exception:  # one resource's trouble must not stop the others
                logger.exception("%s", family.definition)
            (self.queue.done if done else self.queue.failed)(family, trio.current_time())

    async def _reconcile(self, family: Family) -> bool:
        """Do what is to do; return whether that is all."""
        steps = await self._plan(self._known(family))
        if takes_away(steps):
            # Nothing is taken away on old news.
            steps = await self._plan(await self._asked(family))
        refusal = self._refusals.pop(family, "")
        try:
            await self._do(family, steps)
        except _RefusedError as error:
            self._refusals[family] = str(error)
            if str(error) != refusal:
                logger.warning("%s: %s", family.definition, error)
            told = await self._plan(await self._asked(family))
            await self._do(family, [step for step in told if isinstance(step, WriteStatus)])
            return False
        return True

    async def _plan(self, state: State) -> list[Step]:
        """Decide in a thread: schemas may take seconds to compare."""
        refusal = self._refusals.get(state.family, "")
        return await trio.to_thread.run_sync(
            lambda: decide(state, publish=self._publish, time=now(), refusal=refusal), abandon_on_cancel=True
        )

    def _known(self, family: Family) -> State:
        return _state(family, {resource: informer.store.values() for resource, informer in self._informers.items()})

    async def _asked(self, family: Family) -> State:
        return _state(family, {resource: await self._listed(resource) for resource in self._informers})

    async def _listed(self, resource: Resource) -> list[Object]:
        items: list[Object] = []
        query = {"limit": str(PAGE)}
        while True:
            page = await self._session.get(resource.collection(), query)
            items += page.get("items") or ()
            if not (more := page["metadata"].get("continue")):
                return items
            query = {"limit": str(PAGE), "continue": more}

    async def _do(self, family: Family, steps: Iterable[Step]) -> None:
        written: dict[tuple[Resource, str], Object] = {}
        for step in steps:
            try:
                await self._step(step, written)
            except StatusError as error:
                about = isinstance(step, Create | Replace) and step.resource == DEFINITIONS
                if about and 400 <= error.code < 500 and error.code not in PASSING:
                    raise _RefusedError(str(error)) from error
                if error.is_not_found and isinstance(step, Delete | WriteStatus):
                    continue  # it is gone, which is told again
                raise
            name = step.name if isinstance(step, Delete) else step.body["metadata"]["name"]
            if not isinstance(step, WriteStatus):
                logger.info("%s: %s %s %s", family.definition, _WORDS[type(step)], step.resource.name, name)

    async def _step(self, step: Step, written: dict[tuple[Resource, str], Object]) -> None:
        if isinstance(step, Delete):
            await self._session.delete(step.resource.object("", step.name), uid=step.uid)
            return
        name = step.body["metadata"]["name"]
        path = step.resource.object("", name)
        if isinstance(step, Create):
            written[step.resource, name] = await self._session.post(step.resource.collection(), step.body)
        elif isinstance(step, Replace):
            written[step.resource, name] = await self._session.put(path, step.body)
        else:
            newest = written.get((step.resource, name), step.body)
            await self._session.put(f"{path}/status", {**newest, "status": step.body["status"]})


_WORDS = {Create: "create", Replace: "replace", Delete: "delete"}


class _RefusedError(Exception):
    """The server does not take a definition; one line."""


def _family_of(thing: Object) -> Family:
    if "groupVersion" in thing["spec"]:
        return api_of(thing).family
    return Family(thing["spec"]["group"], thing["spec"]["names"]["plural"])


def _state(family: Family, found: dict[Resource, Iterable[Object]]) -> State:
    imports, negotiated, definitions = (
        [thing for thing in found[resource] if _family_of(thing) == family]
        for resource in (IMPORTS, NEGOTIATED, DEFINITIONS)
    )
    return State(family, imports, negotiated, definitions[0] if definitions else None)
