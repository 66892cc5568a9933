"""`kubectl ws create-context [NAME]`: a kubeconfig context for the current workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.cli.target import Target
from kcp.kubeconfig import create_context, edit

if TYPE_CHECKING:
    from kcp.cli.plugin import Call


def run(call: Call) -> int:
    """Make the context and switch to it."""
    target = Target(call)
    place = target.current
    with edit(target.locations) as config:
        name = call.words[0] if call.words else place.path
        done = create_context(config, name, target.url, overwrite=bool(call.flag("overwrite")), use=True)
    print(done)
    return 0
