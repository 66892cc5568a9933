"""What is asked of a real kube-apiserver and of kcp over plain HTTP, one module per subject."""

from __future__ import annotations

from tests.conformance.exchange import Scenario
from tests.conformance.scenarios import discovery, statuses

SCENARIOS: tuple[Scenario, ...] = (
    *discovery.SCENARIOS,
    *statuses.SCENARIOS,
)
