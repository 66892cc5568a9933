"""Whether a cluster is ready, by what it answers; the cluster is played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from kcp.client.status import StatusError, UnreachableError
from kcp.workload.conditions import UnreadyError
from kcp.workload.probe import PROBE_SECONDS, probe

if TYPE_CHECKING:
    from kcp.client.session import Session


class Cluster:
    server = "https://east"

    def __init__(self, answers: dict[str, Exception | None]) -> None:
        self.answers = answers

    async def text(self, path: str) -> str:
        if path not in self.answers:
            await trio.sleep_forever()
        answer = self.answers[path]
        if answer is not None:
            raise answer
        return "ok"


def session(answers: dict[str, Exception | None]) -> Session:
    return Cluster(answers)  # type: ignore[return-value] # what is used of it


def refusal(code: int, text: str = "no") -> StatusError:
    return StatusError.of(code, text.encode())


async def test_either_path_will_do() -> None:
    await probe(session({"/readyz": None}))
    await probe(session({"/readyz": refusal(404), "/healthz": None}))


@pytest.mark.parametrize(
    ("answers", "reason", "message"),
    [
        (
            {"/readyz": refusal(500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed")},
            "WorkloadClusterNotReady",
            "https://east is not ready: [-]etcd failed: reason withheld",
        ),
        ({"/readyz": refusal(404), "/healthz": refusal(404, "none")}, "WorkloadClusterNotReady", "is not ready: none"),
        ({"/readyz": refusal(503, "x" * 5000)}, "WorkloadClusterNotReady", f"is not ready: {'x' * 300}"),
        ({"/readyz": UnreachableError("no way")}, "WorkloadClusterUnreachable", "no way"),
        ({}, "WorkloadClusterUnreachable", "https://east did not answer within 5 seconds"),
    ],
)
async def test_what_is_not_ready_says_why(
    answers: dict[str, Exception | None], reason: str, message: str, autojump_clock: trio.testing.MockClock
) -> None:
    began = trio.current_time()
    with pytest.raises(UnreadyError) as caught:
        await probe(session(answers))
    assert caught.value.verdict.reason == reason
    assert caught.value.verdict.message.endswith(message)
    assert trio.current_time() - began <= PROBE_SECONDS
