"""Start both sides, and bring them into the state every episode expects."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance.differential.kinds import PREPARED
from tests.conformance.differential.step import Step
from tests.conformance.differential.wire import Side
from tests.conformance.exchange import SETTLE_SECONDS, Answer, Server
from tests.conftest import admit_everybody, start_kcp, stop_kcp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.differential.model import Body

ROOT = Path(__file__).resolve().parents[3]
NO_PEERS = 3  # the exit code of hack/peers without Go
ALICE_RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create"], "resourceNames": ["one"]},
    {
        "apiGroups": ["diff.example.com"],
        "resources": ["widgets", "widgets/status"],
        "verbs": ["get", "list", "update", "patch"],
    },
    {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "get", "list", "watch"]},
    {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["*"],
        "verbs": ["create", "update", "patch", "get", "list"],
    },
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["deletecollection", "list"]},
]


class PeersMissingError(RuntimeError):
    """The programs to compare with are not there and cannot be built."""


@contextlib.contextmanager
def both_sides(directory: Path) -> Iterator[tuple[Side, Side]]:
    """Run a kube-apiserver and kcp with what all episodes need; yields (kube, kcp)."""
    with _kube(directory / "kube") as kube, _kcp(directory / "kcp") as kcp:
        for side in (kube, kcp):
            _prepare(side)
        admit_everybody(lambda path, body: _must(kcp, Step("entry", "POST", path, json.loads(body)), 201))
        try:
            yield kube, kcp
        finally:
            kube.close()
            kcp.close()


@contextlib.contextmanager
def _kube(directory: Path) -> Iterator[Side]:
    built = subprocess.run([ROOT / "hack" / "peers"], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise PeersMissingError("there is no kube-apiserver to compare with (hack/peers)")
    peer = ROOT / "hack" / "peer-apiserver"
    up = subprocess.run([peer, "up", directory], stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    try:
        config: dict[str, Any] = json.loads(Path(up.stdout.strip()).read_text())
        tokens = {user["name"]: user["user"].get("token", "anonymous") for user in config["users"]}
        yield Side("kube", Server(config["clusters"][0]["cluster"]["server"], tokens))
    finally:
        subprocess.run([peer, "down", directory], check=False)


@contextlib.contextmanager
def _kcp(directory: Path) -> Iterator[Side]:
    directory.mkdir(parents=True)
    tokens = {user: secrets.token_hex(16) for user in ("admin", "alice")}
    token_file = directory / "tokens.csv"
    rows = [f'{tokens["admin"]},admin,admin-uid,"system:masters"', f'{tokens["alice"]},alice,alice-uid,"developers"']
    token_file.write_text("\n".join(rows) + "\n")
    # The kube-apiserver has no controller manager beside it, but ends definitions itself.
    controllers = ("--controllers", "customresourcedefinition-controller")
    process, url = start_kcp(
        directory / "root", "--token-auth-file", str(token_file), "--unsafe-no-fsync", *controllers
    )
    try:
        yield Side("kcp", Server(f"{url}/clusters/differential", tokens | {"anonymous": "anonymous"}))
    finally:
        stop_kcp(process)


def _prepare(side: Side) -> None:
    """Create the definitions that stand for the whole run, who may enter (a verb of kcp's), and what alice may do."""
    role = {"metadata": {"name": "diff-alice"}, "rules": ALICE_RULES}
    binding: Body = {
        "metadata": {"name": "diff-alice"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "diff-alice"},
        "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "developers"}],
    }
    rbac, crds = "/apis/rbac.authorization.k8s.io/v1", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    entrance = {"metadata": {"name": "diff-entrance"}, "rules": [{"nonResourceURLs": ["/"], "verbs": ["access"]}]}
    everybody = {
        "metadata": {"name": "diff-entrance"},
        "roleRef": {**binding["roleRef"], "name": "diff-entrance"},
        "subjects": [
            {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": f"system:{who}"}
            for who in ("authenticated", "unauthenticated")
        ],
    }
    _must(side, Step("entrance", "POST", f"{rbac}/clusterroles", entrance), 201)
    _must(side, Step("everybody", "POST", f"{rbac}/clusterrolebindings", everybody), 201)
    _must(side, Step("role", "POST", f"{rbac}/clusterroles", role), 201)
    _must(side, Step("binding", "POST", f"{rbac}/clusterrolebindings", binding), 201)
    for definition in PREPARED:
        _must(side, Step("crd", "POST", crds, definition), 201)
    for definition in PREPARED:
        spec = definition["spec"]
        for version in spec["versions"]:
            path = f"/apis/{spec['group']}/{version['name']}"
            _must(side, Step("served", "GET", f"{path}/{spec['names']['plural']}"), 200)
            _must(side, Step("discovered", "GET", path), 200)
    _must(side, Step("allowed", "GET", "/apis/diff.example.com/v1/widgets", user="alice"), 200)


def _must(side: Side, step: Step, status: int) -> None:
    """Send a step until it answers as it must; a real server's caches lag behind."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (answer := side.send(step, {}, "")).status != status:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{side.name}: {step.path} answered {answer.status}: {answer.body.decode()}")
        time.sleep(0.1)


def stand_in(side: Side, word: str) -> None:
    """Create in the episode's namespace what a controller manager would, and kcp does itself."""
    core = f"/api/v1/namespaces/ns-{word}"
    born: dict[str, Body] = {
        "serviceaccounts": {"metadata": {"name": "default"}},
        "configmaps": {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "of whoever runs the cluster"}},
    }
    for path, body in born.items():
        answer: Answer = side.send(Step("born", "POST", f"{core}/{path}", body), {}, word)
        if answer.status not in (201, 409, 403, 404):
            raise RuntimeError(f"{side.name}: {path} answered {answer.status}: {answer.body.decode()}")
