"""From a server's documents to definitions, one for each resource."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from kcp.client.status import StatusError
from kcp.puller.definitions import copied, made
from kcp.puller.discovery import ABSENT, READERS
from kcp.puller.documents import OpenApi
from kcp.puller.schema import structural
from kcp.resources import built_in, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kcp.puller.discovery import Catalogue, Resource, Source

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# What a definition is of: something that is stored, and that others can follow.
STORED = frozenset({"create", "get", "list", "watch"})
UNREAD = "definitions of the source cannot be read, so this one is made from OpenAPI"
# Definitions that are asked for by name; of more all are listed.
FEW = 5


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of one resource."""

    resource: Resource
    definition: dict[str, Any] | None
    """None: there is none, and `note` says why."""
    note: str = ""


def resources_of(catalogue: Catalogue, names: Sequence[str]) -> tuple[list[Resource], list[str]]:
    """Return the resources that names mean, each once, and the names that mean nothing.

    Without names, or with `all`, all that are stored at the version their group prefers, without what kcp has
    built in.
    """
    if not names or "all" in names:
        return [r for r in catalogue.preferred() if r.verbs >= STORED and not _is_own(r)], []
    found: dict[Resource, None] = {}
    unknown = []
    for name in names:
        resource = catalogue.find(name)
        if resource is None:
            unknown.append(name)
        else:
            found[resource] = None
    return list(found), unknown


def pull(source: Source, resources: Sequence[Resource], *, descriptions: bool = True) -> Iterator[Pulled]:
    """Yield a definition of each resource, in their order.

    What the source has definitions of is copied, everything else is made from OpenAPI. Who may not read definitions
    gets all of them made.

    Args:
        source: the server; used from several threads.
        resources: of its discovery.
        descriptions: whether schemas that are made keep texts for people. Copies always do.

    Raises:
        StatusError: the caller may not read what the server says of its kinds.
        UnreachableError: no answer came.
    """
    wanted = [r for r in resources if _refusal(r) is None]
    documents = OpenApi(source)
    with ThreadPoolExecutor(READERS) as readers:
        # Documents are on their way while definitions are read.
        models = {r: readers.submit(documents.model, r) for r in wanted}
        originals, is_allowed = _definitions(source, wanted)
        for resource in resources:
            if refusal := _refusal(resource):
                yield Pulled(resource, None, refusal)
            elif original := originals.get((resource.group, resource.plural)):
                yield Pulled(resource, *copied(resource, original))
            elif (model := models[resource].result()) is None:
                yield Pulled(resource, None, "OpenAPI of the source does not describe it")
            else:
                note = "" if is_allowed else UNREAD
                schema = structural(*model, descriptions=descriptions)
                yield Pulled(resource, made(resource, schema), note)


def _definitions(source: Source, resources: Iterable[Resource]) -> tuple[dict[tuple[str, str], Any], bool]:
    """Return the definitions of the source by group and plural, and whether they may be read."""
    # Kinds of Kubernetes itself in groups without a dot never have one.
    names = [f"{r.plural}.{r.group}" for r in resources if "." in r.group]
    try:
        if len(names) > FEW:
            items = _listed(source)
        else:
            items = [item for name in names if (item := _one(source, name)) is not None]
    except StatusError as error:
        if error.code in ABSENT:
            return {}, True
        if error.is_forbidden:
            return {}, False
        raise
    return {(i["spec"]["group"], i["spec"]["names"]["plural"]): i for i in items}, True


def _listed(source: Source) -> list[dict[str, Any]]:
    return list(source.get(DEFINITIONS).get("items") or ())


def _one(source: Source, name: str) -> dict[str, Any] | None:
    try:
        return source.get(f"{DEFINITIONS}/{name}")
    except StatusError as error:
        if error.is_not_found:
            return None
        raise


@cache
def _own() -> frozenset[tuple[str, str]]:
    """Return the kinds that kcp itself serves, with their groups."""
    return frozenset(
        (group.group, resource.kind)
        for group in read(built_in())
        for version in group.versions
        for resource in version.resources
    )


def _is_own(resource: Resource) -> bool:
    return (resource.group, resource.kind) in _own()


def _refusal(resource: Resource) -> str | None:
    """Return why there can be no definition of a resource, None where there can."""
    if _is_own(resource):
        return "kcp has it built in"
    if not resource.verbs >= STORED:
        lacking = ", ".join(sorted(STORED - resource.verbs))
        return f"it is not stored by its server (no {lacking})"
    return None
