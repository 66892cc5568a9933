"""kcp answers plain HTTP requests as a real kube-apiserver does."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kcp.config import contrib
from tests.conformance.differences import load_differences
from tests.conformance.exchange import Json, Scenario, Server, run
from tests.conformance.filters import keep_served
from tests.conformance.scenarios import SCENARIOS
from tests.conformance.scenarios.make import CRDS
from tests.conformance.scenarios.native_kinds import NATIVES

if TYPE_CHECKING:
    from tests.conftest import KcpServer

RECORDED = Path(__file__).resolve().parent / "recorded-http"
ROOT_CA = "kube-root-ca.crt"
ONE_SIDED = {"authentication.kcp.io/cluster-name"}
NAMES_CONTROLLER = ("kube-apiserver", "status")
SAID_DIFFERENTLY = (
    (re.compile(r'Invalid value: "\{.*\}": '), "Invalid value: <document>: "),
    (re.compile(r"StorageError: .* AdditionalErrorMsg: "), ""),
    (re.compile(r"https://(kubernetes|kcp)\.default\.svc"), "<issuer>"),
    (re.compile(r"A_[bcdfghjklmnpqrstvwxz2456789]{5}"), "A_<generated>"),
)
DIFFERENCES = load_differences(RECORDED / "differences.toml")
# The headers that clients act on.
COMPARED_HEADERS = ("Content-Type", "Warning", "Retry-After", "Location", "Vary")


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if not s.compacts], ids=lambda scenario: scenario.name)
def test_answers_are_those_of_a_real_server(scenario: Scenario, kcp_server: KcpServer) -> None:
    recorded = json.loads((RECORDED / f"{scenario.name}.json").read_text())["exchanges"]
    asked = {user for exchange in recorded if (user := asked_about(exchange["request"].get("body")))}
    server = Server(kcp_server.open_cluster(sorted(asked)), kcp_server.tokens)
    if scenario.natives:
        for name in NATIVES:
            kcp_server.send("POST", f"{server.url}{CRDS}", json.dumps(yaml.safe_load(contrib()[name])).encode())

    answers = [keep_served(exchange) for exchange in run(server, scenario)]

    assert [a["name"] for a in answers] == [r["name"] for r in recorded], "record this scenario again"
    found = [difference(scenario.name, *pair) for pair in zip(recorded, answers, strict=True)]
    text = "\n".join(filter(None, found))
    assert not text, f"{sum(map(bool, found))} of {len(found)} answers differ\n{text}"


def asked_about(body: Json) -> str:
    """Return the user that a review asks about; empty for other bodies."""
    spec = body.get("spec") if isinstance(body, dict) else None
    user = spec.get("user") if isinstance(spec, dict) else None
    return user if isinstance(user, str) else ""


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
    """Drop what rightly differs everywhere.

    - `kcp.io/cluster` and the root CA configmaps are here only: the recordings' server ran without controllers.
    - The names of a definition are accepted with its write here, and a moment later there.
    - A real server walks Go maps: causes and rules come in any order, and a patched object is shown in another one.
    - A rule that lets somebody into a logical cluster is here only.
    - Issuers, generated names and keys of a store differ.
    """
    match value:
        case dict():
            return comparable_object({key: comparable(item) for key, item in value.items() if key not in ONE_SIDED})
        case list():
            return [comparable(item) for item in without_root_ca(value)]
        case str():
            for pattern, replacement in SAID_DIFFERENTLY:
                value = pattern.sub(replacement, value)
            return value
        case _:
            return value


def comparable_object(out: dict[str, Json]) -> dict[str, Json]:
    """Bring what has an order of its own in an object into ours."""
    annotations = out.get("annotations")
    if isinstance(annotations, dict) and annotations.pop("kcp.io/cluster", None) and not annotations:
        del out["annotations"]
    status = out.get("status")
    if out.get("kind") == "CustomResourceDefinition" and isinstance(status, dict):
        out["status"] = {key: item for key, item in status.items() if key == "storedVersions"}
    entries = out.get("managedFields", {})
    if not isinstance(entries, dict):  # those who accept a definition's names a moment later own what they wrote
        entries = entries or []
        out["managedFields"] = [e for e in entries if (e.get("manager"), e.get("subresource")) != NAMES_CONTROLLER]
    details = out.get("details")
    if isinstance(details, dict) and len(details.get("causes") or []) > 1:
        out["message"] = f"({len(details['causes'])} causes)"
    rules = out.get("nonResourceRules")
    if isinstance(rules, list):
        out["nonResourceRules"] = [rule for rule in rules if rule.get("verbs") != ["access"]]
    # Entries are ordered by their second: which of two is first is chance.
    for key in ("causes", "resourceRules", "nonResourceRules", "managedFields"):
        items = out.get(key)
        if isinstance(items, list):
            out[key] = sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return out


def without_root_ca(items: list[Json]) -> list[Json]:
    """Drop objects, table rows and events that are about a root CA configmap; the next event takes the columns over."""
    kept: list[Json] = []
    columns: Json = None
    for item in items:
        if names_root_ca(item):
            columns = (item.get("object") or {}).get("columnDefinitions") if isinstance(item, dict) else None
            continue
        if columns and isinstance(item, dict) and isinstance(item.get("object"), dict):
            item["object"]["columnDefinitions"], columns = columns, None
        kept.append(item)
    return kept


def names_root_ca(item: Json) -> bool:
    """Tell whether an object, a table row or an event is about a root CA configmap."""
    if not isinstance(item, dict):
        return False
    target = item.get("object") or item
    cells = item.get("cells") or [None]
    if isinstance(target, dict) and target.get("kind") == "Table":
        rows = target.get("rows") or [{}]
        return names_root_ca(rows[0])
    name = (target.get("metadata") or {}).get("name") if isinstance(target, dict) else None
    return ROOT_CA in (cells[0], name)
