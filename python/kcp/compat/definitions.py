"""CustomResourceDefinitions: read, compared version by version, joined, and held against stored objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from kcp.compat import lcd
from kcp.compat.compare import Finding, Witness, blocking, compare
from kcp.compat.judge import faults
from kcp.compat.schema import Atom, Json, Node, SchemaError, as_resource, canonical, parse, sealed
from kcp.compat.syntax import TooHardError

if TYPE_CHECKING:
    from collections.abc import Iterable

API_VERSION = "apiextensions.k8s.io/v1"
KIND = "CustomResourceDefinition"
# A version without a schema keeps everything.
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_NAME = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a definition."""

    name: str
    served: bool
    storage: bool
    schema: Mapping[str, Json]
    subresources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Definition:
    """A CustomResourceDefinition."""

    name: str
    group: str
    kind: str
    plural: str
    namespaced: bool
    names: Mapping[str, Json]
    versions: tuple[Version, ...]
    raw: Mapping[str, Json]

    def version(self, name: str) -> Version | None:
        """Return a served version."""
        return next((version for version in self.versions if version.name == name and version.served), None)

    def api_version(self, version: str) -> str:
        """Return what objects of a version call it."""
        return f"{self.group}/{version}" if self.group else version


class Difference(NamedTuple):
    """A finding and the version it is about; empty: the definition itself."""

    version: str
    finding: Finding


class Broken(NamedTuple):
    """A stored object that a definition would not take as it is."""

    cluster: str
    """The logical cluster, where the object tells."""
    namespace: str
    name: str
    faults: tuple[str, ...]


class Checked(NamedTuple):
    """What became of stored objects."""

    objects: int
    broken: list[Broken]


def read(document: Json) -> Definition:
    """Return the definition that a decoded document is.

    Raises:
        SchemaError: it is none.
    """
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        kind = document.get("kind") if isinstance(document, Mapping) else None
        raise SchemaError(f"not a {KIND}" + (f" but a {str(kind)[:80]}" if kind else ""))
    if document.get("apiVersion") != API_VERSION:
        raise SchemaError(f"apiVersion {str(document.get('apiVersion'))[:80]!r} is not {API_VERSION}")
    spec = _mapping(document, "spec")
    names = _mapping(spec, "names")
    group, kind, plural = _text(spec, "group"), _text(names, "kind"), _text(names, "plural")
    if not kind or not plural:
        raise SchemaError("spec.names: kind and plural are required")
    scope = spec.get("scope")
    if scope not in {"Namespaced", "Cluster"}:
        raise SchemaError("spec.scope: must be Namespaced or Cluster")
    versions = spec.get("versions")
    if not isinstance(versions, list) or not versions:
        raise SchemaError("spec.versions: must be a list with at least one version")
    found = tuple(_version(version) for version in versions)
    if len({version.name for version in found}) < len(found):
        raise SchemaError("spec.versions: a version is there twice")
    name = str((document.get("metadata") or {}).get("name") or f"{plural}.{group or 'core'}")
    return Definition(name, group, kind, plural, scope == "Namespaced", names, found, document)


def _version(raw: Json) -> Version:
    if not isinstance(raw, Mapping):
        raise SchemaError("spec.versions: a version must be an object")
    name = _text(raw, "name")
    if not name:
        raise SchemaError("spec.versions: a version needs a name")
    schema = (raw.get("schema") or {}).get("openAPIV3Schema") if isinstance(raw.get("schema") or {}, Mapping) else None
    if schema is not None and not isinstance(schema, Mapping):
        raise SchemaError(f"version {name}: openAPIV3Schema must be an object")
    subresources = raw.get("subresources") or {}
    listed = frozenset(map(str, subresources)) if isinstance(subresources, Mapping) else frozenset()
    return Version(name, raw.get("served") is True, raw.get("storage") is True, schema or _ANYTHING, listed)


def _mapping(document: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = document.get(name)
    if not isinstance(found, Mapping):
        raise SchemaError(f"{name}: must be an object")
    return found


def _text(document: Mapping[str, Json], name: str) -> str:
    found = document.get(name) or ""
    if not isinstance(found, str):
        raise SchemaError(f"{name}: must be a string")
    return found


def differences(old: Definition, new: Definition) -> list[Difference]:
    """Return what differs: of the definitions first, then version by version in the old one's order.

    Raises:
        SchemaError: a schema cannot be read.
    """
    found = [Difference("", finding) for finding in _about_names(old, new)]
    for version in old.versions:
        if not version.served:
            continue
        other = new.version(version.name)
        if other is None:
            witness = Witness(_example(old, version), "old")
            found.append(Difference(version.name, _finding("versions", "the version is no longer served", witness)))
            continue
        mine, theirs = _root(old, version), _root(old, other)
        found += [Difference(version.name, finding) for finding in compare(mine, theirs)]
        found += [Difference(version.name, finding) for finding in _about_subresources(version, other)]
    return found


def common(old: Definition, new: Definition) -> tuple[dict[str, Json] | None, list[Difference]]:
    """Return the least common denominator as a definition, or what stands against it.

    It is the old definition with the versions that both serve, each with the schema of the objects that both take.

    Raises:
        SchemaError: a schema cannot be read.
    """
    against = [Difference("", finding) for finding in blocking(_about_names(old, new))]
    versions = []
    for raw, version in zip(old.raw["spec"]["versions"], old.versions, strict=True):
        other = new.version(version.name)
        if not version.served or other is None:
            continue
        outcome = lcd(version.schema, other.schema, narrow=True)
        against += [Difference(version.name, finding) for finding in outcome.findings]
        versions.append({**raw, "schema": {"openAPIV3Schema": outcome.lcd}})
    if not versions:
        against.append(Difference("", Finding("", "versions", "no version is served by both", "unproven")))
    if against:
        return None, against
    if not any(version.get("storage") for version in versions):
        versions[-1]["storage"] = True
    metadata = {"name": old.name}
    spec = {**old.raw["spec"], "versions": versions}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}, []


