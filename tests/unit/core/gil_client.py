"""A client in a process of its own: once told to go, it uses the API for two seconds and reports when each call ran.

Arguments: base URL of a logical cluster, CA file, token. Prints `ready`, waits for a line, prints JSON
`[[what, begun, ended], …]` with times of the system's monotonic clock.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2.0
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(number: int) -> dict[str, Any]:
    plural = f"widgets{number}"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": f"widget{number}", "kind": f"Widget{number}"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def main() -> None:
    base, ca, token = sys.argv[1:]
    calls: list[tuple[str, float, float]] = []
    client = httpx.Client(
        verify=ssl.create_default_context(cafile=ca),
        headers={"authorization": f"Bearer {token}"},
        timeout=30,
    )

    def timed(what: str, call: Callable[[], Any]) -> None:
        begun = time.monotonic()
        call()
        calls.append((what, begun, time.monotonic()))

    def write(path: str, body: dict[str, Any]) -> None:
        client.post(base + path, json=body).raise_for_status()

    def read(path: str) -> None:
        client.get(base + path).raise_for_status()

    def configmap(name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}

    write(CONFIGMAPS, configmap("first"))
    with client.stream("GET", f"{base}{CONFIGMAPS}?watch=true") as watch:
        events = watch.iter_lines()
        next(events)
        print("ready", flush=True)
        sys.stdin.readline()
        end = time.monotonic() + SECONDS
        number = 0
        while time.monotonic() < end:
            number += 1
            timed("create a configmap", partial(write, CONFIGMAPS, configmap(f"c-{number}")))
            timed("watch", lambda: next(events))
            timed("get", lambda: read(f"{CONFIGMAPS}/first"))
            timed("list", lambda: read(CONFIGMAPS))
            timed("create a definition", partial(write, DEFINITIONS, definition(number)))
            custom = f"/apis/example.com/v1/namespaces/default/widgets{number}"
            timed("list custom objects", partial(read, custom))
    print(json.dumps(calls), flush=True)


if __name__ == "__main__":
    main()
