"""Every numbered rule of the Kubernetes API that kcp serves has tests, and they exist.

The table is `rules/*.toml`: a rule's number, what it says, and its tests or why it is not served. A test is named by

- `tests/FILE.py::test_name` or `rust/FILE.rs::name`;
- `http:SCENARIO/STEP`: steps of `scenarios`, compared with their recording; patterns as in file names;
- `kubectl:CASE`: a case of `kubectl/cases`.

Docstrings name rules as `kube-api 3.2.2`; such a number must be in the table too.
"""

from __future__ import annotations

import ast
import fnmatch
import itertools
import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.scenarios import SCENARIOS
from tests.conformance.test_http import DIFFERENCES, RECORDED

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RULES: dict[str, dict[str, Any]] = {}
for table in sorted((HERE / "rules").glob("*.toml")):
    for number, rule in tomllib.loads(table.read_text()).items():
        assert number not in RULES, f"{number} stands twice"
        RULES[number] = rule
COMPARED = {scenario.name for scenario in SCENARIOS if not scenario.compacts}
# What keeps a test from being run, or from counting when it fails.
KEPT_BACK = {"skip", "skipif", "xfail"}
FAMILIES = range(2, 8)
MENTION = re.compile(r"kube-api ((?:\d+\.\w+(?:\.\d+)?(?:[,;\u2013-]| and| to)? ?)+)")
NUMBER = re.compile(r"\d+\.(?:\d+(?:\.\d+)?|[A-Z])\b")


@cache
def python_tests(path: Path) -> frozenset[str]:
    """Return the names of the tests of a file that are run and whose failure counts."""
    functions = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    marks = {
        node.name: {
            part.attr for mark in node.decorator_list for part in ast.walk(mark) if isinstance(part, ast.Attribute)
        }
        for node in functions
    }
    return frozenset(name for name, marked in marks.items() if name.startswith("test_") and not marked & KEPT_BACK)


@cache
def rust_tests(path: Path) -> frozenset[str]:
    """Return the names of the tests of a Rust file."""
    attributes = r"#\[(?:tokio::)?test(?:\([^)]*\))?\]\n(?:\s*#\[(?!ignore)[^\n]*\n)*"
    return frozenset(re.findall(rf"{attributes}\s*(?:async )?fn (\w+)\(", path.read_text()))


@cache
def compared_steps(scenario: str) -> frozenset[str]:
    """Return the steps of a scenario whose answers are compared with those of a real server."""
    recorded = json.loads((RECORDED / f"{scenario}.json").read_text())["exchanges"]
    steps = {exchange["name"] for exchange in recorded}
    return frozenset(step for step in steps if not DIFFERENCES.skips(scenario, step))


@cache
def kubectl_cases() -> frozenset[str]:
    """Return the names of the cases of kubectl."""
    files = (HERE / "kubectl" / "cases").glob("*.toml")
    return frozenset(case["name"] for file in files for case in tomllib.loads(file.read_text())["case"])


def exists(test: str) -> bool:
    """Tell whether there is such a test."""
    kind, colon, rest = test.partition(":")
    if colon and kind == "http":
        scenario, _, step = rest.partition("/")
        return scenario in COMPARED and bool(fnmatch.filter(compared_steps(scenario), step))
    if colon and kind == "kubectl":
        return rest in kubectl_cases()
    file, _, name = test.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    return name in (rust_tests(path) if path.suffix == ".rs" else python_tests(path))


@pytest.mark.parametrize("number", RULES)
def test_a_rule_has_tests_that_exist_or_a_reason_why_it_is_not_served(number: str) -> None:
    rule = RULES[number]
    assert rule["says"].endswith(".")
    assert rule.keys() in ({"says", "tests"}, {"says", "unserved"})
    missing = [test for test in rule.get("tests", []) if not exists(test)]
    assert not missing, f"{number} names tests that do not exist"
    assert rule.get("tests") or rule["unserved"].endswith(".")


def test_no_rule_is_left_out() -> None:
    """Numbers of a family follow each other without a gap."""
    numbers = sorted(tuple(map(int, number.split("."))) for number in RULES if not number.endswith(".A"))
    wrong = []
    for before, after in itertools.pairwise(numbers):
        same = before[:-1] == after[:-1]
        if after[-1] != before[-1] + 1 if same else after[-1] > 1:
            wrong.append((before, after))
    assert not wrong
    assert {number[0] for number in numbers} == set(FAMILIES)


def test_rules_that_tests_name_are_in_the_table() -> None:
    files = itertools.chain((ROOT / "rust").rglob("*.rs"), (ROOT / "tests").rglob("*.py"))
    unknown = set()
    for file in files:
        for mention in MENTION.finditer(file.read_text()):
            for number in NUMBER.findall(mention[1]):
                whole = number in RULES or any(known.startswith(f"{number}.") for known in RULES)
                if int(number.split(".")[0]) in FAMILIES and not whole:
                    unknown.add((str(file.relative_to(ROOT)), number))
    assert not unknown


@pytest.mark.parametrize(
    "test",
    [
        "tests/conformance/test_rules.py::test_nothing",
        "tests/conformance/none.py::test_nothing",
        "tests/api/test_isolation.py::version",
        "rust/kcp-apiserver/src/negotiate.rs::object",
        "rust/none.rs::nothing",
        "http:media-types/nothing",
        "http:nothing/at-all",
        "http:expired/watch",
        "http:deletes/orphan",
        "kubectl:nothing",
        "nothing",
    ],
)
def test_what_is_no_test_or_not_compared_does_not_count(test: str) -> None:
    assert not exists(test)
