"""`kcp start` as a real process: its files, its errors, its end."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

import httpx
import pytest

from tests.conftest import kcp_command, read_kubeconfig, start_kcp, stop_kcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start: TypeAlias = Callable[..., tuple[subprocess.Popen[str], str]]

SECONDS = 60


@pytest.fixture
def start() -> Iterator[Start]:
    """Start kcp as `start_kcp` does; what the test did not stop is stopped after it."""
    with ExitStack() as stack:

        def start(root: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
            process, url = start_kcp(root, *options)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process, url

        yield start


def start_fails(*options: str) -> tuple[int, str]:
    """Run a start that has to fail and return its exit code and what it complained."""
    done = subprocess.run(
        [kcp_command(), "start", *options], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def admin_client(root: Path) -> httpx.Client:
    """Return an HTTP client with the kubeconfig's CA and administrator's token."""
    entries = read_kubeconfig(root / "admin.kubeconfig")
    token = entries["users"]["kcp-admin"]["token"]
    return httpx.Client(
        base_url=entries["clusters"]["base"]["server"],
        verify=ssl.create_default_context(cafile=str(root / "ca.crt")),
        headers={"authorization": f"Bearer {token}"},
        timeout=SECONDS,
    )


def test_a_server_keeps_its_data_tokens_and_certificates_over_a_restart(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "root"
    process, _ = start(root)
    configmaps = "/clusters/root/api/v1/namespaces/default/configmaps"
    with admin_client(root) as client:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}
        assert client.post(configmaps, json=body).status_code == 201
    before = {name: (root / name).read_bytes() for name in ("ca.crt", "apiserver.crt", "tokens", "sa.key")}
    assert stop_kcp(process) == 0

    process, _ = start(root)
    with admin_client(root) as client:
        assert client.get(f"{configmaps}/kept").status_code == 200
    assert {name: (root / name).read_bytes() for name in before} == before
    assert stop_kcp(process) == 0


def test_types_name_virtual_workspaces_where_they_are_after_a_move(start: Start, tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", "https://elsewhere.example:7444/shown"
    process, url = start(root)
    types = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
    with admin_client(root) as client:
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType", "metadata": {"name": "mine"}}
        made = client.post(types, json=body).json()
        assert [one["url"].partition("/services/")[0] for one in made["status"]["virtualWorkspaces"]] == [url] * 2
    assert stop_kcp(process) == 0

    process, _ = start(root, "--shard-virtual-workspace-url", elsewhere + "/")
    query = {"watch": "true", "fieldSelector": "metadata.name=mine"}
    with admin_client(root) as client, client.stream("GET", types, params=query) as answer:
        for line in answer.iter_lines():
            shown = json.loads(line)["object"]["status"]["virtualWorkspaces"]
            if shown[0]["url"].startswith(elsewhere):
                break
    assert {one["type"]: one["url"] for one in shown} == {
        kind: f"{elsewhere}/services/{kind}workspaces/root:mine" for kind in ("initializing", "terminating")
    }
    assert stop_kcp(process) == 0


def test_the_sample_user_is_somebody_without_rights(start: Start, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "elsewhere.kubeconfig"
    options = ("--batteries-included", "+user", "--kubeconfig-path", str(kubeconfig))
    process, url = start(tmp_path / "root", *options)
    entries = read_kubeconfig(kubeconfig)
    assert entries["contexts"]["user"] == {"cluster": "root", "user": "user"}
    headers = {"authorization": f"Bearer {entries['users']['user']['token']}"}
    trust = ssl.create_default_context(cafile=str(tmp_path / "root" / "ca.crt"))
    with httpx.Client(base_url=f"{url}/clusters/root", verify=trust, headers=headers) as client:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        # Somebody known, and in no group but that of everybody who is.
        refused = client.get("/api/v1/namespaces/default/secrets")
        who = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=body)
    assert refused.status_code == 403
    assert who.json()["status"]["userInfo"]["username"] == "user"
    assert who.json()["status"]["userInfo"]["groups"] == ["system:authenticated"]
    assert not (tmp_path / "root" / "admin.kubeconfig").exists()
    assert stop_kcp(process) == 0


def test_without_administrators_no_kubeconfig_is_written(start: Start, tmp_path: Path) -> None:
    process, _ = start(tmp_path / "root", "--batteries-included=workspace-types")
    assert not (tmp_path / "root" / "admin.kubeconfig").exists()
    assert not (tmp_path / "root" / "tokens").exists()
    assert stop_kcp(process) == 0


def test_private_files_are_private(start: Start, tmp_path: Path) -> None:
    process, _ = start(tmp_path / "root")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "root").iterdir() if path.is_file()}
    assert stop_kcp(process) == 0
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {
        "ca.crt": "0o644",
        "apiserver.crt": "0o644",
    }


def test_a_second_start_on_one_directory_is_one_line_and_harms_nothing(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "root"
    process, _ = start(root)
    code, complaint = start_fails("--root-directory", str(root), "--secure-port", "0")
    assert code == 1
    assert complaint == f"error: root directory {root} is in use by another kcp (pid {process.pid})\n"
    with admin_client(root) as client:
        assert client.get("/readyz").text == "ok"
    assert stop_kcp(process) == 0


def test_a_taken_port_is_one_line(start: Start, tmp_path: Path) -> None:
    process, url = start(tmp_path / "first")
    port = url.rpartition(":")[2]
    code, complaint = start_fails("--root-directory", str(tmp_path / "second"), "--secure-port", port)
    assert (code, complaint) == (1, f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n")
    assert stop_kcp(process) == 0


def test_a_file_in_the_directorys_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("mine")
    code, complaint = start_fails("--root-directory", str(tmp_path / "root"))
    assert (code, complaint) == (1, f"error: root directory {tmp_path / 'root'} is not a directory\n")
    assert (tmp_path / "root").read_text() == "mine"


def test_a_corrupt_store_is_one_line_and_left_as_it_was(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "root"
    process, _ = start(root)
    assert stop_kcp(process) == 0
    # Every file of the store but its lock, cut to nonsense: whichever is read first is the one to be named.
    damaged = [path for path in (root / "store").rglob("*") if path.is_file() and path.stat().st_size > 0]
    for path in damaged:
        path.write_bytes(b"\xff nonsense \xff" * 8)
    before = {path: path.read_bytes() for path in damaged if "lock" not in path.name.lower()}

    code, complaint = start_fails("--root-directory", str(root), "--secure-port", "0")

    assert code == 1
    assert complaint.startswith("error: ")
    assert complaint.count("\n") == 1
    assert str(root / "store") in complaint
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--etcd-servers", "http://localhost:2379"), 2, "error: this release of kcp has no --etcd-servers;"),
        (("--controllers", "*,-fly"), 2, "error: argument --controllers: "),
        (("--token-auth-file", "/nonexistent"), 1, "error: token file /nonexistent cannot be read: No such file"),
        (("--client-ca-file", "/nonexistent"), 1, "error: client CA /nonexistent cannot be read: No such file"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, options: tuple[str, ...], code: int, message: str) -> None:
    failed, complaint = start_fails("--root-directory", str(tmp_path / "root"), "--secure-port", "0", *options)
    assert failed == code
    assert complaint.startswith(message)
    assert complaint.count("\n") == 1


def test_a_wrong_token_file_is_named_with_its_line_and_not_its_content(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("good,a,1\nsecret\n")
    root = str(tmp_path / "root")
    code, complaint = start_fails("--root-directory", root, "--secure-port", "0", "--token-auth-file", str(tokens))
    assert code == 1
    assert complaint.startswith(f"error: token file {tokens}: line 2: ")
    assert "secret" not in complaint


@pytest.mark.parametrize("listener", ["native", "hypercorn"])
def test_sigterm_ends_an_open_watch_cleanly_and_soon(start: Start, tmp_path: Path, listener: str) -> None:
    root = tmp_path / "root"
    process, _ = start(root, "--listener", listener)
    with admin_client(root) as client:
        watch = "/clusters/root/api/v1/namespaces?watch=true"
        with client.stream("GET", watch) as answer:
            assert answer.status_code == 200
            lines = answer.iter_lines()
            assert "default" in next(lines)
            begun = time.monotonic()
            ended: list[int] = []
            waiter = threading.Thread(target=lambda: ended.append(stop_kcp(process)))
            waiter.start()
            if listener == "native":
                assert list(lines) == []  # a clean end, not a broken body
            waiter.join()
    assert ended == [0]
    assert time.monotonic() - begun < 8


def test_the_page_for_browsers_comes_through_the_bridge(start: Start, tmp_path: Path) -> None:
    process, url = start(tmp_path / "root")
    with admin_client(tmp_path / "root") as client:
        page = client.get("/", headers={"accept": "text/html,application/xhtml+xml"})
        assert page.status_code == 200
        assert f"{url}/clusters/root" in page.text
        assert "paths" in client.get("/", headers={"accept": "*/*"}).json()
    assert stop_kcp(process) == 0


def test_hypercorn_serves_the_same_resources(start: Start, tmp_path: Path) -> None:
    process, _ = start(tmp_path / "root", "--listener", "hypercorn")
    with admin_client(tmp_path / "root") as client:
        configmaps = "/clusters/root/api/v1/namespaces/default/configmaps"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"big": "x" * 200_000}}
        assert client.post(configmaps, json=body).status_code == 201
        assert client.get(f"{configmaps}/a").json()["data"] == body["data"]
        assert client.get("/", headers={"accept": "text/html"}).status_code == 200
        assert client.post(configmaps, content=b"x" * (3 * 1024 * 1024 + 2)).status_code == 413
        assert client.get(configmaps, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert stop_kcp(process) == 0


def test_log_lines_are_json_when_asked_for(start: Start, tmp_path: Path) -> None:
    import json

    process, _ = start(tmp_path / "root", "--logging-format", "json", "-v", "4")
    assert stop_kcp(process) == 0
    lines = (tmp_path / "root.log").read_text().splitlines()
    assert all(json.loads(line)["level"] for line in lines)


def test_a_throw_away_server_says_so(start: Start, tmp_path: Path) -> None:
    process, _ = start(tmp_path / "root", "--unsafe-no-fsync")
    assert stop_kcp(process) == 0
    assert "--unsafe-no-fsync: a crash loses writes" in (tmp_path / "root.log").read_text()
