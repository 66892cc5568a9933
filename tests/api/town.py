"""Two workspaces and everybody who asks something of them: who they are, and what they hold where."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tests.api.conftest import CONFIGMAPS, RBAC, Door
from tests.api.oracle import Caller, Stored
from tests.api.test_workspaces import WORKSPACES, workspace
from tests.conftest import read_kubeconfig, start_kcp, stop_kcp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.oracle import Json

USERS = ("owner", "member", "viewer", "stranger", "impersonator")
# Those of the generated kubeconfig.
ADMINISTRATORS = {"administrator": "kcp-admin", "master": "shard-admin"}
EVERYBODY = [*USERS, "anonymous", "account", "account of another workspace", "acting", "expired", *ADMINISTRATORS]
AUTHENTICATED = ("system:authenticated",)
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
    # Who acts as somebody else, has leave to do so in one logical cluster alone.
    acts_in: str = ""

    def within(self, cluster: str) -> Caller | None:
        """Return who that is in a logical cluster: an account's token holds at home alone."""
        at_home = self.caller is None or self.caller.origin in {"", cluster}
        return self.caller if at_home else None


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


@contextmanager
def running(directory: Path) -> Iterator[Town]:
    """Run a server of its own, with both workspaces and everybody in place."""
    tokens = {user: secrets.token_hex(16) for user in USERS}
    token_file = directory / "tokens.csv"
    token_file.write_text("".join(f"{token},{user},{user}-uid\n" for user, token in tokens.items()))
    root = directory / "root"
    process, url = start_kcp(root, "--token-auth-file", str(token_file), "--unsafe-no-fsync")
    try:
        entries = read_kubeconfig(root / "admin.kubeconfig")
        ca = base64.b64decode(entries["clusters"]["base"]["certificate-authority-data"])
        tokens |= {name: entries["users"][user]["token"] for name, user in ADMINISTRATORS.items()}
        with httpx.Client(verify=ssl.create_default_context(cadata=ca.decode()), timeout=60, http2=True) as client:
            yield build(Door(client, f"{url}/clusters/root", tokens["master"]), client, url, tokens, root)
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

    def known(user: str, name: str = "", *groups: str) -> Identity:
        return Identity({"authorization": f"Bearer {tokens[user]}"}, Caller(name or user, (*groups, *AUTHENTICATED)))

    groups = ("system:serviceaccounts", "system:serviceaccounts:default", *AUTHENTICATED)
    robot, other = (Caller("system:serviceaccount:default:robot", groups, clusters[name]) for name in ("here", "there"))
    acting = {"authorization": f"Bearer {tokens['impersonator']}", "impersonate-user": "viewer"}
    identities = {user: known(user) for user in USERS} | {
        "anonymous": Identity({}, Caller("system:anonymous", ("system:unauthenticated",))),
        "account": Identity({"authorization": f"Bearer {robots['here']}"}, robot),
        "account of another workspace": Identity({"authorization": f"Bearer {robots['there']}"}, other),
        "acting": Identity(acting, Caller("viewer", AUTHENTICATED), clusters["here"]),
        "administrator": known("administrator", "kcp-admin", "system:kcp:admin"),
        "master": known("master", "shard-admin", "system:masters"),
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
