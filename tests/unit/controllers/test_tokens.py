"""Secrets that hold a service account's token; rules are kube-api 6.2.3."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from kcp.core import Options, make_key
from tests.unit.controllers.harness import CONFIG_MAPS, NAMESPACES, Harness, Json, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRETS = f"{NAMESPACES}/default/secrets"
ACCOUNTS = f"{NAMESPACES}/default/serviceaccounts"
NAME = "kubernetes.io/service-account.name"
UID = "kubernetes.io/service-account.uid"


@pytest.fixture
async def signing() -> AsyncIterator[Harness]:
    """Return a server that can issue tokens."""
    async with serving(Options(service_account_key=make_key(), root_ca="the authority")) as harness:
        yield harness


def secret(account: str, **annotations: str) -> Json:
    wanted = {NAME: account, **annotations}
    return {
        "metadata": {"name": "token", "annotations": wanted},
        "type": "kubernetes.io/service-account-token",
    }


def decoded(found: Json) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in found["data"].items()}


async def whoami(kcp: Harness, token: str) -> int:
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    path = "/clusters/one/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = b'{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}'
    answer = await kcp.server.call("POST", path, headers=headers, body=body)
    assert answer.status != 201 or b"system:serviceaccount:default:robot" in answer.body
    return answer.status


async def test_6_2_3_a_token_secret_is_filled_and_its_token_works_while_it_is_there(signing: Harness) -> None:
    account = await signing.create(ACCOUNTS, "robot")
    await signing.good("POST", SECRETS, secret("robot"))
    filled = await signing.changed(SECRETS, "token", lambda one: bool(one.get("data")))
    assert filled["metadata"]["annotations"][UID] == account["metadata"]["uid"]
    data = decoded(filled)
    assert (data["namespace"], data["ca.crt"]) == ("default", "the authority")
    assert await whoami(signing, data["token"]) == 201
    await signing.good("DELETE", f"{SECRETS}/token")
    assert await whoami(signing, data["token"]) == 401


async def test_6_2_3_what_is_taken_out_is_filled_in_again(signing: Harness) -> None:
    await signing.create(ACCOUNTS, "robot")
    await signing.good("POST", SECRETS, secret("robot"))
    filled = await signing.changed(SECRETS, "token", lambda one: bool(one.get("data")))
    await signing.good("PATCH", f"{SECRETS}/token", {"data": {"token": None}})
    again = await signing.changed(SECRETS, "token", lambda one: "token" in one["data"])
    assert decoded(again)["namespace"] == decoded(filled)["namespace"]


@pytest.mark.parametrize("annotations", [{}, {UID: "00000000-0000-4000-8000-000000000000"}], ids=["name", "uid"])
async def test_6_2_3_a_secret_without_its_account_is_removed(signing: Harness, annotations: dict[str, str]) -> None:
    if annotations:
        await signing.create(ACCOUNTS, "robot")
    await signing.good("POST", SECRETS, secret("robot", **annotations))
    await signing.gone(SECRETS, "token")


async def test_6_2_3_an_account_takes_its_secrets_along_and_nothing_else(signing: Harness) -> None:
    account = await signing.create(ACCOUNTS, "robot")
    await signing.good("POST", SECRETS, secret("robot"))
    await signing.changed(SECRETS, "token", lambda one: bool(one.get("data")))
    other = {"metadata": {"name": "other", "annotations": {NAME: "robot", UID: account["metadata"]["uid"]}}}
    await signing.good("POST", SECRETS, other)
    await signing.good("DELETE", f"{ACCOUNTS}/robot")
    await signing.gone(SECRETS, "token")
    await signing.good("GET", f"{SECRETS}/other")


async def test_6_2_3_no_secret_is_made_for_an_account_that_asked_for_none(signing: Harness) -> None:
    await signing.create(ACCOUNTS, "robot")
    await signing.create(CONFIG_MAPS, "x")
    assert (await signing.good("GET", SECRETS))["items"] == []