def check(definition: Definition, objects: Iterable[Json]) -> Checked:
    """Hold objects against the version of a definition that each of them names. CEL rules are not evaluated.

    Raises:
        SchemaError: a schema cannot be read.
        TooHardError: an object cannot be checked.
    """
    nodes = {v.name: parse(v.schema, where=f"version {v.name}") for v in definition.versions}
    count, broken = 0, []
    for value in objects:
        count += 1
        node = nodes.get(str(value.get("apiVersion")).rpartition("/")[2])
        metadata = value.get("metadata") or {}
        if node is None:
            wrong = [f"version {value.get('apiVersion')} is no longer there"]
        else:
            wrong = [str(fault) for fault in faults(node, value)]
        if wrong:
            cluster = str((metadata.get("annotations") or {}).get("kcp.io/cluster") or "")
            broken.append(Broken(cluster, metadata.get("namespace") or "", metadata.get("name") or "", tuple(wrong)))
    return Checked(count, broken)


def ruled(definition: Definition) -> list[str]:
    """Return the versions that have CEL rules."""
    return [v.name for v in definition.versions if parse(v.schema, where=f"version {v.name}").ruled]


def _root(definition: Definition, version: Version) -> Node:
    """Return the schema of a version's whole objects: with type and name, as every stored object has them."""
    node = parse(version.schema, where=f"version {version.name}")
    node = as_resource(replace(node, type=node.type or "object"))
    properties = dict(node.properties)
    types = {"apiVersion": definition.api_version(version.name), "kind": definition.kind}
    for name, value in types.items():
        below = properties[name]
        properties[name] = sealed(replace(below, atoms=(*below.atoms, Atom("enum", (canonical(value),)))))
    metadata = properties["metadata"]
    name_node = metadata.properties.get("name", Node(type="string", closed=True))
    named = sealed(replace(name_node, atoms=(*name_node.atoms, Atom("pattern", _NAME))))
    metadata = replace(metadata, properties={**metadata.properties, "name": named})
    properties["metadata"] = sealed(replace(metadata, atoms=(*metadata.atoms, Atom("required", "name"))))
    needed = [Atom("required", name) for name in ("apiVersion", "kind", "metadata")]
    return sealed(replace(node, properties=properties, atoms=tuple(dict.fromkeys((*node.atoms, *needed)))))


def _example(definition: Definition, version: Version | None = None) -> Json:
    """Return an object of a definition, as small as can be."""
    from kcp.compat.solve import Search

    version = version or next((v for v in definition.versions if v.served), definition.versions[0])
    found = Search().value((_root(definition, version),))
    if found is not None:
        return found.value
    return {"apiVersion": definition.api_version(version.name), "kind": definition.kind, "metadata": {"name": "a"}}


def example(definition: Definition) -> Witness:
    """Return an object of a definition, for one that is gone."""
    return Witness(_example(definition), "old")


def _finding(rule: str, message: str, witness: Witness) -> Finding:
    return Finding("", rule, message, "incompatible", witness)


def _about_names(old: Definition, new: Definition) -> list[Finding]:
    found = []
    example = _example(old)
    for what, mine, theirs in (
        ("group", old.group, new.group),
        ("kind", old.kind, new.kind),
        ("plural", old.plural, new.plural),
    ):
        if mine != theirs:
            found.append(_finding("names", f"{what} changed from {mine} to {theirs}", Witness(example, "old")))
    if old.namespaced != new.namespaced:
        scopes = {True: "Namespaced", False: "Cluster"}
        message = f"scope changed from {scopes[old.namespaced]} to {scopes[new.namespaced]}"
        metadata = {**example["metadata"], "namespace": "default"}
        witness = Witness({**example, "metadata": metadata}, "old" if old.namespaced else "new")
        found.append(_finding("scope", message, witness))
    for what in ("singular", "listKind", "shortNames", "categories"):
        before, after = old.names.get(what), new.names.get(what)
        if before != after:
            found.append(Finding("", "names", f"{what} changed from {_said(before)} to {_said(after)}", "changed"))
    stored = [next((v.name for v in d.versions if v.storage), "") for d in (old, new)]
    if stored[0] != stored[1]:
        found.append(Finding("", "versions", f"storage version changed from {stored[0]} to {stored[1]}", "changed"))
    return found


def _said(value: Json) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "nothing")


def _about_subresources(old: Version, new: Version) -> list[Finding]:
    changed = [(name, "removed") for name in sorted(old.subresources - new.subresources)]
    changed += [(name, "added") for name in sorted(new.subresources - old.subresources)]
    return [Finding("", "subresources", f"subresource {name} {how}", "changed") for name, how in changed]


__all__ = [
    "Broken",
    "Checked",
    "Definition",
    "Difference",
    "TooHardError",
    "Version",
    "check",
    "common",
    "differences",
    "example",
    "read",
    "ruled",
]
