"""The kinds of negotiation: where their objects are, how they are called, what both say of an API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from kcp.client.places import Resource
from kcp.puller import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Object: TypeAlias = "dict[str, Any]"

GROUP: Final = "apiresource.kcp.io"
API_VERSION: Final = f"{GROUP}/v1alpha1"
IMPORTS: Final = Resource(GROUP, "v1alpha1", "apiresourceimports")
NEGOTIATED: Final = Resource(GROUP, "v1alpha1", "negotiatedapiresources")
DEFINITIONS: Final = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
KINDS: Final = {IMPORTS: "APIResourceImport", NEGOTIATED: "NegotiatedAPIResource"}

SHOWN: Final = f"{GROUP}/apiVersion"
"""Annotation that the columns show: group and version of the API."""
PARTIES: Final = f"{GROUP}/parties"
"""Annotation of what was negotiated: `NAME/UID` of the imports it fits, by commas. Absent: somebody made it by hand."""
ENFORCED: Final = f"{GROUP}/enforced"
"""Annotation of what says what a hand-made definition says."""

NEVER: Final = "UpdateNever"
UNPUBLISHED: Final = "UpdateUnpublished"
PUBLISHED: Final = "UpdatePublished"

_COMMON: Final = (
    "groupVersion",
    "scope",
    "plural",
    "singular",
    "kind",
    "listKind",
    "shortNames",
    "categories",
    "openAPIV3Schema",
    "subResources",
    "columnDefinitions",
)


class Family(NamedTuple):
    """All versions of a resource: what one definition serves."""

    group: str
    plural: str

    @property
    def definition(self) -> str:
        """Name of its definition."""
        return name_of(self.group, self.plural)


class Api(NamedTuple):
    """A resource at one version; the group is empty for the core's."""

    group: str
    version: str
    plural: str

    @property
    def family(self) -> Family:
        """The resource at all its versions."""
        return Family(self.group, self.plural)

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone in the core's group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        """Name of what is negotiated of it."""
        return f"{self.plural}.{self.version}.{self.group or 'core'}"

    def import_from(self, location: str) -> str:
        """Return the name of its import from a physical cluster."""
        return f"{self.plural}.{location}.{self.version}.{self.group or 'core'}"


def api_of(thing: Object) -> Api:
    """Return which API an import, or what was negotiated, is about."""
    spec = thing["spec"]
    group = spec["groupVersion"].get("group") or ""
    return Api("" if group == "core" else group, spec["groupVersion"]["version"], spec["plural"])


def common(spec: Mapping[str, Any]) -> Object:
    """Return what an import and what was negotiated both say of an API."""
    return {field: spec[field] for field in _COMMON if field in spec}


def condition(thing: Object, kind: str) -> bool | None:
    """Return the status of a condition, None where it is not known."""
    for found in (thing.get("status") or {}).get("conditions") or ():
        if found["type"] == kind:
            return {"True": True, "False": False}.get(found.get("status"))
    return None


def annotation(thing: Object, name: str) -> str | None:
    """Return an annotation."""
    found: str | None = (thing["metadata"].get("annotations") or {}).get(name)
    return found
