"""What crosses the boundary to the core, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Names in lower case."""


@dataclass(frozen=True, slots=True)
class User:
    """Who is calling. `system:authenticated` is added by the server."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What else a credential says about somebody, such as the logical cluster of a service account."""

    def as_core(self) -> tuple[str, str, list[str], list[tuple[str, list[str]]]]:
        """Return the shape in which the core takes it."""
        return (self.name, self.uid, list(self.groups), [(key, list(values)) for key, values in self.extra])


@dataclass(frozen=True, slots=True)
class Token:
    """A static bearer token and whom it stands for."""

    secret: str = field(repr=False)
    user: User


class Key(NamedTuple):
    """One object's address. `resource` is `plural` or `plural.group`; `namespace` may be empty."""

    resource: str
    cluster: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, named in lower case."""
        return next((value for key, value in self.headers if key == name), None)
