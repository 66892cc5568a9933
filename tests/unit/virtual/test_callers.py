"""Who calls and as whom: what headers say, and what is done about it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from kcp.client import StatusError, User
from kcp.virtual.callers import acting, bearer, issued_in

if TYPE_CHECKING:
    from kcp.client import Headers

MASTER = User("admin", ("system:masters",))


def token(claims: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{middle}.sig"


@pytest.mark.parametrize(
    ("value", "found"),
    [(b"Bearer x", "x"), (b"bearer  x", ""), (b"BEARER x y", "x"), (b"Bearer", ""), (b"Basic eA==", ""), (b"", "")],
)
def test_a_bearer_token_is_read_as_the_data_path_reads_it(value: bytes, found: str) -> None:
    assert bearer([(b"authorization", value)]) == found


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        (token({"kubernetes.io": {"clusterName": "2x1"}}), "2x1"),
        (token({"kubernetes.io": {"clusterName": "*"}}), "root"),
        (token({"kubernetes.io": {"clusterName": ".."}}), "root"),
        (token({"kubernetes.io": {"clusterName": 7}}), "root"),
        (token({"kubernetes.io": []}), "root"),
        (token([]), "root"),
        ("a.!.c", "root"),
        ("a.é.c", "root"),
        ("static", "root"),
    ],
)
def test_a_token_is_asked_about_where_it_says_it_is_of(text: str, cluster: str) -> None:
    assert issued_in(text) == cluster


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ([], MASTER),
        ([(b"Impersonate-User", b"ann")], User("ann", ("system:authenticated",))),
        (
            [(b"impersonate-user", b"ann"), (b"impersonate-group", b"a"), (b"impersonate-group", b"b")],
            User("ann", ("a", "b", "system:authenticated")),
        ),
        ([(b"impersonate-user", b"system:anonymous")], User("system:anonymous", ("system:unauthenticated",))),
        (
            [(b"impersonate-user", b"system:serviceaccount:ns:robot")],
            User(
                "system:serviceaccount:ns:robot",
                ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
            ),
        ),
        (
            [(b"impersonate-user", b"a"), (b"impersonate-uid", b"1"), (b"impersonate-extra-a%2fb", b"c")],
            User("a", ("system:authenticated",), "1", (("a/b", ("c",)),)),
        ),
    ],
)
def test_masters_act_as_whom_they_name(headers: Headers, user: User) -> None:
    assert acting(MASTER, headers) == user


@pytest.mark.parametrize(
    ("caller", "headers", "code"),
    [
        (MASTER, [(b"impersonate-group", b"a")], 400),
        (MASTER, [(b"impersonate-user", b"")], 400),
        (User("a", ("system:kcp:admin",)), [(b"impersonate-user", b"b")], 403),
        (User("a"), [(b"impersonate-user", b"a")], 403),
    ],
)
def test_acting_is_refused(caller: User, headers: Headers, code: int) -> None:
    with pytest.raises(StatusError) as refused:
        acting(caller, headers)
    assert refused.value.code == code
