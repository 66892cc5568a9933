"""Random requests get the same answers from kcp and from a real kube-apiserver, and the comparison would notice."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.differential import __main__ as command
from tests.conformance.differential import compare, report
from tests.conformance.differential.actions import next_step
from tests.conformance.differential.compare import Rule, Rules
from tests.conformance.differential.episode import Finding, Tally
from tests.conformance.differential.kinds import ACCESS, CORE, DEFINITIONS, EVENTS, INSTANCES
from tests.conformance.differential.model import World
from tests.conformance.differential.normal import Symbols, comparable
from tests.conformance.differential.peers import both_sides
from tests.conformance.differential.run import Outcome, run
from tests.conformance.differential.step import Step, from_json
from tests.conformance.exchange import Answer, Json, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
REQUESTS, SEED = 1000, 1
SERVER = Server("https://127.0.0.1:1", {})
GET = Step("s1", "GET", "/api/v1/namespaces/ns-@E@/configmaps/one", what=("get", "configmaps", "-"))


@pytest.mark.peers
@pytest.mark.timeout(1800)
def test_random_requests_are_answered_as_by_a_real_server(tmp_path: Path) -> None:
    rules = compare.load()
    with both_sides(tmp_path) as sides:
        outcome = run(sides, rules, SEED, REQUESTS)

    texts = [report.example(group[0], len(group) - 1) for group in outcome.groups]
    print(report.summary(outcome.tally, rules, outcome.groups, SEED))
    assert not texts, "\n".join(texts)
    assert outcome.tally.accepted >= 0.4 * outcome.tally.requests


def test_every_listed_difference_is_told_with_its_reason() -> None:
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", DOCUMENT.read_text(), re.MULTILINE))
    listed: dict[str, list[str]] = {}
    for rule in compare.load().rules:
        listed.setdefault(rule.id, []).append(rule.reason)

    assert set(told) == set(listed)
    assert {rule: text for rule, text in told.items() if text not in listed[rule]} == {}


def answer(body: Json, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    return Answer(status, tuple({"Content-Type": "application/json", **headers}.items()), json.dumps(body).encode())


def config_map(revision: str = "5", uid: str = "11111111-2222-4333-8444-555555555555", **rest: Json) -> dict[str, Any]:
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "one", "resourceVersion": revision, "uid": uid},
        **rest,
    }


def differences(kube: list[Answer], kcp: list[Answer]) -> list[str]:
    symbols = (Symbols(SERVER), Symbols(SERVER))
    steps = [Step(f"s{i}", "GET", GET.path, what=GET.what) for i in range(len(kube))]
    forms = [
        (comparable(step, a, symbols[0]), comparable(step, b, symbols[1]))
        for step, a, b in zip(steps, kube, kcp, strict=True)
    ]
    return [entry.path for a, b in forms for entry in compare.entries(a, b)]


def test_what_servers_choose_themselves_is_no_difference() -> None:
    ours = config_map("77", "99999999-2222-4333-8444-555555555555")
    ours["metadata"]["annotations"] = {"kcp.io/cluster": "root"}

    assert differences([answer(config_map())], [answer(ours)]) == []


@pytest.mark.parametrize(
    ("kube", "kcp", "where"),
    [
        (answer(config_map()), answer(config_map(), 201), "status"),
        (answer(config_map(data={"a": "b"})), answer(config_map(data={"a": "c"})), "body.data.a"),
        (answer(config_map()), answer(config_map(data=None)), "body.data"),
        (answer(config_map(a=1)), answer(config_map(a=True)), "body.a"),
        (answer(config_map(a=1)), answer(config_map(a=1.0)), "body.a"),
        (answer({}, headers={"Warning": '299 - "x"'}), answer({}), "warnings"),
        (answer({}), answer({}, headers={"Retry-After": "1"}), "headers.Retry-After"),
        (
            answer({"details": {"causes": [{"field": "a"}, {"field": "b"}]}}),
            answer({"details": {"causes": [{"field": "a"}]}}),
            "body.details.causes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_clients_act_on_is_a_difference(kube: Answer, kcp: Answer, where: str) -> None:
    assert differences([kube], [kcp]) == [where]


@pytest.mark.parametrize(
    ("group", "where"),
    [
        ("tenancy.kcp.io", []),
        ("workload.kcp.io", []),
        ("batch", []),
        ("q0123abcd.example.com", []),
        ("apis.kcp.io", ["body.groups"]),
        ("diff.example.com", ["body.groups"]),
        ("coordination.k8s.io", ["body.groups"]),
    ],
)
def test_a_group_that_one_side_has_is_a_difference_unless_it_is_named(group: str, where: list[str]) -> None:
    def groups(*names: str) -> Answer:
        return answer({"kind": "APIGroupList", "groups": [{"name": name} for name in names]})

    assert differences([groups("events.k8s.io")], [groups("events.k8s.io", group)]) == where


def an_openapi_document(schema: Json, **operation: Json) -> Answer:
    path = "/api/v1/namespaces/{namespace}/configmaps"
    gives = {"200": {"schema": {"$ref": "#/definitions/ConfigMap"}}}
    operations = {"get": {"operationId": "list", "description": "words", "responses": gives, **operation}}
    unserved = {"get": {"operationId": "other", "responses": {"200": {"schema": {"$ref": "#/definitions/Pod"}}}}}
    paths = {path: operations, "/api/v1/namespaces/{namespace}/pods": unserved}
    return answer({"swagger": "2.0", "paths": paths, "definitions": {"ConfigMap": schema, "Pod": {}, "Unreached": {}}})


@pytest.mark.parametrize(
    ("schema", "operation", "where"),
    [
        ({"type": "object", "description": "other words"}, {"description": "others"}, []),
        ({"type": "array"}, {}, ["body.schemas.ConfigMap.type"]),
        (
            {"type": "object", "properties": {"description": {"type": "string"}}},
            {},
            ["body.schemas.ConfigMap.properties"],
        ),
        ({"type": "object"}, {"operationId": "read"}, ["body.paths./api/v1/namespaces/{namespace}/configmaps.get.id"]),
        (
            {"type": "object"},
            {"parameters": [{"in": "query", "name": "limit", "type": "integer"}]},
            ["body.paths./api/v1/namespaces/{namespace}/configmaps.get.parameters.query limit"],
        ),
        (
            {"type": "object"},
            {"responses": {"200": {"schema": {"$ref": "#/definitions/Unreached"}}}},
            [
                "body.paths./api/v1/namespaces/{namespace}/configmaps.get.gives.200.$ref",
                "body.schemas.ConfigMap",
                "body.schemas.Unreached",
            ],
        ),
    ],
    ids=["words", "type", "field", "identifier", "parameter", "answer"],
)
def test_openapi_documents_are_compared_by_operations_and_shapes(
    schema: Json, operation: dict[str, Json], where: list[str]
) -> None:
    kube, kcp = an_openapi_document({"type": "object"}), an_openapi_document(schema, **operation)

    assert differences([kube], [kcp]) == where


@pytest.mark.parametrize(
    ("arguments", "seen", "code"),
    [([], [], 0), (["--strict-list"], [], 1), (["--strict-list"], ["all"], 0), ([], ["all", "another"], 1)],
    ids=["unused", "unused-and-strict", "used-and-strict", "differs"],
)
def test_a_run_fails_for_what_differs_and_when_asked_for_a_row_nothing_needed(
    arguments: list[str], seen: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = compare.load()
    groups = []
    if "all" in seen:
        rules.used.update(rules.rules)
    if "another" in seen:
        found = (compare.Entry("status", "200", "201"),)
        forms = ({"status": 200, "body": {}}, {"status": 201, "body": {}})
        groups.append([Finding(0, (GET,), found, forms)])

    @contextlib.contextmanager
    def no_sides(_: Path) -> Iterator[None]:
        yield None

    monkeypatch.setattr(compare, "load", lambda: rules)
    monkeypatch.setattr(command, "both_sides", no_sides)
    monkeypatch.setattr(command, "run", lambda *_, **__: Outcome(groups, Tally()))
    monkeypatch.setattr(Rules, "without", lambda self, _: self)
    monkeypatch.setattr("sys.argv", ["differential", "--out", str(tmp_path), *arguments])

    assert command.main() == code


@pytest.mark.parametrize(
    ("before", "left"),
    [((), 1), (("create widgets -",), 1), (("create widgets status-wrong", "get widgets -"), 0)],
    ids=["alone", "after-another", "after-it"],
)
def test_a_row_may_ask_for_what_came_before(before: tuple[str, ...], left: int) -> None:
    nothing = re.compile("")
    rules = Rules((Rule("row", "why", "get *", "*", nothing, nothing, nothing, "create widgets status-wrong*"),))
    steps = [Step("s", "GET", "/", what=(verb, kind, fault)) for verb, kind, fault in (b.split() for b in before)]

    assert len(rules.unexplained([*steps, GET], [compare.Entry("body.a", "1", "2")])) == left


def test_causes_come_in_any_order() -> None:
    causes = [{"field": "a"}, {"field": "b"}]
    bodies = [{"message": f"x: {c}", "details": {"causes": c}} for c in (causes, causes[::-1])]
    bodies = [body | {"message": 'x "y" is invalid: [1, 2]'} for body in bodies]

    assert differences([answer(bodies[0])], [answer(bodies[1])]) == []


@pytest.mark.parametrize("field", ["resourceVersion", "uid"])
def test_a_value_that_changes_on_one_side_only_is_found(field: str) -> None:
    first, second = config_map(), config_map()
    second["metadata"][field] = "6" if field == "resourceVersion" else "21111111-2222-4333-8444-555555555555"

    same, changed = [answer(first), answer(first)], [answer(first), answer(second)]

    assert differences(same, changed) == [f"body.metadata.{field}"]


def test_a_step_is_read_back_as_it_was_written() -> None:
    step = Step("s1", "POST", "/x", {"a": None}, "alice", {"Accept": "*/*"}, ("create", "x", "-"))

    assert from_json(json.loads(json.dumps(step.to_json()))) == step


def test_a_seed_says_what_is_sent() -> None:
    from random import Random

    def sent(rng: Random) -> list[Step]:
        world = World(rng, (*CORE, *ACCESS, *EVENTS, *DEFINITIONS, *INSTANCES))
        return [next_step(world) for _ in range(200)]

    assert sent(Random("1/2")) == sent(Random("1/2"))
    assert sent(Random("1/2")) != sent(Random("1/3"))
