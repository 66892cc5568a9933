"""Rules of roles (`PolicyRule`), evaluated without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kcp.virtual.visit import Info


def allows(rules: Iterable[dict[str, Any]], info: Info, path: str) -> bool:
    """Tell whether a rule allows a request; `path` is what counts where it is about no resource.

    Source: Kubernetes, "Using RBAC Authorization".
    """
    return any(_allows(rule, info, path) for rule in rules)


def _allows(rule: dict[str, Any], info: Info, path: str) -> bool:
    if not _has(rule, "verbs", info.verb):
        return False
    if not info.resource:
        return any(
            url in {"*", path} or (url.endswith("*") and path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or []
        )
    resources = rule.get("resources") or []
    if info.subresource:
        named = {"*", f"{info.resource}/{info.subresource}", f"*/{info.subresource}"} & set(resources)
    else:
        named = {"*", info.resource} & set(resources)
    names = rule.get("resourceNames") or []
    return bool(named) and _has(rule, "apiGroups", info.group) and (not names or info.name in names)


def _has(rule: dict[str, Any], field: str, value: str) -> bool:
    values = rule.get(field) or []
    return "*" in values or value in values
