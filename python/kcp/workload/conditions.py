"""What is said of a physical cluster: one condition, Ready. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]

READY = "Ready"
# Seconds after which it is written anew that a cluster is ready, as nodes do.
HEARTBEAT_SECONDS = 300.0
LONGEST_MESSAGE = 1024
_TIMES = frozenset({"lastTransitionTime", "lastHeartbeatTime"})
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a cluster is ready, and why not."""

    ready: bool
    reason: str
    message: str = ""
    severity: str = "Error"
    """How bad it is not to be ready: Error, Warning or Info."""
    resources: tuple[str, ...] | None = None
    """What is synced (`resource.group`, sorted); None: what was said stays."""


class UnreadyError(Exception):
    """Why a cluster is not ready."""

    def __init__(self, reason: str, message: object, *, severity: str = "Error", synced: bool = True) -> None:
        """Say it; `synced` is whether what was synced still is."""
        super().__init__(str(message))
        self.verdict = Verdict(False, reason, str(message), severity, None if synced else ())


def what_to_say(status: Object, verdict: Verdict, now: datetime) -> Object | None:
    """Return the fields of the status to apply; None where it says the verdict already.

    Args:
        status: as it is.
        verdict: what is to be said.
        now: of a transition, and of the heartbeat of what is ready.
    """
    before: Object = next((one for one in status.get("conditions") or () if one.get("type") == READY), {})
    after: Object = {
        "type": READY,
        "status": "True" if verdict.ready else "False",
        "reason": verdict.reason,
        "message": " ".join(verdict.message.split())[:LONGEST_MESSAGE],
    }
    if not verdict.ready:
        after["severity"] = verdict.severity
    resources = status.get("syncedResources") or []
    wanted = resources if verdict.resources is None else list(verdict.resources)
    same = {field: value for field, value in before.items() if field not in _TIMES} == after and resources == wanted
    if same and not (verdict.ready and _is_old(before, now)):
        return None
    turned = before.get("status") != after["status"] or not before.get("lastTransitionTime")
    after["lastTransitionTime"] = now.strftime(_TIME) if turned else before["lastTransitionTime"]
    if verdict.ready:
        after["lastHeartbeatTime"] = now.strftime(_TIME)
    elif before.get("lastHeartbeatTime"):
        after["lastHeartbeatTime"] = before["lastHeartbeatTime"]
    return {"syncedResources": wanted, "conditions": [after]}


def _is_old(condition: Object, now: datetime) -> bool:
    try:
        last = datetime.strptime(str(condition.get("lastHeartbeatTime")), _TIME).replace(tzinfo=UTC)
    except ValueError:
        return True
    return not 0 <= (now - last).total_seconds() < HEARTBEAT_SECONDS
