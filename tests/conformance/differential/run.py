"""Runs of many episodes, and replays of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.conformance.differential import report
from tests.conformance.differential.episode import Bench, Finding, Tally
from tests.conformance.differential.shrink import shrunk
from tests.conformance.differential.step import Step, from_json

if TYPE_CHECKING:
    from tests.conformance.differential.compare import Rules
    from tests.conformance.differential.wire import Side
    from tests.conformance.exchange import Answer

SHRUNK_CLASSES = 60  # more than these are reported as they were found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found: classes of difference, and the numbers."""

    groups: list[list[Finding]]
    tally: Tally


def run(
    sides: tuple[Side, Side], rules: Rules, seed: int, requests: int, only: int | None = None, *, shrinking: bool = True
) -> Outcome:
    """Send episodes until so many requests were sent; return what differed."""
    bench = Bench(*sides, rules)
    try:
        findings: list[Finding] = []
        index = 0
        while bench.tally.requests < requests and (only is None or index <= only):
            if only is None or index == only:
                findings += bench.generate(seed, index)
            index += 1
        groups = report.classes(findings)
        if shrinking:
            for group in groups[:SHRUNK_CLASSES]:
                smaller = shrunk(bench, group[0])
                if smaller is not None:
                    group[0] = Finding(group[0].episode, smaller.steps, smaller.entries, smaller.answers)
        return Outcome(groups, bench.tally)
    finally:
        bench.close()


def replay(sides: tuple[Side, Side], rules: Rules, document: dict[str, Any]) -> int:
    """Send the steps of a written scenario and print the answers; 1 when they differ."""
    bench = Bench(*sides, rules)

    def show(step: Step, kube: Answer, kcp: Answer) -> None:
        print(f"-- {step.method} {step.path}")
        for name, answer in (("kube", kube), ("kcp", kcp)):
            print(f"   {name}: {answer.status} {answer.body.decode(errors='backslashreplace')}")

    try:
        found = bench.replay([from_json(step) for step in document["steps"]], show)
        print("\n".join(report.example(finding, 0) for finding in found))
        return 1 if found else 0
    finally:
        bench.close()
