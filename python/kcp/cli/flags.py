"""Flags as kubectl's programs take them: anywhere between the words, `--name value`, `--name=value`, `-n value`.

A parser of its own because flags may stand before the sub-command they belong to, and because it loads in a tenth
of the standard one's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Value: TypeAlias = Any
"""Of a flag: str, bool, int or tuple of str, as its default is."""


class FlagError(Exception):
    """A flag is unknown or its value is wrong: one line."""


class Flag(NamedTuple):
    """A flag: what it is called, what it takes and what the help says of it."""

    name: str
    about: str
    default: Value = ""
    """Also says what kind it is: text, bool, int or a tuple of texts."""
    short: str = ""
    hidden: bool = False


class Parsed(NamedTuple):
    """Flags by name, and the words that are no flags."""

    flags: dict[str, Any]
    given: frozenset[str]
    """Names of the flags that were written."""
    words: list[str]


def parse(arguments: Sequence[str], flags: Sequence[Flag]) -> Parsed:
    """Separate flags from words.

    Raises:
        FlagError: a flag is unknown, has no value or a wrong one.
    """
    values: dict[str, Any] = {flag.name: flag.default for flag in flags}
    longs = {flag.name: flag for flag in flags}
    shorts = {flag.short: flag for flag in flags if flag.short}
    given, words, rest = set(), [], list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            words += rest
            break
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            flag = _known(longs, name, f"unknown flag: --{name}")
            shown = f"--{name}"
        elif argument.startswith("-") and len(argument) > 1:
            flag = _known(shorts, argument[1], f"unknown shorthand flag: '{argument[1]}' in {argument}")
            value = argument[2:]
            equals, value = ("=", value.removeprefix("=")) if value else ("", "")
            if isinstance(flag.default, bool) and equals and not argument[2:].startswith("="):
                rest.insert(0, f"-{value}")  # flags without values may share a dash
                equals = ""
            shown = f"-{flag.short}, --{flag.name}"
        else:
            words.append(argument)
            continue
        if not equals and isinstance(flag.default, bool):
            value = "true"
        elif not equals:
            if not rest:
                raise FlagError(f"flag needs an argument: {_missing(argument, flag)}")
            value = rest.pop(0)
        values[flag.name] = _value(flag, value, values[flag.name] if flag.name in given else (), shown)
        given.add(flag.name)
    return Parsed(values, frozenset(given), words)


def _known(flags: dict[str, Flag], name: str, complaint: str) -> Flag:
    if name not in flags:
        raise FlagError(complaint)
    return flags[name]


def _missing(argument: str, flag: Flag) -> str:
    return f"--{flag.name}" if argument.startswith("--") else f"'{flag.short}' in {argument}"


def _value(flag: Flag, text: str, before: Value, shown: str) -> Value:
    if isinstance(flag.default, bool):
        if text.lower() in {"true", "t", "1"}:
            return True
        if text.lower() in {"false", "f", "0"}:
            return False
        raise FlagError(f'invalid argument "{text}" for "{shown}" flag: neither true nor false')
    if isinstance(flag.default, int):
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise FlagError(f'invalid argument "{text}" for "{shown}" flag: not a number')
        return int(text)
    if isinstance(flag.default, tuple):
        return (*before, *(part for part in text.split(",") if part))
    return text


def describe(flags: Sequence[Flag]) -> list[str]:
    """Return a line of help for each flag, in order of their names."""
    rows = []
    for flag in sorted(flags):
        if flag.hidden:
            continue
        kind = "" if isinstance(flag.default, bool) else " int" if isinstance(flag.default, int) else " string"
        short = f"-{flag.short}, " if flag.short else "    "
        rows.append((f"  {short}--{flag.name}{kind}", flag.about))
    width = max((len(left) for left, _ in rows), default=0)
    return [f"{left:<{width}}   {about}" for left, about in rows]
