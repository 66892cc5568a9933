"""Schemas held against each other, each two once: clusters of one release have the same ones. Used from threads."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import orjson

from kcp.compat import SchemaError, lcd, parse
from kcp.compat.syntax import TooHardError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kcp.compat import Finding

Schema: TypeAlias = "dict[str, Any]"
V = TypeVar("V")

# Results that are remembered: words are small, schemas may have megabytes.
_WORDS: Final = 4096
_SCHEMAS: Final = 32
# Findings that a message tells, and its characters.
_TOLD: Final = 20
_LONGEST: Final = 8192


class Verdict(NamedTuple):
    """Whether objects of one schema are valid under another; reason and message if not."""

    is_compatible: bool
    reason: str = ""
    message: str = ""


FITS: Final = Verdict(True)


def readable(schema: Schema) -> Verdict:
    """Whether a schema can be negotiated at all."""
    try:
        parse(schema, where="new")
    except (SchemaError, TooHardError) as error:
        return _unreadable(error)
    return FITS


def fits(existing: Schema, new: Schema) -> Verdict:
    """Whether every object of `existing` is one of `new`."""
    if existing == new:
        return FITS
    return _verdicts.get((_digest(existing), _digest(new)), lambda: _compared(existing, new, narrow=False)[1])


def narrowed(existing: Schema, new: Schema) -> tuple[Schema | None, Verdict]:
    """Return the schema of the objects that both take (`existing` itself where it can be), None for a conflict.

    Who gets it must not change it.
    """
    if fits(existing, new).is_compatible:
        return existing, FITS
    return _joins.get((_digest(existing), _digest(new)), lambda: _compared(existing, new, narrow=True))


def _compared(existing: Schema, new: Schema, *, narrow: bool) -> tuple[Schema | None, Verdict]:
    try:
        outcome = lcd(existing, new, narrow)
    except (SchemaError, TooHardError) as error:
        return None, _unreadable(error)
    if outcome.lcd is not None:
        return outcome.lcd, FITS
    return None, Verdict(False, "IncompatibleSchema", _told(outcome.findings))


def _told(findings: list[Finding]) -> str:
    told = [str(finding) for finding in findings[:_TOLD]]
    if more := len(findings) - len(told):
        told.append(f"and {more} more")
    return _capped("; ".join(told))


def _unreadable(error: Exception) -> Verdict:
    return Verdict(False, "UnreadableSchema", _capped(str(error)))


def _capped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _digest(schema: Schema) -> bytes:
    return hashlib.sha256(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).digest()


class _Memory(Generic[V]):
    """The last results. A result depends on nothing but its key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[tuple[bytes, bytes], V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[bytes, bytes], find: Callable[[], V]) -> V:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = find()
        with self._lock:
            self._known[key] = found
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return found


_verdicts: Final = _Memory[Verdict](_WORDS)
_joins: Final = _Memory["tuple[Schema | None, Verdict]"](_SCHEMAS)
