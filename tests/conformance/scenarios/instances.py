"""Objects of custom resources that break their schema: one per rule, and several at once."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Json, Scenario
from tests.conformance.scenarios.make import (
    CRDS,
    JSON_PATCH,
    crd,
    delete,
    get,
    named,
    namespace,
    patch,
    post,
    put,
    settle,
)

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
FORMATS = (
    "bsonobjectid", "uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "uuid3", "uuid4",
    "uuid5", "isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor", "rgbcolor", "byte", "password",
    "date", "duration", "date-time", "datetime",
)  # fmt: skip
PROPERTIES: dict[str, Json] = {
    "text": TEXT,
    "whole": WHOLE,
    "small": {"type": "integer", "format": "int32"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "object": {"type": "object", "properties": {"inner": TEXT, "must": TEXT}, "required": ["must"]},
    "map": {"type": "object", "additionalProperties": WHOLE},
    "list": {"type": "array", "items": WHOLE},
    "choice": {"type": "string", "enum": ["a", "b"]},
    "number-choice": {"type": "integer", "enum": [1, 2]},
    "pattern": {"type": "string", "pattern": "^a+$"},
    "short": {"type": "string", "maxLength": 3},
    "long": {"type": "string", "minLength": 3},
    "bounded": {"type": "integer", "minimum": 2, "maximum": 4},
    "exclusive": {
        "type": "number",
        "minimum": 2,
        "exclusiveMinimum": True,
        "maximum": 4,
        "exclusiveMaximum": True,
    },
    "multiple": {"type": "integer", "multipleOf": 5},
    "few": {"type": "array", "maxItems": 1, "items": TEXT},
    "many": {"type": "array", "minItems": 2, "items": TEXT},
    "few-properties": {"type": "object", "maxProperties": 1, "additionalProperties": TEXT},
    "many-properties": {"type": "object", "minProperties": 2, "additionalProperties": TEXT},
    "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
    "keyed": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "port"],
            "properties": {"name": TEXT, "port": WHOLE, "v": TEXT},
        },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "port"],
    },
    "any": {"type": "string", "anyOf": [{"minLength": 5}, {"pattern": "^x"}]},
    "one": {"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 7}]},
    "all": {"type": "integer", "allOf": [{"minimum": 5}, {"multipleOf": 2}]},
    "negated": {"type": "string", "not": {"enum": ["no"]}},
    "nullable": {"type": "string", "nullable": True},
    "either": {"x-kubernetes-int-or-string": True},
    "embedded": {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    },
    "free": {"x-kubernetes-preserve-unknown-fields": True},
} | {f"format-{f}": {"type": "string", "format": f} for f in FORMATS}
INVALID: dict[str, Json] = {
    "text-is-number": {"text": 1},
    "text-is-bool": {"text": True},
    "text-is-list": {"text": ["a"]},
    "text-is-object": {"text": {"a": 1}},
    "text-is-null": {"text": None},
    "whole-is-text": {"whole": "1"},
    "whole-is-fraction": {"whole": 1.5},
    "whole-is-whole-fraction": {"whole": 2.0},
    "whole-is-huge": {"whole": 10**20},
    "small-overflow": {"small": 2**31},
    "number-is-text": {"number": "1.5"},
    "flag-is-text": {"flag": "true"},
    "object-is-text": {"object": "x"},
    "object-without-required": {"object": {"inner": "x"}},
    "map-value": {"map": {"a": "x"}},
    "list-is-object": {"list": {"a": 1}},
    "list-item": {"list": [1, "x", 2, True]},
    "choice": {"choice": "c"},
    "number-choice": {"number-choice": 3},
    "pattern": {"pattern": "bbb"},
    "short": {"short": "abcd"},
    "short-unicode": {"short": "äöüß"},
    "long": {"long": "a"},
    "minimum": {"bounded": 1},
    "maximum": {"bounded": 5},
    "exclusive-minimum": {"exclusive": 2},
    "exclusive-maximum": {"exclusive": 4},
    "multiple": {"multiple": 7},
    "few": {"few": ["a", "b"]},
    "many": {"many": ["a"]},
    "few-properties": {"few-properties": {"a": "1", "b": "2"}},
    "many-properties": {"many-properties": {"a": "1"}},
    "set-duplicate": {"set": ["a", "b", "a", "a"]},
    "keyed-duplicate": {"keyed": [{"name": "a", "port": 1}, {"name": "a", "port": 1, "v": "x"}]},
    "keyed-without-key": {"keyed": [{"name": "a"}]},
    "any": {"any": "abc"},
    "one-both": {"one": 6},
    "all": {"all": 3},
    "all-one": {"all": 7},
    "negated": {"negated": "no"},
    "nullable": {"nullable": None},
    "either-number": {"either": 1},
    "either-text": {"either": "50%"},
    "either-bool": {"either": True},
    "either-fraction": {"either": 1.5},
    "embedded-empty": {"embedded": {}},
    "embedded-without-kind": {"embedded": {"apiVersion": "v1"}},
    "embedded-name": {"embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "Not_Valid"}}},
    "embedded-metadata-type": {"embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 1}}},
    "embedded-unknown-metadata": {"embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {"nope": 1}}},
    "free": {"free": {"a": [1, None, {"b": "c"}]}},
    "unknown": {"nope": 1},
    "several": {"text": 1, "choice": "c", "bounded": 9, "object": {}},
} | {f"format-{f}": {f"format-{f}": "nope!"} for f in FORMATS}
PROBES = "/apis/stable.example.com/v1/namespaces/instances/probes"


def probe(name: str, spec: Json, **metadata: Json) -> dict[str, Any]:
    """Return a Probe."""
    body = named("stable.example.com/v1", "Probe", name, spec=spec)
    body["metadata"] |= metadata
    return body


PROBE_CRD = crd(
    "probes",
    "Probe",
    {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {"type": "object", "properties": PROPERTIES}},
    },
)

SCENARIOS = (
    Scenario(
        "instance-invalid",
        "Objects of a custom resource that break one rule of the schema (dry run), and updates of one.",
        (
            namespace("instances"),
            post("crd", CRDS, PROBE_CRD),
            settle("served", PROBES),
            post("valid", PROBES, probe("valid", {"text": "x"})),
        ),
        (
            *(post(name, f"{PROBES}?dryRun=All", probe("x", spec)) for name, spec in INVALID.items()),
            post("without-spec", f"{PROBES}?dryRun=All", named("stable.example.com/v1", "Probe", "x")),
            post("spec-is-text", f"{PROBES}?dryRun=All", probe("x", "x")),
            post("spec-is-null", f"{PROBES}?dryRun=All", probe("x", None)),
            post("name", f"{PROBES}?dryRun=All", probe("Not_Valid", {})),
            post("name-long", f"{PROBES}?dryRun=All", probe("a" * 254, {})),
            post("label", f"{PROBES}?dryRun=All", probe("x", {}, labels={"-bad": "x"})),
            post("label-value", f"{PROBES}?dryRun=All", probe("x", {}, labels={"a": "-"})),
            post("label-type", f"{PROBES}?dryRun=All", probe("x", {}, labels={"a": 1})),
            post("labels-type", f"{PROBES}?dryRun=All", probe("x", {}, labels="x")),
            post("annotation-key", f"{PROBES}?dryRun=All", probe("x", {}, annotations={"a b": "x"})),
            post("finalizer", f"{PROBES}?dryRun=All", probe("x", {}, finalizers=["nope"])),
            post("finalizer-unqualified", f"{PROBES}?dryRun=All", probe("x", {}, finalizers=["a b/c"])),
            post("owner", f"{PROBES}?dryRun=All", probe("x", {}, ownerReferences=[{"kind": "Probe"}])),
            post(
                "owner-two-controllers",
                f"{PROBES}?dryRun=All",
                probe(
                    "x",
                    {},
                    ownerReferences=[
                        {"apiVersion": "v1", "kind": "A", "name": n, "uid": n, "controller": True} for n in "ab"
                    ],
                ),
            ),
            post(
                "metadata-unknown-strict",
                f"{PROBES}?dryRun=All&fieldValidation=Strict",
                probe("x", {}, nope=1),
            ),
            post(
                "unknown-strict",
                f"{PROBES}?dryRun=All&fieldValidation=Strict",
                probe("x", {"nope": 1, "object": {"must": "x", "other": 1}}),
            ),
            post("unknown-warn", f"{PROBES}?dryRun=All&fieldValidation=Warn", probe("x", {"nope": 1})),
            post(
                "duplicate-strict",
                f"{PROBES}?dryRun=All&fieldValidation=Strict",
                '{"apiVersion":"stable.example.com/v1","kind":"Probe","metadata":{"name":"x"},"spec":{"text":"a","text":"b"}}',
            ),
            post(
                "duplicate-yaml-strict",
                f"{PROBES}?dryRun=All&fieldValidation=Strict",
                "apiVersion: stable.example.com/v1\nkind: Probe\nmetadata: {name: x}\n"
                "spec:\n  text: one\n  text: two\n",
                **{"Content-Type": "application/yaml"},
            ),
            patch("patch-type", f"{PROBES}/valid", {"spec": {"text": 1}}),
            patch("patch-unknown", f"{PROBES}/valid", {"spec": {"nope": 1}}),
            patch("patch-unknown-strict", f"{PROBES}/valid?fieldValidation=Strict", {"spec": {"nope": 1}}),
            patch("patch-remove-spec", f"{PROBES}/valid", {"spec": None}),
            patch("json-patch-missing", f"{PROBES}/valid", [{"op": "remove", "path": "/spec/nope"}], JSON_PATCH),
            patch("patch-uid", f"{PROBES}/valid", {"metadata": {"uid": "x"}}),
            patch("patch-metadata-type", f"{PROBES}/valid", {"metadata": {"labels": {"a": 1}}}),
            put("put-stale", f"{PROBES}/valid", probe("valid", {}, resourceVersion="1")),
            put("put-without-version", f"{PROBES}/valid", probe("valid", {})),
            get("still-valid", f"{PROBES}/valid"),
            delete("delete", f"{PROBES}/valid"),
        ),
    ),
)
