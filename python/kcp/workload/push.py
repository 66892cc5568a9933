"""A syncer of this process to one physical cluster: started, watched over, ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError
from kcp.syncer.discovery import SyncerError
from kcp.syncer.names import BadNameError
from kcp.syncer.run import run_syncer
from kcp.workload.conditions import UnreadyError

if TYPE_CHECKING:
    from kcp.client.connection import Connection
    from kcp.syncer.engine import Engine

logger = logging.getLogger(__name__)

# Seconds until both sides have said what they serve, and until they are listed.
START_SECONDS = 30.0
_EXPECTED = (SyncerError, BadNameError, StatusError, UnreachableError, KubeconfigError)


@dataclass(slots=True)
class _Run:
    connection: Connection
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)
    engine: Engine | None = None


class Push:
    """The syncer of one registration, of which there is one at a time."""

    def __init__(self, nursery: trio.Nursery, upstream: Connection, name: str, resources: tuple[str, ...]) -> None:
        """Run syncers in `nursery`, from the logical cluster at `upstream` to the physical cluster called `name`."""
        self._nursery = nursery
        self._upstream = upstream
        self._name = name
        self._resources = resources
        self._run: _Run | None = None

    async def ensure(self, connection: Connection) -> tuple[str, ...]:
        """Have a syncer to `connection`, and return what it syncs.

        Raises:
            UnreadyError: it cannot begin, or does not hear from a side.
        """
        run = self._run
        if run is None or run.over.is_set() or run.connection != connection:
            await self.stop()
            run = await self._start(connection)
        assert run.engine is not None
        if troubles := run.engine.troubles:
            raise UnreadyError("SyncerNotReady", "; ".join(troubles[:3]))
        flows = run.engine.flows.values()
        return tuple(sorted(flow.resource.full_name for flow in flows if flow.kind.selected_by_label))

    async def stop(self) -> None:
        """End the syncer, if there is one, and wait for its end."""
        run, self._run = self._run, None
        if run is not None:
            run.scope.cancel()
            await run.over.wait()

    async def _start(self, connection: Connection) -> _Run:
        run = _Run(connection)
        try:
            with trio.fail_after(START_SECONDS):
                await self._nursery.start(self._sync, run)
        except _EXPECTED as error:
            raise UnreadyError("ErrorStartingSyncer", error, synced=False) from None
        except trio.TooSlowError:
            said = f"the clusters did not say within {START_SECONDS:g} seconds what they serve"
            raise UnreadyError("ErrorStartingSyncer", said, synced=False) from None
        self._run = run
        return run

    async def _sync(self, run: _Run, *, task_status: trio.TaskStatus[None]) -> None:
        begin = partial(run_syncer, self._upstream, run.connection, cluster=self._name, resources=self._resources)
        try:
            with run.scope:
                async with trio.open_nursery() as nursery:
                    run.engine = await nursery.start(begin)
                    task_status.started()
        except Exception as error:
            first = _first(error)
            if run.engine is None:
                raise first from None
            # The next look starts it again; nobody else's syncer ends.
            logger.warning("syncer to %s ended: %s", self._name, first, exc_info=not isinstance(first, _EXPECTED))
        finally:
            run.over.set()


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
