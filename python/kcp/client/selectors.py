"""Label selectors as people write them, in the form that objects hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"
_TERM = re.compile(
    rf"\s*(?:(?P<not>!)\s*(?P<absent>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*"
)


def label_selector(text: str) -> dict[str, Any]:
    """Return `matchLabels` and `matchExpressions` of a selector such as `region=eu,tier in (a,b),!old`.

    Raises:
        ValueError: it is no selector.
    """
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for term in re.split(r",(?![^()]*\))", text):
        found = _TERM.fullmatch(term)
        if found is None:
            raise ValueError(f'unable to parse requirement: "{term.strip()}"')
        if found["op"] in {"=", "=="} and labels.get(found["key"], found["value"]) == found["value"]:
            labels[found["key"]] = found["value"]
        else:
            expressions.append(_expression(found))
    selector: dict[str, Any] = {}
    if labels:
        selector["matchLabels"] = labels
    if expressions:
        selector["matchExpressions"] = expressions
    return selector


def _expression(found: re.Match[str]) -> dict[str, Any]:
    if found["absent"]:
        return {"key": found["absent"], "operator": "DoesNotExist"}
    if found["set"]:
        values = [value.strip() for value in found["values"].split(",")]
        for value in values:
            if not re.fullmatch(_VALUE, value):
                raise ValueError(f'unable to parse requirement: "{value}" is no label value')
        return {"key": found["key"], "operator": "In" if found["set"] == "in" else "NotIn", "values": values}
    if found["op"]:
        return {
            "key": found["key"],
            "operator": "NotIn" if found["op"] == "!=" else "In",
            "values": [found["value"]],
        }
    return {"key": found["key"], "operator": "Exists"}


def matches(selector: dict[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether labels are as a selector (`matchLabels`, `matchExpressions`) wants them; an empty one takes all."""
    wanted: dict[str, str] = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(one, labels) for one in selector.get("matchExpressions") or ()
    )


def _holds(expression: dict[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in expression["values"]
        case _:  # NotIn, which what is missing satisfies
            return value not in expression["values"]
