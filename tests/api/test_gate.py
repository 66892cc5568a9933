"""Every route with every verb, asked by everybody: who gets through is what the stored rules say, read by an oracle.

What is allowed may still fail for other reasons (an empty body, a name that is taken); what is refused is refused in
one way. All writes are dry runs.
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tests.api.conftest import CONFIGMAPS, RBAC, Door
from tests.api.oracle import Caller, Stored, Wish, allows
from tests.api.test_workspaces import WORKSPACES, workspace
from tests.conftest import read_kubeconfig, start_kcp, stop_kcp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.oracle import Json

USERS = ("owner", "member", "viewer", "stranger", "impersonator")
ROW = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
AUTHENTICATED = ("system:authenticated",)
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
QUERIES = {"watch": "?watch=true&timeoutSeconds=1&resourceVersion=1", "list": "", "get": ""}
ROLES = {
    "enter": [{"nonResourceURLs": ["/"], "verbs": ["access"]}],
    "member": [
        {"apiGroups": [""], "resources": ["configmaps", "serviceaccounts"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["here"], "verbs": ["get", "delete"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["elsewhere"],
            "verbs": ["get", "list", "update", "deletecollection"],
        },
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["list", "watch"]},
        {"apiGroups": ["*"], "resources": ["*/status"], "verbs": ["get"]},
        {"nonResourceURLs": ["/openid/*"], "verbs": ["get"]},
    ],
    "viewer": [{"apiGroups": ["", "tenancy.kcp.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    "robot": [{"apiGroups": ["", "coordination.k8s.io"], "resources": ["*"], "verbs": ["get", "create"]}],
    "impersonator": [
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["viewer"], "verbs": ["impersonate"]}
    ],
    "founder": [{"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create"]}],
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A way to show up: headers, and who that is for the rules; `None`: nobody, the credential does not hold."""

    headers: dict[str, str]
    caller: Caller | None


@dataclass(frozen=True, slots=True)
class Town:
    """Two workspaces, `here` and `there`, and everybody who asks."""

    admin: Door
    client: httpx.Client
    url: str
    here: str
    there: str
    identities: dict[str, Identity]

    def door(self, cluster: str) -> Door:
        """Return the administrator's way into a cluster."""
        return Door(self.client, f"{self.url}/clusters/{cluster}", self.admin.token)

    def stored(self, cluster: str) -> Stored:
        """Read what the oracle needs of a cluster."""
        return Stored.read(cluster, self.door(cluster).get, has_row=not cluster.startswith("system:"))

    def ask(self, identity: Identity, method: str, path: str) -> httpx.Response:
        """Send a request; watches end by themselves after a second."""
        body = b"{}" if method in {"POST", "PUT", "PATCH"} else None
        form = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = identity.headers | ({"content-type": form} if body else {})
        return self.client.request(method, self.url + path, content=body, headers=headers)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    directory = tmp_path_factory.mktemp("gate")
    tokens = {user: secrets.token_hex(16) for user in USERS}
    token_file = directory / "tokens.csv"
    token_file.write_text("".join(f"{token},{user},{user}-uid\n" for user, token in tokens.items()))
    root = directory / "root"
    process, url = start_kcp(root, "--token-auth-file", str(token_file), "--unsafe-no-fsync")
    try:
        entries = read_kubeconfig(root / "admin.kubeconfig")
        ca = base64.b64decode(entries["clusters"]["base"]["certificate-authority-data"])
        with httpx.Client(verify=ssl.create_default_context(cadata=ca.decode()), timeout=60, http2=True) as client:
            admin = Door(client, f"{url}/clusters/root", entries["users"]["shard-admin"]["token"])
            yield build(admin, client, url, tokens, root)
    finally:
        stop_kcp(process)


