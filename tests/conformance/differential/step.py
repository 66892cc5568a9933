"""One request of an episode, and what it was made to be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.exchange import Json


@dataclass(frozen=True, slots=True)
class Step:
    """A request as it is sent to both sides.

    In path, body and headers `@E@` stands for the episode's own word, `{{NAME:a.b}}` for the field a.b of the answer
    to step NAME on the same side. A body that is a string is sent as it is, anything else as JSON.

    `user` is a name of both servers' tokens, `anonymous`, or else a token itself.
    `what` is verb, kind and class of fault (`-` where none is meant), which is how findings are grouped.
    """

    name: str
    method: str
    path: str
    body: Json = None
    user: str = "admin"
    headers: Mapping[str, str] = field(default_factory=dict)
    what: tuple[str, str, str] = ("", "", "-")
    settle: bool = False  # repeated until it answers 200 on both sides, because a real server's caches lag

    @property
    def label(self) -> str:
        """Return verb, kind and fault as one text."""
        return " ".join(self.what)

    @property
    def reads(self) -> bool:
        """Tell whether the request changes nothing, so that it can be repeated."""
        return self.method in ("GET", "HEAD")

    def to_json(self) -> dict[str, Any]:
        """Return the step as a document that `from_json` reads."""
        return {key: value for key, value in asdict(self).items() if value not in (None, {}, False)}


def from_json(document: dict[str, Any]) -> Step:
    """Read a step that was written by `to_json`."""
    return Step(**{**document, "what": tuple(document.get("what", ("", "", "-")))})
