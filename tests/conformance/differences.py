"""Where our answer rightly differs from the recorded one: data files of rules, each with its reason."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule: which answers it is about, why, and how the recorded text becomes what is expected.

    With `skip` the answer is not compared at all; else each (pattern, replacement) is applied.
    """

    case: str
    step: str
    reason: str
    replace: tuple[tuple[str, str], ...]
    skip: bool

    def covers(self, case: str, step: str) -> bool:
        """Tell whether the rule is about a step of a case; both are patterns as in file names."""
        return fnmatch.fnmatchcase(case, self.case) and fnmatch.fnmatchcase(step, self.step)


@dataclass(frozen=True, slots=True)
class Differences:
    """The rules of one data file, in order."""

    rules: tuple[Difference, ...]

    def skips(self, case: str, step: str) -> bool:
        """Tell whether a step is not compared."""
        return any(rule.skip and rule.covers(case, step) for rule in self.rules)

    def expected(self, case: str, step: str, recorded: str) -> str:
        """Turn a recorded answer into the one we want to give."""
        for rule in self.rules:
            if rule.covers(case, step):
                for pattern, replacement in rule.replace:
                    recorded = re.sub(pattern, replacement, recorded, flags=re.MULTILINE)
        return recorded


def load_differences(path: Path) -> Differences:
    """Read a data file; a rule without a reason is refused."""
    rules = []
    for raw in tomllib.loads(path.read_text()).get("difference", []):
        replace = tuple((pattern, text) for pattern, text in raw.get("replace", []))
        skip = raw.get("skip", False)
        if not raw["reason"].strip() or bool(replace) == skip:
            raise ValueError(f"{path.name}: a rule needs a reason and either replace or skip: {raw}")
        rules.append(Difference(raw["case"], raw.get("step", "*"), raw["reason"], replace, skip))
    return Differences(tuple(rules))