def build(admin: Door, client: httpx.Client, url: str, tokens: dict[str, str], root: Path) -> Town:
    """Make both workspaces alike, so that whoever is somebody in one is nobody in the other by name alone."""
    admin.post(f"{RBAC}/clusterroles", role("founder", ROLES["founder"]))
    admin.post(f"{RBAC}/clusterrolebindings", binding("founders", "founder", "User", "owner"))
    founder = Door(client, admin.base, tokens["owner"])
    made = {name: founder.post(WORKSPACES, workspace(name, "universal", "root")) for name in ("here", "there")}
    clusters = {name: made[name]["spec"]["cluster"] for name in made}
    for name, cluster in clusters.items():
        door = Door(client, f"{url}/clusters/{cluster}", admin.token)
        door.post(CONFIGMAPS, {"metadata": {"name": "here"}})
        door.post("/api/v1/namespaces/default/secrets", {"metadata": {"name": "here"}})
        door.post("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "robot"}})
        for title, rules in ROLES.items():
            door.post(f"{RBAC}/clusterroles", role(title, rules))
        door.post(f"{RBAC}/clusterrolebindings", binding("robots", "robot", "ServiceAccount", "robot"))
        if name == "here":
            for user in ("member", "viewer", "impersonator"):
                door.post(f"{RBAC}/clusterrolebindings", binding(f"{user}-enters", "enter", "User", user))
                door.post(f"{RBAC}/clusterrolebindings", binding(user, user, "User", user))
        # One who may look but not enter.
        door.post(f"{RBAC}/clusterrolebindings", binding("stranger", "viewer", "User", "stranger"))
    robots = {name: account_token(client, url, cluster, admin.token) for name, cluster in clusters.items()}

    def known(user: str) -> Identity:
        return Identity({"authorization": f"Bearer {tokens[user]}"}, Caller(user, AUTHENTICATED))

    groups = ("system:serviceaccounts", "system:serviceaccounts:default", *AUTHENTICATED)
    robot = Caller("system:serviceaccount:default:robot", groups, clusters["here"])
    acting = {"authorization": f"Bearer {tokens['impersonator']}", "impersonate-user": "viewer"}
    identities = {user: known(user) for user in USERS} | {
        "anonymous": Identity({}, Caller("system:anonymous", ("system:unauthenticated",))),
        "account": Identity({"authorization": f"Bearer {robots['here']}"}, robot),
        "account of another workspace": Identity({"authorization": f"Bearer {robots['there']}"}, None),
        "acting": Identity(acting, Caller("viewer", AUTHENTICATED)),
        "expired": Identity({"authorization": f"Bearer {expired(robots['here'], root)}"}, None),
    }
    return Town(admin, client, url, clusters["here"], clusters["there"], identities)


def role(name: str, rules: list[Json]) -> Json:
    return {"metadata": {"name": name}, "rules": rules}


def binding(name: str, role: str, kind: str, subject: str) -> Json:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    named = {"kind": kind, "name": subject} | ({"namespace": "default"} if kind == "ServiceAccount" else {})
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": [named]}


def account_token(client: httpx.Client, url: str, cluster: str, admin: str | None) -> str:
    """Ask for a token of a cluster's robot."""
    door = Door(client, f"{url}/clusters/{cluster}", admin)
    made = door.post("/api/v1/namespaces/default/serviceaccounts/robot/token", {"spec": {}})
    return str(made["status"]["token"])


def expired(token: str, root: Path) -> str:
    """Sign a good token's claims anew with the server's own key, an hour after their end."""
    head, body, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    now = int(time.time())
    claims |= {"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}
    text = f"{head}.{encoded(json.dumps(claims).encode())}"
    key = serialization.load_pem_private_key((root / "sa.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def routes(door: Door) -> Iterator[tuple[str, str, Wish]]:
    """Yield method, path and meaning of every route that a cluster has."""
    for path in [*door.get("/")["paths"], "/", "/nowhere", "/version/more"]:
        # The server's own metrics are no cluster's.
        for method in ("GET", "POST", "DELETE") if path != "/metrics" else ():
            yield method, path, Wish(method.lower(), path=path)
    groups = door.get("/apis")["groups"]
    for place in ["/api/v1"] + [f"/apis/{v['groupVersion']}" for group in groups for v in group["versions"]]:
        group = place.split("/")[2] if place.startswith("/apis/") else ""
        for resource in door.get(place)["resources"]:
            yield from requests_of(place, group, resource)


def requests_of(place: str, group: str, resource: Json) -> Iterator[tuple[str, str, Wish]]:
    """Yield a request for each verb of a resource, in a namespace where it has one."""
    kind, _, subresource = resource["name"].partition("/")
    namespace = "default" if resource["namespaced"] else ""
    collection = f"{place}{'/namespaces/default' if namespace else ''}/{kind}"
    # A namespace's own name stands for its namespace.
    inside = "here" if kind == "namespaces" else namespace
    for verb in resource["verbs"]:
        bare = verb in {"list", "watch", "deletecollection"} or (verb == "create" and not subresource)
        name = "" if bare else "here"
        path = collection if bare else f"{collection}/here" + (f"/{subresource}" if subresource else "")
        query = QUERIES.get(verb, "?dryRun=All")
        asked = inside if name or kind != "namespaces" else ""
        yield METHODS[verb], path + query, Wish(verb, "", group, kind, subresource, asked, name)


def verdict(answer: httpx.Response) -> str:
    """Tell whether rules let a request through. Other rules may refuse it behind them, in other words."""
    if answer.status_code == 401:
        return "unknown"
    message = str(answer.json()["message"]) if answer.status_code == 403 else ""
    return "refused" if 'User "' in message and " cannot " in message else "allowed"


def expected(base: Stored, cluster: Stored | None, identity: Identity, wish: Wish) -> str:
    """Say what the oracle says."""
    if identity.caller is None:
        return "unknown"
    return "allowed" if allows(base, cluster, identity.caller, wish) else "refused"


@pytest.mark.parametrize("who", [*USERS, "anonymous", "account", "account of another workspace", "acting", "expired"])
def test_everybody_gets_what_the_rules_say(town: Town, who: str) -> None:
    base, here = town.stored("system:admin"), town.stored(town.here)
    identity = town.identities[who]
    wrong = []
    seen = set()
    for method, path, wish in routes(town.door(town.here)):
        if wish.verb == "watch" and allows(base, here, identity.caller or Caller("", ()), wish):
            # What is allowed to list and watch alike is asked by its list: each watch takes a second.
            continue
        answer = town.ask(identity, method, f"/clusters/{town.here}{path}")
        wanted = expected(base, here, identity, wish)
        seen.add(wanted)
        if verdict(answer) != wanted:
            wrong.append(f"{method} {path}: {answer.status_code}, the rules say {wanted}: {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert seen == ({"unknown"} if identity.caller is None else {"allowed", "refused"}) or who == "owner"


@pytest.mark.parametrize("who", [user for user in USERS if user != "owner"] + ["anonymous"])
def test_paths_lead_where_names_do_and_nowhere_alike(town: Town, who: str) -> None:
    base, here, there = town.stored("system:admin"), town.stored(town.here), town.stored(town.there)
    identity = town.identities[who]
    for cluster, paths in ((here, ["root:here", town.here]), (there, ["root:there", town.there])):
        for method, path, wish in ROUTES:
            answers = [town.ask(identity, method, f"/clusters/{name}{path}") for name in paths]
            assert {verdict(answer) for answer in answers} == {expected(base, cluster, identity, wish)}, path
    for method, path, wish in ROUTES:
        assert expected(base, None, identity, wish) == "refused"
        # Nobody is let into the other workspace: it answers in the words of one that is not there.
        names = (town.there, "root:there", "none", "root:none", "root:none:none", "user:none", "root:here:none")
        answers = [town.ask(identity, method, f"/clusters/{name}{path}") for name in names]
        assert len({(answer.status_code, answer.text) for answer in answers}) == 1, [a.text for a in answers]


ROUTES = [
    ("GET", CONFIGMAPS, Wish("list", "", "", "configmaps", "", "default")),
    ("POST", f"{CONFIGMAPS}?dryRun=All", Wish("create", "", "", "configmaps", "", "default")),
    ("GET", f"{CONFIGMAPS}/here", Wish("get", "", "", "configmaps", "", "default", "here")),
    ("GET", "/apis", Wish("get", "/apis")),
    ("GET", "/nowhere", Wish("get", "/nowhere")),
]


def test_a_changed_row_is_what_the_rules_say_from_the_answer_on(town: Town) -> None:
    door = town.door(town.here)
    base = town.stored("system:admin")
    groups: dict[str, Json] = {"authorization.kcp.io/required-groups": "nobody,has;system:unauthenticated"}
    for marks in (groups, dict.fromkeys(groups)):
        body = {"metadata": {"annotations": marks}}
        answer = door.ask("PATCH", ROW, body, content_type="application/merge-patch+json")
        assert answer.status_code == 200, answer.text
        here = town.stored(town.here)
        for name, identity in town.identities.items():
            for method, path, wish in ROUTES:
                found = verdict(town.ask(identity, method, f"/clusters/{town.here}{path}"))
                if name == "acting" and marks is groups:
                    assert found == "refused"  # already as the one who acts
                else:
                    assert found == expected(base, here, identity, wish), (name, path)
