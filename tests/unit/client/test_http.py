"""HTTP to whatever a kubeconfig names: trust, credentials, and what goes wrong in one line."""

from __future__ import annotations

import base64
import json
import ssl
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from kcp.client import Client, HttpCaller, HttpClient, StatusError, UnreachableError, User
from kcp.client.connection import Connection, Overrides, connect, connect_as_told
from kcp.core import make_authority, make_serving_certificate
from kcp.kubeconfig import Kubeconfig, KubeconfigError, Locations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ExecPlugin = dict[str, Any]


class Seen:
    """What a server was asked last."""

    headers: dict[str, list[str]]
    certificate: str = ""


@contextmanager
def server(tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, Seen]]:
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.headers = {}
            for name, value in self.headers.items():
                seen.headers.setdefault(name.lower(), []).append(value)
            if isinstance(self.connection, ssl.SSLSocket) and (shown := self.connection.getpeercert()):
                seen.certificate = str(dict(part[0] for part in shown["subject"])["commonName"])  # type: ignore[misc]
            code, body = {
                "/list": (200, b'{"items": [], "metadata": {"continue": ""}}'),
                "/text": (200, b"hello"),
                "/elsewhere": (302, b"{}"),
                "/html": (502, b"<html>bad gateway</html>"),
            }.get(self.path, (200, b'{"kind": "X"}'))
            self.send_response(code)
            self.send_header("content-length", str(len(body)))
            self.send_header("location", "/list")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # handshakes that are meant to fail

    listening = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        # A handshake in the thread of its connection, not in the one that accepts.
        listening.socket = tls.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield listening.server_port, seen
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def authority() -> tuple[str, str]:
    return make_authority("kcp-test")


def serving(directory: Path, authority: tuple[str, str], *names: str) -> ssl.SSLContext:
    certificate, key = make_serving_certificate("kcp-test", authority[1], list(names))
    (directory / "tls.crt").write_text(certificate)
    (directory / "tls.key").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return context


