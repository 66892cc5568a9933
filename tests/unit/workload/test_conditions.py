"""What is written of a physical cluster, and when nothing is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kcp.workload.conditions import HEARTBEAT_SECONDS, Object, UnreadyError, Verdict, what_to_say

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = "2026-01-02T03:04:05Z"
WELL = Verdict(True, "Well", resources=("a", "b"))
LATER = NOW + timedelta(seconds=HEARTBEAT_SECONDS)


def said(status: Object, verdict: Verdict, now: datetime = NOW) -> Object:
    found = what_to_say(status, verdict, now)
    assert found is not None
    return found


def test_a_first_word_is_a_transition() -> None:
    condition = {"type": "Ready", "status": "True", "reason": "Well", "message": ""}
    times = {"lastTransitionTime": TEXT, "lastHeartbeatTime": TEXT}
    assert said({}, WELL) == {"syncedResources": ["a", "b"], "conditions": [{**condition, **times}]}


def test_the_same_is_not_said_again_but_for_the_heartbeat() -> None:
    status = said({}, WELL)
    assert what_to_say(status, WELL, NOW + timedelta(seconds=HEARTBEAT_SECONDS - 1)) is None
    [condition] = said(status, WELL, LATER)["conditions"]
    assert (condition["lastTransitionTime"], condition["lastHeartbeatTime"]) == (TEXT, "2026-01-02T03:09:05Z")
    unready = UnreadyError("Away", "gone").verdict
    assert what_to_say(said(status, unready), unready, LATER) is None


def test_what_is_not_ready_keeps_its_last_heartbeat_and_what_is_synced() -> None:
    away = said(said({}, WELL), UnreadyError("Away", " many\nlines ").verdict, LATER)
    assert away["syncedResources"] == ["a", "b"]
    [condition] = away["conditions"]
    assert condition == {
        "type": "Ready",
        "status": "False",
        "reason": "Away",
        "message": "many lines",
        "severity": "Error",
        "lastTransitionTime": "2026-01-02T03:09:05Z",
        "lastHeartbeatTime": TEXT,
    }
    [other] = said(away, UnreadyError("Broken", "x", synced=False).verdict, LATER + timedelta(days=1))["conditions"]
    assert other["lastTransitionTime"] == condition["lastTransitionTime"]
    back = said(away, WELL, LATER)
    assert "severity" not in back["conditions"][0]


def test_nothing_is_synced_any_more_is_said_too() -> None:
    assert said(said({}, WELL), Verdict(True, "Well", resources=()))["syncedResources"] == []


@pytest.mark.parametrize("time", ["nonsense", "", None, "9999-01-01T00:00:00Z"])
def test_a_heartbeat_that_somebody_spoilt_is_written_anew(time: object) -> None:
    status = said({}, WELL)
    status["conditions"][0]["lastHeartbeatTime"] = time
    assert said(status, WELL)["conditions"][0]["lastHeartbeatTime"] == TEXT
