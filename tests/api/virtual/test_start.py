"""Virtual workspaces behind either listener, and left out."""

from __future__ import annotations

import json
import secrets
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.conftest import start_kcp, stop_kcp

if TYPE_CHECKING:
    from pathlib import Path

LIST = "/services/workspaces/all/clusters/*/apis/tenancy.kcp.io/v1alpha1/workspaces"


@pytest.mark.parametrize(
    ("options", "known", "stranger"),
    [
        (("--listener", "hypercorn"), 200, 403),
        (("--run-virtual-workspaces=false",), 403, 403),
    ],
)
def test_services_answer_as_the_options_say(
    tmp_path: Path, options: tuple[str, ...], known: int, stranger: int
) -> None:
    token = secrets.token_hex(16)
    tokens = tmp_path / "tokens.csv"
    tokens.write_text(f'{token},ann,ann-uid,"developers"\n')
    process, url = start_kcp(tmp_path / "root", "--token-auth-file", str(tokens), *options)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def ask(headers: dict[str, str]) -> int:
        request = urllib.request.Request(url + LIST, headers={"X-Remote-User": "admin", **headers})
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                assert json.load(answer)["kind"] == "WorkspaceList"
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code if json.load(refused)["kind"] == "Status" else 0

    try:
        assert ask({"Authorization": f"Bearer {token}"}) == known
        assert ask({}) == stranger
        assert ask({"Authorization": "Bearer wrong"}) == 401
    finally:
        assert stop_kcp(process) == 0
