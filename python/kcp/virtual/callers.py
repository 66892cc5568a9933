"""Who calls, where no data path has said it: a client certificate that the listener checked, or a bearer token that the
server behind knows. Nothing is remembered: a token that is revoked there is refused here with the next request.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from kcp.client import StatusError, User
from kcp.virtual.visit import MASTERS, SYSTEM, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.client import Headers
    from kcp.virtual.visit import Upstream

AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))
# Where tokens that are good everywhere are asked about.
HOME = "root"
_ACT = b"impersonate-"
_ACCOUNT = "system:serviceaccount:"


class Callers:
    """Finds out who calls, and as whom he wants to act."""

    def __init__(self, upstream: Upstream) -> None:
        """Ask `upstream` about tokens."""
        self._upstream = upstream

    async def identify(self, shown: User | None, headers: Headers) -> User:
        """Return who calls.

        Args:
            shown: whom the connection's certificate stands for, if it stands for anybody.
            headers: of the request.

        Raises:
            StatusError: 401 for a token that does not hold; 403 for acting as somebody else, unless the caller is in
                `system:masters`.
        """
        user = shown
        if user is None and (token := bearer(headers)):
            user = await self._review(token)
        return acting(user or ANONYMOUS, headers)

    async def _review(self, token: str) -> User:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        target = f"/clusters/{quote(issued_in(token), safe=':')}/apis/authentication.k8s.io/v1/tokenreviews"
        kind = [(b"content-type", b"application/json")]
        answer = await self._upstream.call("POST", target, headers=kind, body=json.dumps(review).encode(), user=SYSTEM)
        if answer.status in {400, 403, 404}:  # no logical cluster of that name issues tokens
            raise refuse(401, "Unauthorized")
        if answer.status >= 400:
            raise StatusError.of(answer.status, answer.body)
        status = json.loads(answer.body)["status"]
        if not status.get("authenticated"):
            raise refuse(401, "Unauthorized")
        found = status["user"]
        groups = tuple(found.get("groups") or ())
        groups = groups if AUTHENTICATED in groups else (*groups, AUTHENTICATED)
        extra = tuple((key, tuple(values)) for key, values in (found.get("extra") or {}).items())
        return User(found["username"], groups, found.get("uid", ""), extra)


def bearer(headers: Headers) -> str:
    """Return the bearer token, empty for none. Other schemes and empty tokens are no credentials."""
    value = next((value for name, value in headers if name.lower() == b"authorization"), b"")
    scheme, _, rest = value.strip().partition(b" ")
    return rest.split(b" ")[0].decode("utf-8", "replace") if scheme.lower() == b"bearer" else ""


def issued_in(token: str) -> str:
    """Return the logical cluster that a service account's token says it is of, unproven: the place to ask about it."""
    try:
        middle = token.split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        name = claims["kubernetes.io"]["clusterName"]
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, RecursionError):
        return HOME
    return name if isinstance(name, str) and name not in {"", "*", ".", ".."} else HOME


def acting(user: User, headers: Headers) -> User:
    """Return as whom `user` wants to act; himself where he does not say.

    Raises:
        StatusError: 400 for a request that names no user; 403 for somebody who may not.
    """
    wanted = [(name.lower(), value.decode("utf-8", "replace")) for name, value in headers]
    wanted = [(name, value) for name, value in wanted if name.startswith(_ACT)]

    def values(name: bytes) -> list[str]:
        return [value for key, value in wanted if key == name]

    name, uid, groups = "".join(values(b"impersonate-user")[:1]), values(b"impersonate-uid"), values(_ACT + b"group")
    extra: dict[str, list[str]] = {}
    for key, value in wanted:
        if key.startswith(b"impersonate-extra-"):
            extra.setdefault(unquote(key.removeprefix(b"impersonate-extra-").decode("ascii", "replace")), []).append(
                value
            )
    if not wanted:
        return user
    if not name:
        raise refuse(400, "requested groups, uid or extra without impersonating a user name")
    if MASTERS not in user.groups:
        raise refuse(403, "impersonation is not allowed for the requestor")
    attributes = tuple((key, tuple(found)) for key, found in extra.items())
    return User(name, _groups(name, groups), "".join(uid[:1]), attributes)


def _groups(name: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return the groups with those that follow from a name."""
    groups = list(given)
    if not groups and name.startswith(_ACCOUNT) and name.count(":") == 3:
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}"]
    if not {AUTHENTICATED, UNAUTHENTICATED} & set(groups):
        groups.append(UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED)
    return tuple(groups)
