"""What is asked of a real kube-apiserver and of kcp over plain HTTP, one module per subject."""

from __future__ import annotations

from tests.conformance.exchange import Scenario
from tests.conformance.scenarios import (
    definitions,
    discovery,
    instances,
    refused_objects,
    reviews,
    statuses,
    tables,
    watches,
    writes,
)

SCENARIOS: tuple[Scenario, ...] = (
    *discovery.SCENARIOS,
    *statuses.SCENARIOS,
    *tables.SCENARIOS,
    *watches.SCENARIOS,
    *writes.SCENARIOS,
    *reviews.SCENARIOS,
    *definitions.SCENARIOS,
    *instances.SCENARIOS,
    *refused_objects.SCENARIOS,
)
