"""Events, through both of their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.differential.kinds.core import inside, put
from tests.conformance.differential.model import Body, Kind
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from random import Random

NS = f"ns-{TOKEN}"
ABOUT = {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "namespace": NS}


def _old(rng: Random) -> Body:
    body: Body = {
        "involvedObject": {**ABOUT, "name": rng.choice(["one", "two"])},
        "reason": rng.choice(["Tested", "Broken"]),
        "message": "It was tested.",
        "type": rng.choice(["Normal", "Warning"]),
    }
    if rng.random() < 0.6:
        body |= {"source": {"component": "tester", "host": "here"}, "count": rng.randint(1, 9)}
        body |= {"firstTimestamp": "2024-01-01T00:00:00Z", "lastTimestamp": "2024-01-01T00:05:00Z"}
    elif rng.random() < 0.5:
        body |= {
            "eventTime": "2024-01-01T00:00:00.000000Z",
            "reportingComponent": "example.com/tester",
            "reportingInstance": "tester-1",
            "action": "Testing",
        }
    if rng.random() < 0.2:
        body["related"] = {**ABOUT, "name": "related"}
    return body


def _change_old(rng: Random, body: Body) -> Body:
    return {**body, "count": rng.randint(10, 20), "message": rng.choice(["again", "and again"])}


CORE_EVENTS = Kind(
    "events",
    "",
    "v1",
    "Event",
    True,
    _old,
    _change_old,
    {
        "object-missing": put(involvedObject=None),
        "object-other-namespace": inside("involvedObject", namespace="other"),
        "object-no-namespace": inside("involvedObject", namespace=None),
        "object-text": put(involvedObject="x"),
        "count-text": put(count="x"),
        "time-text": put(firstTimestamp="x"),
        "event-time-only": put(eventTime="2024-01-01T00:00:00.000000Z", source=None, reportingComponent=None),
        "series": put(series={"count": 2, "lastObservedTime": "2024-01-01T00:00:00Z"}),
        "type-strange": put(type="Strange"),
        "type-strange-with-time": put(
            type="Strange",
            eventTime="2024-01-01T00:00:00.000000Z",
            reportingComponent="a b",
            reportingInstance="",
            action="",
            reason="",
        ),
        "unknown-field": put(spec={}),
    },
    {
        "reason-change": put(reason="Other"),
        "object-change": inside("involvedObject", name="other"),
        "object-namespace-change": inside("involvedObject", namespace="other"),
    },
    fields=("involvedObject.name", "involvedObject.kind", "reason", "type", "source", "reportingComponent"),
    paths=("/message", "/count", "/reason", "/involvedObject/name", "/series"),
)


def _new(rng: Random) -> Body:
    body: Body = {
        "eventTime": "2024-01-01T00:00:00.000000Z",
        "regarding": {**ABOUT, "name": rng.choice(["one", "two"])},
        "reason": rng.choice(["Tested", "Broken"]),
        "note": "It was tested.",
        "type": rng.choice(["Normal", "Warning"]),
        "action": "Testing",
        "reportingController": "example.com/tester",
        "reportingInstance": "tester-1",
    }
    if rng.random() < 0.2:
        body["series"] = {"count": 2, "lastObservedTime": "2024-01-01T00:01:00.000000Z"}
    return body


def _change_new(rng: Random, body: Body) -> Body:
    series = {"count": rng.randint(2, 9), "lastObservedTime": "2024-01-01T00:02:00.000000Z"}
    return {**body, "series": series}


NEW_EVENTS = Kind(
    "events",
    "events.k8s.io",
    "v1",
    "Event",
    True,
    _new,
    _change_new,
    {
        "time-missing": put(eventTime=None),
        "type-strange": put(type="Strange"),
        "type-missing": put(type=None),
        "controller": put(reportingController="a b"),
        "controller-missing": put(reportingController=None),
        "instance-empty": put(reportingInstance=""),
        "instance-long": put(reportingInstance="i" * 129),
        "reason-long": put(reason="r" * 129),
        "reason-missing": put(reason=None),
        "note-long": put(note="n" * 1025),
        "action-missing": put(action=None),
        "action-long": put(action="a" * 129),
        "series-one": put(series={"count": 1}),
        "series-empty": put(series={}),
        "deprecated": put(deprecatedCount=1, deprecatedSource={"component": "x"}),
        "deprecated-times": put(
            deprecatedFirstTimestamp="2024-01-01T00:00:00Z", deprecatedLastTimestamp="2024-01-01T00:00:00Z"
        ),
        "object-other-namespace": inside("regarding", namespace="other"),
        "object-missing": put(regarding=None),
        "many-faults": put(type="X", reason="", action="", reportingInstance="", reportingController=""),
        "unknown-field": put(message="old name"),
    },
    {
        "reason-change": put(reason="Other"),
        "note-change": put(note="other"),
        "time-change": put(eventTime="2025-01-01T00:00:00.000000Z"),
        "action-change": put(action="Other"),
        "type-change": put(type="Warning", reportingInstance="other"),
        "regarding-change": inside("regarding", name="other"),
        "series-one": put(series={"count": 1}),
    },
    fields=("regarding.name", "reason", "type", "reportingController"),
    paths=("/note", "/series", "/reason", "/regarding/name"),
)
EVENTS = (CORE_EVENTS, NEW_EVENTS)
