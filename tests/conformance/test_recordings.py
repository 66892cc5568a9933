"""The recorded answers are still what a real kube-apiserver says: it is started and asked again."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.exchange import Scenario, Server, run
from tests.conformance.filters import keep_served
from tests.conformance.scenarios import SCENARIOS
from tests.conformance.test_http import RECORDED, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

REVISION = re.compile(r'(resourceVersion: \\?")\d+')
# Addresses and ports that a service is given.
ALLOCATED = re.compile(r'10\.0\.0\.\d+|(?<=odePort": )\d+')
# Generated names, and which of several bindings that allow something is named.
CHANCE = re.compile(r"A_[bcdfghjklmnpqrstvwxz2456789]{5}|RBAC: allowed by [^}]*?authenticated")
PEER = Path(__file__).resolve().parents[2] / "hack" / "peer-apiserver"


@contextmanager
def serving(directory: Path) -> Iterator[Server]:
    """Start kube-apiserver over etcd on loopback; needs hack/peers."""
    up = subprocess.run([str(PEER), "up", str(directory)], stdout=subprocess.PIPE, text=True, check=False)
    try:
        assert up.returncode == 0, "hack/peer-apiserver up failed"
        config = json.loads(Path(up.stdout.strip()).read_text())
        tokens = {entry["name"]: entry["user"]["token"] for entry in config["users"] if "token" in entry["user"]}
        yield Server(config["clusters"][0]["cluster"]["server"], tokens)
    finally:
        subprocess.run([str(PEER), "down", str(directory)], check=False)


@pytest.fixture(scope="module")
def kube_apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a kube-apiserver that all scenarios ask."""
    with serving(tmp_path_factory.mktemp("kube")) as server:
        yield server


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if not s.compacts], ids=lambda scenario: scenario.name)
def test_a_recording_is_what_the_real_server_answers(
    scenario: Scenario, kube_apiserver: Server, tmp_path: Path
) -> None:
    """What differs is asked again of a server of its own: other scenarios leave roles and bindings behind."""
    recorded = [
        steady(exchange) for exchange in json.loads((RECORDED / f"{scenario.name}.json").read_text())["exchanges"]
    ]

    answers = asked(kube_apiserver, scenario)
    if answers != recorded:
        with serving(tmp_path) as server:
            answers = asked(server, scenario)

    assert answers == recorded


def asked(server: Server, scenario: Scenario) -> list[str]:
    """Return what a server answers to a scenario, as it is compared."""
    return [steady(keep_served(exchange)) for exchange in run(server, scenario)]


def steady(exchange: dict[str, Any]) -> str:
    """Return an exchange as text without what the real server says differently every time.

    It walks Go maps, so causes and rules come in any order, and generated names end in random letters.
    """
    body = exchange.get("body")
    if isinstance(body, dict):
        exchange = {**exchange, "body": sorted_body(body)}
    return ALLOCATED.sub("<allocated>", REVISION.sub(r"\1<rv>", as_text(exchange)))


def sorted_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with lists in an order of their own where the server's is chance."""
    body = json.loads(CHANCE.sub("<chance>", json.dumps(body)))
    if isinstance(body.get("paths"), dict):  # which definitions other scenarios left behind
        body["paths"] = {path: item for path, item in body["paths"].items() if "example.com" not in path}
    causes = (body.get("details") or {}).get("causes") or []
    if len(causes) > 1:
        causes.sort(key=json.dumps)
        body["message"] = f"({len(causes)} causes)"
    status = body.get("status")
    if isinstance(status, dict):
        for field in ("resourceRules", "nonResourceRules"):
            if field in status:
                status[field].sort(key=json.dumps)
    return body
