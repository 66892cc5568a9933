"""Virtual workspaces: API endpoints below `/services/` that show stored objects in another arrangement.

What belongs here: the small framework (`visit`, `window`, `documents`, `service`) and what is built on it. What stays
out: verbs, encoding, tables, watches; the data path does them, and a view passes on its bytes.
"""

from kcp.virtual.lifecycle import Initializing, Terminating
from kcp.virtual.service import Services, VirtualWorkspace
from kcp.virtual.visit import SYSTEM, Upstream, Visit, refuse
from kcp.virtual.window import Window
from kcp.virtual.workspaces import Workspaces

__all__ = [
    "SYSTEM",
    "Initializing",
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


def standard(upstream: Upstream) -> Services:
    """Return the virtual workspaces that every kcp serves, over `upstream`."""
    return Services(upstream, [Workspaces(), Initializing(), Terminating()])
