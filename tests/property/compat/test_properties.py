from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from kcp.compat import blocking, compare, lcd, parse
from kcp.compat.judge import takes
from tests.property.compat.model import accepts
from tests.property.compat.strategies import pairs, values

Json = Any
# KCP_PROPERTY_EXAMPLES runs more.
EXAMPLES = int(os.environ.get("KCP_PROPERTY_EXAMPLES", "100"))
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def draw_objects(data: st.DataObject, *schemas: Json) -> list[Json]:
    """Objects near each of the schemas."""
    return [found for schema in schemas for found in data.draw(st.lists(values(schema), min_size=3, max_size=8))]


@many
@given(pairs(defaults=True), st.data())
def test_the_judge_says_what_the_oracle_says(pair: tuple[Json, Json], data: st.DataObject) -> None:
    old, _ = pair
    node = parse(old)
    for value in draw_objects(data, old):
        if isinstance(value, dict):
            assert takes(node, value) == accepts(old, value), value


@many
@given(pairs(defaults=True), st.data())
def test_compatible_means_that_every_object_of_the_old_schema_is_one_of_the_new(
    pair: tuple[Json, Json], data: st.DataObject
) -> None:
    old, new = pair
    outcome = lcd(old, new, narrow=False)
    event("compatible" if outcome.lcd is not None else "not compatible")
    if outcome.lcd is None:
        assert outcome.findings
        return
    assert outcome.lcd == old
    for value in draw_objects(data, old, new):
        if isinstance(value, dict) and accepts(old, value):
            assert accepts(new, value), value


@many
@given(pairs(defaults=True))
def test_whatever_is_incompatible_comes_with_an_object_that_shows_it(pair: tuple[Json, Json]) -> None:
    schemas = dict(zip(("old", "new"), pair, strict=True))
    for finding in blocking(compare(parse(pair[0]), parse(pair[1]))):
        event(finding.verdict)
        if finding.verdict == "incompatible":
            assert finding.witness is not None
            other = "new" if finding.witness.taken_by == "old" else "old"
            assert accepts(schemas[finding.witness.taken_by], finding.witness.object), finding
            assert not accepts(schemas[other], finding.witness.object), finding
        else:
            assert finding.witness is None


@many
@given(pairs(defaults=True), st.data())
def test_both_schemas_take_what_the_common_denominator_takes(pair: tuple[Json, Json], data: st.DataObject) -> None:
    old, new = pair
    joined = lcd(old, new, narrow=True).lcd
    event("common denominator" if joined is not None else "conflict")
    assume(joined is not None)
    parse(joined)
    for value in draw_objects(data, joined, old, new):
        if isinstance(value, dict) and accepts(joined, value):
            assert accepts(old, value), (joined, value)
            assert accepts(new, value), (joined, value)


@many
@given(pairs(), st.data())
def test_the_common_denominator_takes_what_both_take(pair: tuple[Json, Json], data: st.DataObject) -> None:
    old, new = pair
    joined = lcd(old, new, narrow=True).lcd
    assume(joined is not None and not mixes(old, new))
    for value in draw_objects(data, joined, old, new):
        if isinstance(value, dict) and accepts(old, value) and accepts(new, value):
            assert accepts(joined, value), (joined, value)


@many
@given(pairs(defaults=True))
def test_the_common_denominator_is_compatible_with_both(pair: tuple[Json, Json]) -> None:
    old, new = pair
    joined = lcd(old, new, narrow=True).lcd
    assume(joined is not None)
    for schema in pair:
        found = [f for f in compare(parse(joined), parse(schema)) if f.verdict == "incompatible"]
        assert found == []


def mixes(old: Json, new: Json) -> bool:
    """Whether one keeps any field beside named ones where the other has a map: what cannot be written as one schema."""
    return any('"x-kubernetes-preserve-unknown-fields"' in repr(s).replace("'", '"') for s in (old, new)) and any(
        "additionalProperties" in repr(s) for s in (old, new)
    )
