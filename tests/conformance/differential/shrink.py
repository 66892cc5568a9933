"""Make the shortest sequence of steps that still shows a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.differential.episode import NAMESPACE

if TYPE_CHECKING:
    from tests.conformance.differential.episode import Bench, Finding


def shrunk(bench: Bench, finding: Finding) -> Finding | None:
    """Return the finding with as few steps as show it; nothing when it does not come again."""

    def shows(steps: tuple) -> Finding | None:  # type: ignore[type-arg]
        found = bench.replay(steps)
        return next((f for f in found if f.key == finding.key and len(f.steps) == len(steps)), None)

    best = shows(finding.steps)
    if best is None:
        return None
    size = max(1, len(best.steps) // 2)
    while size:
        at = 1 if best.steps[0] is NAMESPACE or best.steps[0].name == NAMESPACE.name else 0
        while at < len(best.steps) - 1:
            end = min(at + size, len(best.steps) - 1)
            shorter = shows(best.steps[:at] + best.steps[end:])
            if shorter is not None:
                best = shorter
            else:
                at = end
        size //= 2
    return best
