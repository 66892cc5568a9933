"""Request lines and queries made to climb, to confuse or to overflow: each gets a plain refusal."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.api.hostile.raw import CONFIGMAPS

if TYPE_CHECKING:
    from tests.api.hostile.raw import Victim

pytestmark = pytest.mark.usefixtures("unharmed")

ROOT = "/clusters/root"
COLLECTION = ROOT + CONFIGMAPS
MASSES = "a" * 60_000

REFUSED: dict[str | bytes, int] = {
    f"{ROOT}/api/v1/namespaces/../configmaps": 400,
    f"{ROOT}/api/v1/namespaces/%2e%2e/configmaps": 400,
    f"{ROOT}/api/v1/namespaces/.%2E/configmaps/x": 400,
    f"{COLLECTION}/%2E": 400,
    f"{ROOT}/api/v1/namespaces/a%2fb/configmaps": 400,
    f"{ROOT}/api/v1/namespaces/a%00b/configmaps": 400,
    f"{ROOT}/api/v1/namespaces/%ff%fe": 400,
    f"{ROOT}/api/v1/namespaces/".encode() + b"\xff\xfe": 400,
    f"{ROOT}/api/v1/namespaces/a b/configmaps": 400,
    f"{ROOT}/api/v1/namespaces/%zz": 404,
    f"{COLLECTION}/%C3%A9": 404,
    f"{COLLECTION}/{MASSES}": 404,
    f"{COLLECTION}/x/y/z": 404,
    f"{ROOT}/{'a/' * 20_000}": 404,
    f"{ROOT}/apis/{'a/' * 20_000}": 404,
    f"{ROOT}/../other{CONFIGMAPS}": 404,
    f"{ROOT}/%61pi/v1/namespaces": 404,
    f"/clusters/other{COLLECTION}": 404,
    f"/{COLLECTION}": 404,
    "/clusters": 404,
    "/clusters/": 400,
    f"/clusters/..{CONFIGMAPS}": 400,
    f"/clusters/%2e%2e{CONFIGMAPS}": 400,
    f"/clusters/root%2f..%2fother{CONFIGMAPS}": 400,
    f"/clusters/ro%00ot{CONFIGMAPS}": 400,
    f"/clusters/Ro%C3%B6t{CONFIGMAPS}": 400,
    f"/clusters/root:{CONFIGMAPS}": 400,
    f"/clusters/:root{CONFIGMAPS}": 400,
    f"/clusters/{MASSES}{CONFIGMAPS}": 400,
    f"/clusters/**{CONFIGMAPS}": 400,
    f"{ROOT}/healthz/..%2fmetrics": 404,
    f"{ROOT}/openapi/v3/../../etc/passwd": 404,
    f"{ROOT}/openapi/v3/..%2f..%2fetc%2fpasswd": 404,
    f"{ROOT}/readyz/%00": 404,
    "/services/../metrics": 400,
    "*": 404,
    "api/v1": 400,
    "": 400,
    # Longer than a URI may be, but a head that is read whole; then one that is not.
    "/" + "a" * 200_000: 414,
    "/" + "b" * 1_000_000: 431,
}


@pytest.mark.parametrize("target", REFUSED, ids=lambda target: repr(target)[:60])
def test_a_path_that_leads_nowhere_is_refused(victim: Victim, target: str | bytes) -> None:
    answer = victim.request("GET", target)
    assert answer.code == REFUSED[target]
    assert not {"etc", "root:x:0"} & set(answer.body.decode().split())


def test_doubled_slashes_change_nothing(victim: Victim) -> None:
    plain = victim.request("GET", f"{ROOT}/api/v1/namespaces")
    doubled = victim.request("GET", f"{ROOT}//api//v1///namespaces//")
    assert plain.code == doubled.code == 200
    assert json.loads(doubled.body)["kind"] == "NamespaceList"
    assert victim.request("GET", f"{ROOT}//api//v1///namespaces//", user="alice").code == 403


def test_the_host_of_a_target_decides_nothing(victim: Victim) -> None:
    path = f"{ROOT}/api/v1/namespaces/default"
    here = victim.request("GET", path)
    elsewhere = victim.request("GET", f"https://elsewhere.example{path}")
    assert here.code == elsewhere.code == 200
    assert here.body == elsewhere.body
    assert victim.request("GET", f"https://elsewhere.example{path}", user="alice").code == 403


@pytest.mark.parametrize("host", ["", "elsewhere.example", "\\\\", "[::1", "127.0.0.1:99999999", "x" * 10_000])
def test_a_bad_host_is_refused_or_ignored(victim: Victim, host: str) -> None:
    data = f"GET {ROOT}/api HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n\r\n".encode()
    answer = victim.send(data)
    assert answer.code in (400, 403)
    assert b"example" not in answer.body


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PRI", "get", "A" * 5000])
@pytest.mark.parametrize("target", [COLLECTION, f"{COLLECTION}/x", "/readyz", f"{ROOT}/api"])
def test_methods_without_a_meaning_are_not_allowed(victim: Victim, method: str, target: str) -> None:
    assert victim.request(method, target).code == 405
    assert victim.request(method, target, user="alice").code in (403, 405)
    assert victim.request(method, target, user=None).code in (403, 405)


def test_a_tunnel_is_not_opened(victim: Victim) -> None:
    assert victim.request("CONNECT", "127.0.0.1:22").code in (400, 404, 405)


def test_a_method_that_is_no_word_is_refused(victim: Victim) -> None:
    assert victim.request("G\x00T", COLLECTION).code == 400


def test_heads_beyond_the_limits_are_refused(victim: Victim) -> None:
    assert victim.request("GET", "/version", headers=[("X-Big", "x" * 1_000_000)]).code == 431
    assert victim.request("GET", "/version", headers=[(f"X-{i}", "x") for i in range(5000)]).code == 431
    assert victim.request("GET", "/version", headers=[("X-Big", "x" * 10_000)]).code == 200


def token(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


VERSION = "meta.k8s.io/v1"
CONTINUATIONS = {
    "no base64": "x",
    "a zero byte": "\0",
    "only padding": "====",
    "60,000 letters": MASSES,
    "null": token(b"null"),
    "a list": token([]),
    "nothing": token({}),
    "no revision": token({"v": VERSION, "start": "a\0"}),
    "no key": token({"v": VERSION, "rv": 1}),
    "another version": token({"v": "v9", "rv": 1, "start": "a\0"}),
    "revision 0": token({"v": VERSION, "rv": 0, "start": "a\0"}),
    "revision -2": token({"v": VERSION, "rv": -2, "start": "a\0"}),
    "revision 2^63": token({"v": VERSION, "rv": 2**63, "start": "a\0"}),
    "a broken revision": token({"v": VERSION, "rv": 1.5, "start": "a\0"}),
    "a revision as text": token({"v": VERSION, "rv": "1", "start": "a\0"}),
    "a climbing key": token({"v": VERSION, "rv": 1, "start": "../../secrets\0"}),
    "a key of two": token({"v": VERSION, "rv": 1, "start": "a\0b\0"}),
    "a number as key": token({"v": VERSION, "rv": 1, "start": 5}),
    "half a surrogate": token({"v": VERSION, "rv": 1, "start": "\ud800"}),
    "a field twice": token(b'{"v":"meta.k8s.io/v1","v":"x","rv":1,"start":"a"}'),
}


@pytest.mark.parametrize("case", CONTINUATIONS)
def test_a_garbled_continue_token_is_a_bad_request(victim: Victim, case: str) -> None:
    answer = victim.request("GET", f"{COLLECTION}?limit=1&continue={quote(CONTINUATIONS[case])}")
    assert answer.code == 400
    assert "continue key is not valid: " in answer.status()["message"]


def test_a_forged_continue_token_leads_nowhere_else(victim: Victim) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "zz"}, "data": {"k": "c2VjcmV0"}}
    path = f"{ROOT}/api/v1/namespaces/default/secrets"
    victim.request("POST", path, json.dumps(secret).encode(), headers=[("Content-Type", "application/json")])
    for start in ("", "\0", "a\0", "zz", "~" * 20_000):
        forged = quote(token({"v": VERSION, "rv": -1, "start": start}))
        answer = victim.request("GET", f"{COLLECTION}?continue={forged}")
        if not start:
            assert answer.code == 400
            continue
        assert answer.code == 200
        listed = json.loads(answer.body)
        assert listed["kind"] == "ConfigMapList"
        assert "zz" not in [item["metadata"]["name"] for item in listed["items"]]
    future = quote(token({"v": VERSION, "rv": 2**63 - 1, "start": "a\0"}))
    assert victim.request("GET", f"{COLLECTION}?continue={future}").code == 504


# A watch from what is no revision is 500 without a reason, as kube-apiserver answers it.
QUERIES = {
    "limit=x": 400,
    "limit=1.5": 400,
    "limit=%00": 400,
    "limit=99999999999999999999": 400,
    "timeoutSeconds=x": 400,
    "timeoutSeconds=99999999999999999999": 400,
    "watch=1&timeoutSeconds=99999999999999999999": 400,
    "resourceVersion=-1": 400,
    "resourceVersion=x": 400,
    "resourceVersion=1.0": 400,
    "resourceVersion=%00": 400,
    "resourceVersion=99999999999999999999": 400,
    "watch=1&resourceVersion=-1": 500,
    "watch=1&resourceVersion=x": 500,
    "resourceVersion=18446744073709551615": 504,
    "resourceVersion=1&resourceVersionMatch=Bogus": 422,
    "resourceVersionMatch=Exact": 422,
    "resourceVersion=0&resourceVersionMatch=Exact": 422,
    "sendInitialEvents=true": 422,
    "watch=1&sendInitialEvents=true": 422,
    "labelSelector=%3D%3D%3D": 400,
    "labelSelector=a+in+(": 400,
    "labelSelector=%ff%00": 400,
    "labelSelector=a%3D" + "b" * 64: 400,
    "labelSelector=" + "!" * 50_000: 400,
    "labelSelector=" + "(" * 50_000: 400,
    "fieldSelector=a": 400,
    "fieldSelector=spec.x%3Dy": 400,
    "fieldSelector=metadata.name%3Da%5C": 400,
    "x" * 100_000: 414,
}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:60])
def test_a_bad_query_is_refused(victim: Victim, query: str) -> None:
    assert victim.request("GET", f"{COLLECTION}?{query}").code == QUERIES[query]


@pytest.mark.parametrize(
    "query",
    [
        "&&&&=&=",
        "limit=9223372036854775807",
        "pretty=%00",
        "labelSelector=a+in+(" + "b," * 20_000 + "b)",
        "fieldSelector=metadata.name%3D%00",
        "watch=1&timeoutSeconds=1&resourceVersion=9223372036854775807",
        "watch=1&timeoutSeconds=1&resourceVersion=18446744073709551615",
    ],
    ids=lambda query: query[:60],
)
def test_an_odd_query_is_answered(victim: Victim, query: str) -> None:
    assert victim.request("GET", f"{COLLECTION}?{query}").code == 200


@pytest.mark.parametrize("query", ["limit=-1", "timeoutSeconds=-1"])
def test_a_negative_number_stalls_nothing(victim: Victim, query: str) -> None:
    assert victim.request("GET", f"{COLLECTION}?{query}").code in (200, 400)
