"""Bodies that are no objects, or were made to be expensive: refused with a Status, at once, and nothing breaks."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.api.hostile.raw import CONFIGMAPS

if TYPE_CHECKING:
    from tests.api.hostile.raw import Victim

pytestmark = pytest.mark.usefixtures("unharmed")

COLLECTION = f"/clusters/bodies{CONFIGMAPS}"
JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
LIMIT = 3 * 1024 * 1024
# A refusal takes a fraction of this; the allowance is for debug builds on busy machines.
SOON = 8.0


def configmap(name: str = "x", **more: object) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}).encode()


def nine_of(name: str) -> str:
    return ",".join([name] * 9)


def bomb(line: str) -> bytes:
    """Eleven lines, each with nine references to the line before: nine to the eleventh items."""
    lines = [f"a0: &a0 [{nine_of('x')}]"] + [
        line.format(this=f"a{i}", before=f"*a{i - 1}", nine=nine_of(f"*a{i - 1}")) for i in range(1, 12)
    ]
    return "\n".join(lines).encode()


DEPTH = 100_000
NOT_OBJECTS = {
    "nothing": (JSON, b"", 400),
    "a half": (JSON, b'{"a":', 400),
    "no UTF-8": (JSON, b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"\xff"}}', 400),
    "a second object": (JSON, configmap() + b" {}", 400),
    "garbage behind": (JSON, configmap() + b"garbage", 400),
    "a byte order mark": (JSON, b"\xef\xbb\xbf" + configmap(), 400),
    "null": (JSON, b"null", 422),
    "a list": (JSON, b"[]", 400),
    "a text": (JSON, b'"x"', 400),
    "deep lists": (JSON, b"[" * DEPTH + b"]" * DEPTH, 400),
    "deep objects": (JSON, b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, 400),
    "open deep objects": (JSON, b'{"a":' * DEPTH, 400),
    "deep data": (JSON, configmap()[:-1] + b',"data":' + b'{"a":' * DEPTH + b"1" + b"}" * (DEPTH + 1), 400),
    "a huge integer": (JSON, configmap()[:-1] + b',"immutable":1' + b"0" * 4000 + b"}", 400),
    "a huge exponent": (JSON, b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generation":1e999}}', 400),
    "YAML that is none": (YAML, b"a: [b\n: - }", 400),
    "YAML without UTF-8": (YAML, b"a: \xff", 400),
    "two YAML documents, of which the first counts": (YAML, b"a: 1\n---\nmetadata: {name: second}\n", 422),
    "a YAML tag": (YAML, b'!!python/object/apply:os.system ["id"]', 400),
    "deep YAML flow": (YAML, b"[" * DEPTH + b"]" * DEPTH, 400),
    "deep YAML maps": (YAML, b"{a: " * DEPTH + b"1" + b"}" * DEPTH, 400),
    "deep YAML sequences": (YAML, b"- " * DEPTH + b"a", 400),
    "deep YAML blocks": (YAML, b"\n".join(b" " * i + b"a:" for i in range(1500)), 400),
    "an alias of itself": (YAML, b"a: &a [*a]\n", 400),
    "a bomb of aliases": (YAML, bomb("{this}: &{this} [{nine}]"), 400),
    "a bomb of merges": (YAML, bomb("{this}: &{this} {{<<: {{k: 1}}, b: [{nine}]}}"), 400),
    "many aliases": (YAML, b"a: &a [1,2,3,4,5,6,7,8,9]\nb: [" + b",".join([b"*a"] * 200_000) + b"]", 400),
    "protobuf without its mark": (PROTOBUF, b"\xff" * 1000, 400),
    "protobuf garbage": (PROTOBUF, b"k8s\0" + b"\xff" * 1000, 400),
    "a protobuf length beyond everything": (PROTOBUF, b"k8s\0\x12" + b"\xff" * 8 + b"\x7f", 400),
    "a type nobody reads": ("text/plain", configmap(), 415),
    "a form": ("application/x-www-form-urlencoded", b"a=b", 415),
}


@pytest.mark.parametrize("case", NOT_OBJECTS)
def test_what_is_no_object_is_refused_soon(victim: Victim, case: str) -> None:
    media, body, code = NOT_OBJECTS[case]
    begun = time.monotonic()
    answer = victim.request("POST", COLLECTION, body, headers=[("Content-Type", media)])
    assert time.monotonic() - begun < SOON
    assert answer.code == code
    assert answer.status()["status"] == "Failure"
    assert len(answer.body) < 16_384


def test_repeated_keys_are_refused_when_asked_for(victim: Victim) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"}}'
    headers = [("Content-Type", JSON)]
    assert victim.request("POST", f"{COLLECTION}?fieldValidation=Strict", body, headers=headers).code == 400
    answer = victim.request("POST", COLLECTION, body, headers=headers)
    assert answer.code == 201
    assert "duplicate field" in answer.headers["Warning"]
    assert json.loads(answer.body)["data"] == {"a": "2"}


def test_a_repeated_key_in_yaml_is_refused_when_asked_for(victim: Victim) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: repeated}\ndata:\n  a: '1'\n  a: '2'\n"
    strict = victim.request("POST", f"{COLLECTION}?fieldValidation=Strict", body, headers=[("Content-Type", YAML)])
    assert 'key "a" already set in map' in strict.status()["message"]
    answer = victim.request("POST", COLLECTION, body, headers=[("Content-Type", YAML)])
    assert answer.code == 201
    assert json.loads(answer.body)["data"] == {"a": "2"}


def chunked(body: bytes) -> bytes:
    size = 65_536
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_a_body_beyond_the_limit_is_too_large(victim: Victim) -> None:
    body = b" " * (LIMIT + 1)
    whole = victim.request("POST", COLLECTION, body, headers=[("Content-Type", JSON)])
    assert whole.status()["reason"] == "RequestEntityTooLarge"
    assert whole.code == 413

    headers = [("Content-Type", JSON), ("Transfer-Encoding", "chunked")]
    pieces = victim.request("POST", COLLECTION, chunked(body), headers=headers, length=False)
    assert pieces.status()["message"] == f"Request entity too large: limit is {LIMIT}"

    # What is only announced is refused without being waited for.
    announced = [("Content-Type", JSON), ("Content-Length", "10000000000")]
    assert victim.request("POST", COLLECTION, b"{}", headers=announced, length=False).code == 413


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "-1")],
        [("Content-Length", "99999999999999999999")],
        [("Content-Length", "1"), ("Content-Length", "2")],
        [("Content-Length", "2x")],
        [("Transfer-Encoding", "gzip")],
        [("Transfer-Encoding", "chunked"), ("X-Pieces", "no hexadecimal length")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "5")],
    ],
)
def test_lengths_that_contradict_are_refused(victim: Victim, headers: list[tuple[str, str]]) -> None:
    given = [("Content-Type", JSON), *headers]
    answer = victim.request("POST", COLLECTION, b"zz\r\nabc", headers=given, length=False)
    assert answer.code == 400


PATCHES = {
    "no list of operations": ("application/json-patch+json", b"{}", 400),
    "an unknown operation": ("application/json-patch+json", b'[{"op":"x"}]', 422),
    "too many operations": (
        "application/json-patch+json",
        b"[" + b",".join([b'{"op":"test","path":"/kind","value":"ConfigMap"}'] * 10_001) + b"]",
        413,
    ),
    "copies that double": (
        "application/json-patch+json",
        json.dumps(
            [{"op": "add", "path": "/data", "value": {"k": "x" * 1000}}]
            + [{"op": "copy", "from": "/data", "path": f"/data/k{i}"} for i in range(40)]
        ).encode(),
        422,
    ),
    "a move into itself": (
        "application/json-patch+json",
        b'[{"op":"move","from":"/metadata","path":"/metadata/x"}]',
        422,
    ),
    "nothing left": ("application/json-patch+json", b'[{"op":"remove","path":""}]', 422),
    "an index beyond numbers": (
        "application/json-patch+json",
        b'[{"op":"add","path":"/metadata/finalizers/99999999999999999999","value":"a"}]',
        422,
    ),
    "a long path": (
        "application/json-patch+json",
        b'[{"op":"add","path":"' + b"/a" * 50_000 + b'","value":1}]',
        422,
    ),
    "a list to merge": ("application/merge-patch+json", b"[]", 400),
    "a deep merge": ("application/merge-patch+json", b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, 400),
    "a deep strategic merge": (
        "application/strategic-merge-patch+json",
        b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
        400,
    ),
    "another type": ("text/plain", b"{}", 415),
}


@pytest.mark.parametrize("case", PATCHES)
def test_patches_that_break_things_are_refused(victim: Victim, case: str) -> None:
    victim.request("POST", COLLECTION, configmap("patched"), headers=[("Content-Type", JSON)])
    media, body, code = PATCHES[case]
    answer = victim.request("PATCH", f"{COLLECTION}/patched", body, headers=[("Content-Type", media)])
    assert answer.code == code
    assert answer.status()["status"] == "Failure"
    assert "data" not in json.loads(victim.request("GET", f"{COLLECTION}/patched").body)


@pytest.mark.parametrize(
    "options",
    [
        b"[]",
        b'{"dryRun":"All"}',
        b'{"dryRun":[1]}',
        b'{"dryRun":["Some"]}',
        b'{"propagationPolicy":5}',
        b'{"propagationPolicy":"x"}',
        b'{"preconditions":[]}',
        b'{"preconditions":{"uid":5}}',
        b'{"preconditions":{"resourceVersion":5}}',
        b'{"orphanDependents":"true"}',
        b'{"gracePeriodSeconds":99999999999999999999}',
        b'{"kind":"Pod","apiVersion":"v1"}',
        b"\xff",
        b'{"a":' * DEPTH,
    ],
    ids=lambda options: options[:30].decode(errors="replace"),
)
def test_delete_options_that_cannot_be_read_delete_nothing(victim: Victim, options: bytes) -> None:
    victim.request("POST", COLLECTION, configmap("kept"), headers=[("Content-Type", JSON)])
    answer = victim.request("DELETE", f"{COLLECTION}/kept", options, headers=[("Content-Type", JSON)])
    assert answer.code in (400, 422)
    assert victim.request("GET", f"{COLLECTION}/kept").code == 200
