"""Where two answers differ, and which of that may."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.conformance.differential.step import Step
    from tests.conformance.exchange import Json

RULES = Path(__file__).resolve().parent / "differences.toml"
ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One place where answers differ: its path in the comparable form, and both values as text."""

    path: str
    kube: str
    kcp: str

    @property
    def key(self) -> str:
        """Return the place and what it holds without names, numbers and indexes: the class of the difference."""
        path = re.sub(r"\[\d+\]", "[]", self.path)
        return f"{path}: {general(self.kube)} → {general(self.kcp)}"


def general(text: str) -> str:
    """Return a text without what is particular to one request."""
    text = re.sub(r'"(\\.|[^"\\])*"', '"…"', text)
    return re.sub(r"\d+", "N", text)[:160]


def entries(kube: Json, kcp: Json, path: str = "") -> list[Entry]:
    """Return every place where two documents differ, the outermost of each."""
    if isinstance(kube, dict) and isinstance(kcp, dict):
        found = []
        for key in sorted(kube.keys() | kcp.keys()):
            below = f"{path}.{key}" if path else str(key)
            found += entries(kube.get(key, ABSENT), kcp.get(key, ABSENT), below)
        return found
    if isinstance(kube, list) and isinstance(kcp, list) and len(kube) == len(kcp):
        return [e for i, (a, b) in enumerate(zip(kube, kcp, strict=True)) for e in entries(a, b, f"{path}[{i}]")]
    if type(kube) is type(kcp) and kube == kcp:
        return []
    return [Entry(path, as_text(kube), as_text(kcp))]


def as_text(value: Json) -> str:
    """Return a value as one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Rule:
    """A difference that is right, and why: patterns for the step's label, the place and both texts.

    `says` has to be found in one of the texts that differ anywhere in these answers, and `after` is a pattern that the
    label of some step of the episode so far has to match, this one's or an earlier one's.
    """

    id: str
    reason: str
    what: str
    path: str
    kube: re.Pattern[str]
    kcp: re.Pattern[str]
    says: re.Pattern[str]
    after: str = "*"

    def __str__(self) -> str:
        """Return the id and the patterns that are set, on one line."""
        told = {"what": self.what, "path": self.path, "after": self.after}
        told |= {name: getattr(self, name).pattern for name in ("kube", "kcp", "says")}
        return " ".join([self.id, *(f"{name}={text!r}" for name, text in told.items() if text not in ("", "*"))])

    def covers(self, steps: Sequence[Step], entry: Entry, found: list[Entry]) -> bool:
        """Tell whether the rule is about this place of the answers to the last of an episode's steps."""
        return (
            fnmatch.fnmatchcase(steps[-1].label, self.what)
            and any(fnmatch.fnmatchcase(step.label, self.after) for step in steps)
            and fnmatch.fnmatchcase(re.sub(r"\[(\d+)\]", r".\1", entry.path), self.path)
            and self.kube.search(entry.kube) is not None
            and self.kcp.search(entry.kcp) is not None
            and any(self.says.search(other.kube) or self.says.search(other.kcp) for other in found)
        )


@dataclass(slots=True)
class Rules:
    """The closed list of differences, and how often each row of it was seen."""

    rules: tuple[Rule, ...]
    used: Counter[Rule] = field(default_factory=Counter)

    @property
    def unused(self) -> list[Rule]:
        """Return the rows that nothing has needed yet; after a long run they are stale."""
        return [rule for rule in self.rules if not self.used[rule]]

    def without(self, ids: Collection[str]) -> Rules:
        """Return the list without some of its ids, to see what they stand for.

        Raises:
            ValueError: an id is not on the list.
        """
        unknown = set(ids) - {rule.id for rule in self.rules}
        if unknown:
            raise ValueError(f"no difference is called {', '.join(sorted(unknown))}")
        return Rules(tuple(rule for rule in self.rules if rule.id not in ids))

    def unexplained(self, steps: Sequence[Step], found: list[Entry]) -> list[Entry]:
        """Return the entries of the last of an episode's steps that no rule covers."""
        left = []
        for entry in found:
            rule = next((rule for rule in self.rules if rule.covers(steps, entry, found)), None)
            if rule is None:
                left.append(entry)
            else:
                self.used[rule] += 1
        return left


def load(path: Path = RULES) -> Rules:
    """Read the list; a rule without a reason, or two of one id, are refused."""
    found = []
    for raw in tomllib.loads(path.read_text()).get("difference", []):
        unknown = raw.keys() - {"id", "reason", "what", "path", "kube", "kcp", "says", "after"}
        if unknown or not raw["reason"].strip():
            raise ValueError(f"{path.name}: a rule needs a reason and has no other keys: {raw}")
        found.append(
            Rule(
                raw["id"],
                raw["reason"],
                raw.get("what", "*"),
                raw.get("path", "*"),
                re.compile(raw.get("kube", ""), re.DOTALL),
                re.compile(raw.get("kcp", ""), re.DOTALL),
                re.compile(raw.get("says", ""), re.DOTALL),
                raw.get("after", "*"),
            )
        )
    return Rules(tuple(found))
