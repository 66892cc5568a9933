from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from kcp.core import certificate_covers
from kcp.server import files
from kcp.server.files import StartError

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_root_directory_is_its_owners_only(tmp_path: Path) -> None:
    with files.root_directory(tmp_path / "a" / "root") as root:
        assert mode(root) == 0o700


def test_a_held_directory_is_refused_with_the_holders_pid(tmp_path: Path) -> None:
    import os

    with (
        files.root_directory(tmp_path),
        pytest.raises(StartError, match=f"in use by another kcp .pid {os.getpid()}"),
        files.root_directory(tmp_path),
    ):
        pass
    with files.root_directory(tmp_path):
        pass  # given back


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("mine")
    with pytest.raises(StartError, match="is not a directory"), files.root_directory(tmp_path / "root"):
        pass
    assert (tmp_path / "root").read_text() == "mine"


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    tokens = files.admin_tokens(tmp_path, ("a", "b"))
    assert len(set(tokens.values())) == 2
    assert files.admin_tokens(tmp_path, ("a", "b")) == tokens
    assert files.service_account_key(tmp_path) == files.service_account_key(tmp_path)
    serving = files.own_serving(tmp_path, "127.0.0.1")
    assert serving.key
    for name in ("tokens", "sa.key", "ca.key", "apiserver.key"):
        assert mode(tmp_path / name) == 0o600, name


def test_a_lost_token_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    first = files.admin_tokens(tmp_path, ("a",))
    both = files.admin_tokens(tmp_path, ("a", "b"))
    assert both["a"] == first["a"]
    assert files.admin_tokens(tmp_path, ("c",))
    assert files.admin_tokens(tmp_path, ("a", "b")) == both


def test_certificates_are_kept_until_the_names_change(tmp_path: Path) -> None:
    first = files.own_serving(tmp_path, "127.0.0.1")
    assert files.own_serving(tmp_path, "127.0.0.1") == first
    other = files.own_serving(tmp_path, "127.9.9.9")
    assert other.ca == first.ca
    assert other.certificate != first.certificate
    assert certificate_covers(other.certificate, ["127.9.9.9", "localhost", "127.0.0.1", "::1"])
    assert not certificate_covers(first.certificate, ["127.9.9.9"])
    assert not certificate_covers(b"nonsense", [])


def test_certificates_verify_against_the_authority(tmp_path: Path) -> None:
    serving = files.own_serving(tmp_path, "127.0.0.1")
    client = ssl.create_default_context(cadata=serving.ca.decode())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (ours, theirs):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    assert ours.getpeercert()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"token file .*missing cannot be read: No such file or directory"):
        files.read(tmp_path / "missing", "token file")


def test_a_damaged_authority_key_is_one_line(tmp_path: Path) -> None:
    files.own_serving(tmp_path, "127.0.0.1")
    (tmp_path / "ca.key").write_text("damaged")
    (tmp_path / "apiserver.crt").unlink()
    with pytest.raises(StartError, match=r"ca\.key"):
        files.own_serving(tmp_path, "127.0.0.1")
