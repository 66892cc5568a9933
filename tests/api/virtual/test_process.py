"""Virtual workspaces as a process of their own: who is who, health, the end, and what it does not start with."""

from __future__ import annotations

import base64
import json
import re
import shlex
import signal
import socket
import ssl
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from kcp.server.options import parse as parse_start
from kcp.server.outside_options import parse
from tests.api.conftest import CONFIGMAPS, RBAC, SECONDS, Door, configmap, furnished
from tests.api.test_workspaces import WORKSPACES, unique, workspace
from tests.api.virtual.conftest import command, free_port, running_outside, start_outside
from tests.api.virtual.test_lifecycle import ROWS, make
from tests.conftest import read_kubeconfig, running_kcp, start_kcp, stop_kcp
from tests.start.test_certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.conftest import Houses
    from tests.api.virtual.conftest import Outside

LIST = f"/services/workspaces/all/clusters/*{WORKSPACES}"
ENTRIES = "/internal/entries?user=alice&group=system:authenticated&limit=10"


def door(url: str, ca: bytes, token: str | None, identity: tuple[Path, Path] | None = None) -> Door:
    """Return a way to a server; the client is closed with the test's process."""
    trust = ssl.create_default_context(cadata=ca.decode())
    if identity is not None:
        trust.load_cert_chain(*identity)
    return Door(httpx.Client(verify=trust, timeout=SECONDS), url, token)


# What only the process itself is told.


