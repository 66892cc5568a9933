"""What is asked of a real kube-apiserver and of kcp over plain HTTP, one module per subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.scenarios import (
    apply,
    contents,
    definitions,
    discovery,
    escapes,
    forms,
    instances,
    lifecycles,
    names,
    native_kinds,
    native_objects,
    negotiation,
    odd,
    refused_objects,
    reviews,
    statuses,
    tables,
    updates,
    validation_rules,
    versions,
    watches,
    writes,
)

if TYPE_CHECKING:
    from tests.conformance.exchange import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *discovery.SCENARIOS,
    *statuses.SCENARIOS,
    *tables.SCENARIOS,
    *watches.SCENARIOS,
    *writes.SCENARIOS,
    *apply.SCENARIOS,
    *lifecycles.SCENARIOS,
    *reviews.SCENARIOS,
    *definitions.SCENARIOS,
    *instances.SCENARIOS,
    *refused_objects.SCENARIOS,
    *odd.SCENARIOS,
    *validation_rules.SCENARIOS,
    *versions.SCENARIOS,
    *negotiation.SCENARIOS,
    *native_kinds.SCENARIOS,
    *forms.SCENARIOS,
    *contents.SCENARIOS,
    *native_objects.SCENARIOS,
    *updates.SCENARIOS,
    *names.SCENARIOS,
    *escapes.SCENARIOS,
)
