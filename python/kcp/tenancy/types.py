"""What a workspace type amounts to: plain rules over types, without a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATH = "kcp.io/path"
CLUSTER = "kcp.io/cluster"

# Fields that a later release gives a meaning; a type that relies on one must not look as if it had it.
LATER = {
    "defaultAPIBindings": "bindings of exports are not served by this release",
    "authenticationConfigurations": "authentication by workspace is not served by this release",
}


class RefusedTypeError(Exception):
    """The type cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Type:
    """A WorkspaceType and where it stands."""

    cluster: str
    """Name of its logical cluster."""
    path: str
    """That cluster's path."""
    object: dict[str, Any]

    @property
    def name(self) -> str:
        """The type's name."""
        return str(self.object["metadata"]["name"])

    @property
    def qualified(self) -> str:
        """Path and name, as people write it."""
        return f"{self.path}:{self.name}"

    @property
    def identifier(self) -> str:
        """The name of its initializer and terminator: by the logical cluster's name, which no renaming changes."""
        return f"{self.cluster}:{self.name}"

    @property
    def spec(self) -> dict[str, Any]:
        """What it says."""
        spec: dict[str, Any] = self.object.get("spec") or {}
        return spec

    @classmethod
    def read(cls, found: dict[str, Any]) -> Type:
        """Take an object as the server answers it."""
        annotations = found["metadata"]["annotations"]
        return cls(annotations[CLUSTER], annotations.get(PATH, annotations[CLUSTER]), found)


Fetch: TypeAlias = "Callable[[str, str], Awaitable[Type | None]]"
"""Finds a type by the path of its logical cluster and its name."""


async def compile_type(own: Type, fetch: Fetch) -> dict[str, Any]:
    """Return the template of a type: all that it and what it extends amount to.

    The shape is `Template` in `rust/kcp-apiserver/src/tenancy/types.rs`.

    Raises:
        RefusedTypeError: it extends itself, or a type that is not there, or asks for what this release does not have.
    """
    for field, reason in LATER.items():
        if own.spec.get(field):
            raise RefusedTypeError(f"spec.{field}: {reason}")
    aliases: dict[str, Type] = {}
    await _extend(own, fetch, aliases, (own.qualified,))
    every = list(aliases.values())
    return {
        "aliases": [_alias(alias) for alias in every],
        "initializers": [alias.identifier for alias in every if alias.spec.get("initializer")],
        "terminators": [alias.identifier for alias in every if alias.spec.get("terminator")],
        "labels": own.spec.get("additionalWorkspaceLabels") or {},
        "defaultChild": own.spec.get("defaultChildWorkspaceType"),
    }


async def _extend(one: Type, fetch: Fetch, aliases: dict[str, Type], chain: tuple[str, ...]) -> None:
    aliases[one.qualified] = one
    for reference in (one.spec.get("extend") or {}).get("with") or []:
        path = reference.get("path") or one.path
        qualified = f"{path}:{reference['name']}"
        if qualified in chain:
            circle = " -> ".join((*chain[chain.index(qualified) :], qualified))
            raise RefusedTypeError(f"spec.extend: workspace types extend each other in a circle: {circle}")
        found = await fetch(path, reference["name"])
        if found is None:
            raise RefusedTypeError(
                f"spec.extend: workspace type {qualified}, which {one.qualified} extends, cannot be found"
            )
        if qualified not in aliases:
            await _extend(found, fetch, aliases, (*chain, qualified))


def _alias(one: Type) -> dict[str, Any]:
    metadata = one.object["metadata"]
    return {
        "cluster": one.cluster,
        "path": one.path,
        "name": one.name,
        "uid": metadata["uid"],
        "generation": metadata["generation"],
        "parents": one.spec.get("limitAllowedParents"),
        "children": one.spec.get("limitAllowedChildren"),
    }
