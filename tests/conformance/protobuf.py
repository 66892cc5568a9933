"""Answers in protobuf, decoded by the table that kcp itself uses, so that they can be recorded and compared."""

from __future__ import annotations

import base64
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"
TABLE = Path(__file__).resolve().parents[2] / "rust" / "kcp-apiserver" / "src" / "protobuf" / "messages.txt"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
UNGROUPED = {"Status", "APIVersions", "APIGroupList", "APIGroup", "APIResourceList"}
# A decoded value.
Json = Any
# A field: JSON name, `list`, `map` or nothing, type.
Field = tuple[str, str, str]


@functools.cache
def messages() -> dict[str, dict[int, Field]]:
    """Read the table: for each message its fields by number."""
    found: dict[str, dict[int, Field]] = {}
    fields: dict[int, Field] = {}
    for line in TABLE.read_text().splitlines():
        if line.startswith("#"):
            continue
        if not line.startswith(" "):
            fields = found.setdefault(line, {})
            continue
        number, name, *kind = line.split()
        fields[int(number)] = (name.rstrip("?"), kind[0] if len(kind) > 1 else "", kind[-1])
    return found


def parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a message."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        match tag & 7:
            case 0:
                yield tag >> 3, varint()
            case 1:
                at += 8
                yield tag >> 3, data[at - 8 : at]
            case 2:
                length = varint()
                at += length
                assert at <= len(data), "the message ends within a field"
                yield tag >> 3, data[at - length : at]
            case other:
                raise ValueError(f"wire type {other}")


def envelope(data: bytes) -> dict[str, Any]:
    """Decode an object in its envelope."""
    assert data.startswith(MAGIC), data[:8]
    outer = dict(parts(data[len(MAGIC) :]))
    header = {number: text(value) for number, value in parts(raw(outer[1]))}
    api_version, kind = header[1], header[2]
    return {"apiVersion": api_version, "kind": kind, **message(raw(outer.get(2, b"")), definition(api_version, kind))}


def definition(api_version: str, kind: str) -> str:
    """Return the name of a kind's message."""
    group, _, version = api_version.rpartition("/")
    if kind in UNGROUPED:
        return f"{META}.{kind}"
    if group == "meta.k8s.io":
        return f"{META.removesuffix('v1')}{version}.{kind}" if kind.endswith("List") else f"{META}.{kind}"
    if group == "apiextensions.k8s.io":
        return f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"
    return f"io.k8s.api.{group.partition('.')[0] or 'core'}.{version}.{kind}"


def message(data: bytes, name: str) -> dict[str, Any]:
    """Decode a message into fields by JSON name. What is empty is left out: Go writes it, and it says nothing."""
    out: dict[str, Any] = {}
    for number, value in parts(data):
        field, many, kind = messages()[name][number]
        if many == "map":
            entry = dict(parts(raw(value)))
            out.setdefault(field, {})[text(entry.get(1, b""))] = decoded(entry.get(2, b""), kind)
        elif many == "list":
            out.setdefault(field, []).append(decoded(value, kind))
        elif field == "*":
            out |= decoded(value, kind)
        elif (inner := decoded(value, kind)) not in ("", 0, {}, None) or field == "metadata":
            out[field] = inner
    return out


def decoded(value: int | bytes, kind: str) -> Json:
    """Decode a value of a type of the table."""
    match kind:
        case "int":
            number = int(value) if isinstance(value, int) else 0
            return number - (1 << 64) if number >> 63 else number
        case "bool":
            return bool(value)
        case "string":
            return text(value)
        case "bytes":
            return base64.b64encode(raw(value)).decode()
        case "double":
            return raw(value).hex()
        case "Time" | "MicroTime":
            return "<time>" if value else None
        case "Raw" | "Quantity":
            return text(dict(parts(raw(value))).get(1, b""))
        case "Strings":
            return [text(item) for _, item in parts(raw(value))]
        case "IntOrString":
            fields = dict(parts(raw(value)))
            return text(fields.get(3, b"")) if fields.get(1) else fields.get(2, 0)
        case _:
            return message(raw(value), kind)


def raw(value: int | bytes) -> bytes:
    """Return a value that has to be bytes."""
    assert isinstance(value, bytes), value
    return value


def text(value: int | bytes) -> str:
    """Return a value that has to be text."""
    return raw(value).decode()


def events(data: bytes) -> Iterator[dict[str, Any]]:
    """Decode the frames of a watch: four bytes of length, then what happened and the object in its envelope."""
    while data:
        length = int.from_bytes(data[:4])
        fields = dict(parts(data[4 : 4 + length]))
        data = data[4 + length :]
        yield {"type": text(fields[1]), "object": envelope(raw(dict(parts(raw(fields[2])))[1]))}
