"""One registered physical cluster: looked at, synced to as its registration wants, its status written.

Each has a task of its own, so that one that does not answer delays no other.
"""

from __future__ import annotations

import base64
import binascii
import logging
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trio

from kcp.client.pace import Backoff
from kcp.client.places import Resource
from kcp.client.session import Session
from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError
from kcp.syncer.discovery import DEFAULT
from kcp.workload.account import ensure_account, kubeconfig_for
from kcp.workload.conditions import UnreadyError, Verdict, what_to_say
from kcp.workload.install import install, is_running, pods_of, remove
from kcp.workload.kubeconfig import connection_of
from kcp.workload.manifests import MANAGER, Installation
from kcp.workload.probe import probe
from kcp.workload.push import Push

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kcp.client.connection import Connection
    from kcp.workload.manifests import Object

logger = logging.getLogger(__name__)

CLUSTERS = Resource("workload.kcp.io", "v1alpha1", "workloadclusters")
SECRETS = Resource("", "v1", "secrets")
FINALIZER = "workload.kcp.io/syncer-installed"
"""Of a WorkloadCluster: something is installed in the physical cluster, and goes first."""
PUSH, PULL, NONE = "Push", "Pull", "None"
READY = "WorkloadClusterReady"
# Seconds until a cluster that is well is looked at again.
INTERVAL = 60.0
# Seconds until one that is not is: at first, and at last.
FIRST_WAIT, LAST_WAIT = 0.5, 60.0
# Seconds for what is installed or removed, all requests together.
INSTALL_SECONDS = 60.0
AGENT = "kcp-cluster-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all clusters have in common."""

    upstream: Connection
    """The server, outside of any logical cluster; its user is in `system:masters`."""
    pod_url: str = ""
    """Address at which pods of physical clusters reach it; empty: the same."""
    resources: tuple[str, ...] = DEFAULT
    """What is synced: `resource.group`."""
    mode: str = NONE
    """Of registrations that name no mode."""
    image: str = ""
    """Of the syncer that is installed."""
    beside: Callable[[Connection, Session, Object], Awaitable[None]] | None = None
    """Runs for each cluster from the first good look on: gets the way to the workspace, the session to the cluster,
    and the registration. Cancelled when another way leads to the cluster, and when the registration ends."""


@dataclass(frozen=True, slots=True)
class _Beside:
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)


