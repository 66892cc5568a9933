"""Definitions and negotiation: what one says of an API, and the one that serves what was negotiated. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from kcp.negotiation.kinds import API_VERSION, DEFINITIONS, KINDS, NEGOTIATED, api_of
from kcp.puller.definitions import is_protected
from kcp.puller.known import ANY_OBJECT, APPROVAL, SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.negotiation.kinds import Family, Object

_COLUMN = ("name", "type", "format", "description", "priority", "jsonPath")
_NAMES = ("plural", "singular", "kind", "listKind", "shortNames", "categories")
_RELEASE = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STAGES = {"alpha": 1, "beta": 2, None: 3}


class Claim(NamedTuple):
    """What was negotiated (the stored object), and what it is to say of the API."""

    negotiated: Object
    spec: Object


def priority(version: str) -> tuple[Any, ...]:
    """Return what versions sort by, the newest first: `v2`, `v1`, `v1beta1`, `v1alpha1`, then others by their names."""
    found = _RELEASE.fullmatch(version)
    if found is None:
        return (1, version)
    major, stage, minor = found.groups()
    return (0, -_STAGES[stage], -int(major), -int(minor or 0))


def owners(definition: Object) -> frozenset[str]:
    """Return the uids of what was negotiated and is served by a definition."""
    references = definition["metadata"].get("ownerReferences") or ()
    return frozenset(reference["uid"] for reference in references if _is_ours(reference))


def is_manual(definition: Object | None) -> bool:
    """Whether somebody made a definition by hand: what was negotiated does not own it."""
    return definition is not None and not owners(definition)


def spec_of(definition: Object, version: str) -> Object | None:
    """Return what a definition says of an API, None for a version that it does not serve."""
    found = _served(definition, version)
    if found is None:
        return None
    spec = definition["spec"]
    group = spec["group"]
    said: Object = {
        "groupVersion": {**({"group": group} if group else {}), "version": version},
        "scope": spec["scope"],
        **{name: spec["names"][name] for name in _NAMES if spec["names"].get(name)},
        "openAPIV3Schema": (found.get("schema") or {}).get("openAPIV3Schema") or dict(ANY_OBJECT),
    }
    if below := [{"name": name} for name in ("status", "scale") if name in (found.get("subresources") or {})]:
        said["subResources"] = below
    columns = {column["name"]: column for column in found.get("additionalPrinterColumns") or ()}
    if columns:
        said["columnDefinitions"] = [{f: column[f] for f in _COLUMN if f in column} for column in columns.values()]
    return said


def is_served(definition: Object | None, version: str) -> bool | None:
    """Whether a version can be used, None while its definition does not tell."""
    if definition is None or _served(definition, version) is None:
        return None
    said = {c["type"]: c.get("status") for c in (definition.get("status") or {}).get("conditions") or ()}
    accepted = [said.get("Established"), said.get("NamesAccepted")]
    broken = [said.get("NonStructuralSchema"), said.get("Terminating")]
    if "False" in accepted or "True" in broken:
        return False
    return True if accepted == ["True", "True"] else None


def wanted(family: Family, definition: Object | None, claims: Sequence[Claim]) -> Object | None:
    """Return the definition that is to be there; None: none.

    Args:
        family: the resource.
        definition: the one that is there; not one that somebody made by hand.
        claims: what was negotiated of the resource and is to be served.
    """
    if not claims:
        return None
    claims = sorted(claims, key=lambda claim: priority(api_of(claim.negotiated).version))
    versions = {api_of(claim.negotiated).version: _version(claim.spec) for claim in claims}
    versions |= {version["name"]: version for version in _remains(definition, versions)}
    rows = [versions[name] for name in sorted(versions, key=priority)]
    newest = next(row for row in rows if row["served"])
    rows = [{**row, "storage": row is newest} for row in rows]
    body = definition or _new(family, claims[0].spec)
    others = [o for o in body["metadata"].get("ownerReferences") or () if not _is_ours(o)]
    mine = [_reference(claim.negotiated) for claim in claims]
    metadata = {**body["metadata"], "ownerReferences": [*others, *mine]}
    return {**body, **_TYPE, "metadata": metadata, "spec": {**body["spec"], "versions": rows}}


_TYPE = {"apiVersion": DEFINITIONS.api_version, "kind": "CustomResourceDefinition"}


def _remains(definition: Object | None, claimed: Object) -> list[Object]:
    """Return versions that are served no more, and in which objects may be stored."""
    if definition is None:
        return []
    stored = (definition.get("status") or {}).get("storedVersions") or ()
    rows = definition["spec"]["versions"]
    return [{**row, "served": False} for row in rows if row["name"] in stored and row["name"] not in claimed]


def _new(family: Family, spec: Object) -> Object:
    metadata: Object = {"name": family.definition}
    if is_protected(family.group):
        metadata["annotations"] = dict(APPROVAL)
    names = {name: spec[name] for name in _NAMES if spec.get(name)}
    return {"metadata": metadata, "spec": {"group": family.group, "names": names, "scope": spec["scope"]}}


def _version(spec: Object) -> Object:
    version: Object = {
        "name": spec["groupVersion"]["version"],
        "served": True,
        "storage": False,
        "schema": {"openAPIV3Schema": spec["openAPIV3Schema"]},
    }
    listed = [below["name"] for below in spec.get("subResources") or ()]
    if below := {name: dict(paths) for name, paths in (("status", {}), ("scale", SCALE)) if name in listed}:
        version["subresources"] = below
    if columns := [dict(column) for column in spec.get("columnDefinitions") or () if column.get("jsonPath")]:
        version["additionalPrinterColumns"] = columns
    return version


def _served(definition: Object, version: str) -> Object | None:
    rows: list[Object] = definition["spec"]["versions"]
    return next((row for row in rows if row["name"] == version and row.get("served")), None)


def _reference(negotiated: Object) -> Object:
    metadata = negotiated["metadata"]
    return {"apiVersion": API_VERSION, "kind": KINDS[NEGOTIATED], "name": metadata["name"], "uid": metadata["uid"]}


def _is_ours(reference: Object) -> bool:
    return (reference.get("apiVersion"), reference.get("kind")) == (API_VERSION, KINDS[NEGOTIATED])
