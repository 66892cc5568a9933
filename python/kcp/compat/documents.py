"""Files of definitions: YAML or JSON text in, definitions out, and nothing in a file can keep a reader busy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from kcp.compat import definitions
from kcp.compat.schema import Json, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kcp.compat.definitions import Definition

_Class = Any
_Loader: _Class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The CRDs of large operators have 2 MB each.
MAX_BYTES = 64 * 1024 * 1024
# Levels of a document and values in it, with all that aliases repeat.
MAX_DEPTH = 200
MAX_VALUES = 3_000_000


class _Reader(_Loader):  # type: ignore[misc]
    pass


# A date is a text, as in JSON.
_Reader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def read(content: bytes) -> list[Definition]:
    """Return the definitions of a file, whose documents may also be Lists of them.

    Raises:
        SchemaError: it is no YAML or JSON, or something in it is no definition; one line.
    """
    found = []
    for index, document in enumerate(_documents(content)):
        if document is None:
            continue
        try:
            is_list = isinstance(document, dict) and str(document.get("kind")).endswith("List")
            items = document.get("items") or [] if is_list else [document]
            found += [definitions.read(item) for item in items]
        except SchemaError as error:
            raise SchemaError(f"document {index + 1}: {error}") from None
    if not found:
        raise SchemaError(f"there is no {definitions.KIND} in it")
    return found


def _documents(content: bytes) -> list[Json]:
    if len(content) > MAX_BYTES:
        raise SchemaError(f"it has more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SchemaError("it is not UTF-8 text") from None
    try:
        return [_Copy().of(document, 0) for document in _parsed(text)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise SchemaError(f"{where}{error.problem or error.context or 'it is not YAML'}") from None
    except SchemaError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        raise SchemaError("it is not YAML") from None


def _parsed(text: str) -> Iterator[Json]:
    if text.lstrip().startswith("{"):
        try:
            return iter([json.loads(text)])
        except (ValueError, RecursionError):
            pass
    # The library's C code ends the process where its stack ends.
    depth = 0
    for event in yaml.parse(text, _Reader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SchemaError(f"it has more than {MAX_DEPTH} levels")
    found: Iterator[Json] = yaml.load_all(text, _Reader)
    return found


class _Copy:
    """Copies values without what aliases share, so that a small text stays a small document."""

    def __init__(self) -> None:
        self.values = 0
        self.path: set[int] = set()

    def of(self, value: Json, depth: int) -> Json:
        self.values += 1
        if self.values > MAX_VALUES:
            raise SchemaError(f"it has more than {MAX_VALUES} values")
        if not isinstance(value, dict | list):
            if value is None or isinstance(value, str | int | float):
                return value
            raise SchemaError(f"it has a value that JSON cannot hold: {str(value)[:80]!r}")
        if id(value) in self.path:
            raise SchemaError("it contains itself")
        if depth > MAX_DEPTH:
            raise SchemaError(f"it has more than {MAX_DEPTH} levels")
        self.path.add(id(value))
        try:
            if isinstance(value, list):
                return [self.of(item, depth + 1) for item in value]
            return {_key(name): self.of(below, depth + 1) for name, below in value.items()}
        finally:
            self.path.discard(id(value))


def _key(name: Json) -> str:
    if isinstance(name, str):
        return name
    # What YAML takes for a truth or a number is a name here: `on`, `1`.
    return json.dumps(name) if isinstance(name, bool | int | float) else str(name)
