"""Ask a Kubernetes API over HTTP and write the answer down without what differs from run to run.

A scenario is a list of requests in order. The recorder sends it to a real kube-apiserver and stores
the answers; the test sends it to kcp and compares.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.conformance.protobuf import MEDIA_TYPE, envelope, events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A decoded JSON document.
Json = Any

SETTLE_SECONDS = 30
# Longer than any answer takes, except a watch that nobody ends.
ANSWER_SECONDS = 10
# Headers that say nothing about behaviour: they carry clocks, sizes, ids or the transport.
UNRECORDED_HEADERS = {
    "audit-id",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "last-modified",
    "transfer-encoding",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a scenario.

    `{{NAME:a.b}}` in path or body stands for the field a.b of the answer to the request NAME before.
    A body that is a string is sent as it is, anything else as JSON.
    """

    name: str
    method: str
    path: str
    body: Json = None
    user: str = "admin"
    headers: Mapping[str, str] = field(default_factory=dict)
    settle: bool = False  # repeat until it answers 200; discovery of a real server lags behind


@dataclass(frozen=True, slots=True)
class Scenario:
    """Requests that prepare (their answers must be 2xx and are not kept) and requests to record."""

    name: str
    about: str
    setup: tuple[Ask, ...]
    asks: tuple[Ask, ...]
    natives: bool = False  # kcp needs the definitions of native kinds first; a real server has them built in
    compacts: bool = False  # history is thrown away between setup and asks, which only the recorder can do


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask: base URL (with the logical cluster's path, if any) and a token per user."""

    url: str
    tokens: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> Json:
        """Return the decoded body, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def send(server: Server, ask: Ask, known: Mapping[str, Answer]) -> Answer:
    """Send one request and read its answer to the end."""
    parts = urlsplit(server.url)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # answers are compared here, trust is tested elsewhere
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=ANSWER_SECONDS)
    headers = {"Accept": "application/json", "User-Agent": "recorder/1.0", **ask.headers}
    token = server.tokens.get(ask.user)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = ask.body
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    if body is not None:
        body = fill(body, known).encode()
    try:
        connection.request(ask.method, parts.path + fill(ask.path, known), body, headers)
        response = connection.getresponse()
        try:
            content = response.read()
        except TimeoutError:
            content = b"(the answer did not end)"
        return Answer(response.status, tuple(response.getheaders()), content)
    except (ConnectionError, http.client.HTTPException) as error:
        return Answer(0, (), f"connection ended: {type(error).__name__}".encode())
    finally:
        connection.close()


def fill(text: str, known: Mapping[str, Answer]) -> str:
    """Put fields of earlier answers into a path or body."""

    def look_up(match: re.Match[str]) -> str:
        value = known[match[1]].json()
        for key in match[2].split("."):
            value = value[key]
        return str(value)

    return re.sub(r"\{\{([\w-]+):([\w.]+)\}\}", look_up, text)


def run(server: Server, scenario: Scenario, compact: Callable[[], None] | None = None) -> list[dict[str, Any]]:
    """Run a scenario; return its recorded exchanges, ready to be written as JSON."""
    known: dict[str, Answer] = {}
    for ask in scenario.setup:
        answer = known[ask.name] = ask_until_settled(server, ask, known)
        if not 200 <= answer.status < 300 and answer.status != 409:  # scenarios may share a namespace
            text = answer.body.decode(errors="replace")
            raise RuntimeError(f"{scenario.name}: setup {ask.name} answered {answer.status}: {text}")
    if scenario.compacts and compact is not None:
        compact()
    exchanges = []
    for ask in scenario.asks:
        answer = known[ask.name] = ask_until_settled(server, ask, known)
        exchanges.append(describe(server, ask, answer))
    return exchanges


def ask_until_settled(server: Server, ask: Ask, known: Mapping[str, Answer]) -> Answer:
    """Send a request; one that may lag is repeated until it answers 200."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        answer = send(server, ask, known)
        if not ask.settle or answer.status == 200 or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def describe(server: Server, ask: Ask, answer: Answer) -> dict[str, Any]:
    """Turn an exchange into what is stored: request, status, headers and a readable body."""
    request: dict[str, Any] = {"method": ask.method, "path": ask.path, "user": ask.user}
    if ask.headers:
        request["headers"] = dict(ask.headers)
    if ask.body is not None:
        request["body"] = shortened(ask.body)
    return {
        "name": ask.name,
        "request": request,
        "status": answer.status,
        "headers": {
            name: normalise_text(value, server)
            for name, value in sorted(answer.headers)
            if name.lower() not in UNRECORDED_HEADERS
        }
        | all_warnings(answer),
        **readable_body(ask, answer, server),
    }


def shortened(value: Json) -> Json:
    """Return a request body with its very long strings cut: they are in the scenario, in full."""
    match value:
        case dict():
            return {k: shortened(v) for k, v in value.items()}
        case str() if len(value) > 1024:
            return f"{value[:60]}… ({len(value)} characters)"
        case _:
            return value


def all_warnings(answer: Answer) -> dict[str, Any]:
    """Return every Warning header as one list; a mapping would keep only the last."""
    warnings = [value for name, value in answer.headers if name.lower() == "warning"]
    return {"Warning": warnings} if warnings else {}


def readable_body(ask: Ask, answer: Answer, server: Server) -> dict[str, Any]:
    """Return the body as JSON (`body`), as a stream of JSON lines (`lines`) or as `text`."""
    content_type = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    if MEDIA_TYPE in content_type:
        if answer.body[4:5] == b"\x0a" and "watch" in ask.path and answer.status == 200:
            return {"lines": [normalise(event, server) for event in events(answer.body)]}
        return {"body": normalise(envelope(answer.body), server)}
    text = answer.body.decode(errors="backslashreplace")
    streams = "watch" in ask.path and answer.status == 200
    try:
        if not streams:
            return {"body": normalise(json.loads(text), server)}
    except ValueError:
        pass
    try:
        return {"lines": [normalise(json.loads(line), server) for line in text.splitlines()]}
    except ValueError:
        return {"text": normalise_text(text, server)}


UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b20[1-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
HASH = re.compile(r"\bhash=[0-9A-F]+")
REVISION = re.compile(
    r"""(resource version: |current: |ResourceVersion in record \(|\\?"resourceVersion\\?":\\?")\d+"""
    r"""( \(\d+\))?"""
)
GENERATED_NAME = re.compile(r"(generated-)[bcdfghjklmnpqrstvwxz2456789]{5}\b")
AGE = re.compile(r"^\d+(s|m|m\d+s|h|h\d+m|d|d\d+h|y|y\d+d)$")


def normalise_text(text: str, server: Server) -> str:
    """Replace in one string what differs between two runs of one server."""
    text = text.replace(server.url, "<server>")
    text = text.replace(urlsplit(server.url).netloc, "<address>")
    text = JWT.sub("<token>", text)
    text = UUID.sub("<uid>", text)
    text = TIME.sub("<time>", text)
    text = HASH.sub("hash=<hash>", text)
    text = GENERATED_NAME.sub(r"\1<suffix>", text)
    text = re.sub(r'^"[0-9A-F]{128}"$', '"<etag>"', text)
    return REVISION.sub(r"\1<rv>", text)


def normalise(value: Json, server: Server, key: str = "") -> Json:
    """Replace in a document what differs between two runs of one server."""
    match value:
        case dict():
            return {k: normalise(v, server, k) for k, v in value.items()}
        case list():
            return [normalise(v, server, "cell" if key == "cells" else "") for v in value]
        case str() if key == "resourceVersion" and value.isdigit() and value != "0":
            return "<rv>"
        case str() if key == "continue" and value:
            return "<continue>"
        case str() if key == "cell" and AGE.match(value):
            return "<age>"
        case str():
            return normalise_text(value, server)
        case _:
            return value
