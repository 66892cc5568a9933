"""Field management made to be expensive: many managers, endless or deep sets of fields. Each is bounded."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.hostile.raw import CONFIGMAPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.hostile.raw import Answer, Victim

pytestmark = pytest.mark.usefixtures("unharmed")

COLLECTION = f"/clusters/managers{CONFIGMAPS}"
JSON = [("Content-Type", "application/json")]
APPLY = [("Content-Type", "application/apply-patch+yaml")]
MIB = 1 << 20
MANAGERS = 10_000
# The most conflicts that an answer names one by one.
NAMED = 1_000
# What a request may leave behind and how long it may take; the allowance is for debug builds on busy machines.
GROWTH = 160 * MIB
SOON = 20.0

Fields = dict[str, Any]
Entry = dict[str, Any]


@pytest.fixture(autouse=True)
def bounded(victim: Victim) -> Iterator[None]:
    """What a test asks for does not make the server grow beyond what one request may hold."""
    before = victim.memory()
    yield
    assert victim.memory() - before < GROWTH


def ask(victim: Victim, method: str, path: str, body: object, headers: list[tuple[str, str]]) -> Answer:
    """Send a request that has to be answered soon and not at length."""
    begun = time.monotonic()
    answer = victim.request(method, path, json.dumps(body).encode(), headers=headers)
    assert time.monotonic() - begun < SOON
    assert answer.code, "the connection was closed"
    assert len(answer.body) < 4 * MIB
    return answer


def configmap(name: str, data: dict[str, str] | None = None, owners: list[Entry] | None = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name}
    if owners is not None:
        meta["managedFields"] = owners
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data or {"k": "v"}}


def owner(manager: str, fields: Fields, operation: str = "Apply", version: str = "v1") -> Entry:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "time": "2020-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def keys(count: int) -> Fields:
    return {"f:data": {f"f:{number:060}": {} for number in range(count)}}


def nested(depth: int) -> Fields:
    fields: Fields = {}
    for _ in range(depth):
        fields = {"f:a": fields}
    return fields


# Each about a megabyte, with what an update that brings it is answered.
OWNERS: dict[str, tuple[list[Entry], int]] = {
    "one manager of many fields": ([owner("m", keys(14_000))], 200),
    "writers": ([owner(f"m{i}", {"f:data": {f"f:{i}": {}}}, "Update") for i in range(6_000)], 200),
    "writers of one field": ([owner(f"m{i}", {"f:data": {"f:k": {}}}, "Update") for i in range(6_000)], 200),
    "one manager again and again": ([owner("m", {"f:data": {f"f:{i}": {}}}) for i in range(6_000)], 200),
    "versions nobody serves": ([owner("m", {"f:data": {}}, "Update", f"v{i}") for i in range(6_000)], 200),
    "items by long values": (
        [owner("m", {"f:data": {"v:" + json.dumps("x" * 1000 + str(i)): {}}}) for i in range(800)],
        200,
    ),
    "items by keys in keys": (
        [owner("m", {"f:data": {"k:" + json.dumps({"a": i}): nested(8)}}) for i in range(4_000)],
        200,
    ),
    "deep fields": ([owner(f"m{i}", nested(110)) for i in range(700)], 200),
    "names longer than names may be": ([owner("m" * 1_000_000, {"f:data": {"f:x": {}}})], 422),
    "keys that are none": ([owner("m", {"x" * 1_000_000: {}})], 200),
}


@pytest.mark.parametrize("case", OWNERS)
def test_a_megabyte_of_managed_fields_is_answered_soon(victim: Victim, case: str) -> None:
    owners, code = OWNERS[case]
    name = case.replace(" ", "-")
    path = f"{COLLECTION}/{name}"
    assert victim.request("POST", COLLECTION, json.dumps(configmap(name)).encode(), headers=JSON).code == 201
    # With a new object, and onto one that is otherwise as it was: there the entries stay.
    created = ask(victim, "POST", COLLECTION, configmap(f"{name}-new", owners=owners), JSON)
    assert created.code == (201 if code == 200 else code), created.body[:500]
    updated = ask(victim, "PUT", path, configmap(name, owners=owners), JSON)
    assert updated.code == code, updated.body[:500]
    if code != 200:
        assert len(updated.status()["message"]) < 2048
    # Over all of it somebody applies and somebody writes.
    applied = ask(victim, "PATCH", f"{path}?fieldManager=late&force=true", configmap(name, {"k": "late"}), APPLY)
    assert applied.code == 200, applied.body[:500]
    assert ask(victim, "PUT", path, configmap(name, {"k": "later"}), JSON).code == 200
    assert json.loads(victim.request("GET", path).body)["data"] == {"k": "later"}


def test_fields_deeper_than_a_document_may_be_are_no_document(victim: Victim) -> None:
    deep = b'{"f:a":' * 150_000 + b"{}" + b"}" * 150_000
    body = json.dumps(configmap("abyss", owners=[owner("m", {"f:a": "DEEP"})])).encode()
    begun = time.monotonic()
    answer = victim.request("POST", COLLECTION, body.replace(b'"DEEP"', deep), headers=JSON)
    assert time.monotonic() - begun < SOON
    assert answer.code == 400
    assert "depth" in answer.status()["message"]


def test_an_object_that_10_000_managers_apply_stays_usable(victim: Victim) -> None:
    name = "crowd"
    path = f"{COLLECTION}/{name}"
    early = MANAGERS - 10
    owners = [owner(f"m{number:05}", {"f:data": {"f:k": {}}}) for number in range(early)]
    assert ask(victim, "POST", COLLECTION, configmap(name), JSON).code == 201
    assert ask(victim, "PUT", path, configmap(name, owners=owners), JSON).code == 200
    for number in range(early, MANAGERS):
        applied = ask(victim, "PATCH", f"{path}?fieldManager=m{number:05}", configmap(name), APPLY)
        assert applied.code == 200, applied.body[:500]
    entries = json.loads(applied.body)["metadata"]["managedFields"]
    assert len(entries) == MANAGERS

    refused = ask(victim, "PATCH", f"{path}?fieldManager=late", configmap(name, {"k": "late"}), APPLY)
    assert refused.code == 409
    status = refused.status()
    assert status["reason"] == "Conflict"
    assert f"Apply failed with {MANAGERS} conflicts" in status["message"]
    assert f"and {MANAGERS - NAMED} more" in status["message"]
    assert len(status["details"]["causes"]) == NAMED

    forced = ask(victim, "PATCH", f"{path}?fieldManager=late&force=true", configmap(name, {"k": "late"}), APPLY)
    assert forced.code == 200
    (entry,) = json.loads(forced.body)["metadata"]["managedFields"]
    assert entry["manager"] == "late"
