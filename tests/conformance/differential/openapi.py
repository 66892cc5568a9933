"""OpenAPI documents reduced to what clients decide by: operations, and the shapes of the schemas they reach.

Left out are words (descriptions, examples), what kcp does not serve, and groups of other episodes' definitions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.conformance.filters import CORE_RESOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.conformance.exchange import Json

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
WORDS = ("description", "example", "title", "externalDocs")
REFERENCE = re.compile(r"^#/(definitions|components/schemas)/")


def is_document(body: Json) -> bool:
    """Tell whether a body is an OpenAPI document or the index of them."""
    return isinstance(body, dict) and "kind" not in body and isinstance(body.get("paths"), dict)


def reduced(document: Mapping[str, Any], is_served: Callable[[str], bool]) -> dict[str, Any]:
    """Return what is compared of a document; `is_served` tells of a group whether it is."""
    paths = {path: item for path, item in document["paths"].items() if _is_kept(path, is_served)}
    if "openapi" not in document and "swagger" not in document:
        return {"paths": {path: _address(entry) for path, entry in paths.items()}}
    schemas = document.get("definitions") or document.get("components", {}).get("schemas", {})
    shared = document.get("parameters", {})
    operations = {path: _operations(item, shared) for path, item in paths.items()}
    reached = _reached(operations.values(), schemas)
    return {
        "version": document.get("openapi") or document.get("swagger"),
        "paths": operations,
        "schemas": {name: _shape(schemas[name]) if name in schemas else "(missing)" for name in sorted(reached)},
    }


def _is_kept(path: str, is_served: Callable[[str], bool]) -> bool:
    parts = [part for part in path.split("/") if part and part not in ("watch", "namespaces", "{namespace}")]
    match parts:
        case ["apis", group, *_]:
            return is_served(group)
        case ["api", _, resource, *_] if resource not in ("{name}", "status", "finalize"):
            return resource in CORE_RESOURCES
        case ["api", *_] | ["apis"] | ["version", *_]:
            return True
    return False


def _address(entry: Mapping[str, str]) -> str:
    """Return where an entry of the index leads, without the logical cluster's path and the content's hash."""
    return re.sub(r"^.*(/openapi/v3/[^?]*)\?hash=\w+$", r"\1?hash", entry["serverRelativeURL"])


def _operations(item: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for method in METHODS:
        if (operation := item.get(method)) is None:
            continue
        given = [*item.get("parameters", []), *operation.get("parameters", [])]
        parameters = [shared[one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one for one in given]
        found[method] = {
            "id": operation.get("operationId", ""),
            "action": operation.get("x-kubernetes-action", ""),
            "kind": operation.get("x-kubernetes-group-version-kind"),
            "parameters": {f"{one['in']} {one['name']}": _shape(one) for one in parameters},
            "takes": sorted(operation.get("consumes", [])) or _content(operation.get("requestBody", {})),
            "produces": sorted(operation.get("produces", [])),
            "gives": {
                code: _content(answer) if "content" in answer else _shape(answer.get("schema"))
                for code, answer in operation.get("responses", {}).items()
            },
        }
    return found


def _content(body: Mapping[str, Any]) -> dict[str, Json]:
    return {media: _shape(of.get("schema")) for media, of in body.get("content", {}).items()}


def _shape(schema: Json) -> Json:
    """Return a schema without words; a list of required fields in order."""
    match schema:
        case dict():
            shape = {key: _shape(value) for key, value in schema.items() if key not in WORDS or isinstance(value, dict)}
            if isinstance(shape.get("required"), list):
                shape["required"] = sorted(shape["required"])
            if (only := shape.get("allOf")) and isinstance(only, list) and len(only) == 1 and isinstance(only[0], dict):
                shape |= only[0]  # how OpenAPI v3 puts a default beside a reference
                del shape["allOf"]
            return shape
        case list():
            return [_shape(one) for one in schema]
    return schema


def _reached(roots: Iterable[Json], schemas: Mapping[str, Json]) -> set[str]:
    found: set[str] = set()
    left: list[Json] = list(roots)
    while left:
        match left.pop():
            case dict() as value:
                name = value.get("$ref")
                if isinstance(name, str) and REFERENCE.match(name):
                    name = name.rsplit("/", 1)[1]
                    if name not in found:
                        found.add(name)
                        left.append(schemas.get(name))
                left += value.values()
            case list() as values:
                left += values
    return found
