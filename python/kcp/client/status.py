"""A refused request, and one that did not arrive."""

from __future__ import annotations

import json
from typing import Any


class StatusError(Exception):
    """A Kubernetes `Status` that says why a request was refused; the same for every transport."""

    def __init__(self, status: dict[str, Any]) -> None:
        """Keep the decoded `Status`."""
        super().__init__(status.get("message") or f"the server answered {status.get('code')}")
        self.status = status

    @classmethod
    def of(cls, code: int, body: bytes) -> StatusError:
        """Read the answer to a refused request; one that is no `Status` keeps its text as the message."""
        try:
            status = json.loads(body)
        except ValueError:
            status = None
        if not isinstance(status, dict) or status.get("kind") != "Status":
            text = body.decode(errors="replace").strip()
            status = {"kind": "Status", "status": "Failure", "message": text, "reason": "", "code": code}
        return cls(status)

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return int(self.status.get("code") or 0)

    @property
    def reason(self) -> str:
        """The machine-readable reason, empty for none."""
        return str(self.status.get("reason") or "")

    @property
    def is_not_found(self) -> bool:
        """Whether what was asked for is not there."""
        return self.code == 404

    @property
    def is_conflict(self) -> bool:
        """Whether somebody else changed the object first."""
        return self.code == 409 and self.reason != "AlreadyExists"

    @property
    def is_forbidden(self) -> bool:
        """Whether the caller may not do it."""
        return self.code == 403


class UnreachableError(Exception):
    """No answer came: one line that tells why, without credentials."""
