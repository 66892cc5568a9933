"""Write an answer down so that two servers' answers can be compared.

What two servers choose for themselves becomes a symbol that says where it was seen first: a uid or revision that
stays the same through an episode has one symbol on both sides, and a server that changes it where the other does
not is found out.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml

from tests.conformance.differential import openapi
from tests.conformance.exchange import Answer, Json, normalise_text
from tests.conformance.filters import GROUPS, keep_served

if TYPE_CHECKING:
    from tests.conformance.differential.step import Step
    from tests.conformance.exchange import Server

# The headers that clients act on.
HEADERS = ("content-type", "retry-after", "location", "vary", "allow", "cache-control", "www-authenticate")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d| \+0000 UTC)")
GENERATED = re.compile(r"(gen-[a-z0-9.-]*-|A_)[bcdfghjklmnpqrstvwxz2456789]{5}\b")
REVISION = re.compile(r'("resourceVersion\\?": ?\\?")\d+')
DURATION = re.compile(r"^(\d+[smhdy]){1,2}$|^<invalid>$")
DOCUMENT = re.compile(r'Invalid value: "\{.*\}": ', re.DOTALL)
KIND_MISSING = re.compile(r"(Object 'Kind' is missing in) '\{.*\}'", re.DOTALL)
REVISION_IN_META = re.compile(r"(ResourceVersion in object meta: )\d+")
STORE = re.compile(r"StorageError: .* AdditionalErrorMsg: ")
ISSUER = re.compile(r"https://(kubernetes|kcp)\.default\.svc(\.cluster\.local)?")
ROOT_CA = "kube-root-ca.crt"
# Groups that one of the two has by itself. Any other group that only one side serves is a difference.
ONE_SIDED_GROUPS = re.compile(
    r"(apiresource|core|tenancy|workload)\.kcp\.io"
    r"|(admissionregistration|apiregistration|certificates|discovery|networking|node|resource|scheduling|storage|storagemigration)\.k8s\.io"
    r"|flowcontrol\.apiserver\.k8s\.io|apps|autoscaling|batch|policy"
)
ELSEWHERE = ["clustertrustbundles"]
EPISODES_GROUP = re.compile(r"(gen-)?q[0-9a-f]{8}\.example\.com")


@dataclass(slots=True)
class Symbols:
    """The values one side chose in one episode, by where each was seen first."""

    server: Server
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen: dict[str, str] = field(default_factory=dict)

    def symbol(self, kind: str, value: str, place: str) -> str:
        """Return the symbol of a value, which is where it was seen first."""
        return self.seen.setdefault(f"{kind} {value}", f"<{kind} of {place}>")

    def text(self, value: str, place: str) -> str:
        """Replace in a text what a server chooses."""
        value = TIME.sub(self._time, value)
        value = UUID.sub(lambda match: self.symbol("uid", match[0], place), value)
        value = REVISION_IN_META.sub(r"\1<rv>", REVISION.sub(r"\1<rv>", value))
        value = KIND_MISSING.sub(r"\1 <document>", value)
        value = GENERATED.sub(r"\1<suffix>", value)
        value = STORE.sub("", ISSUER.sub("<issuer>", DOCUMENT.sub("Invalid value: <document>: ", value)))
        return normalise_text(value, self.server)

    def _time(self, match: re.Match[str]) -> str:
        """Replace times of today, which servers write; a client's own times stay."""
        try:
            told = datetime.fromisoformat(match[0].replace(" +0000 UTC", "+00:00").replace(" ", "T"))
        except ValueError:
            return match[0]
        if abs(told - self.started) > timedelta(days=2):
            return match[0]
        return "<time with micros>" if "." in match[0] else "<time>"


def comparable(step: Step, answer: Answer, symbols: Symbols) -> dict[str, Any]:
    """Return status, headers and body with the server's own choices replaced."""
    headers = {name: value for name, value in answer.headers if name.lower() in HEADERS}
    out: dict[str, Any] = {
        "status": answer.status,
        "headers": {k.title(): symbols.text(v, f"header {k}") for k, v in sorted(headers.items())},
        "warnings": [symbols.text(v, "warning") for k, v in answer.headers if k.lower() == "warning"],
    }
    body = decoded(step, answer)
    if openapi.is_document(body):
        body = openapi.reduced(body, is_compared)
    elif isinstance(body, dict) and "kind" in body:
        body = keep_served({"body": body}, is_compared)["body"]
    out["body"] = _value(body, step, symbols, step.name, "")
    return out


def is_compared(group: str) -> bool:
    """Tell whether both sides have to serve a group alike."""
    return group in GROUPS or not (ONE_SIDED_GROUPS.fullmatch(group) or EPISODES_GROUP.fullmatch(group))


def decoded(step: Step, answer: Answer) -> Json:
    """Return the body as JSON, a stream as the list of its events, or text."""
    text = answer.body.decode(errors="backslashreplace")
    kind = next((v for k, v in answer.headers if k.lower() == "content-type"), "")
    try:
        if "watch=" in step.path and answer.status == 200 and "json" in kind:
            events = [event for event in map(json.loads, text.splitlines()) if not is_plain_bookmark(event)]
            for event in events:
                if event["type"] == "BOOKMARK":  # of a whole store, which other requests move on too
                    event["object"]["metadata"]["resourceVersion"] = "the store's"
            return events
        if kind.startswith("application/yaml"):
            return in_order(yaml.load(text, Loader=yaml.BaseLoader))
        return in_order(json.loads(text))
    except (ValueError, yaml.YAMLError):
        return text