def config(directory: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Kubeconfig:
    document = {
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = str(directory / "config")
    return Kubeconfig(Locations((path,), explicit=True), {path: document})


def test_a_server_is_trusted_by_the_authority_of_the_kubeconfig_alone(
    tmp_path: Path, authority: tuple[str, str]
) -> None:
    (tmp_path / "ca.crt").write_text(authority[0])
    with server(serving(tmp_path, authority, "127.0.0.1")) as (port, _):
        url = f"https://127.0.0.1:{port}"
        by_file = connect(config(tmp_path, {"server": url, "certificate-authority": "ca.crt"}, {}))
        data = base64.b64encode(authority[0].encode()).decode()
        by_data = connect(config(tmp_path, {"server": url, "certificate-authority-data": data}, {}))
        insecure = connect(config(tmp_path, {"server": url, "insecure-skip-tls-verify": True}, {}))
        for connection in (by_file, by_data, insecure):
            with HttpClient(connection) as client:
                assert client.get("/") == {"kind": "X"}
        other = make_authority("other")[0].encode()
        with (
            HttpClient(replace(by_file, authority=other)) as client,
            pytest.raises(UnreachableError, match=r"^Unable to connect to the server https://127\S+: .*certificate"),
        ):
            client.get("/")


def test_the_certificate_has_to_hold_for_the_name_that_is_wanted(tmp_path: Path, authority: tuple[str, str]) -> None:
    with server(serving(tmp_path, authority, "kcp.example")) as (port, _):
        plain = Connection(server=f"https://127.0.0.1:{port}", authority=authority[0].encode())
        with HttpClient(plain) as client, pytest.raises(UnreachableError, match="certificate does not hold"):
            client.get("/")
        with HttpClient(replace(plain, tls_server_name="kcp.example")) as client:
            assert client.get("/") == {"kind": "X"}


def test_a_client_certificate_is_shown(tmp_path: Path, authority: tuple[str, str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import NameOID

    tls = serving(tmp_path, authority, "127.0.0.1")
    issuer_key = serialization.load_pem_private_key(authority[1].encode(), None)
    issuer = x509.load_pem_x509_certificate(authority[0].encode())
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jesse")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .sign(issuer_key, SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "ca.crt").write_text(authority[0])
    tls.load_verify_locations(tmp_path / "ca.crt")
    tls.verify_mode = ssl.CERT_REQUIRED
    user = {
        "client-certificate-data": base64.b64encode(certificate.public_bytes(pem)).decode(),
        "client-key-data": base64.b64encode(private).decode(),
    }
    with server(tls) as (port, seen):
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": "ca.crt"}
        with HttpClient(connect(config(tmp_path, cluster, user))) as client:
            assert client.get("/") == {"kind": "X"}
        assert seen.certificate == "jesse"
        with HttpClient(connect(config(tmp_path, cluster, {}))) as client, pytest.raises(UnreachableError):
            client.get("/")


def test_a_token_file_is_read_for_each_request(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    with server() as (port, seen):
        connection = connect(config(tmp_path, {"server": f"http://127.0.0.1:{port}"}, {"tokenFile": "token"}))
        with HttpClient(connection) as client:
            client.get("/")
            assert seen.headers["authorization"] == ["Bearer first"]
            (tmp_path / "token").write_text("second\n")
            client.get("/")
            assert seen.headers["authorization"] == ["Bearer second"]
            (tmp_path / "token").unlink()
            with pytest.raises(KubeconfigError, match="unable to read token file"):
                client.get("/")


def test_flags_come_before_the_kubeconfig(tmp_path: Path) -> None:
    with server() as (port, seen):
        known = config(
            tmp_path, {"server": "http://127.0.0.1:9"}, {"token": "old", "as": "jane", "as-groups": ["a", "b"]}
        )
        flags = Overrides(
            server=f"http://127.0.0.1:{port}", token="new", as_uid="7", as_user_extra=(("k", "1"), ("k", "2"))
        )
        with HttpClient(connect(known, flags)) as client:
            client.get("/")
    assert seen.headers["authorization"] == ["Bearer new"]
    assert seen.headers["impersonate-user"] == ["jane"]
    assert seen.headers["impersonate-group"] == ["a", "b"]
    assert seen.headers["impersonate-uid"] == ["7"]
    assert seen.headers["impersonate-extra-k"] == ["1", "2"]


def plugin(script: str, **changes: object) -> ExecPlugin:
    version = "client.authentication.k8s.io/v1"
    found: ExecPlugin = {"apiVersion": version, "command": sys.executable, "args": ["-c", script]}
    return {**found, "interactiveMode": "Never", **changes}


ANSWER = """
import json, os
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = info["spec"]["cluster"]["server"].partition("//")[2] + os.environ["SALT"]
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": {"token": token}}))
"""


def test_an_exec_plugin_is_run_and_told_the_cluster(tmp_path: Path) -> None:
    salted = plugin(ANSWER, provideClusterInfo=True, env=[{"name": "SALT", "value": "-salt"}])
    with server() as (port, seen):
        known = config(tmp_path, {"server": f"http://127.0.0.1:{port}"}, {"exec": salted})
        with HttpClient(connect(known)) as client:
            client.get("/")
    assert seen.headers["authorization"] == [f"Bearer 127.0.0.1:{port}-salt"]


EXPIRED = (
    'print(\'{"apiVersion":"client.authentication.k8s.io/v1","status":'
    '{"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"}}\')'
)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (plugin("raise SystemExit(3)"), "failed with exit code 3"),
        (plugin("print('x')"), "didn't return an ExecCredential"),
        (plugin("print('[]')"), "didn't return an ExecCredential"),
        (plugin(EXPIRED), "have expired"),
        (plugin("", command="/nonexistent/plugin"), "exec: /nonexistent/plugin: No such file or directory"),
        (plugin("", command=""), "no command is given"),
        (plugin("", apiVersion="v9"), 'invalid apiVersion "v9"'),
    ],
)
def test_an_exec_plugin_that_gives_nothing_is_one_line(tmp_path: Path, wrong: ExecPlugin, complaint: str) -> None:
    connection = connect(config(tmp_path, {"server": "http://127.0.0.1:9"}, {"exec": wrong}))
    with pytest.raises(KubeconfigError, match=complaint) as raised:
        HttpClient(connection)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("cluster", "user", "complaint"),
    [
        ({}, {}, "no server is configured"),
        ({"server": "ftp://h"}, {}, '"ftp://h" is not a URL that can be used'),
        ({"server": "https://h", "certificate-authority-data": "%"}, {}, "is not base64"),
        ({"server": "https://h", "certificate-authority-data": "eA=="}, {}, "holds no certificates in PEM"),
        ({"server": "https://h", "certificate-authority": "missing"}, {}, "unable to read certificate-authority"),
        ({"server": "https://h"}, {"client-key-data": "eA=="}, "go together"),
        ({"server": "https://h"}, {"client-key-data": "eA==", "client-certificate-data": "eA=="}, "are no pair in PEM"),
        ({"server": "https://h"}, {"auth-provider": {"name": "gcp"}}, "has an auth-provider"),
        ({"server": "https://h"}, {"as-groups": ["g"]}, "without impersonating a user"),
        ({"server": "https://h", "proxy-url": "gopher://p"}, {}, "is not a URL that can be used"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_line(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(KubeconfigError, match=complaint) as raised:
        HttpClient(connect(config(tmp_path, cluster, user)))
    assert "\n" not in str(raised.value)


def test_answers_that_are_none_are_one_line() -> None:
    with server() as (port, _), HttpClient(Connection(server=f"http://127.0.0.1:{port}")) as client:
        for path in ("/text", "/elsewhere"):
            with pytest.raises(UnreachableError, match="something that is no object"):
                client.get(path)
        with pytest.raises(StatusError) as raised:
            client.get("/html")
        assert raised.value.code == 502
        with pytest.raises(UnreachableError, match="credentials are sent nowhere else"):
            client.get("http://127.0.0.2/")


def test_secrets_do_not_show() -> None:
    connection = Connection(server="https://h", token="secret", password="secret", key=b"secret")
    assert "secret" not in repr(connection)
    assert "secret" not in repr(Overrides(token="secret", password="secret"))


async def test_verbs_go_over_http_as_they_go_in_process() -> None:
    with server() as (port, seen):
        caller = HttpCaller(Connection(server=f"http://127.0.0.1:{port}", token="t"))
        client = Client(caller, "root", User("jane", ("a",)), agent="tester")
        assert await client.get("/api") == {"kind": "X"}
        await caller.close()
        assert seen.headers["authorization"] == ["Bearer t"]
        assert seen.headers["impersonate-user"] == ["jane"]
    caller = HttpCaller(Connection(server=f"http://127.0.0.1:{port}"))
    with pytest.raises(UnreachableError):
        await caller.call("GET", "/", headers=None, body=b"", user=None)
    await caller.close()


def told(**user: object) -> bytes:
    return json.dumps(
        {
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
    ).encode()


@pytest.mark.parametrize(
    "user",
    [
        {"exec": {"command": "touch"}},
        {"tokenFile": "/etc/passwd"},
        {"client-key": "/etc/key"},
        {"auth-provider": {"name": "gcp"}},
    ],
)
def test_a_kubeconfig_in_an_object_runs_and_reads_nothing_here(user: dict[str, object]) -> None:
    with pytest.raises(KubeconfigError, match=f"has {next(iter(user))}, which a kubeconfig in an object may not"):
        connect_as_told(told(**user), trusted=False)


def test_a_kubeconfig_that_is_trusted_may_name_a_plugin_and_any_may_hold_a_token() -> None:
    plugin = {"command": "touch", "apiVersion": "client.authentication.k8s.io/v1"}
    assert connect_as_told(told(exec=plugin), trusted=True).exec_plugin == plugin
    assert connect_as_told(told(token="secret"), "x", trusted=False).token == "secret"
    for wrong in (b"", b"[]", b"\xff", b"{", b"kind: Other"):
        with pytest.raises(KubeconfigError):
            connect_as_told(wrong, trusted=False)
