"""Verbs against a kcp server, from inside its process or over HTTP to any kubeconfig.

What belongs here: transports, the verbs over them, and `StatusError`, the one exception that a refused request is. What
stays out: decisions; whoever calls makes them. Names are loaded when they are used: a command that speaks HTTP does not
load the core.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcp.client.facts import Dependents, Described, Ending, Facts, Left, LeftOver, Owner
    from kcp.client.http import HttpCaller, HttpClient
    from kcp.client.in_process import Client
    from kcp.client.status import StatusError, UnreachableError
    from kcp.core import Answer, Headers, Key, User

__all__ = [
    "Answer",
    "Client",
    "Dependents",
    "Described",
    "Ending",
    "Facts",
    "Headers",
    "HttpCaller",
    "HttpClient",
    "Key",
    "Left",
    "LeftOver",
    "Owner",
    "StatusError",
    "UnreachableError",
    "User",
]

_HOMES = {
    "kcp.client.facts": ("Dependents", "Described", "Ending", "Facts", "Left", "LeftOver", "Owner"),
    "kcp.client.http": ("HttpCaller", "HttpClient"),
    "kcp.client.in_process": ("Client",),
    "kcp.client.status": ("StatusError", "UnreachableError"),
    "kcp.core": ("Answer", "Headers", "Key", "User"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_HOME_OF[name]), name)
    return found
