"""The text of a kubeconfig: YAML or JSON in, YAML out, and nothing lost that YAML's values can hold.

Numbers and dates are kept as they are written: a token `0123` is no octal number, and an integer in an extension that
nobody here knows is written back with the same digits. A text that some YAML reader takes for something else (`n`,
`1e3`) is written in quotes, unless it stood without them. Comments go, as they do with kubectl.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

import yaml

Document: TypeAlias = Any
"""A decoded document: mappings, lists, texts, truths and None."""
# Of the library, which has no types for its classes written in C.
_Class: TypeAlias = Any
_Loader: _Class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: _Class = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# Kinds of plain scalars that keep their text.
_KEPT = ("int", "float", "timestamp")
# A kubeconfig with a thousand clusters has about 3 MB.
MAX_BYTES = 32 * 1024 * 1024
# Levels of nesting; a kubeconfig has about six. The library's C code ends the process where its stack ends.
MAX_DEPTH = 200


# What every reader of YAML takes for a text: begins like a word or a path and is no word for a truth or nothing.
_SAFE = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z/][\w./:@+=-]*(?<!:)", re.IGNORECASE | re.ASCII)
_TEXT = "tag:yaml.org,2002:str"


class Plain(str):
    """The text of a number, a date or an unsafe word that stood without quotes; `tag` says which."""

    __slots__ = ("tag",)
    tag: str


class _Reader(_Loader):  # type: ignore[misc]
    pass


class _Writer(_Dumper):  # type: ignore[misc]
    pass


def _construct(loader: _Class, node: _Class) -> Plain:
    kept = Plain(loader.construct_scalar(node))
    kept.tag = node.tag
    return kept


def _construct_text(loader: _Class, node: _Class) -> str:
    text: str = loader.construct_scalar(node)
    return text if node.style in {"'", '"', "|", ">"} or _SAFE.fullmatch(text) else _construct(loader, node)


def _represent(dumper: _Class, kept: Plain) -> _Class:
    return dumper.represent_scalar(kept.tag, str(kept))


def _represent_text(dumper: _Class, text: str) -> _Class:
    quoted = None if _SAFE.fullmatch(text) or "\n" in text else '"'
    return dumper.represent_scalar(_TEXT, text, style=quoted)


for _kind in _KEPT:
    _Reader.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct)
_Reader.add_constructor(_TEXT, _construct_text)
_Writer.add_representer(Plain, _represent)
_Writer.add_representer(str, _represent_text)


def parse(content: bytes) -> Document:
    """Return what a file says.

    Raises:
        ValueError: it is neither YAML nor JSON; one line that tells why and shows nothing of the content.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)  # JSON with tabs is no YAML
        except (ValueError, RecursionError):
            pass
    try:
        if _may_be_deep(text) and _is_deep(text):
            raise ValueError
        return yaml.load(text, _Reader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem or error.context or 'it is not YAML'}") from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        raise ValueError("it is not YAML") from None


def _may_be_deep(text: str) -> bool:
    """Whether a text could be nested too deeply: a level takes a bracket, or a space on its line."""
    return text.count("[") + text.count("{") + max(line.count(" ") for line in text.split("\n")) > MAX_DEPTH


def _is_deep(text: str) -> bool:
    depth = 0
    for event in yaml.parse(text, _Reader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            return True
    return False


def render(document: Document) -> str:
    """Return a document as YAML, keys in their order."""
    text: str = yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=2**30)
    return text
