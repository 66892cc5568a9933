"""Virtual workspaces: API endpoints below `/services/` that show stored objects in another arrangement.

What belongs here: the small framework (`visit`, `window`, `documents`, `service`) and what is built on it. What stays
out: verbs, encoding, tables, watches; the data path does them, and a view passes on its bytes.
"""

from typing import TYPE_CHECKING

from kcp.virtual.lifecycle import Initializing, Terminating
from kcp.virtual.service import Services, VirtualWorkspace
from kcp.virtual.visit import SYSTEM, Upstream, Visit, refuse
from kcp.virtual.window import Window
from kcp.virtual.workspaces import Workspaces

if TYPE_CHECKING:
    from kcp.virtual.remote import Remote

__all__ = [
    "SYSTEM",
    "Initializing",
    "Remote",
    "Services",
    "Terminating",
    "Upstream",
    "VirtualWorkspace",
    "Visit",
    "Window",
    "Workspaces",
    "refuse",
    "standard",
]


def __getattr__(name: str) -> object:
    if name != "Remote":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kcp.virtual.remote import Remote  # httpx is not imported where the server is in the process

    return Remote


def standard(upstream: Upstream) -> Services:
    """Return the virtual workspaces that every kcp serves, over `upstream`."""
    return Services(upstream, [Workspaces(), Initializing(), Terminating()])
