"""Namespaces, configmaps, secrets, service accounts and leases."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.conformance.differential.model import Body, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.conformance.exchange import Json

WORDS = ("alpha", "beta", "gamma", "delta", "", "x y", "ünï", "1", "true", "null", "a<b>&c", "two\nlines")
KEYS = ("a", "b", "c.txt", "D_e", "key-1")


def put(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a change that sets top-level fields; None removes one."""

    def apply(_: Random, body: Body) -> Body:
        return {k: v for k, v in {**body, **fields}.items() if v is not None}

    return apply


def inside(section: str, **fields: Json) -> Callable[[Random, Body], Body]:
    """Return a change that sets fields of a section; None removes one."""

    def apply(_: Random, body: Body) -> Body:
        inner = body.get(section)
        merged = {**(inner if isinstance(inner, dict) else {}), **fields}
        return {**body, section: {k: v for k, v in merged.items() if v is not None}}

    return apply


def encoded(text: str) -> str:
    """Return text as base64."""
    return base64.b64encode(text.encode()).decode()


def _strings(rng: Random) -> dict[str, str]:
    return {key: rng.choice(WORDS) for key in rng.sample(KEYS, rng.randint(0, 3))}


def _map(rng: Random) -> Body:
    body: Body = {"data": _strings(rng)}
    if rng.random() < 0.3:
        body["binaryData"] = {"bin": encoded(rng.choice(WORDS))}
    if rng.random() < 0.1:
        body["immutable"] = rng.choice([True, False])
    return body


def _change_map(rng: Random, body: Body) -> Body:
    if body.get("immutable"):
        return body
    return {**body, "data": {**(body.get("data") or {}), rng.choice(KEYS): rng.choice(WORDS)}}


MAPS = Kind(
    "configmaps",
    "",
    "v1",
    "ConfigMap",
    True,
    _map,
    _change_map,
    {
        "key-space": put(data={"a b": "c"}),
        "key-empty": put(data={"": "c"}),
        "key-dots": put(data={"..": "c", "..a": "d", ".": "e"}),
        "key-long": put(data={"k" * 254: "c"}),
        "key-twice": put(data={"a": "c"}, binaryData={"a": "eA=="}),
        "binary-key": put(binaryData={"a/b": "eA=="}),
        "binary-not-base64": put(binaryData={"a": "%%"}),
        "binary-number": put(binaryData={"a": 5}),
        "data-number": put(data={"a": 1}),
        "data-bool": put(data={"a": True, "b": False}),
        "data-object": put(data={"a": {"b": "c"}}),
        "data-list": put(data=["a"]),
        "data-text": put(data="a"),
        "data-null-value": put(data={"a": None}),
        "immutable-text": put(immutable="yes"),
        "immutable-number": put(immutable=1),
        "unknown-field": put(spec={"a": 1}),
        "two-unknown-fields": put(status={"a": 1}, extra=True),
        "case-of-field": put(Data={"a": "b"}),
    },
    {
        "make-immutable": put(immutable=True),
        "data-number": put(data={"a": 1}),
        "key-space": put(data={"a b": "c"}),
        "data-null": put(data=None),
    },
    paths=("/data/a", "/data/zz", "/data", "/binaryData/bin", "/immutable", "/metadata/labels/app"),
)


def _secret(rng: Random) -> Body:
    body: Body = {}
    if rng.random() < 0.7:
        body["data"] = {key: encoded(rng.choice(WORDS)) for key in rng.sample(KEYS, rng.randint(0, 3))}
    if rng.random() < 0.5:
        body["stringData"] = _strings(rng)
    kind = rng.choice(["", "", "Opaque", "example.com/own", "basic", "tls", "ssh", "docker", "bootstrap"])
    match kind:
        case "basic":
            return {"type": "kubernetes.io/basic-auth", "stringData": {"username": "u", "password": "p"}}
        case "tls":
            return {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "y"}}
        case "ssh":
            return {"type": "kubernetes.io/ssh-auth", "stringData": {"ssh-privatekey": "k"}}
        case "docker":
            return {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{}"}}
        case "bootstrap":
            return {"type": "bootstrap.kubernetes.io/token", "stringData": {"token-id": "abcdef"}}
        case "":
            return body
        case _:
            return {**body, "type": kind}


def _change_secret(rng: Random, body: Body) -> Body:
    if body.get("immutable"):
        return body
    return {**body, "stringData": {rng.choice(KEYS): rng.choice(WORDS)}}


SECRETS = Kind(
    "secrets",
    "",
    "v1",
    "Secret",
    True,
    _secret,
    _change_secret,
    {
        "dockercfg-missing": put(type="kubernetes.io/dockercfg", data={}),
        "dockercfg-not-json": put(type="kubernetes.io/dockercfg", stringData={".dockercfg": "{"}),
        "dockerconfigjson-missing": put(type="kubernetes.io/dockerconfigjson", data=None),
        "dockerconfigjson-not-json": put(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "x"}),
        "basic-auth": put(type="kubernetes.io/basic-auth", data={}, stringData=None),
        "ssh-auth": put(type="kubernetes.io/ssh-auth", data={}, stringData=None),
        "tls": put(type="kubernetes.io/tls", data={}, stringData={"tls.crt": "x"}),
        "token": put(type="kubernetes.io/service-account-token"),
        "key-space": put(data={"a b": "eA=="}),
        "string-key-space": put(stringData={"a b": "x"}),
        "not-base64": put(data={"a": "*"}),
        "base64-unpadded": put(data={"a": "eA"}),
        "data-number": put(data={"a": 5}),
        "data-null-value": put(data={"a": None}),
        "type-number": put(type=5),
        "immutable-text": put(immutable="no"),
        "unknown-field": put(spec={}),
        "too-long": put(stringData={"a": "x" * (1024 * 1024 + 1)}),
    },
    {
        "type-change": put(type="example.com/other"),
        "make-immutable": put(immutable=True),
        "not-base64": put(data={"a": "*"}),
        "data-null": put(data=None),
    },
    fields=("type",),
    paths=("/data/a", "/stringData", "/type", "/data", "/metadata/annotations/note"),
)


