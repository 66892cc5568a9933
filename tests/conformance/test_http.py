"""kcp answers plain HTTP requests as a real kube-apiserver does."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.differences import load_differences
from tests.conformance.exchange import Json, Scenario, Server, run
from tests.conformance.filters import keep_served
from tests.conformance.scenarios import SCENARIOS

if TYPE_CHECKING:
    from tests.conftest import KcpServer

RECORDED = Path(__file__).resolve().parent / "recorded-http"
DIFFERENCES = load_differences(RECORDED / "differences.toml")
# The headers that clients act on.
COMPARED_HEADERS = ("Content-Type", "Warning", "Retry-After", "Location", "Vary")


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if not s.compacts], ids=lambda scenario: scenario.name)
def test_answers_are_those_of_a_real_server(scenario: Scenario, kcp_server: KcpServer) -> None:
    recorded = json.loads((RECORDED / f"{scenario.name}.json").read_text())["exchanges"]
    server = Server(kcp_server.new_cluster(), kcp_server.tokens)

    answers = [keep_served(exchange) for exchange in run(server, scenario)]

    assert [a["name"] for a in answers] == [r["name"] for r in recorded], "record this scenario again"
    found = [difference(scenario.name, *pair) for pair in zip(recorded, answers, strict=True)]
    text = "\n".join(filter(None, found))
    assert not text, f"{sum(map(bool, found))} of {len(found)} answers differ\n{text}"


def difference(scenario: str, recorded: dict[str, Any], answer: dict[str, Any]) -> str:
    """Return a readable difference between what is expected and what was answered, or nothing."""
    name = recorded["name"]
    if DIFFERENCES.skips(scenario, name):
        return ""
    expected = DIFFERENCES.expected(scenario, name, as_text(recorded)).splitlines()
    ours = as_text(answer).splitlines()
    if expected == ours:
        return ""
    request = recorded["request"]
    diff = difflib.unified_diff(expected, ours, "recorded", "kcp", lineterm="", n=1)
    return "\n".join([f"{name}: {request['method']} {request['path']} as {request['user']}", *diff, ""])


def as_text(exchange: dict[str, Any]) -> str:
    """Return status, compared headers and body as text, the body with sorted keys."""
    lines = [str(exchange["status"])]
    headers = {name.lower(): value for name, value in exchange["headers"].items()}
    for header in COMPARED_HEADERS:
        if header.lower() in headers:
            lines.append(f"{header}: {headers[header.lower()]}")
    body = exchange.get("body", exchange.get("lines", exchange.get("text")))
    lines.append(json.dumps(comparable(body), indent=1, sort_keys=True, ensure_ascii=False))
    return "\n".join(lines)


def comparable(value: Json) -> Json:
    """Drop what only one of the two has: `kcp.io/cluster` here, managed fields there.

    Fields get owners together with server-side apply; until then none are kept.
    """
    match value:
        case dict():
            out = {key: comparable(item) for key, item in value.items() if key != "managedFields"}
            annotations = out.get("annotations")
            if isinstance(annotations, dict) and annotations.pop("kcp.io/cluster", None) and not annotations:
                del out["annotations"]
            return out
        case list():
            return [comparable(item) for item in value]
        case _:
            return value
