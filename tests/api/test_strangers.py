"""Who has no business in a logical cluster learns nothing of what it holds."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import ALICE, CONFIGMAPS, CRD, GROUP, WIDGETS, Door, Houses, bind, configmap, widget


def test_a_wildcard_is_for_administrators(houses: Houses) -> None:
    bind(houses.left, ALICE, ["*"], ["*"])
    for door in (houses.door(houses.server.cluster("*"), "alice"), houses.stranger(houses.server.cluster("*"))):
        for path in ("/api/v1/configmaps", "/api/v1/configmaps?watch=true", "/api", "/openapi/v3"):
            door.fails(403, "GET", path)
        door.fails(403, "POST", CONFIGMAPS, configmap("no"))


LOOKS = [
    ("GET", "/"),
    ("GET", "/api"),
    ("GET", "/apis"),
    ("GET", f"/apis/{GROUP}"),
    ("GET", f"/apis/{GROUP}/v1"),
    ("GET", "/openapi/v2"),
    ("GET", "/openapi/v3"),
    ("GET", f"/openapi/v3/apis/{GROUP}/v1"),
    ("GET", "/version"),
    ("GET", "/nowhere"),
    ("GET", CONFIGMAPS),
    ("GET", f"{CONFIGMAPS}/first"),
    ("GET", f"{CONFIGMAPS}?watch=true"),
    ("POST", CONFIGMAPS),
    ("DELETE", f"{CONFIGMAPS}/first"),
    ("PATCH", f"{CONFIGMAPS}/first"),
    ("GET", WIDGETS),
    ("GET", f"{WIDGETS}/one"),
    ("POST", WIDGETS),
    ("GET", CRD),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
]


def doors(houses: Houses, user: str, *urls: str) -> list[Door]:
    """Return a user's ways into clusters; the stranger shows no credentials."""
    return [houses.stranger(url) if user == "stranger" else houses.door(url, user) for url in urls]


def shown(door: Door, method: str, path: str) -> tuple[int, str, list[str]]:
    """Return all that an answer tells: its code, its body and which headers it has."""
    answer = door.ask(method, path, {} if method in {"POST", "PATCH"} else None)
    return answer.status_code, answer.text, sorted(answer.headers)


@pytest.mark.parametrize("user", ["alice", "stranger"])
def test_an_unknown_cluster_is_forbidden_whatever_is_asked(houses: Houses, user: str) -> None:
    unknown, another = doors(houses, user, *(houses.server.cluster(f"unknown-{n}") for n in range(2)))
    for method, path in LOOKS:
        code, text, headers = shown(unknown, method, path)
        assert (code, "access denied" in text) == (403, True), f"{method} {path}: {code} {text}"
        assert shown(another, method, path) == (code, text, headers)
    # Not even asking has brought it into being.
    everywhere = houses.door(houses.server.cluster("*")).get("/api/v1/namespaces")
    assert "unknown-" not in json.dumps(everywhere)


@pytest.mark.parametrize("user", ["alice", "stranger"])
def test_objects_of_a_cluster_are_forbidden_whether_or_not_they_exist(houses: Houses, user: str) -> None:
    houses.left.post(WIDGETS, widget("one", size=3))
    houses.left.post(CONFIGMAPS, configmap("first"))
    left, bare = doors(houses, user, houses.left_url, houses.bare_url)
    for method, path in LOOKS:
        if "/namespaces/" in path or path == CRD:
            answer = shown(left, method, path)
            assert answer[0] == 403
            assert answer == shown(bare, method, path)


@pytest.mark.parametrize("user", ["alice", "stranger"])
def test_an_unknown_cluster_answers_others_as_an_existing_one_does(houses: Houses, user: str) -> None:
    left, unknown = doors(houses, user, houses.left_url, houses.server.cluster("unknown"))
    told = [
        f"{method} {path}: {known[:2]} where it exists, {other[:2]} where not"
        for method, path in LOOKS
        if (known := shown(left, method, path)) != (other := shown(unknown, method, path))
    ]
    assert not told, "\n".join(told)


def test_a_path_of_several_words_is_forbidden_to_others(houses: Houses) -> None:
    for name in ("root:nobody", "root:nobody:else"):
        url = houses.server.cluster(name)
        houses.door(url, "alice").fails(403, "GET", CONFIGMAPS)
        houses.door(url).fails(404, "GET", CONFIGMAPS)
