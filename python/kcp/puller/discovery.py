"""Which resources a server has: aggregated discovery, and the plain documents where a server does not know that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from kcp.client.status import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What a server is asked for: its resources in one document, in the newest form it knows.
_FORM = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
AGGREGATED = ",".join((_FORM.format("v2"), _FORM.format("v2beta1"), "application/json"))
# Documents that are read at a time.
READERS = 8
# Answers that mean "there is no such document", and not "you may not read it".
ABSENT = frozenset({404, 406, 410})


class Source(Protocol):
    """A server that is read: `kcp.client.HttpClient`. Used from several threads at once."""

    def get(self, target: str, *, query: Mapping[str, str] | None = None, accept: str = ...) -> dict[str, Any]:
        """Return the document at a path.

        Raises:
            StatusError: the server refused.
            UnreachableError: no answer came.
        """
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource at one version, as discovery lists it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    singular: str = ""
    verbs: frozenset[str] = frozenset()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """`deployments.apps`; the plural alone in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def answers_to(self, name: str) -> bool:
        """Whether a person may mean it by this name, which has no group."""
        names = {self.plural, self.singular or self.kind.lower(), self.kind.lower(), *self.short_names}
        return name.lower() in names


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that discovery lists, groups and versions in the server's order of preference."""

    resources: tuple[Resource, ...]
    missing: tuple[str, ...] = field(default=())
    """Groups and versions that the server lists and could not tell about."""

    def preferred(self) -> list[Resource]:
        """Return each resource at the version its group prefers, else at the first that has it."""
        found: dict[tuple[str, str], Resource] = {}
        for resource in self.resources:
            found.setdefault((resource.group, resource.plural), resource)
        return list(found.values())

    def find(self, words: str) -> Resource | None:
        """Return what `resource`, `resource.group` or `resource.version.group` names, None for nothing.

        `resource` is the plural, the singular, a short name or the kind; of several groups the server's first is
        meant. `core` names the group without a name.
        """
        name, _, rest = words.partition(".")
        version, _, group = rest.partition(".")
        wanted = [r for r in self.resources if r.answers_to(name)]
        if not rest:
            return wanted[0] if wanted else None
        # A group is tried before a version: `v1.example.com` may be one.
        for resource in wanted:
            if resource.group == ("" if rest == "core" else rest):
                return resource
        for resource in wanted:
            if (resource.version, resource.group) == (version, "" if group == "core" else group):
                return resource
        return None


def discover(source: Source) -> Catalogue:
    """Read what a server serves.

    Raises:
        StatusError: the caller may not read discovery.
        UnreachableError: no answer came.
    """
    resources: list[Resource] = []
    missing: list[str] = []
    for path, prefix in (("/api", "/api"), ("/apis", "/apis")):
        try:
            document = source.get(path, accept=AGGREGATED)
        except StatusError as error:
            if error.code not in ABSENT:
                raise
            continue  # a server without the core group, or with nothing else
        if document.get("kind") == "APIGroupDiscoveryList":
            for item in document.get("items") or ():
                _read_aggregated(item, resources, missing)
        else:
            _read_plain(source, document, prefix, resources, missing)
    return Catalogue(tuple(resources), tuple(missing))


def _read_aggregated(item: dict[str, Any], resources: list[Resource], missing: list[str]) -> None:
    group = str((item.get("metadata") or {}).get("name") or "")
    for version in item.get("versions") or ():
        name = str(version.get("version") or "")
        if version.get("freshness") == "Stale":
            missing.append(f"{group}/{name}")
            continue
        for listed in version.get("resources") or ():
            kind = (listed.get("responseKind") or {}).get("kind")
            if not kind:
                continue  # discovery names a resource that exists only as the parent of subresources
            resources.append(
                Resource(
                    group,
                    name,
                    str(listed["resource"]),
                    str(kind),
                    listed.get("scope") == "Namespaced",
                    str(listed.get("singularResource") or ""),
                    frozenset(listed.get("verbs") or ()),
                    tuple(listed.get("shortNames") or ()),
                    tuple(listed.get("categories") or ()),
                    frozenset(str(below["subresource"]) for below in listed.get("subresources") or ()),
                )
            )


def _read_plain(
    source: Source, document: dict[str, Any], prefix: str, resources: list[Resource], missing: list[str]
) -> None:
    """Read `APIVersions` or an `APIGroupList` and the list of resources of each group and version."""
    places = list(_places(document))

    def read(place: tuple[str, str]) -> dict[str, Any] | None:
        group, version = place
        try:
            return source.get(f"{prefix}/{group}/{version}" if group else f"{prefix}/{version}")
        except StatusError as error:
            if error.code in {401, 403}:
                raise
            return None

    with ThreadPoolExecutor(READERS) as readers:
        for (group, version), listed in zip(places, readers.map(read, places), strict=True):
            if listed is None:
                missing.append(f"{group}/{version}")
            else:
                resources.extend(_listed(group, version, listed.get("resources") or []))


def _places(document: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield groups with their versions, the preferred one first."""
    if "groups" not in document:
        yield from (("", str(version)) for version in document.get("versions") or ())
        return
    for group in document["groups"] or ():
        first = (group.get("preferredVersion") or {}).get("version")
        versions = [str(listed["version"]) for listed in group.get("versions") or ()]
        yield from ((str(group["name"]), v) for v in sorted(versions, key=lambda v: v != first))


def _listed(group: str, version: str, listed: list[dict[str, Any]]) -> Iterable[Resource]:
    below: dict[str, set[str]] = {}
    for row in listed:
        plural, slash, subresource = str(row["name"]).partition("/")
        if slash:
            below.setdefault(plural, set()).add(subresource)
    for row in listed:
        plural = str(row["name"])
        if "/" in plural:
            continue
        yield Resource(
            group,
            version,
            plural,
            str(row["kind"]),
            row.get("namespaced") is True,
            str(row.get("singularName") or ""),
            frozenset(row.get("verbs") or ()),
            tuple(row.get("shortNames") or ()),
            tuple(row.get("categories") or ()),
            frozenset(below.get(plural, ())),
        )