class Minder:
    """Looks after one WorkloadCluster."""

    def __init__(self, session: Session, settings: Settings, cluster: str, thing: Object) -> None:
        """Look after `thing` of the logical cluster `cluster`; `session` reaches the server outside of any."""
        self._session = session
        self._settings = settings
        self._cluster = cluster
        self._thing = thing
        self._name = str(thing["metadata"]["name"])
        self._path = f"/clusters/{cluster}{CLUSTERS.object('', self._name)}"
        self._changed = trio.Event()
        self._scope = trio.CancelScope()
        self._backoff = Backoff(FIRST_WAIT, LAST_WAIT)
        self._connection: Connection | None = None
        self._below: Session | None = None
        self._push: Push | None = None
        self._nursery: trio.Nursery | None = None
        self._beside: _Beside | None = None

    def saw(self, thing: Object) -> None:
        """Go on with a newer state of the object."""
        woken = _essence(thing) != _essence(self._thing)
        self._thing = thing
        if woken:
            self._backoff.reset()
            self._changed.set()

    def end(self) -> None:
        """Stop: the object is gone."""
        self._scope.cancel()

    async def run(self) -> None:
        """Look after the cluster until cancelled, or `end`."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    self._push = Push(nursery, self._upstream, self._name, self._settings.resources)
                    while True:
                        self._changed = trio.Event()
                        with trio.move_on_after(await self._pass()):
                            await self._changed.wait()
            finally:
                await self._close()

    @property
    def _upstream(self) -> Connection:
        base = self._settings.upstream
        return base.at(f"{base.server}/clusters/{self._cluster}")

    async def _pass(self) -> float:
        """Look once and say what was found; returns the seconds until the next time."""
        try:
            verdict = await self._judge()
            if verdict is not None:
                await self._say(verdict)
            if verdict is None or verdict.ready:
                self._backoff.reset()
                return INTERVAL * random.uniform(0.8, 1.0)
        except (StatusError, UnreachableError, KubeconfigError) as error:  # the server's, not the cluster's
            logger.warning("%s/%s: %s", self._cluster, self._name, error)
        except Exception:  # one cluster's trouble must not stop the others
            logger.exception("%s/%s", self._cluster, self._name)
        return self._backoff.next()

    async def _judge(self) -> Verdict | None:
        """Bring about what is wanted, and return what is to be said; None: nothing any more."""
        assert self._push is not None
        metadata = self._thing["metadata"]
        mode = self._thing["spec"].get("syncMode") or self._settings.mode
        ending = "deletionTimestamp" in metadata
        installed = FINALIZER in (metadata.get("finalizers") or ())
        if ending or mode != PUSH:
            await self._push.stop()
        if ending:
            await self._stop_beside()
        if ending and not installed:
            return None
        try:
            connection, below = await self._open()
            if installed and (ending or mode != PULL):
                await self._uninstall(below)
                if ending:
                    return None
            await probe(below)
            self._go_beside(below)
            if mode == PUSH:
                return Verdict(True, READY, resources=await self._push.ensure(connection))
            if mode == PULL:
                return Verdict(True, READY, resources=await self._pull(below))
        except UnreadyError as error:
            return error.verdict
        return Verdict(True, READY, resources=())

    async def _open(self) -> tuple[Connection, Session]:
        """Return the way to the cluster, as the registration says it now."""
        assert self._push is not None
        try:
            connection = connection_of(await self._kubeconfig())
        except KubeconfigError as error:
            await self._push.stop()
            if self._connection is None or self._below is None or "deletionTimestamp" not in self._thing["metadata"]:
                raise UnreadyError("InvalidKubeConfig", error, synced=False) from None
            # Where all of a workspace goes, the secret goes first; what is installed is still to be removed.
            connection = self._connection
        if self._below is None or connection != self._connection:
            await self._close()
            try:
                self._below = Session(connection, agent=AGENT)
            except KubeconfigError as error:
                await self._push.stop()
                raise UnreadyError("ErrorCreatingClient", error, synced=False) from None
            self._connection = connection
        return connection, self._below

    def _go_beside(self, below: Session) -> None:
        if self._settings.beside is None or self._beside is not None:
            return
        assert self._nursery is not None
        self._beside = _Beside()
        self._nursery.start_soon(self._run_beside, self._beside, below)

    async def _run_beside(self, run: _Beside, below: Session) -> None:
        assert self._settings.beside is not None
        try:
            with run.scope:
                await self._settings.beside(self._upstream, below, self._thing)
        except Exception:  # the next look starts it again; the cluster is looked after meanwhile
            logger.exception("%s/%s", self._cluster, self._name)
        finally:
            run.over.set()
            if self._beside is run:
                self._beside = None

    async def _stop_beside(self) -> None:
        run, self._beside = self._beside, None
        if run is not None:
            run.scope.cancel()
            await run.over.wait()

    async def _kubeconfig(self) -> bytes:
        spec = self._thing["spec"]
        if "kubeconfig" in spec:
            return str(spec["kubeconfig"]).encode()
        where = spec["kubeconfigSecretRef"]
        shown, key = f'secret "{where["namespace"]}/{where["name"]}"', where.get("key") or "kubeconfig"
        try:
            found = await self._session.get(
                f"/clusters/{self._cluster}{SECRETS.object(where['namespace'], where['name'])}"
            )
        except StatusError as error:
            if not error.is_not_found:
                raise
            raise KubeconfigError(f"{shown} with the kubeconfig is not there") from None
        if key not in (found.get("data") or {}):
            raise KubeconfigError(f'{shown} has no key "{key}"')
        try:
            return base64.b64decode(found["data"][key], validate=True)
        except binascii.Error:
            raise KubeconfigError(f'"{key}" of {shown} is not base64') from None

    async def _pull(self, below: Session) -> tuple[str, ...]:
        """Have a syncer installed, and return what it syncs.

        Raises:
            UnreadyError: it does not run, or not yet.
        """
        settings, installation = self._settings, self._installation()
        if not settings.image:
            raise UnreadyError(
                "ErrorInstallingSyncer",
                "the controller was given no image of the syncer (--syncer-image)",
                synced=False,
            )
        await self._hold(True)
        try:
            with trio.fail_after(INSTALL_SECONDS):
                token = await ensure_account(self._session, installation)
                if not token:
                    raise UnreadyError("SyncerInstalling", "the syncer's account has no token yet", severity="Info")
                kubeconfig = kubeconfig_for(
                    settings.upstream, settings.pod_url or settings.upstream.server, self._cluster, token
                )
                installation = replace(installation, kubeconfig=kubeconfig)
                if await install(below, installation):
                    logger.info("%s/%s: a syncer was installed", self._cluster, self._name)
                pods = await pods_of(below, installation)
        except (StatusError, UnreachableError) as error:
            raise UnreadyError("ErrorInstallingSyncer", error) from None
        except trio.TooSlowError:
            raise UnreadyError("ErrorInstallingSyncer", f"not done within {INSTALL_SECONDS:g} seconds") from None
        if not is_running(pods):
            raise UnreadyError("SyncerNotReady", "the syncer's pod does not run yet", severity="Info")
        return installation.resources

    async def _uninstall(self, below: Session) -> None:
        """Take the syncer away, and the finalizer when nothing of it is left.

        Raises:
            UnreadyError: something is left.
        """
        try:
            with trio.fail_after(INSTALL_SECONDS):
                gone = await remove(below, self._installation())
        except (StatusError, UnreachableError) as error:
            raise UnreadyError("ErrorRemovingSyncer", error) from None
        except trio.TooSlowError:
            raise UnreadyError("ErrorRemovingSyncer", f"not done within {INSTALL_SECONDS:g} seconds") from None
        if not gone:
            raise UnreadyError("SyncerRemoving", "the syncer is being removed", severity="Info")
        logger.info("%s/%s: the syncer was removed", self._cluster, self._name)
        await self._hold(False)

    def _installation(self) -> Installation:
        return Installation(
            cluster=self._cluster,
            name=self._name,
            uid=str(self._thing["metadata"]["uid"]),
            image=self._settings.image,
            kubeconfig="",
            resources=tuple(sorted(self._settings.resources)),
        )

    async def _hold(self, wanted: bool) -> None:
        metadata = self._thing["metadata"]
        finalizers = list(metadata.get("finalizers") or ())
        if (FINALIZER in finalizers) == wanted:
            return
        finalizers = [*finalizers, FINALIZER] if wanted else [one for one in finalizers if one != FINALIZER]
        patch = {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}
        await self._session.merge_patch(self._path, {"metadata": patch})

    async def _say(self, verdict: Verdict) -> None:
        status = what_to_say(self._thing.get("status") or {}, verdict, datetime.now(UTC))
        if status is None:
            return
        body = {
            "apiVersion": CLUSTERS.api_version,
            "kind": "WorkloadCluster",
            "metadata": {"name": self._name, "uid": self._thing["metadata"]["uid"]},
            "status": status,
        }
        await self._session.apply(f"{self._path}/status", body, manager=MANAGER, force=True)
        logger.info("%s/%s: %s %s", self._cluster, self._name, verdict.reason, verdict.message)

    async def _close(self) -> None:
        await self._stop_beside()
        below, self._below = self._below, None
        if below is not None:
            with trio.CancelScope(shield=True):
                await below.close()


def _essence(thing: Object) -> tuple[object, ...]:
    """Return what a new look is needed for: a status that was written must not wake its writer."""
    metadata = thing["metadata"]
    return thing["spec"], metadata.get("deletionTimestamp"), FINALIZER in (metadata.get("finalizers") or ())
