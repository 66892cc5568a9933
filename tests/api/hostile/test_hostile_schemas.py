"""Definitions and objects made to be expensive or endless: refused with a reason, and in bounded memory."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.hostile.raw import Answer, Victim

pytestmark = pytest.mark.usefixtures("unharmed")

CLUSTER = "/clusters/schemas"
CRDS = f"{CLUSTER}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JSON = [("Content-Type", "application/json")]
PROTOBUF = [("Content-Type", "application/vnd.kubernetes.protobuf")]
MIB = 1 << 20
# What a refusal may leave behind: allocators keep some of what they had.
GROWTH = 96 * MIB
# The allowance is for debug builds on busy machines.
SOON = 20.0

Schema = dict[str, Any]


def definition(plural: str, spec: Schema, **root: object) -> dict[str, Any]:
    """Return a definition of bombs whose objects have the given `spec`."""
    schema = {"type": "object", "properties": {"spec": spec}, **root}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.bombs.example.com"},
        "spec": {
            "group": "bombs.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.title()},
            "versions": [version],
        },
    }


def ruled(rule: str, **properties: Schema) -> Schema:
    """Return a schema with one rule."""
    return {"type": "object", "properties": properties, "x-kubernetes-validations": [{"rule": rule}]}


def post(victim: Victim, path: str, body: object) -> Answer:
    return victim.request("POST", path, json.dumps(body).encode(), headers=JSON)


@pytest.fixture
def bounded(victim: Victim) -> Iterator[None]:
    """What a test asks for does not make the server grow beyond what one request may hold."""
    before = victim.memory()
    yield
    assert victim.memory() - before < GROWTH


def lists(depth: int) -> Schema:
    """Return a schema of lists in lists."""
    schema: Schema = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


TEXT: Schema = {"type": "string"}
NUMBERS: Schema = {"type": "array", "items": {"type": "integer"}}
FOUR_LOOPS = "self.l.all(a, self.l.all(b, self.l.all(c, self.l.all(d, a + b + c + d > 0))))"
REFUSED: dict[str, tuple[Schema, str]] = {
    "loops in loops": (ruled(FOUR_LOOPS, l=NUMBERS), "estimated rule cost exceeds budget"),
    "many brackets": (ruled("(" * 10_000 + "true" + ")" * 10_000), "recursion limit exceeded"),
    "many signs": (ruled("!" * 20_000 + "true"), "recursion limit exceeded"),
    "many conditions": (ruled("true ? " * 5_000 + "true" + " : true" * 5_000), "recursion limit exceeded"),
    "many lists": (ruled("[" * 5_000 + "]" * 5_000 + " == []"), "recursion limit exceeded"),
    "macros in macros": (
        ruled("".join(f"[1].all(x{i}, " for i in range(300)) + "true" + ")" * 300),
        "recursion limit exceeded",
    ),
    "a long expression": (ruled(" && ".join(["true"] * 50_000)), "bytes of expressions"),
    "a pattern that repeats repetitions": (
        ruled("self.t.matches('((((a{1000}){1000}){1000}){1000})')", t=TEXT),
        "invalid matches argument",
    ),
    "a pattern in a schema that repeats repetitions": (
        {"type": "object", "properties": {"t": {"type": "string", "pattern": "((a{1000}){1000}){1000}"}}},
        "must be a valid regular expression",
    ),
    "a reference to itself": (
        {"type": "object", "properties": {"a": {"$ref": "#/properties/spec"}}},
        "$ref",
    ),
    "many rules that cost much together": (
        {
            "type": "object",
            "properties": {f"l{i}": {**NUMBERS, "maxItems": 2_500} for i in range(20)},
            "x-kubernetes-validations": [
                {"rule": f"self.l{i % 20}.all(a, self.l{i % 20}.all(b, a + b + {i} > 0))"} for i in range(40)
            ],
        },
        "estimated rule cost exceeds budget",
    ),
    "a message that costs much": (
        {
            "type": "object",
            "properties": {"l": NUMBERS},
            "x-kubernetes-validations": [
                {"rule": "true", "messageExpression": f"{FOUR_LOOPS} ? 'a' : 'b'"},
            ],
        },
        "exceeds budget",
    ),
    "references in a circle": (
        {
            "type": "object",
            "properties": {
                "a": {"$ref": "#/properties/spec/properties/b"},
                "b": {"$ref": "#/properties/spec/properties/a"},
            },
        },
        "$ref",
    ),
    "a reference in an alternative": (
        {"type": "object", "properties": {"a": {"type": "object"}}, "anyOf": [{"$ref": "#/properties/spec"}]},
        "$ref",
    ),
    "a reference to a file": ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "$ref"),
    "a deep schema": (lists(70), "levels deep"),
}


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("case", REFUSED)
def test_a_definition_that_would_cost_too_much_is_refused(victim: Victim, case: str) -> None:
    spec, reason = REFUSED[case]
    answer = post(victim, CRDS, definition("refused", spec))
    assert answer.code == 422, answer.body[:500]
    assert reason in answer.status()["message"]
    assert len(answer.body) < MIB


def test_definitions_and_references_refer_to_nothing(victim: Victim) -> None:
    root = {"definitions": {"a": {"$ref": "#/definitions/a"}}}
    answer = post(victim, CRDS, definition("referring", {"$ref": "#/definitions/a"}, **root))
    assert answer.code == 422
    message = answer.status()["message"]
    assert "definitions: Forbidden: definitions is not supported" in message
    assert "$ref: Forbidden: $ref is not supported" in message


@pytest.mark.usefixtures("bounded")
def test_a_schema_deeper_than_a_document_may_be_is_no_document(victim: Victim) -> None:
    deep = b'{"type":"object","properties":{"a":' * 40_000 + b"{}" + b"}}" * 40_000
    body = json.dumps(definition("deep", {})).encode().replace(b'"spec": {}}', b'"spec": ' + deep + b"}")
    answer = victim.request("POST", CRDS, body, headers=JSON)
    assert answer.code == 400
    assert "depth" in answer.status()["message"]


@pytest.mark.usefixtures("bounded")
def test_an_expression_that_runs_long_stops_at_its_limit(victim: Victim) -> None:
    pairs = "self.l.all(x, self.l.all(y, x + y >= 0))"
    numbers = {**NUMBERS, "maxItems": 900}
    assert post(victim, CRDS, definition("longs", ruled(pairs, l=numbers))).code == 201
    body = {"apiVersion": "bombs.example.com/v1", "kind": "Longs", "metadata": {"name": "x"}, "spec": {"l": [0] * 900}}
    answer = post(victim, f"{CLUSTER}/apis/bombs.example.com/v1/namespaces/default/longs", body)
    assert answer.code == 422
    assert "call cost exceeds limit for rule" in answer.status()["message"]


# Rules that make much of little, and how each ends: refused by its estimate, stopped at its limit, or cheap after all.
GROWING = {
    "texts made of texts": (
        "self.l.map(x, self.t + self.t + self.t + self.t).map(x, x + x + x + x).size() >= 0",
        "estimate",
    ),
    "texts joined": ("self.l.map(x, self.t).join(self.t).size() >= 0", "estimate"),
    "texts replaced": ("self.t.replace('', self.t).size() >= 0", "limit"),
    "lists in lists": ("self.l.map(x, self.l.map(y, self.l)).size() >= 0", "cheap"),
}


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("case", GROWING)
def test_a_rule_that_makes_much_of_little_ends_soon(victim: Victim, case: str) -> None:
    rule, end = GROWING[case]
    plural = f"growing{list(GROWING).index(case)}"
    properties = {"l": {**NUMBERS, "maxItems": 60}, "t": {**TEXT, "maxLength": 60_000}}
    defined = post(victim, CRDS, definition(plural, ruled(rule, **properties)))
    if end == "estimate":
        assert defined.code == 422
        assert "estimated rule cost exceeds budget" in defined.status()["message"]
        return
    assert defined.code == 201
    body = {
        "apiVersion": "bombs.example.com/v1",
        "kind": plural.title(),
        "metadata": {"name": "x"},
        "spec": {"l": [0] * 60, "t": "x" * 60_000},
    }
    begun = time.monotonic()
    answer = post(victim, f"{CLUSTER}/apis/bombs.example.com/v1/namespaces/default/{plural}", body)
    assert time.monotonic() - begun < SOON
    if end == "limit":
        assert answer.code == 422
        assert "actual cost limit exceeded" in answer.status()["message"]
    else:
        assert answer.code == 201


@pytest.mark.usefixtures("bounded")
def test_many_rules_share_one_budget_for_an_object(victim: Victim) -> None:
    rules = [{"rule": f"self.l.all(x, self.l.all(y, x + y + {i} >= 0))"} for i in range(24)]
    spec = {"type": "object", "properties": {"l": {**NUMBERS, "maxItems": 300}}, "x-kubernetes-validations": rules}
    assert post(victim, CRDS, definition("budgets", spec)).code == 201
    path = f"{CLUSTER}/apis/bombs.example.com/v1/namespaces/default/budgets"
    body = {
        "apiVersion": "bombs.example.com/v1",
        "kind": "Budgets",
        "metadata": {"name": "x"},
        "spec": {"l": [0] * 300},
    }
    begun = time.monotonic()
    answer = post(victim, path, body)
    assert time.monotonic() - begun < SOON
    assert answer.code == 422
    assert "running out of cost budget" in answer.status()["message"]


@pytest.mark.usefixtures("bounded")
def test_patterns_made_up_by_an_object_are_bounded(victim: Victim) -> None:
    rule = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches(self.p)"
    pattern = {"type": "string", "maxLength": 100}
    assert post(victim, CRDS, definition("patterns", ruled(rule, p=pattern))).code == 201
    path = f"{CLUSTER}/apis/bombs.example.com/v1/namespaces/default/patterns"
    for bomb in ("(a+)+$", "(((a{1000}){1000}){1000})", "(" * 50, "(?P<a>" * 10, "[" * 99):
        body = {
            "apiVersion": "bombs.example.com/v1",
            "kind": "Patterns",
            "metadata": {"name": "x"},
            "spec": {"p": bomb},
        }
        answer = post(victim, path, body)
        assert answer.code == 422, bomb
        assert answer.status()["reason"] == "Invalid"


def field(number: int, content: bytes, length: int | None = None) -> bytes:
    """Return a length-delimited field, which may say another length than it has."""
    return varint(number << 3 | 2) + varint(len(content) if length is None else length) + content


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def unknown(object_: bytes) -> bytes:
    """Return a config map in the envelope of Kubernetes."""
    kind = field(1, b"v1") + field(2, b"ConfigMap")
    return b"k8s\0" + field(1, kind) + field(2, object_)


def in_groups(depth: int) -> bytes:
    return bytes([0x0B]) * depth + bytes([0x0C]) * depth


def in_messages(depth: int) -> bytes:
    """Return a field that holds itself, again and again, as far as lengths can tell."""
    content = b""
    for _ in range(depth):
        content = field(1, content)
    return content


META = field(1, field(1, b"bomb"))
BROKEN: dict[str, bytes] = {
    "nothing behind the mark": b"k8s\0",
    "half of an envelope": unknown(META)[:9],
    "half of an object": unknown(META)[:-3],
    "an object longer than the body": b"k8s\0" + field(2, META, 1 << 31),
    "a length beyond 64 bits": b"k8s\0" + b"\x12" + b"\xff" * 10 + b"\x01",
    "a length of all the memory": unknown(field(1, b"x", (1 << 63) - 1)),
    "a negative length": unknown(field(1, b"x", (1 << 64) - 1)),
    "a name longer than its message": unknown(field(1, field(1, b"bomb", 4096))),
    "a number without an end": unknown(META + b"\x80" * 2000),
    "field zero": unknown(META + b"\x02\x00"),
    "a wire type that is none": unknown(META + b"\x0f"),
    "an end without a group": unknown(META + b"\x0c"),
    "a group without an end": unknown(META + b"\x0b"),
    "groups in groups": unknown(META + in_groups(500_000)),
    "text that is none": unknown(field(1, field(1, b"\xff\xfe"))),
    "an entry that is half": unknown(META + field(2, field(1, b"k") + b"\x12\x05v")),
}


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("case", BROKEN)
def test_broken_protobuf_is_refused(victim: Victim, case: str) -> None:
    path = f"{CLUSTER}/api/v1/namespaces/default/configmaps"
    answer = victim.request("POST", path, BROKEN[case], headers=PROTOBUF)
    assert answer.code == 400, answer.body[:500]
    assert answer.status()["reason"] == "BadRequest"
    assert len(answer.body) < 16_384


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("case", BROKEN)
def test_broken_protobuf_of_options_deletes_nothing(victim: Victim, case: str) -> None:
    collection = f"{CLUSTER}/api/v1/namespaces/default/configmaps"
    post(victim, collection, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}})
    for path in (f"{collection}/kept", collection):
        answer = victim.request("DELETE", path, BROKEN[case].replace(b"ConfigMap", b"DeleteMap"), headers=PROTOBUF)
        assert answer.code == 400, answer.body[:500]
        assert answer.status()["status"] == "Failure"
    assert victim.request("GET", f"{collection}/kept").code == 200


@pytest.mark.usefixtures("bounded")
def test_messages_nested_in_fields_nobody_knows_are_left_alone(victim: Victim) -> None:
    path = f"{CLUSTER}/api/v1/namespaces/default/configmaps?dryRun=All"
    body = unknown(META + field(99, in_messages(2_000)))
    answer = victim.request("POST", path, body, headers=[*PROTOBUF, ("Accept", "application/json")])
    assert answer.code == 201
    assert "bomb" in json.loads(answer.body)["metadata"]["name"]


@pytest.mark.usefixtures("bounded")
def test_a_definition_nested_in_protobuf_is_refused(victim: Victim) -> None:
    kind = field(1, b"apiextensions.k8s.io/v1") + field(2, b"CustomResourceDefinition")
    schema = b""
    for _ in range(20_000):
        # The field of a schema for what an object's other fields are like, with its schema.
        schema = field(30, field(2, schema)) if len(schema) < 300_000 else schema
    version = field(1, b"v1") + field(4, field(1, schema))
    spec = field(1, b"bombs.example.com") + field(7, version)
    body = b"k8s\0" + field(1, kind) + field(2, field(1, field(1, b"x")) + field(2, spec))
    answer = victim.request("POST", CRDS, body, headers=PROTOBUF)
    assert answer.code in (400, 415, 422), answer.body[:500]
    assert answer.status()["status"] == "Failure"
