"""YAML of decoded JSON: blocks, keys in their order, quotes where a reader could take a text for something else.

A definition with descriptions has 400 kB, and the library's writer takes seconds for all of a server; this one writes
only what JSON has.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Json: TypeAlias = Any
"""A decoded JSON document."""
# Begins like a word or a path, and no reader of YAML takes it for a truth, a number or nothing.
_PLAIN = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z/][\w./+=-]*(?: [\w./()+='-]+)*", re.IGNORECASE | re.ASCII
)
# What JSON leaves as it is and YAML does not print.
_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def to_yaml(document: dict[str, Any]) -> str:
    """Return a document as YAML, with a line break at its end."""
    return "".join(_lines(document, "")).lstrip("\n") + "\n"


def _lines(value: Json, indent: str) -> Iterator[str]:
    """Yield what follows a key or a dash at this indentation."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield f"\n{indent}{_scalar(str(key))}:"
            yield from _below(inner, indent)
    elif isinstance(value, list) and value:
        for item in value:
            # The first line of an item stands behind its dash.
            text = "".join(_lines(item, indent + "  "))
            yield f"\n{indent}- {text.lstrip()}"
    else:
        yield f" {_scalar(value)}"


def _below(value: Json, indent: str) -> Iterator[str]:
    return _lines(value, indent if isinstance(value, list) else indent + "  ")


def _scalar(value: Json) -> str:
    if isinstance(value, str):
        if _PLAIN.fullmatch(value):
            return value
        return _UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
    return json.dumps(value)
