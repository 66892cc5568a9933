"""What a kubeconfig that stood in an object may hold."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from kcp.kubeconfig import KubeconfigError, load, locate
from kcp.workload.kubeconfig import MAX_BYTES, connection_of, inline

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "very-secret-token"


def config(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> bytes:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://east:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": SECRET, **(user or {})}}],
    }
    return json.dumps(document).encode()


def test_a_kubeconfig_with_everything_in_it_is_taken() -> None:
    connection = connection_of(config())
    assert (connection.server, connection.token, connection.authority) == ("https://east:6443", SECRET, None)
    assert SECRET not in repr(connection)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (config(user={"exec": {"command": "sh"}}), 'user "u" has exec'),
        (config(user={"auth-provider": {"name": "gcp"}}), "auth-provider"),
        (config(user={"client-certificate": "/etc/passwd"}), "client-certificate"),
        (config(user={"tokenFile": "/etc/passwd"}), "tokenFile"),
        (config({"certificate-authority": "/etc/passwd"}), "certificate-authority"),
        (config({"proxy-url": "http://elsewhere"}), "proxy-url"),
        (config({"server": "http://east:6443"}), "not https"),
        (config({"server": "https://a:b@east"}), "a user, a query or a fragment"),
        (config({"server": "https://east:6443/\r\nx: y"}), "not a URL"),
        (config({"server": "https://"}), "not a URL"),
        (config({"server": "https://east:99999"}), "not a URL"),
        (config({"insecure-skip-tls-verify": True}), "insecure-skip-tls-verify"),
        (config(user={"token": f"{SECRET}\r\nX-Other: 1"}), "the token of the kubeconfig has characters"),
        (config(user={"as": f"{SECRET}\n"}), "the impersonation of the kubeconfig has characters"),
        (b"a: &a [x]\nb: [*a, *a]\n", "YAML aliases"),
        (b"x" * (MAX_BYTES + 1), "are allowed"),
        (b"", ""),
        (f"{SECRET}: [".encode(), ""),
        (f"- {SECRET}".encode(), ""),
        (b"\xff\xfe\x00", ""),
        (b"[" * 5000, ""),
        (b"{a: " * 5000, ""),
        (b'{"current-context": {"a": 1}}', ""),
        (b'{"clusters": {"a": 1}}', ""),
    ],
)
def test_what_a_kubeconfig_may_not_hold_is_refused_in_a_line_without_secrets(content: bytes, complaint: str) -> None:
    with pytest.raises(KubeconfigError) as refused:
        connection_of(content)
    said = str(refused.value)
    assert complaint in said
    assert SECRET not in said
    assert "\n" not in said


def test_a_kubeconfig_with_files_is_put_into_one(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"the authority")
    (tmp_path / "config").write_bytes(config({"certificate-authority": "ca.crt", "extensions": []}))
    text = inline(load(locate(str(tmp_path / "config"), {})))
    assert connection_of(text.encode()).authority == b"the authority"
    [cluster] = json.loads(text)["clusters"]
    assert cluster["cluster"] == {
        "server": "https://east:6443",
        "certificate-authority-data": base64.b64encode(b"the authority").decode(),
    }


def test_what_cannot_be_put_into_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(config({"certificate-authority": "nowhere.crt"}))
    with pytest.raises(KubeconfigError, match=r"unable to read certificate-authority .*nowhere\.crt"):
        inline(load(locate(str(tmp_path / "config"), {})))
    (tmp_path / "config").write_bytes(config(user={"exec": {"apiVersion": "v1", "command": "x"}}))
    with pytest.raises(KubeconfigError, match="exec"):
        inline(load(locate(str(tmp_path / "config"), {})))
