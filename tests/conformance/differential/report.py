"""Say what a run has found: classes of difference, each with its shortest example, and what was asked at all."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.conformance.differential.compare import Rules
    from tests.conformance.differential.episode import Finding, Tally
    from tests.conformance.exchange import Json


REFUSAL = ("status", "body.message", "body.reason", "body.details")


def classes(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings by class, the most frequent first, each class with its shortest finding first."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.key].append(finding)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0].key))
    return [sorted(group, key=lambda finding: len(finding.steps)) for group in ordered]


def scenario(finding: Finding) -> dict[str, Any]:
    """Return a finding as a document that `--replay` reads."""
    return {
        "difference": finding.key,
        "episode": finding.episode,
        "entries": [[e.path, e.kube, e.kcp] for e in finding.entries],
        "steps": [step.to_json() for step in finding.steps],
    }


def example(finding: Finding, more: int) -> str:
    """Return a finding as text: the request, its setup in short, and the difference of the answers."""
    step = finding.step
    lines = [
        f"== {finding.key}",
        f"   {step.label}, episode {finding.episode}" + (f", and {more} more" if more else ""),
    ]
    for before in finding.steps[:-1]:
        lines.append(f"   after {before.method} {before.path} {_short(before.body)[:300]} {_headers(before.headers)}")
    lines.append(f"   {step.method} {step.path} as {step.user} {_headers(step.headers)} {_short(step.body)}")
    told = finding.entries
    if any(entry.path == "status" for entry in told):  # then the whole body differs
        told = tuple(entry for entry in told if entry.path in REFUSAL)
    for entry in told[:12]:
        lines += [f"   {entry.path}", f"     kube: {entry.kube[:600]}", f"     kcp:  {entry.kcp[:600]}"]
    return "\n".join(lines) + "\n"


def _headers(headers: Mapping[str, str]) -> str:
    return " ".join(f"{k}: {v}" for k, v in headers.items())


def _short(body: Json) -> str:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return "" if body is None else text if len(text) < 700 else f"{text[:700]}…"


def summary(tally: Tally, rules: Rules, groups: Sequence[Sequence[Finding]], seed: int) -> str:
    """Return the numbers of a run."""
    share = 100 * tally.accepted / max(1, tally.requests)
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
    uses: Counter[str] = Counter()
    for rule, count in rules.used.items():
        uses[rule.id] += count
    listed = ", ".join(f"{rule} {count}" for rule, count in sorted(uses.items())) or "none"
    return "\n".join(
        [
            f"seed {seed}: {tally.requests} requests, {share:.1f} % answered 2xx ({codes})",
            f"{len(tally.labels)} pairs of verb and kind, {len(tally.faults)} classes of fault, "
            f"{tally.lagged} reads lagged",
            f"listed differences: {listed}",
            *(f"not seen: {rule}" for rule in rules.unused),
            f"unexplained: {sum(map(len, groups))} answers in {len(groups)} classes",
        ]
    )


def write(directory: Path, groups: Sequence[Sequence[Finding]], texts: Sequence[str], head: str) -> None:
    """Write the report and a scenario per class, to be replayed."""
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("difference-*.json"):
        stale.unlink()
    for number, group in enumerate(groups, 1):
        document = scenario(group[0])
        (directory / f"difference-{number}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    (directory / "report.txt").write_text(head + "\n\n" + "\n".join(texts))
