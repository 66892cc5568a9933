"""kubectl against a logical cluster prints what it prints against a real kube-apiserver."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.differences import load_differences
from tests.conformance.kubectl_cases import HERE, VERSIONS, Case, Runner, Target, load_cases

if TYPE_CHECKING:
    from tests.conftest import KcpServer

CASES = load_cases()
DIFFERENCES = load_differences(HERE / "differences.toml")
TOOLS = Path(__file__).resolve().parent.parent.parent / ".tools" / "bin"


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kubectl_prints_what_it_prints_against_a_real_server(
    case: Case, version: str, kcp_server: KcpServer, tmp_path: Path
) -> None:
    kubectl = TOOLS / f"kubectl-{version}"
    assert kubectl.exists(), "kubectl is missing (hack/tools)"
    recorded = json.loads((HERE / "recorded" / version / f"{case.name}.json").read_text())["steps"]
    tokens = {user: kcp_server.tokens[user] for user in ("admin", "alice")}
    target = Target(kcp_server.open_cluster(["alice"]), kcp_server.ca, tokens)

    answers = Runner(kubectl, target, tmp_path).run_case(case, settle=False)

    assert [a["run"] for a in answers] == [r["run"] for r in recorded], "record this case again"
    found = [difference(case.name, *pair) for pair in zip(recorded, answers, strict=True)]
    text = "\n".join(filter(None, found))
    assert not text, f"{sum(map(bool, found))} of {len(found)} answers differ\n{text}"


def difference(case: str, recorded: dict[str, Any], answer: dict[str, Any]) -> str:
    """Return a readable difference between what is expected and what was answered, or nothing."""
    if DIFFERENCES.skips(case, recorded["run"]):
        return ""
    expected = DIFFERENCES.expected(case, recorded["run"], as_text(recorded)).splitlines()
    ours = as_text(answer).splitlines()
    if expected == ours:
        return ""
    user = recorded.get("user", "admin")
    diff = difflib.unified_diff(expected, ours, "recorded", "kcp", lineterm="", n=1)
    return "\n".join([f"$ kubectl {recorded['run']}   # as {user}", *diff, ""])


def as_text(answer: dict[str, Any]) -> str:
    """Return an answer as one text: what was printed, what was complained, the exit code."""
    errors = [f"! {line}" for line in answer["stderr"]]
    return "\n".join([*answer["stdout"], *errors, f"exit {answer['exit']}"])
