from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kcp.config import contrib
from kcp.puller import to_yaml

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(
        ["yes", "n", "1e3", "0x1", "~", "-", "- a", "a: b", "a #b", "on", "2001-01-01", "", " a", "a ", "=", "<<"]
    ),
)
DOCUMENTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
        lambda values: st.one_of(st.lists(values), st.dictionaries(TEXTS, values)),
    ),
)


@given(DOCUMENTS)
def test_what_is_written_is_read_as_it_was(document: dict[str, object]) -> None:
    text = to_yaml(document)
    assert yaml.load(text, yaml.CSafeLoader) == document


@pytest.mark.parametrize("name", sorted(contrib()))
def test_shipped_definitions_are_written_so(name: str) -> None:
    decoded = yaml.load(contrib()[name], yaml.CSafeLoader)
    assert decoded["metadata"]["name"] == name
    assert to_yaml(decoded) == contrib()[name].decode()
    assert "$ref" not in json.dumps(decoded)
