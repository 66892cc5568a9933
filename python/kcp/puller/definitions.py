"""CustomResourceDefinitions put together from discovery and a schema, or copied from the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from kcp.puller.known import ANY_OBJECT, APPROVAL, COLUMNS, PROTECTED, SCALE

if TYPE_CHECKING:
    from kcp.puller.discovery import Resource

Schema: TypeAlias = dict[str, Any]
Definition: TypeAlias = dict[str, Any]

# Annotations that are about the source's own copy.
_OF_THE_SOURCE = ("kubectl.kubernetes.io/last-applied-configuration",)


def name_of(group: str, plural: str) -> str:
    """Return the name of a definition; the group without a name is called `core`."""
    return f"{plural}.{group or 'core'}"


def is_protected(group: str) -> bool:
    """Tell whether a group may be defined only with an annotation that says who agreed."""
    return any(group == name or group.endswith(f".{name}") for name in PROTECTED)


def made(resource: Resource, schema: Schema) -> Definition:
    """Return the definition of a resource that its source has built in: one version, served and stored."""
    version: Definition = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    subresources = {
        name: dict(paths) for name, paths in (("status", {}), ("scale", SCALE)) if name in resource.subresources
    }
    if subresources:
        version["subresources"] = subresources
    if columns := COLUMNS.get((resource.plural, resource.group)):
        version["additionalPrinterColumns"] = columns
    names: Definition = {
        "plural": resource.plural,
        "singular": resource.singular or resource.kind.lower(),
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
    }
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    if resource.categories:
        names["categories"] = list(resource.categories)
    spec = {
        "group": resource.group,
        "names": names,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "versions": [version],
    }
    return _definition(resource, spec, {}, APPROVAL if is_protected(resource.group) else {})


def copied(resource: Resource, original: Definition) -> tuple[Definition, str]:
    """Return a definition of the source as one for elsewhere, and a sentence on what had to change; empty for nothing.

    Schemas, columns and versions stay. A conversion webhook is at home in the source and cannot be called from
    elsewhere, so only the preferred version is left; a schema that is not structural takes everything.
    """
    spec = {key: value for key, value in original["spec"].items() if key != "preserveUnknownFields"}
    versions: list[Definition] = [dict(version) for version in spec["versions"]]
    notes: list[str] = []
    if (spec.pop("conversion", None) or {}).get("strategy", "None") != "None":
        versions = [version for version in versions if version["name"] == resource.version]
        notes.append(f"its versions are converted by a webhook of the source, so only {resource.version} is kept")
    if not any(version["name"] == resource.version for version in versions):
        versions = [{"name": resource.version, "served": True}]
        notes.append(f"its definition has no version {resource.version}, so everything is taken")
    if len(versions) == 1:
        versions[0]["storage"] = versions[0]["served"] = True
    for version in versions:
        if _is_free(original) or not (version.get("schema") or {}).get("openAPIV3Schema"):
            version["schema"] = {"openAPIV3Schema": dict(ANY_OBJECT)}
    if _is_free(original):
        notes.append("its schema is not structural, so everything is taken")
    spec["versions"] = versions
    metadata = original.get("metadata") or {}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _OF_THE_SOURCE}
    return _definition(resource, spec, metadata.get("labels") or {}, annotations), "; ".join(notes)


def _is_free(original: Definition) -> bool:
    conditions = (original.get("status") or {}).get("conditions") or ()
    found = {str(condition.get("type")): condition.get("status") for condition in conditions}
    return found.get("NonStructuralSchema") == "True" or original["spec"].get("preserveUnknownFields") is True


def _definition(
    resource: Resource, spec: Definition, labels: dict[str, str], annotations: dict[str, str]
) -> Definition:
    metadata: Definition = {"name": name_of(resource.group, resource.plural)}
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }
