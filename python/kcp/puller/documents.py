"""What a server says of its kinds: OpenAPI v3 by group and version, and v2 where there is no v3."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from kcp.client.status import StatusError
from kcp.puller.discovery import ABSENT

if TYPE_CHECKING:
    from kcp.puller.discovery import Resource, Source

Schema: TypeAlias = dict[str, Any]
KINDS = "x-kubernetes-group-version-kind"


class OpenApi:
    """The documents of one server, each read once, when a kind of it is asked for. Safe to use from several threads."""

    def __init__(self, source: Source) -> None:
        """Read from `source`."""
        self._source = source
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._read: dict[str, dict[str, Schema]] = {}

    def model(self, resource: Resource) -> tuple[dict[str, Schema], str] | None:
        """Return the definitions that describe a kind and the name of its own; None where nothing does.

        Raises:
            StatusError: the caller may not read the documents.
            UnreachableError: no answer came.
        """
        group, version = resource.group, resource.version
        for path in (f"/openapi/v3/{f'apis/{group}' if group else 'api'}/{version}", "/openapi/v2"):
            schemas = self._document(path)
            wanted = {"group": group, "version": version, "kind": resource.kind}
            for name, schema in schemas.items():
                if wanted in (schema.get(KINDS) or ()):
                    return schemas, name
        return None

    def _document(self, path: str) -> dict[str, Schema]:
        with self._lock:
            reading = self._reading.setdefault(path, threading.Lock())
        with reading:
            if path not in self._read:
                self._read[path] = self._fetch(path)
            return self._read[path]

    def _fetch(self, path: str) -> dict[str, Schema]:
        try:
            document = self._source.get(path)
        except StatusError as error:
            # An aggregated API that is down is one that nothing describes.
            if error.code not in ABSENT and error.code < 500:
                raise
            return {}
        schemas: dict[str, Schema] = (document.get("components") or {}).get("schemas") or {}
        definitions: dict[str, Schema] = document.get("definitions") or {}
        return schemas or definitions
