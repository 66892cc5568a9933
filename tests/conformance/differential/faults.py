"""Classes of fault that any object can have: in its metadata, its header and the text it is sent as."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from tests.conformance.differential.model import Body
    from tests.conformance.exchange import Json

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "11111111-2222-4333-8444-555555555555"}


def metadata(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: other fields of `metadata`; None removes one."""

    def apply(_: Random, body: Body) -> Body:
        merged = {**body.get("metadata", {}), **fields}
        return {**body, "metadata": {k: v for k, v in merged.items() if v is not None}}

    return apply


def top(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: other top-level fields; None removes one."""

    def apply(_: Random, body: Body) -> Body:
        return {k: v for k, v in {**body, **fields}.items() if v is not None}

    return apply


NAMES: Mapping[str, str] = {
    "uppercase": "Abc",
    "underscore": "a_b",
    "dash": "-a",
    "dots": "..",
    "dot": ".",
    "slash": "a/b",
    "percent": "a%b",
    "unicode": "ä",
    "space": "a b",
    "long": "a" * 254,
    "label-too-long": "b" * 64,
    "quote": 'a"b',
    "trailing-dot": "a.",
    "two-dots": "a..b",
}
METADATA_FAULTS: Mapping[str, Callable[[Random, Body], Body]] = {
    **{f"name-{name}": metadata(name=text) for name, text in NAMES.items()},
    "name-missing": metadata(name=None),
    "name-empty": metadata(name=""),
    "name-number": metadata(name=5),
    "generate-name-bad": metadata(name=None, generateName="A_"),
    "generate-name-both": metadata(generateName="gen-x-"),
    "label-key": metadata(labels={"-a": "b"}),
    "label-prefix": metadata(labels={"A_/b": "c"}),
    "label-slashes": metadata(labels={"a/b/c": "d"}),
    "label-empty-key": metadata(labels={"": "d"}),
    "label-value": metadata(labels={"a": "b c"}),
    "label-value-long": metadata(labels={"a": "b" * 64}),
    "label-key-long": metadata(labels={"a" * 64: "b"}),
    "label-number": metadata(labels={"a": 1}),
    "label-null": metadata(labels={"a": None}),
    "labels-list": metadata(labels=["a"]),
    "labels-text": metadata(labels="a"),
    "annotation-key": metadata(annotations={"a b": "c"}),
    "annotation-empty-key": metadata(annotations={"": "c"}),
    "annotation-uppercase": metadata(annotations={"Example.COM/A": "c"}),
    "annotation-long": metadata(annotations={"a": "b" * (256 * 1024)}),
    "annotation-number": metadata(annotations={"a": 1}),
    "finalizer": metadata(finalizers=["nope"]),
    "finalizer-dotted": metadata(finalizers=["nope.example.com"]),
    "finalizer-standard-both": metadata(finalizers=["orphan", "foregroundDeletion"]),
    "finalizer-space": metadata(finalizers=["a b"]),
    "finalizer-empty": metadata(finalizers=[""]),
    "finalizer-text": metadata(finalizers="a/b"),
    "finalizer-twice": metadata(finalizers=["example.com/a", "example.com/a"]),
    "owner-empty": metadata(ownerReferences=[{}]),
    "owner-api-version": metadata(ownerReferences=[{**OWNER, "apiVersion": "a/b/c"}]),
    "owner-event": metadata(ownerReferences=[{**OWNER, "kind": "Event"}]),
    "owner-twice": metadata(ownerReferences=[OWNER, OWNER]),
    "owner-two-controllers": metadata(
        ownerReferences=[{**OWNER, "controller": True}, {**OWNER, "uid": "v", "controller": True}]
    ),
    "owner-unknown": metadata(ownerReferences=[{**OWNER, "colour": "red"}]),
    "owner-uid-missing": metadata(ownerReferences=[{k: v for k, v in OWNER.items() if k != "uid"}]),
    "generation-negative": metadata(generation=-1),
    "generation-given": metadata(generation=7),
    "generation-text": metadata(generation="x"),
    "creation-given": metadata(creationTimestamp="2020-01-01T00:00:00Z"),
    "creation-text": metadata(creationTimestamp="yesterday"),
    "deletion-given": metadata(deletionTimestamp="2020-01-01T00:00:00Z", deletionGracePeriodSeconds=5),
    "uid-given": metadata(uid="given"),
    "self-link-given": metadata(selfLink="/x"),
    "revision-given": metadata(resourceVersion="1"),
    "revision-zero": metadata(resourceVersion="0"),
    "revision-text": metadata(resourceVersion="x"),
    "revision-number": metadata(resourceVersion=5),
    "managed-fields": metadata(managedFields=[{"operation": "Nope", "fieldsType": "Other"}]),
    "managed-fields-manager": metadata(
        managedFields=[{"operation": "Update", "fieldsType": "FieldsV1", "manager": "m" * 129, "apiVersion": "v1"}]
    ),
    "unknown-metadata": metadata(colour="red"),
    "namespace-other": metadata(namespace="other"),
    "namespace-number": metadata(namespace=5),
    "several": metadata(name="A", labels={"-a": "b", "c": "-"}, finalizers=["nope"], ownerReferences=[{}]),
}
HEADER_FAULTS: Mapping[str, Callable[[Random, Body], Body]] = {
    "kind-other": top(kind="Other"),
    "kind-of-another": top(kind="Namespace"),
    "kind-list": top(kind="List", apiVersion="v1"),
    "kind-missing": top(kind=None),
    "kind-empty": top(kind=""),
    "kind-number": top(kind=5),
    "version-other": top(apiVersion="v9"),
    "version-group": top(apiVersion="other.example.com/v1"),
    "version-missing": top(apiVersion=None),
    "version-malformed": top(apiVersion="a/b/c"),
    "version-number": top(apiVersion=1),
    "both-missing": top(apiVersion=None, kind=None),
    "metadata-missing": top(metadata=None),
    "metadata-text": top(metadata="x"),
    "metadata-list": top(metadata=[]),
    "metadata-null": lambda _, body: {**body, "metadata": None},
}


def _doubled(_: Random, text: str) -> str:
    return text.replace('"metadata":', '"metadata": {"name": "first"}, "metadata":', 1)


def _doubled_twice(_: Random, text: str) -> str:
    return text[:-1] + ', "kind": "X", "kind": "Y"}'


def _deep_double(_: Random, text: str) -> str:
    return text.replace('"name":', '"name": "first", "name":', 1)


TEXT_FAULTS: Mapping[str, Callable[[Random, str], str]] = {
    "empty": lambda _, __: "",
    "blank": lambda _, __: "  \n",
    "cut": lambda rng, text: text[: rng.randint(1, max(1, len(text) - 1))],
    "cut-at-end": lambda _, text: text[:-1],
    "list": lambda _, text: f"[{text}]",
    "string": lambda _, __: '"x"',
    "number": lambda _, __: "5",
    "null": lambda _, __: "null",
    "trailing": lambda _, text: text + " x",
    "trailing-object": lambda _, text: text + "{}",
    "comma": lambda _, text: text[:-1] + ",}",
    "single-quotes": lambda _, text: text.replace('"', "'"),
    "not-json": lambda _, __: "a: [b",
    "empty-object": lambda _, __: "{}",
    "duplicate-metadata": _doubled,
    "duplicate-kind": _doubled_twice,
    "duplicate-name": _deep_double,
    "huge-number": lambda _, text: text[:-1] + ', "n": 1e999}',
    "byte-order-mark": lambda _, text: "\ufeff" + text,
    "control-character": lambda _, text: text.replace('"metadata"', '"a\x01b": 1, "metadata"', 1),
}


def as_text(body: Body) -> str:
    """Return a body as the JSON text that is sent."""
    return json.dumps(body)


def as_yaml(body: Json, rng: Random) -> str:
    """Return a body as YAML, in block style or, as often, in flow style."""
    import yaml

    return yaml.safe_dump(copy.deepcopy(body), default_flow_style=rng.random() < 0.3, allow_unicode=True)
