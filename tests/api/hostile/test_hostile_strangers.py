"""Who has no rights gets nothing: every route, every verb, every header that claims to be somebody."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.api.hostile.raw import CONFIGMAPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.hostile.raw import Victim

pytestmark = pytest.mark.usefixtures("unharmed")

CLUSTER = "/clusters/strangers"
SECRETS = f"{CLUSTER}/api/v1/namespaces/default/secrets"
STRANGERS = ("alice", None)

# What everybody may read of the server, and what those may who have shown who they are (the roles
# system:public-info-viewer and system:discovery). Of a logical cluster that they may not enter: health checks alone.
HEALTH = ("/healthz", "/livez", "/readyz")
PUBLIC = (*HEALTH, "/version")
DISCOVERY = ("/api", "/apis", "/openapi", *PUBLIC)

METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}


@pytest.fixture(scope="module")
def http(victim: Victim) -> Iterator[httpx.Client]:
    """One connection for many requests; each says itself who asks."""
    context = ssl.create_default_context(cadata=victim.server.ca.decode())
    with httpx.Client(base_url=victim.server.url, verify=context, http2=True, timeout=60) as client:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "here"}}
        # The first write of an administrator makes the cluster; it may be there already.
        client.post(CLUSTER + CONFIGMAPS, json=body, headers=identity(victim, "admin"))
        yield client


def identity(victim: Victim, user: str | None) -> dict[str, str]:
    return {} if user is None else {"authorization": f"Bearer {victim.server.tokens[user]}"}


def requests_of(version_path: str, resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield method and path of each verb that discovery lists for a resource."""
    name, _, subresource = resource["name"].partition("/")
    scope = "/namespaces/default" if resource["namespaced"] else ""
    collection = f"{CLUSTER}{version_path}{scope}/{name}"
    item = f"{collection}/here" + (f"/{subresource}" if subresource else "")
    for verb in resource["verbs"]:
        if verb in ("list", "deletecollection") or (verb == "create" and not subresource):
            yield METHODS[verb], collection
        elif verb == "watch":
            yield "GET", f"{collection}?watch=1&timeoutSeconds=1"
        else:
            yield METHODS[verb], item