def in_order(body: Json) -> Json:
    """Put items whose names a server made up into the order they were made in; by name they come in any."""
    for key in ("items", "rows"):
        items = body.get(key) if isinstance(body, dict) else None
        if not isinstance(items, list):
            continue
        made = [i for i, item in enumerate(items) if GENERATED.search(str(_meta(item).get("name", "")))]
        by_age = sorted((items[i] for i in made), key=lambda item: int(_meta(item).get("resourceVersion", 0)))
        for i, item in zip(made, by_age, strict=True):
            items[i] = item
    return body


def _meta(item: Json) -> dict[str, Json]:
    """Return the metadata of an item or of a table row; nothing when it has none."""
    item = item.get("object") or item if isinstance(item, dict) else {}
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def is_plain_bookmark(event: Json) -> bool:
    """Tell whether an event is a bookmark that comes when a server likes."""
    if not isinstance(event, dict) or event.get("type") != "BOOKMARK":
        return False
    metadata = event["object"].get("metadata") or {}
    return "k8s.io/initial-events-end" not in (metadata.get("annotations") or {})


def _value(value: Json, step: Step, symbols: Symbols, place: str, key: str) -> Json:
    match value:
        case dict():
            return _object(value, step, symbols, place)
        case list():
            items = [
                _value(v, step, symbols, f"{place}[{i}]", "cell" if key == "cells" else "") for i, v in enumerate(value)
            ]
            if key == "resources":
                items.sort(
                    key=lambda item: str(item.get("name", item.get("resource", ""))) if isinstance(item, dict) else ""
                )
            if key == "resourceRules":  # about a kind that kcp does not have
                items = [item for item in items if not isinstance(item, dict) or item.get("resources") != ELSEWHERE]
            if key in ("causes", "resourceRules", "nonResourceRules", "managedFields"):
                items.sort(key=lambda item: json.dumps(item, sort_keys=True))
            if key == "nonResourceRules":  # who may enter is kcp's own verb, and shown once for each who says so
                items = [item for item in items if not isinstance(item, dict) or item.get("verbs") != ["access"]]
            if key == "causes":  # a real server says some things of custom resources twice
                items = [item for i, item in enumerate(items) if i == 0 or item != items[i - 1]]
            return items
        case str() if key == "resourceVersion" and value.isdigit() and value != "0":
            if step.what[1] == "customresourcedefinitions":
                return "<rv>"
            return symbols.symbol("rv", value, place)
        case str() if key == "uid" and UUID.fullmatch(value):
            return symbols.symbol("uid", value, place)
        case str() if key == "continue" and value:
            return "<continue>"
        case str() if key == "cell" and DURATION.match(value):
            return "<age>"
        case str():
            return symbols.text(value, place)
        case _:
            return value


def _object(value: dict[str, Json], step: Step, symbols: Symbols, place: str) -> dict[str, Json]:
    value = dict(value)
    kind = str(value.get("kind", ""))
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        value["metadata"] = metadata = _metadata(metadata)
        whole = kind.endswith("List") or kind == "Table" or "items" in value
        if whole and "resourceVersion" in metadata:  # of a whole store, which other requests move on too
            metadata["resourceVersion"] = "<store's>"
        if step.what[1] == "customresourcedefinitions" and "managedFields" in metadata:
            metadata["managedFields"] = [e for e in metadata["managedFields"] if e.get("subresource") != "status"]
        if metadata.get("name") == ROOT_CA:  # its content and owner are who runs the cluster
            value.pop("data", None)
            for one_sided in ("annotations", "managedFields"):
                metadata.pop(one_sided, None)
        if metadata.get("name") == "default" and kind in ("", "ServiceAccount", "PartialObjectMetadata"):
            metadata.pop("managedFields", None)
    definition = step.what[1] == "customresourcedefinitions" and "spec" in value
    if definition and isinstance(value.get("status"), dict):
        # Names are accepted with the write in kcp, and a moment later, in writes of their own, in a kube-apiserver.
        value["status"] = {k: v for k, v in value["status"].items() if k == "storedVersions"}
    details = value.get("details")
    if isinstance(details, dict) and len(details.get("causes") or []) > 1 and isinstance(value.get("message"), str):
        value["message"] = re.sub(r"\[.*\]$", "[the causes]", value["message"], flags=re.DOTALL)
    if "operation" in value and "fieldsType" in value:  # a managed fields entry
        value["time"] = "<time>" if value.get("time") else None
    return {k: _value(v, step, symbols, f"{place}.{k}" if place else k, k) for k, v in value.items()}


def _metadata(metadata: dict[str, Json]) -> dict[str, Json]:
    metadata = dict(metadata)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and "kcp.io/cluster" in annotations:
        rest = {k: v for k, v in annotations.items() if k != "kcp.io/cluster"}
        metadata.pop("annotations")
        if rest:
            metadata["annotations"] = rest
    return metadata