def _account(rng: Random) -> Body:
    body: Body = {}
    if rng.random() < 0.4:
        body["secrets"] = [{"name": name} for name in rng.sample(["one", "two", "three"], rng.randint(1, 3))]
    if rng.random() < 0.4:
        body["imagePullSecrets"] = [{"name": rng.choice(["pull", "push"])}]
    if rng.random() < 0.4:
        body["automountServiceAccountToken"] = rng.choice([True, False])
    return body


def _change_account(rng: Random, body: Body) -> Body:
    return {**body, "secrets": [*(body.get("secrets") or []), {"name": f"more-{rng.randint(1, 9)}"}][:5]}


ACCOUNTS = Kind(
    "serviceaccounts",
    "",
    "v1",
    "ServiceAccount",
    True,
    _account,
    _change_account,
    {
        "secrets-text": put(secrets="x"),
        "secrets-of-text": put(secrets=["x"]),
        "secrets-unknown": put(secrets=[{"name": "a", "colour": "b"}]),
        "automount-text": put(automountServiceAccountToken="x"),
        "pull-number": put(imagePullSecrets=[{"name": 5}]),
        "unknown-field": put(spec={}),
    },
    {"secrets-text": put(secrets="x"), "secrets-null": put(secrets=None)},
    subresources=("token",),
    paths=("/secrets/0", "/secrets/-", "/automountServiceAccountToken", "/imagePullSecrets"),
)


def _namespace(rng: Random) -> Body:
    return {} if rng.random() < 0.7 else {"spec": {"finalizers": rng.choice([["kubernetes"], [], ["example.com/x"]])}}


NAMESPACES = Kind(
    "namespaces",
    "",
    "v1",
    "Namespace",
    False,
    _namespace,
    lambda _, body: body,
    {
        "finalizer": put(spec={"finalizers": ["nope"]}),
        "finalizer-space": put(spec={"finalizers": ["a b"]}),
        "finalizers-text": put(spec={"finalizers": "kubernetes"}),
        "spec-text": put(spec="x"),
        "status-phase": put(status={"phase": "Terminating"}),
        "status-strange": put(status={"phase": 5}),
        "unknown-field": inside("spec", colour="red"),
    },
    {
        "finalizers-change": put(spec={"finalizers": []}),
        "phase-change": put(status={"phase": "Terminating"}),
        "spec-text": put(spec="x"),
    },
    subresources=("status", "finalize"),
    fields=("status.phase",),
    paths=("/spec/finalizers", "/spec", "/status/phase", "/metadata/labels"),
    collection_deletable=False,
)


def _lease(rng: Random) -> Body:
    spec: Body = {}
    if rng.random() < 0.8:
        spec["holderIdentity"] = rng.choice(["me", "you", "them"])
    if rng.random() < 0.7:
        spec["leaseDurationSeconds"] = rng.choice([1, 15, 3600])
    if rng.random() < 0.6:
        times = ["2024-01-01T00:00:00.000000Z", "2024-01-01T00:00:00Z", "2024-02-03T04:05:06.789+02:00"]
        spec["renewTime"] = rng.choice(times)
        spec["acquireTime"] = rng.choice(times)
    if rng.random() < 0.4:
        spec["leaseTransitions"] = rng.choice([0, 1, 7])
    if rng.random() < 0.15:
        spec |= {"strategy": "OldestEmulationVersion", "preferredHolder": "other"}
    return {"spec": spec}


def _change_lease(rng: Random, body: Body) -> Body:
    return {
        **body,
        "spec": {**(body.get("spec") or {}), "holderIdentity": rng.choice(["a", "b", "c"]), "leaseDurationSeconds": 30},
    }


LEASES = Kind(
    "leases",
    "coordination.k8s.io",
    "v1",
    "Lease",
    True,
    _lease,
    _change_lease,
    {
        "duration-zero": inside("spec", leaseDurationSeconds=0),
        "duration-negative": inside("spec", leaseDurationSeconds=-5),
        "duration-text": inside("spec", leaseDurationSeconds="15"),
        "duration-float": inside("spec", leaseDurationSeconds=1.5),
        "duration-huge": inside("spec", leaseDurationSeconds=3_000_000_000),
        "transitions-negative": inside("spec", leaseTransitions=-1),
        "time-text": inside("spec", renewTime="yesterday"),
        "time-number": inside("spec", renewTime=5),
        "time-empty": inside("spec", acquireTime=""),
        "strategy-unknown": inside("spec", strategy="Newest"),
        "strategy-own": inside("spec", strategy="example.com/own"),
        "holder-empty": inside("spec", holderIdentity=""),
        "preferred-without-strategy": inside("spec", preferredHolder="x", strategy=None),
        "two-faults": inside("spec", leaseDurationSeconds=0, leaseTransitions=-3),
        "unknown-field": inside("spec", colour="red"),
        "spec-list": put(spec=[]),
    },
    {
        "transitions-back": inside("spec", leaseTransitions=-1),
        "duration-zero": inside("spec", leaseDurationSeconds=0),
        "spec-null": put(spec=None),
    },
    paths=("/spec/holderIdentity", "/spec/leaseDurationSeconds", "/spec/renewTime", "/spec"),
)

CORE = (MAPS, SECRETS, ACCOUNTS, LEASES)
