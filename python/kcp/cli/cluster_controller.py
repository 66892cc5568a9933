"""`cluster-controller`: looks after the physical clusters that are registered in all workspaces."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import trio

from kcp.cli.flags import FlagError
from kcp.cli.running import first_of, set_up_logging, until_signal
from kcp.client.connection import Overrides, connect
from kcp.client.session import Session
from kcp.kubeconfig import load, locate
from kcp.negotiation import everywhere as negotiation
from kcp.negotiation.importer import Importer
from kcp.placement import everywhere as placement
from kcp.placement.controller import Rules
from kcp.syncer.discovery import DEFAULT
from kcp.workload.controller import run_controller
from kcp.workload.minder import NONE, PULL, PUSH, Settings

if TYPE_CHECKING:
    from kcp.cli.plugin import Call
    from kcp.client.connection import Connection
    from kcp.workload.manifests import Object

AGENT = "kcp-importer"


def run(call: Call) -> int:
    """Run until SIGTERM or SIGINT.

    Raises:
        FlagError: a flag is missing or cannot be used.
        KubeconfigError, StatusError, UnreachableError: it cannot begin.
    """
    if not call.flag("kubeconfig"):
        raise FlagError("--kubeconfig is required")
    push, pull = call.flag("push-mode"), call.flag("pull-mode")
    if push and pull:
        raise FlagError("--push-mode and --pull-mode exclude each other")
    set_up_logging(call)
    config = load(locate(str(call.flag("kubeconfig")), os.environ))
    upstream = connect(config, Overrides(context=str(call.flag("context"))))
    resources = tuple(call.flag("resources-to-sync")) or DEFAULT
    settings = Settings(
        upstream=upstream.at(upstream.server.partition("/clusters/")[0].rstrip("/")),
        pod_url=str(call.flag("upstream-url")),
        resources=resources,
        mode=PUSH if push else PULL if pull else NONE,
        image=str(call.flag("syncer-image")),
        beside=partial(_import, resources),
    )
    rules = Rules(resources=settings.resources, grace=timedelta(seconds=int(call.flag("lost-after"))))
    try:
        publish = bool(call.flag("auto-publish-apis"))
        trio.run(_main, settings, publish, None if call.flag("no-placement") else rules)
    except Exception as error:
        raise first_of(error) from None
    return 0


async def _import(resources: tuple[str, ...], upstream: Connection, below: Session, thing: Object) -> None:
    """Import what is synced from one physical cluster into its workspace, until cancelled."""
    session = Session(upstream, agent=AGENT)
    try:
        await Importer(session, below, thing, resources).run()
    finally:
        with trio.CancelScope(shield=True):
            await session.close()


async def _main(settings: Settings, publish: bool, rules: Rules | None) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_signal, nursery.cancel_scope)
        await nursery.start(partial(negotiation.run_everywhere, settings.upstream, publish=publish))
        await nursery.start(run_controller, settings)
        if rules is not None:
            await nursery.start(placement.run_everywhere, settings.upstream, rules)
        print(f"cluster-controller is running: {settings.upstream.server}", flush=True)
