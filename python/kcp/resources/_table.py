"""The table of built-in resources as bytes for the core and as values for tests and documentation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# importlib.resources would add 20 ms to every start.
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table a server prints; `priority` above 0 shows with `-o wide` only.

    `describes` is the field of an OpenAPI definition that says what the column shows.
    """

    name: str
    type: str
    format: str = ""
    description: str = ""
    describes: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource; `group` and `version` are empty where the kind's are those of the resource."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource at one version.

    `storage` and `storage_api_version` are `None` where they follow from the names.
    """

    name: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    strategy: str
    definition: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    storage: str | None = None
    storage_api_version: str | None = None
    columns: tuple[Column, ...] = ()
    subresources: tuple[Subresource, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a group."""

    version: str
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """One API group, the core group with an empty name; a higher `priority` comes first in discovery."""

    group: str
    priority: int
    versions: tuple[Version, ...]


def built_in() -> bytes:
    """Return the table as the core reads it: JSON, not parsed here, so that a start does not pay for it."""
    return _HERE.joinpath("built_in.json").read_bytes()


def bootstrap_roles() -> bytes:
    """Return the roles and bindings that hold in every logical cluster, as the core reads them: JSON."""
    return _HERE.joinpath("bootstrap_rbac.json").read_bytes()


def read(table: bytes | None = None) -> tuple[Group, ...]:
    """Return the table as values.

    Args:
        table: the JSON; `None` reads the one that is shipped.

    Raises:
        KeyError, TypeError, ValueError: when the table is malformed.
    """
    groups: Sequence[Mapping[str, Any]] = json.loads(built_in() if table is None else table)
    return tuple(
        Group(group["group"], group["priority"], tuple(_version(version) for version in group["versions"]))
        for group in groups
    )


def _version(raw: Mapping[str, Any]) -> Version:
    return Version(raw["version"], tuple(_resource(resource) for resource in raw["resources"]))


def _resource(raw: Mapping[str, Any]) -> Resource:
    return Resource(
        name=raw["name"],
        singular=raw["singular"],
        kind=raw["kind"],
        namespaced=raw["namespaced"],
        verbs=tuple(raw["verbs"]),
        strategy=raw["strategy"],
        definition=raw["definition"],
        short_names=tuple(raw.get("shortNames", ())),
        categories=tuple(raw.get("categories", ())),
        storage=raw.get("storage"),
        storage_api_version=raw.get("storageApiVersion"),
        columns=tuple(Column(**column) for column in raw.get("columns", ())),
        subresources=tuple(_subresource(subresource) for subresource in raw.get("subresources", ())),
    )


def _subresource(raw: Mapping[str, Any]) -> Subresource:
    return Subresource(
        name=raw["name"],
        kind=raw["kind"],
        verbs=tuple(raw["verbs"]),
        group=raw.get("group", ""),
        version=raw.get("version", ""),
    )
