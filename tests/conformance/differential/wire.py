"""One side of the comparison: a server, connections kept open to it, and requests sent to it."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import string
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from tests.conformance.exchange import Answer, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.differential.step import Step
    from tests.conformance.exchange import Server

# Longer than any answer takes, except a watch that nobody ends.
ANSWER_SECONDS = 15
BUSY_ATTEMPTS = 5  # a server that builds a cache anew says so, and when to ask again
TOKEN = "@E@"  # stands for the episode's own word in every name of a step
URL_CHARACTERS = string.ascii_letters + string.digits + string.punctuation
PLACEHOLDER = re.compile(r"\{\{([\w-]+):([\w.\[\]-]+)\}\}")


class Side:
    """A server with open connections; not for several threads at once.

    Its `name` is `kube` or `kcp`.
    """

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self.server = server
        self._parts = urlsplit(server.url)
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # answers are compared here, trust is tested elsewhere
        self._connection: http.client.HTTPSConnection | None = None

    def send(self, step: Step, known: Mapping[str, Answer], word: str) -> Answer:
        """Send a step of the episode called `word` and read its answer to the end; status 0: there was none.

        What is refused for the moment (429 with Retry-After) is asked again when the server says.
        """
        body = step.body
        headers: dict[str, str] = {"Accept": "application/json", "User-Agent": "tester/1.0", **step.headers}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        content = None if body is None else fill(body, known, word).encode("utf-8", "surrogateescape")
        path = self._parts.path + quote(fill(step.path, known, word), safe=URL_CHARACTERS)
        headers = {name: fill(value, known, word) for name, value in headers.items()}
        token = self.server.tokens.get(step.user, step.user)
        if token != "anonymous":
            headers["Authorization"] = f"Bearer {token}"
        for _ in range(BUSY_ATTEMPTS):
            answer = self._answer(step.method, path, content, headers)
            seconds = dict(answer.headers).get("Retry-After", "")
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS or not seconds.isdigit():
                break
            time.sleep(int(seconds))
        return answer

    def _answer(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        for attempt in (1, 2):
            fresh = self._connection is None
            try:
                return self._exchange(method, path, content, headers)
            except (ConnectionError, http.client.HTTPException, TimeoutError) as error:
                self.close()
                if fresh or attempt == 2:  # a kept connection may have been closed meanwhile; a new one says something
                    return Answer(0, (), f"connection ended: {type(error).__name__}".encode())
        raise AssertionError("unreachable")

    def _exchange(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            self._connection = http.client.HTTPSConnection(host, port, context=self._context, timeout=ANSWER_SECONDS)
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        try:
            text = response.read()
        except TimeoutError:
            text = b"(the answer did not end)"
            self.close()
        if response.will_close:
            self.close()
        return Answer(response.status, tuple(response.getheaders()), text)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def fill(text: str, known: Mapping[str, Answer], word: str) -> str:
    """Put the episode's word and fields of earlier answers into a path, body or header."""

    def look_up(match: re.Match[str]) -> str:
        answer = known.get(match[1])
        value: Json = answer.json() if answer is not None else None
        for key in match[2].split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return "none" if value is None else str(value)

    return PLACEHOLDER.sub(look_up, text.replace(TOKEN, word))