def served(victim: Victim, client: httpx.Client) -> list[tuple[str, str]]:
    """Return method and path of everything that discovery lists."""
    headers = identity(victim, "admin")
    groups = client.get(f"{CLUSTER}/apis", headers=headers).json()["groups"]
    paths = ["/api/v1"] + [f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"]]
    return [
        (method, path)
        for version_path in paths
        for resource in client.get(CLUSTER + version_path, headers=headers).json()["resources"]
        for method, path in requests_of(version_path, resource)
    ]


@pytest.mark.parametrize("user", STRANGERS)
def test_no_listed_verb_is_open_to_a_stranger(victim: Victim, http: httpx.Client, user: str | None) -> None:
    walked = served(victim, http)
    assert len(walked) > 100
    got_in = []
    for method, path in walked:
        answer = http.request(method, path, headers=identity(victim, user))
        if answer.status_code != 403:
            got_in.append((method, path, answer.status_code))
    assert got_in == []


def test_what_a_stranger_tried_left_everything_in_place(victim: Victim, http: httpx.Client) -> None:
    for user in STRANGERS:
        for method in ("PUT", "PATCH", "DELETE"):
            assert (
                http.request(method, f"{CLUSTER}{CONFIGMAPS}/here", headers=identity(victim, user)).status_code == 403
            )
    assert http.get(f"{CLUSTER}{CONFIGMAPS}/here", headers=identity(victim, "admin")).status_code == 200


@pytest.mark.parametrize("user", STRANGERS)
@pytest.mark.parametrize("prefix", ["", CLUSTER])
def test_no_other_path_is_open_to_a_stranger(victim: Victim, http: httpx.Client, user: str | None, prefix: str) -> None:
    index = http.get(f"{CLUSTER}/", headers=identity(victim, "admin")).json()["paths"]
    extra = ["/", "/metrics", "/debug/pprof", "/logs", "/services/", "/services/x", "/version", "/openid/v1/jwks"]
    may_read = HEALTH if prefix else PUBLIC if user is None else DISCOVERY
    wrong = []
    for path in sorted({*index, *extra}):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            code = http.request(method, prefix + path, headers=identity(victim, user)).status_code
            readable = any(path == start or path.startswith(f"{start}/") for start in may_read)
            health = path.startswith(HEALTH)
            expected = {200, 403} if readable and method == "GET" else {200, 403, 405} if health else {403, 405}
            if prefix and path == "/metrics":
                expected = {501}
            if path.startswith(("/services", "/debug", "/logs")):
                expected |= {404}
            if code not in expected:
                wrong.append((method, path, code))
    assert wrong == []


CLAIMS = [
    ("X-Remote-User", "admin"),
    ("X-Remote-Group", "system:masters"),
    ("X-Remote-Extra-Scopes", "everything"),
    ("X-Remote-Uid", "admin-uid"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Kubernetes-Sharded-Request", "1"),
    ("X-Kubernetes-Cluster", "system:admin"),
    ("Impersonate-User", "admin"),
    ("Impersonate-User", "system:serviceaccount:default:default"),
    ("Impersonate-User", "system:anonymous"),
    ("Impersonate-Group", "system:masters"),
    ("Impersonate-Uid", "admin-uid"),
    ("Impersonate-Extra-Scopes", "everything"),
]


@pytest.mark.parametrize("claim", CLAIMS, ids=": ".join)
@pytest.mark.parametrize("user", STRANGERS)
def test_a_header_makes_nobody_somebody(victim: Victim, user: str | None, claim: tuple[str, str]) -> None:
    claims = [claim] if claim[0] == "Impersonate-User" else [claim, ("Impersonate-User", "admin")]
    assert victim.request("GET", SECRETS, user=user, headers=[claim]).code in (400, 403)
    assert victim.request("GET", SECRETS, user=user, headers=claims).code == 403


@pytest.mark.parametrize("group", ["system:masters", "system:kcp:admin", "system:authenticated"])
def test_nobody_hands_on_a_group_without_having_it(victim: Victim, group: str) -> None:
    headers = [("Impersonate-User", "alice"), ("Impersonate-Group", group)]
    for user in STRANGERS:
        answer = victim.request("GET", SECRETS, user=user, headers=headers)
        assert answer.code == 403
        assert answer.status()["reason"] == "Forbidden"


@pytest.mark.parametrize(
    ("cluster", "code"),
    [
        ("*", 403),
        ("strangers", 403),
        ("never-used", 403),
        ("root:no:such", 403),
        ("../x", 400),
        ("", 400),
        ("\xff", 400),
    ],
)
def test_the_cluster_header_opens_nothing(victim: Victim, cluster: str, code: int) -> None:
    headers: list[tuple[str, str | bytes]] = [("X-Kubernetes-Cluster", cluster.encode("latin-1"))]
    for user in STRANGERS:
        answer = victim.request("GET", "/api/v1/namespaces/default/secrets", user=user, headers=headers)
        assert answer.code == code


WRONG_TOKENS: list[bytes] = [
    b"Bearer wrong",
    b"bearer wrong",
    b"Bearer a b",
    b"Bearer a.b.c",
    b"Bearer ..",
    b"Bearer eyJhbGciOiJub25lIn0.e30.",
    b"Bearer \xff\xfe",
    b"Bearer " + b"x" * 100_000,
    b"Bearer null",
]


@pytest.mark.parametrize("value", WRONG_TOKENS, ids=lambda value: value[:30].decode(errors="replace"))
def test_a_token_nobody_has_is_unauthorized_also_where_all_may_read(victim: Victim, value: bytes) -> None:
    for path in (SECRETS, "/version", "/readyz", "/nowhere"):
        answer = victim.request("GET", path, user=None, headers=[("Authorization", value)])
        assert answer.code == 401
        assert answer.status()["reason"] == "Unauthorized"


@pytest.mark.parametrize("form", ["", "{}", "Bearer", "Bearer ", "Basic {}", "Token {}", "Bearer\t{}", "{},{}"])
def test_a_token_in_another_form_is_no_credential(victim: Victim, form: str) -> None:
    value = form.replace("{}", victim.server.tokens["admin"])
    answer = victim.request("GET", SECRETS, user=None, headers=[("Authorization", value)])
    assert answer.code in (401, 403)


def test_of_two_tokens_the_first_counts(victim: Victim) -> None:
    tokens = [("Authorization", f"Bearer {victim.server.tokens[user]}") for user in ("alice", "admin")]
    assert victim.request("GET", SECRETS, user=None, headers=tokens).code in (400, 401, 403)


def test_tokens_never_reach_the_log(victim: Victim) -> None:
    account = f"{CLUSTER}/api/v1/namespaces/default/serviceaccounts/default/token"
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}).encode()
    issued = victim.request("POST", account, body, headers=[("Content-Type", "application/json")])
    assert issued.code == 201
    token = json.loads(issued.body)["status"]["token"]
    for spelled in (token, token[:-5] + "AAAAA"):
        victim.request("GET", SECRETS, user=None, headers=[("Authorization", f"Bearer {spelled}")])
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    reviews = f"{CLUSTER}/apis/authentication.k8s.io/v1/tokenreviews"
    headers = [("Content-Type", "application/json")]
    assert victim.request("POST", reviews, json.dumps(review).encode(), headers=headers).code == 201
    text = victim.log.read_text()
    assert text
    _, payload, signature = token.split(".")
    assert not [part for part in (payload, signature) if part in text]
