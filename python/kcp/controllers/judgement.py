"""What is to become of an object whose owners are in question: plain rules over facts, without a server.

The rules are Kubernetes': one owner that is there keeps an object; a kind that is not served decides nothing; an
object whose owners are all gone goes, and one whose last owner waits for its dependents goes before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from kcp.client import Described

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

Policy: TypeAlias = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing yet: of this kind nothing is known."""

    kind: str


@dataclass(frozen=True, slots=True)
class Release:
    """It stays and no longer names these owners."""

    uids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Delete:
    """It goes."""

    policy: Policy
    before_owner: bool = False
    """Whether an owner waits for it: then its own dependents go before it, if it has any."""


Verdict: TypeAlias = Keep | Wait | Release | Delete


def judge(dependent: Described) -> Verdict:
    """Return what is to become of an object, by what its owners are like now."""
    owners = dependent.owners
    if dependent.is_deleted or not owners:
        return Keep()
    by_state = {state: [owner for owner in owners if owner.state == state] for state in {o.state for o in owners}}
    if unknown := by_state.get("unknown"):
        return Wait(f"{unknown[0].kind}.{unknown[0].group}")
    if "misplaced" in by_state:
        return Keep()  # the reference is wrong, which no later look changes
    absent, waiting = by_state.get("absent", []), by_state.get("waiting", [])
    if any(owner.implied for owner in absent):
        return Delete(own_policy(dependent))
    if "solid" in by_state:
        uids = frozenset(owner.uid for owner in absent + waiting if not owner.implied)
        return Release(uids) if uids else Keep()
    return Delete(own_policy(dependent), before_owner=bool(waiting))


def own_policy(dependent: Described) -> Policy:
    """Return the policy that an object's own finalizers ask for."""
    if ORPHAN in dependent.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in dependent.finalizers else "Background"


def blocks(dependent: Described, uid: str) -> bool:
    """Tell whether an owner that waits for its dependents waits for this one."""
    ours = any(owner.uid == uid and owner.state == "waiting" for owner in dependent.owners)
    references = dependent.metadata.get("ownerReferences", [])
    return ours and any(one["uid"] == uid and one.get("blockOwnerDeletion", False) for one in references)
