"""A real server that says which objects a schema takes."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from kcp.core import Options, Server, User
from tests.unit.compat.crds import DEFINITIONS, definition

if TYPE_CHECKING:
    from typing import Self

Json = Any
ADMIN = User("admin", ("system:masters",))
JSON = [(b"content-type", b"application/json")]


class Servers:
    """Schemas, each served by a logical cluster of its own."""

    def __init__(self) -> None:
        self.server = Server(Options())
        self.clusters: dict[str, str] = {}
        self.numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def send(self, target: str, body: Json) -> tuple[int, Json]:
        answer = self.server.call_blocking("POST", target, headers=JSON, body=json.dumps(body).encode(), user=ADMIN)
        return answer.status, json.loads(answer.body)

    def serve(self, schema: Json) -> str:
        """Return the URL of a cluster that has the schema; it is one that an API server accepts."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self.clusters:
            cluster = f"/clusters/schema-{next(self.numbers)}"
            status, answer = self.send(cluster + DEFINITIONS, definition(schema))
            assert status == 201, answer
            self.clusters[key] = cluster
        return self.clusters[key]

    def takes(self, schema: Json, value: Json) -> bool:
        """Whether the server takes an object and keeps all of it."""
        target = f"{self.serve(schema)}/apis/example.com/v1/namespaces/default/things?fieldValidation=Strict"
        header = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": f"n{next(self.numbers)}"}}
        status, answer = self.send(target, {**value, **header})
        return status == 201 and _within(value, answer)


def _within(part: Json, whole: Json) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and _within(v, whole[k]) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(_within, part, whole))
    return bool(part == whole)
