"""Conditions of a status, as controllers of Kubernetes write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Condition:
    """What is to be said."""

    type: str
    status: bool
    reason: str
    message: str


def now() -> str:
    """Return the time of the machine's clock as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(time: str) -> float:
    """Return how long ago a time of an object was, by the machine's clock."""
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()


def merge(said: Sequence[dict[str, Any]], wanted: Sequence[Condition], time: str) -> list[dict[str, Any]]:
    """Return conditions with what is wanted in them; what says the same stays as it is.

    Args:
        said: conditions as they are; those of other types are kept.
        wanted: conditions as they are to be.
        time: of a transition: a condition that is new or whose status changes.
    """
    merged = [dict(condition) for condition in said]
    for condition in wanted:
        status = "True" if condition.status else "False"
        found = next((one for one in merged if one["type"] == condition.type), None)
        if found is None:
            found = {"type": condition.type}
            merged.append(found)
        if found.get("status") != status:
            found["lastTransitionTime"] = time
        found |= {"status": status, "reason": condition.reason, "message": condition.message}
    return merged
