"""Verbs against a kcp server, from inside its process.

What belongs here: transports, the verbs over them, and `StatusError`, the one exception that a refused request is. What
stays out: decisions; whoever calls makes them.
"""

from kcp.client.facts import Dependents, Described, Ending, Facts, Left, LeftOver, Owner
from kcp.client.in_process import Client
from kcp.client.status import StatusError
from kcp.core import Answer, Headers, Key, User

__all__ = [
    "Answer",
    "Client",
    "Dependents",
    "Described",
    "Ending",
    "Facts",
    "Headers",
    "Key",
    "Left",
    "LeftOver",
    "Owner",
    "StatusError",
    "User",
]
