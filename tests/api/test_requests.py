"""Bodies, patches and forms of answers by their rules: kube-api sections 0, 2 and 3, over plain HTTP."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.exchange import Answer, Ask, Json, Server, send
from tests.conformance.scenarios.make import CRDS, JSON_PATCH, MERGE, STRATEGIC, TABLE, crd, object_schema

if TYPE_CHECKING:
    from tests.conftest import KcpServer

MAPS = "/api/v1/namespaces/default/configmaps"
CRATES = "/apis/stable.example.com/v1/namespaces/default/crates"
YAML = "application/yaml"


@pytest.fixture
def server(kcp_server: KcpServer) -> Server:
    """Return a logical cluster of its own."""
    return Server(kcp_server.new_cluster(), kcp_server.tokens)


@pytest.fixture
def crates(server: Server) -> Server:
    """Return a logical cluster with a custom resource."""
    schema = object_schema({"size": {"type": "integer"}})
    assert ask(server, "POST", CRDS, crd("crates", "Crate", schema)).status == 201
    return server


def ask(server: Server, method: str, path: str, body: Json = None, **headers: str) -> Answer:
    """Send one request; header names are written with underscores."""
    names = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return send(server, Ask("", method, path, body, headers=names), {})


def warnings(answer: Answer) -> list[str]:
    """Return the texts of the warnings."""
    return [value for name, value in answer.headers if name.lower() == "warning"]


def header(answer: Answer, name: str) -> str:
    """Return a header, or nothing."""
    return next((value for known, value in answer.headers if known.lower() == name.lower()), "")


def config_map(name: str, **data: str) -> dict[str, Any]:
    """Return a config map."""
    return {"metadata": {"name": name}, "data": data}


@pytest.mark.parametrize(
    ("query", "agent", "indented"),
    [
        ("", "client/1", False),
        ("?pretty=true", "client/1", True),
        ("?pretty=1", "client/1", True),
        ("?pretty=false", "curl/8", False),
        ("?pretty=0", "Mozilla/5.0", False),
        ("", "curl/8", True),
        ("", "Wget/1", True),
        ("", "Mozilla/5.0 (X11)", True),
        ("?pretty=", "client/1", False),
    ],
)
def test_json_is_indented_for_people(server: Server, query: str, agent: str, indented: bool) -> None:
    """kube-api 2.9, 0.8: compact with one newline at the end, or indented."""
    body = ask(server, "GET", f"/api/v1/namespaces/default{query}", user_agent=agent).body
    assert body.endswith(b"}\n")
    assert (b'\n  "' in body) is indented


def test_large_answers_are_compressed_for_those_who_take_it(server: Server) -> None:
    """kube-api 2.10: above 128 KiB, and never a watch."""
    big = config_map("big", a="x" * 140_000)
    assert ask(server, "POST", MAPS, big).status == 201
    answer = ask(server, "GET", f"{MAPS}/big", accept_encoding="gzip")
    assert (header(answer, "Content-Encoding"), header(answer, "Vary")) == ("gzip", "Accept-Encoding")
    assert json.loads(gzip.decompress(answer.body))["data"] == big["data"]
    assert header(ask(server, "GET", f"{MAPS}/big"), "Content-Encoding") == ""
    small = ask(server, "GET", "/api/v1/namespaces/default", accept_encoding="gzip")
    assert header(small, "Content-Encoding") == ""
    watch = f"{MAPS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dbig"
    assert header(ask(server, "GET", watch, accept_encoding="gzip"), "Content-Encoding") == ""


@pytest.mark.parametrize(("include", "kind"), [("", "PartialObjectMetadata"), ("Object", None), ("None", "null")])
def test_rows_come_with_what_was_asked_for(server: Server, include: str, kind: str | None) -> None:
    """kube-api 2.11, 2.12: metadata by default, the object, or nothing; all columns in each case."""
    assert ask(server, "POST", MAPS, config_map("a", k="v")).status == 201
    table = ask(server, "GET", f"{MAPS}/a?includeObject={include}", accept=TABLE)
    assert header(table, "Content-Type") == "application/json"
    row = table.json()["rows"][0]
    assert [column["name"] for column in table.json()["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert row["cells"][:2] == ["a", 1]
    assert (row["object"] or {}).get("kind") == (None if kind == "null" else kind or "ConfigMap")
    wrong = ask(server, "GET", f"{MAPS}/a?includeObject=All", accept=TABLE)
    assert (wrong.status, "Unable to convert to Table" in wrong.json()["message"]) == (400, True)


DUPLICATE = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s"},"data":{"a":"1","a":"2"},"spec":{}}'
UNKNOWN_CRATE = (
    '{"apiVersion":"stable.example.com/v1","kind":"Crate","metadata":{"name":"%s","odd":1},'
    '"spec":{"size":1,"size":2,"z":1,"a":1}}'
)


def test_what_is_unknown_or_twice_is_refused_warned_of_or_ignored(server: Server) -> None:
    """kube-api 3.1.10, for a built-in kind."""
    strict = ask(server, "POST", f"{MAPS}?fieldValidation=Strict", DUPLICATE % "a", content_type="application/json")
    text = 'strict decoding error: duplicate field "data.a", unknown field "spec"'
    assert (strict.status, strict.json()["message"]) == (
        400,
        f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {text}',
    )
    for query in ("", "?fieldValidation=Warn"):
        warned = ask(server, "POST", f"{MAPS}{query}", DUPLICATE % f"w{len(query)}", content_type="application/json")
        assert (warned.status, warned.json()["data"]) == (201, {"a": "2"})
        assert warnings(warned) == ['299 - "duplicate field \\"data.a\\""', '299 - "unknown field \\"spec\\""']
    ignored = ask(server, "POST", f"{MAPS}?fieldValidation=Ignore", DUPLICATE % "i", content_type="application/json")
    assert (ignored.status, warnings(ignored)) == (201, [])
    wrong = ask(server, "POST", f"{MAPS}?fieldValidation=Loud", config_map("b"))
    assert wrong.status == 422
    assert (
        'fieldValidation: Unsupported value: "Loud"' in wrong.json()["message"]
        or "fieldValidation" in wrong.body.decode()
    )


def test_custom_resources_are_held_to_their_schema(crates: Server) -> None:
    """kube-api 3.1.10, for a custom resource: unknown fields are sorted, metadata is checked too."""
    body = UNKNOWN_CRATE % "a"
    strict = ask(crates, "POST", f"{CRATES}?fieldValidation=Strict", body, content_type="application/json")
    assert strict.status == 400
    for part in ('duplicate field "spec.size"', 'unknown field "metadata.odd"', 'unknown field "spec.a"'):
        assert part in strict.json()["message"]
    message = strict.json()["message"]
    assert message.index('"spec.a"') < message.index('"spec.z"')
    warned = ask(crates, "POST", CRATES, body, content_type="application/json")
    assert (warned.status, warned.json()["spec"]) == (201, {"size": 2})
    assert len(warnings(warned)) == 4


def test_keys_that_stand_twice_in_yaml_are_named_with_their_line(server: Server) -> None:
    """kube-api 3.1.10, 0.12."""
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twice\ndata:\n  a: one\n  a: two\n"
    strict = ask(server, "POST", f"{MAPS}?fieldValidation=Strict", body, content_type=YAML)
    assert strict.status == 400
    assert 'line 7: key "a" already set in map' in strict.json()["message"]
    warned = ask(server, "POST", MAPS, body, content_type=YAML)
    assert warned.status == 201
    assert warnings(warned) == ['299 - "line 7: key \\"a\\" already set in map"']


def test_names_are_generated_for_those_who_give_none(server: Server) -> None:
    """kube-api 3.2.2: a base of at most 58 characters and five more, only where no name is given."""
    for base, kept in (("made-", "made-"), ("b" * 63, "b" * 58)):
        name = ask(server, "POST", MAPS, {"metadata": {"generateName": base}}).json()["metadata"]["name"]
        assert name.startswith(kept)
        assert len(name) == len(kept) + 5
        assert set(name[-5:]) <= set("bcdfghjklmnpqrstvwxz2456789")
    given = ask(server, "POST", MAPS, {"metadata": {"generateName": "x-", "name": "mine"}}).json()
    assert given["metadata"]["name"] == "mine"
    assert ask(server, "POST", MAPS, {"data": {}}).status == 422


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        pytest.param({"op": "add"}, 400, "cannot unmarshal object into Go value of type", id="no list"),
        pytest.param("nonsense", 400, "", id="no JSON"),
        pytest.param([{"op": "test", "path": "/data/a", "value": "2"}], 422, "rejected our request", id="test fails"),
        pytest.param([{"op": "remove", "path": "/data/none"}], 422, "rejected our request", id="missing path"),
        pytest.param([{"op": "nope", "path": "/data"}], 422, "rejected our request", id="unknown operation"),
        pytest.param(
            [{"op": "replace", "path": "/data/a", "value": 1}], 422, "patch: Invalid value", id="no ConfigMap"
        ),
        pytest.param(
            [{"op": "test", "path": "/data/a", "value": "1"}] * 10_001, 413, "10000, got 10001", id="too many"
        ),
    ],
)
def test_json_patches_that_do_not_fit_are_refused(server: Server, body: Json, status: int, text: str) -> None:
    """kube-api 3.7.3, 3.7.6: and the object stays as it was."""
    assert ask(server, "POST", MAPS, config_map("a", a="1")).status == 201
    answer = ask(server, "PATCH", f"{MAPS}/a", body, content_type=JSON_PATCH)
    assert (answer.status, text in answer.json()["message"]) == (status, True), answer.body
    assert ask(server, "GET", f"{MAPS}/a").json()["data"] == {"a": "1"}


def test_copies_of_copies_come_to_an_end(server: Server) -> None:
    """kube-api 3.7.3: what copies add is bounded."""
    assert ask(server, "POST", MAPS, config_map("a", a="x" * 500_000)).status == 201
    copies = [{"op": "copy", "from": "/data/a", "path": f"/data/b{n}"} for n in range(50)]
    assert ask(server, "PATCH", f"{MAPS}/a", copies, content_type=JSON_PATCH).status in (413, 422)


def test_merge_patches_delete_with_null_and_replace_lists(server: Server) -> None:
    """kube-api 3.7.4, 3.7.9: and an empty patch changes nothing."""
    body = config_map("a", a="1", b="2")
    body["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
    created = ask(server, "POST", MAPS, body).json()
    patch = {"data": {"a": None, "c": "3"}, "metadata": {"finalizers": ["example.com/c"]}}
    merged = ask(server, "PATCH", f"{MAPS}/a", patch, content_type=MERGE).json()
    assert merged["data"] == {"b": "2", "c": "3"}
    assert merged["metadata"]["finalizers"] == ["example.com/c"]
    strategic = {"metadata": {"finalizers": ["example.com/d"]}}
    both = ask(server, "PATCH", f"{MAPS}/a", strategic, content_type=STRATEGIC).json()
    assert sorted(both["metadata"]["finalizers"]) == ["example.com/c", "example.com/d"]
    for kind in (MERGE, STRATEGIC):
        same = ask(server, "PATCH", f"{MAPS}/a", {}, content_type=kind).json()
        assert same["metadata"]["resourceVersion"] == both["metadata"]["resourceVersion"]
    assert created["metadata"]["resourceVersion"] != both["metadata"]["resourceVersion"]


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_patches_name_the_object_they_mean(server: Server, kind: str) -> None:
    """kube-api 3.7.7, 3.7.11: by uid and by revision, or by neither."""
    uid = ask(server, "POST", MAPS, config_map("a")).json()["metadata"]["uid"]
    one = f"{MAPS}/a"

    def patch(path: str, **metadata: str) -> Answer:
        return ask(server, "PATCH", path, {"metadata": metadata, "data": {"n": str(metadata)}}, content_type=kind)

    assert patch(one, uid=uid).status == 200
    assert patch(one, uid="00000000-0000-4000-8000-000000000000").status == 422
    missing = patch(f"{MAPS}/none", uid=uid)
    assert missing.status in (404, 409)
    assert patch(one, resourceVersion="").status == 200
    assert patch(one, resourceVersion="1").status == 409
    current = ask(server, "GET", one).json()["metadata"]["resourceVersion"]
    assert patch(one, resourceVersion=current).status == 200


def test_times_and_empty_lists_are_written_in_one_way(server: Server) -> None:
    """kube-api 0.2, 0.3, 0.6: lists are never null, times are normalised, uids are random."""
    assert ask(server, "GET", "/api/v1/namespaces/none/secrets").json()["items"] == []
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    lease = {"metadata": {"name": "a"}, "spec": {"renewTime": "2026-01-02T03:04:05.000006+01:00"}}
    created = ask(server, "POST", leases, lease).json()
    assert created["spec"]["renewTime"] == "2026-01-02T02:04:05.000006Z"
    assert created["metadata"]["uid"][14] == "4"
    assert created["metadata"]["creationTimestamp"].endswith("Z")
    assert ask(server, "GET", f"{leases}/a?unknown=1").status == 200
