"""Label selectors as people write them, and which labels they take."""

from __future__ import annotations

import pytest

from kcp.client.selectors import label_selector, matches


@pytest.mark.parametrize(
    ("text", "taken", "refused"),
    [
        ("a=1", {"a": "1", "b": "2"}, {"a": "2"}),
        ("a==1,b=2", {"a": "1", "b": "2"}, {"a": "1"}),
        ("a!=1", {"b": "2"}, {"a": "1"}),
        ("a in (1, 2)", {"a": "2"}, {"b": "1"}),
        ("a notin (1,2)", {}, {"a": "2"}),
        ("a", {"a": ""}, {"b": "1"}),
        ("!a", {"b": "1"}, {"a": ""}),
        ("a=", {"a": ""}, {}),
    ],
)
def test_a_selector_takes_what_it_says(text: str, taken: dict[str, str], refused: dict[str, str]) -> None:
    selector = label_selector(text)
    assert matches(selector, taken)
    assert not matches(selector, refused)


def test_no_selector_takes_everything() -> None:
    assert matches({}, {})
    assert matches({}, {"a": "1"})
