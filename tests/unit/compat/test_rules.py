from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kcp.compat import blocking, compare, lcd, parse
from tests.unit.compat.rules import COMPATIBLE, CONFLICT, ROWS, Row
from tests.unit.compat.served import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = Any
PAGE = Path(__file__).parents[3] / "docs/design/compat.md"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as served:
        yield served


def resource(field: Json) -> Json:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": {"f": field}}}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_what_differs_and_what_is_in_common(row: Row) -> None:
    old, new = resource(row.old), resource(row.new)
    plain = lcd(old, new, narrow=False)
    if row.verdict == COMPATIBLE:
        assert plain.findings == []
        assert plain.lcd == old
        assert lcd(old, new, narrow=True).lcd == old
        return
    assert plain.lcd is None
    assert (row.path, row.verdict) in {(finding.path, finding.verdict) for finding in plain.findings}, plain.findings
    narrowed = lcd(old, new, narrow=True)
    if row.common == CONFLICT:
        assert narrowed.lcd is None
        assert narrowed.findings
    elif row.common is not None:
        assert narrowed.lcd == resource(row.common)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_real_server_confirms_every_witness(row: Row, servers: Servers) -> None:
    schemas = {"old": resource(row.old), "new": resource(row.new)}
    findings = blocking(compare(parse(schemas["old"]), parse(schemas["new"])))
    assert bool(findings) == bool(row.verdict)
    for finding in findings:
        if finding.witness is not None:
            other = "new" if finding.witness.taken_by == "old" else "old"
            assert servers.takes(schemas[finding.witness.taken_by], finding.witness.object), finding
            assert not servers.takes(schemas[other], finding.witness.object), finding


@pytest.mark.parametrize("row", [row for row in ROWS if row.common != CONFLICT], ids=lambda row: row.name)
def test_a_real_server_accepts_the_common_denominator(row: Row, servers: Servers) -> None:
    joined = lcd(resource(row.old), resource(row.new), narrow=True).lcd
    assert joined is not None
    servers.serve(joined)


def test_the_design_page_has_every_row_and_no_other() -> None:
    table = PAGE.read_text().split("## The rule table")[1].split("\n## ")[0]
    told = re.findall(r"^\| ([^|]+?) +\| (\w+) \| ([\w ]+) \|$", table, re.MULTILINE)[1:]
    words = {COMPATIBLE: "compatible", "incompatible": "incompatible", "unproven": "undecided"}
    assert [(name, verdict) for name, verdict, _ in told] == [(row.name, words[row.verdict]) for row in ROWS]
    assert {name for name, _, common in told if common == "conflict"} == {r.name for r in ROWS if r.common == CONFLICT}