@pytest.fixture
def generous(houses: Houses) -> Iterator[None]:
    """Let alice do every path of the server that roles can open."""
    door = houses.door(houses.server.cluster("system:admin"))
    kind, name = "rbac.authorization.k8s.io/v1", unique("every-path")
    rules = [{"nonResourceURLs": ["*"], "verbs": ["*"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subjects = [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}]
    head = {"apiVersion": kind, "metadata": {"name": name}}
    door.post(f"{RBAC}/clusterroles", {**head, "kind": "ClusterRole", "rules": rules})
    door.post(
        f"{RBAC}/clusterrolebindings", {**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects}
    )
    yield
    for kind in ("clusterrolebindings", "clusterroles"):
        assert door.ask("DELETE", f"{RBAC}/{kind}/{name}").is_success


def test_who_may_enter_what_is_told_to_masters_alone(houses: Houses, generous: None) -> None:
    url = houses.server.url
    assert set(houses.door(url).get(ENTRIES)) == {"everywhere", "clusters", "after"}
    assert houses.door(url, "alice").ask("GET", "/version").status_code == 200  # the role holds
    for refused in (houses.door(url, "alice"), houses.door(url, "kcp-admin"), houses.stranger(url)):
        refused.fails(403, "GET", ENTRIES)
        refused.fails(403, "GET", "/internal/entries")
    houses.door(url).fails(400, "GET", "/internal/entries?user=alice")
    houses.door(url).fails(405, "POST", ENTRIES)
    assert houses.door(houses.server.cluster("root")).ask("GET", ENTRIES).status_code == 404
    assert "/internal/entries" not in houses.door(url).get("/")["paths"]


# Who calls.


def test_a_service_account_is_known_until_it_goes(houses: Houses) -> None:
    inside = houses.door(houses.bare_url)
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    inside.post(accounts, {"metadata": {"name": "robot"}})
    token = inside.post(f"{accounts}/robot/token", {"spec": {}})["status"]["token"]
    robot = houses.door(houses.services_url, token)
    assert robot.get(LIST)["kind"] == "WorkspaceList"
    head, body, signature = token.split(".")
    houses.door(houses.services_url, f"{head}.{body}.{signature[:-4]}AAAA").fails(401, "GET", LIST)
    assert inside.ask("DELETE", f"{accounts}/robot").is_success
    robot.fails(401, "GET", LIST)


@pytest.mark.parametrize("claims", ["e30", "eyJrdWJlcm5ldGVzLmlvIjp7ImNsdXN0ZXJOYW1lIjoiLi4vLi4vIn19", "!", "é"])
def test_tokens_that_lead_nowhere_are_401(houses: Houses, claims: str) -> None:
    for header in (f"Bearer e30.{claims}.x", f"bearer  e30.{claims}.x"):
        answer = houses.client.get(houses.services_url + LIST, headers={b"authorization": header.encode()})
        assert answer.status_code in {401, 403}, answer.text
        assert answer.json()["kind"] == "Status"


def test_a_token_brings_no_logical_cluster_into_being(houses: Houses) -> None:
    name = unique("claimed")
    claims = base64.urlsafe_b64encode(json.dumps({"kubernetes.io": {"clusterName": name}}).encode()).decode()
    houses.door(houses.services_url, f"e30.{claims.rstrip('=')}.x").fails(401, "GET", LIST)
    everything = houses.door(houses.server.cluster("*")).get("/api/v1/namespaces")
    assert name not in json.dumps(everything)


def test_masters_act_as_others_and_nobody_else_does(houses: Houses) -> None:
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    name = unique("hidden")
    root.post(WORKSPACES, workspace(name, "organization"))
    master = houses.door(houses.services_url)

    def seen(**headers: str) -> bool:
        answer = master.ask("GET", LIST, **headers)
        assert answer.status_code == 200, answer.text
        return name in [item["metadata"]["name"] for item in answer.json()["items"]]

    assert seen()
    assert not seen(impersonate_user="alice")
    assert seen(impersonate_user="alice", impersonate_group="system:kcp:admin")
    acting = {"impersonate_user": "admin", "impersonate_group": "system:masters"}
    for refused in (houses.door(houses.services_url, "alice"), houses.stranger(houses.services_url)):
        assert refused.ask("GET", LIST, **acting).status_code == 403
    assert master.ask("GET", LIST, impersonate_group="system:masters").status_code == 400


def test_client_certificates_say_who_calls_and_foreign_ones_are_401(tmp_path: Path) -> None:
    ours, foreign = Authority(tmp_path, "ours"), Authority(tmp_path, "foreign")
    with running_outside(tmp_path, "--client-ca-file", str(ours.file)) as outside:
        root = door(outside.server.cluster("root"), outside.server.ca, outside.server.tokens["kcp-admin"])
        name = unique("org")
        root.post(WORKSPACES, workspace(name, "organization"))
        root.client.close()

        def seen(identity: tuple[Path, Path] | None, token: str | None = None) -> tuple[int, bool]:
            way = door(outside.url, outside.ca, token, identity)
            with way.client:
                answer = way.ask("GET", LIST, x_remote_user="admin", x_remote_group="system:masters")
            return answer.status_code, name in answer.text

        assert seen(ours.issue("admin", "system:kcp:admin")) == (200, True)
        assert seen(ours.issue("bob", "developers")) == (200, False)
        assert seen(foreign.issue("admin", "system:masters")) == (401, False)
        assert seen(foreign.issue("admin", "system:masters"), outside.server.tokens["alice"]) == (200, False)
        assert seen(None) == (403, False)


# Health, and the end.


def test_it_is_ready_while_the_server_behind_answers(tmp_path: Path) -> None:
    with ExitStack() as stack, ExitStack() as behind:
        server = behind.enter_context(running_kcp(tmp_path, "--run-virtual-workspaces=false"))
        process, url = start_outside(tmp_path, server.kubeconfig, 0)
        stack.callback(stop_kcp, process)
        way = door(url, (tmp_path / "virtual" / "ca.crt").read_bytes(), server.tokens["alice"])
        stack.callback(way.client.close)
        nobody = Door(way.client, url, None)
        for path in ("/healthz", "/livez", "/readyz", "/readyz/workspaces", "/readyz/initializingworkspaces"):
            assert (nobody.ask("GET", path).status_code, nobody.ask("GET", path).text) == (200, "ok"), path
        assert "[+]upstream ok" in nobody.ask("GET", "/readyz?verbose").text
        assert nobody.ask("GET", "/readyz/nothing").status_code == 404
        assert way.ask("GET", LIST).status_code == 200
        behind.close()
        assert nobody.ask("GET", "/livez").text == "ok"
        unready = nobody.ask("GET", "/readyz")
        assert unready.status_code == 500
        assert "[-]upstream failed: reason withheld" in unready.text
        refused = way.fails(503, "GET", LIST)
        assert (refused["kind"], refused["reason"]) == ("Status", "ServiceUnavailable")
        assert way.ask("GET", "/elsewhere").status_code == 503


def test_paths_beside_the_services_are_refused(outside: Outside) -> None:
    tokens = outside.server.tokens
    for user, code in (("alice", 403), ("admin", 404)):
        way = door(outside.url, outside.ca, tokens[user])
        with way.client:
            for path in ("/", "/api", "/clusters/root/api", LIST.replace("/services", "/other"), "/metrics"):
                assert way.ask("GET", path).status_code == code, path
            assert way.ask("GET", "/services/..%2f..%2fclusters/root/api").status_code == 400


def test_the_end_lets_watches_end_cleanly(tmp_path: Path) -> None:
    with running_kcp(tmp_path, "--run-virtual-workspaces=false") as server:
        process, url = start_outside(tmp_path, server.kubeconfig, 0)
        ca = (tmp_path / "virtual" / "ca.crt").read_bytes()
        trust = ssl.create_default_context(cadata=server.ca.decode() + ca.decode())
        with httpx.Client(verify=trust, timeout=SECONDS) as client, ExitStack() as stack:
            waiting = make(furnished(server, client, url, ca), told=server.url)
            everywhere, inside = waiting.door(cluster="*"), waiting.door()
            since = everywhere.get(ROWS)["metadata"]["resourceVersion"]
            watches = [everywhere.events(stack, ROWS, since), inside.events(stack, CONFIGMAPS, since)]
            inside.post(CONFIGMAPS, configmap("seen"))
            assert next(watches[1])["object"]["metadata"]["name"]
            assert stop_kcp(process) == 0
            for watch in watches:
                list(watch)  # whole: a body that broke off would raise
        assert "ERROR" not in (tmp_path / "virtual.log").read_text()
        assert "Traceback" not in (tmp_path / "virtual.log").read_text()


@pytest.mark.slow
def test_a_server_behind_that_hangs_does_not_hold_the_end_up(tmp_path: Path) -> None:
    with ExitStack() as stack:
        behind, _ = start_kcp(tmp_path / "root", "--run-virtual-workspaces=false")
        stack.callback(stop_kcp, behind)
        kubeconfig = tmp_path / "root" / "admin.kubeconfig"
        process, url = start_outside(tmp_path, kubeconfig, 0)
        stack.callback(process.kill)
        token = read_kubeconfig(kubeconfig)["users"]["kcp-admin"]["token"]
        way = door(url, (tmp_path / "virtual" / "ca.crt").read_bytes(), token)
        stack.callback(way.client.close)
        assert way.ask("GET", LIST).status_code == 200
        behind.send_signal(signal.SIGSTOP)
        stack.callback(behind.send_signal, signal.SIGCONT)
        unready = way.ask("GET", "/readyz")
        assert (unready.status_code, "[-]upstream failed" in unready.text) == (500, True)
        host, port = httpx.URL(url).host, httpx.URL(url).port
        plain = stack.enter_context(socket.create_connection((host, port), SECONDS))
        trust = ssl.create_default_context(cafile=str(tmp_path / "virtual" / "ca.crt"))
        hanging = stack.enter_context(trust.wrap_socket(plain, server_hostname=host))
        head = f"GET {LIST} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        hanging.sendall(head.encode())
        assert way.ask("GET", "/livez").text == "ok"
        assert stop_kcp(process) == 0
        assert "1 connections were still at work and were cut" in (tmp_path / "virtual.log").read_text()


# What it refuses to start with.


def fails(*options: str) -> tuple[int, str]:
    """Run a start that has to fail and return its exit code and its one line."""
    done = subprocess.run([command(), *options], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return done.returncode, line


def test_what_it_cannot_start_with_is_one_line(outside: Outside, tmp_path: Path) -> None:
    known = ("--kubeconfig", str(outside.server.kubeconfig), "--root-directory", str(tmp_path / "own"))
    nobody = tmp_path / "nobody.kubeconfig"
    nobody.write_text(
        outside.server.kubeconfig.read_text().replace(outside.server.url, f"https://127.0.0.1:{free_port()}")
    )
    wrong = tmp_path / "wrong.kubeconfig"
    wrong.write_text(outside.server.kubeconfig.read_text().replace('token: "', 'token: "x'))
    broken = tmp_path / "broken.kubeconfig"
    broken.write_text("clusters: [")
    stranger = tmp_path / "stranger.kubeconfig"
    authority = Authority(tmp_path, "another")
    stranger.write_text(trusting(outside.server.kubeconfig.read_text(), authority.file))
    certificate, _ = authority.issue("one", server=True)
    _, other = authority.issue("other", server=True)
    text = tmp_path / "text"
    text.write_text("no certificate")
    pair = ("--tls-cert-file", str(certificate), "--tls-private-key-file")
    cases: list[tuple[tuple[str, ...], int, str]] = [
        ((), 2, "--kubeconfig is required"),
        (("--kubeconfig", str(tmp_path / "none")), 1, "No such file"),
        (("--kubeconfig", str(broken)), 1, "broken.kubeconfig"),
        (("--kubeconfig", str(nobody)), 1, "Unable to connect to the server"),
        (("--kubeconfig", str(stranger)), 1, "its certificate does not hold"),
        (("--kubeconfig", str(wrong)), 1, "its credentials are refused"),
        ((*known, "--context", "root"), 1, "not in system:masters"),
        ((*known, "--context", "none"), 1, 'context "none" does not exist'),
        ((*known, "--secure-port", outside.url.rpartition(":")[2]), 1, "cannot listen on 127.0.0.1"),
        ((*known, "--secure-port", "x"), 2, "not a port"),
        ((*known, "--bind-address", "192.0.2.1"), 1, "cannot listen on 192.0.2.1"),
        ((*known, *pair, str(other)), 1, "the serving certificate and key cannot be used"),
        ((*known, *pair, str(tmp_path / "none")), 1, "No such file"),
        ((*known, *pair[:2]), 2, "go together"),
        ((*known, "--client-ca-file", str(text)), 1, "client CA"),
        ((*known, "--requestheader-client-ca-file", "x"), 2, "has no --requestheader-client-ca-file"),
        ((*known, "--root-directory", str(text)), 1, "is not a directory"),
    ]
    for options, code, words in cases:
        status, line = fails(*options)
        assert (status, words in line) == (code, True), (options, status, line)
        assert line.startswith("error: ")


def trusting(kubeconfig: str, authority: Path) -> str:
    """Return a kubeconfig that trusts somebody else."""
    data = base64.b64encode(authority.read_bytes()).decode()
    return re.sub(r"certificate-authority-data: \S+", f"certificate-authority-data: {data}", kubeconfig)


def test_the_help_has_examples_that_are_read() -> None:
    done = subprocess.run([command(), "--help"], capture_output=True, text=True, timeout=SECONDS, check=True)
    examples = done.stdout.partition("examples:")[2].replace("\\\n", " ")
    lines = [shlex.split(line) for line in examples.splitlines() if line.strip().startswith(("virtual-", "kcp start"))]
    assert len(lines) == 3
    for words in lines:
        if words[0] == "kcp":
            assert parse_start(words[2:]).virtual_workspace_url
        else:
            assert parse(words[1:]).kubeconfig


def test_a_given_certificate_is_shown(outside: Outside, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server", server=True)
    pair = ("--tls-cert-file", str(certificate), "--tls-private-key-file", str(key))
    process, url = start_outside(tmp_path, outside.server.kubeconfig, 0, *pair)
    try:
        with httpx.Client(verify=ssl.create_default_context(cafile=str(authority.file))) as client:
            assert client.get(f"https://localhost:{url.rpartition(':')[2]}/readyz").text == "ok"
        assert not (tmp_path / "virtual").exists()  # nothing is made that was given
    finally:
        assert stop_kcp(process) == 0
