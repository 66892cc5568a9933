"""Events go by time; rule kube-api 6.5.2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import trio

from kcp.core import Options
from tests.unit.controllers.harness import ADMIN, NAMESPACES, PATIENCE, serving

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = f"{NAMESPACES}/default/events"
NEW_EVENTS = EVENTS.replace("/api/v1", "/apis/events.k8s.io/v1")


async def test_6_5_2_watchers_see_events_go_when_their_time_is_over() -> None:
    async with serving(Options(event_ttl=1), controllers="") as kcp:
        old = {"metadata": {"name": "old"}, "involvedObject": {"namespace": "default"}}
        new = {
            "metadata": {"name": "new"},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "regarding": {"namespace": "default"},
            "reportingController": "example.com/tester",
            "reportingInstance": "one",
            "action": "Testing",
            "reason": "Tested",
            "type": "Normal",
        }
        async with kcp.server.stream("GET", f"{EVENTS}?watch=true", user=ADMIN) as watch:
            await kcp.good("POST", EVENTS, old)
            await kcp.good("POST", NEW_EVENTS, {"apiVersion": "events.k8s.io/v1", "kind": "Event", **new})
            seen: list[tuple[str, str]] = []
            rest = b""
            with trio.fail_after(PATIENCE):
                while sum(kind == "DELETED" for kind, _ in seen) < 2:
                    *lines, rest = (rest + await watch.read()).split(b"\n")
                    told = [json.loads(line) for line in lines]
                    seen += [(one["type"], one["object"]["metadata"]["name"]) for one in told]
        assert sorted(seen) == [("ADDED", "new"), ("ADDED", "old"), ("DELETED", "new"), ("DELETED", "old")]
        assert (await kcp.good("GET", EVENTS))["items"] == []


async def test_6_5_2_events_of_a_run_before_go_as_well(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with serving(Options(store=store, event_ttl=2), controllers="") as before:
        body = {"metadata": {"name": "old"}, "involvedObject": {"namespace": "default"}}
        await before.good("POST", EVENTS, body)
    async with serving(Options(store=store), controllers="") as after:
        await after.gone(EVENTS, "old")
