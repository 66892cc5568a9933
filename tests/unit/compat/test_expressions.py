from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcp.compat.expressions import TooHardError, find, matches
from kcp.compat.formats import SAMPLES, accepts
from kcp.compat.schema import STRING_FORMATS
from tests.unit.compat.served import Servers

PATTERNS = [
    r"^a$", r"a|b", r"^(ab)*$", r"^a{2,3}$", r"^a{2,}b?$", r"^[^ab]$", r"\bfoo\b", r"^\d{3}-\w+$", r"(?i)^ab$", r"^.$",
    r"(?s)^.$", r"^[a-c\d_-]+$", r"^[[:alpha:]]+$", r"^(?:a|bc)(?P<n>d)?$", r"\A\s*\z", r"^a{0}$", r"^(a|b)*?a$", r"\.",
    r"^[]a]$", r"^[a\]]$", r"^x{0,2}y{1}$", r"(?m)^b$", r"a\Bb", r"^\x41\x{42}$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=st.text(alphabet="abcdfoAB01_-. \n]xy", max_size=6))
def test_a_pattern_matches_what_another_engine_matches(pattern: str, text: str) -> None:
    python = pattern.replace(r"\z", r"\Z").replace("[[:alpha:]]", "[A-Za-z]").replace(r"\x{42}", "B")
    # Python's $ also stands before a last line break.
    python = python if "(?m)" in python else re.sub(r"(?<!\\)\$", r"\\Z", python)
    assert matches(pattern, text) == (re.search(python, text, re.ASCII) is not None)


def test_a_language_within_another_has_no_text_outside_it() -> None:
    label, name = r"^[a-z]([-a-z0-9]*[a-z0-9])?$", r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
    assert find([label], [name]) is None
    assert find([name], [label]) == "0"
    assert find(["^a+$"], ["^a{1,3}$"]) == "aaaa"
    assert find(["^a+$"], longest=0) is None
    found = find(["b"], shortest=5)
    assert found is not None
    assert len(found) == 5


@pytest.mark.parametrize(
    "pattern", ["(", ")", "a**", r"\p{Greek}", "(?=a)", "a{2000}", "((a{100}){100}){100}", "[z-a]"]
)
def test_what_is_not_understood_is_not_guessed(pattern: str) -> None:
    with pytest.raises(TooHardError):
        matches(pattern, "a")


def test_a_pattern_that_keeps_other_engines_busy_takes_no_time() -> None:
    assert not matches("^(a+)+$", "a" * 2_000 + "b")


TEXTS = sorted(
    {text for samples in SAMPLES.values() for text in samples}
    | {
        "",
        "x",
        "A",
        "-a",
        "a-",
        "a_b",
        "1.2.3",
        "300.1.1.1",
        "1:2",
        "::g",
        "10.0.0.0/40",
        "00:00",
        "0123",
        "#ffff",
        "rgb(1)",
    }
    | {
        "YQ=",
        "2020-02-30",
        "2020-13-01",
        "1 week",
        "5",
        "1x",
        "2020-01-31T25:00:00Z",
        "a b@c.d",
        "@",
        "http://[",
        "a.b1",
    }
    | {"2020-01-31t00:00:00.5+01:00", "http://a b", "%zz", "4111111111111112", "0306406153", "01.02.03.04", "a..b"}
)


def test_formats_are_the_servers() -> None:
    assert set(SAMPLES) == STRING_FORMATS
    names = sorted(STRING_FORMATS)
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {name: {"type": "string", "format": name} for name in names}}
        },
    }
    wrong = []
    with Servers() as servers:
        url = servers.serve(schema) + "/apis/example.com/v1/namespaces/default/things?dryRun=All"
        header = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}}
        for text in TEXTS:
            _, answer = servers.send(url, {**header, "spec": dict.fromkeys(names, text)})
            causes = (answer.get("details") or {}).get("causes") or []
            refused = {cause["field"].removeprefix("spec.") for cause in causes}
            wrong += [(name, text) for name in names if accepts(name, text) == (name in refused)]
    assert wrong == []
