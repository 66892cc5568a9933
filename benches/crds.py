"""5,000 definitions of custom resources in one logical cluster: how soon one more is visible, and what each costs.

Visible means: in the aggregated discovery document, and in the OpenAPI v3 document of its group under the hash that the
index names. The time runs from before the request that creates it.
"""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from benches import systems
from benches.client import Client

GROUPS = 100
EACH = 50
FIELDS = 25
MORE = 9
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds until each further definition was visible, and bytes of resident memory per definition."""

    visible: list[float]
    memory: float


def definition(group: int, index: int) -> dict[str, Any]:
    """Make a definition of about 5 kB, unlike any other."""
    plural, kind = f"things{index}", f"Thing{index}"
    properties = {
        f"field{number}": {
            "type": "string",
            "description": f"Says what the {number}th property of {kind} in group {group} is for, as people would.",
            "maxLength": 63,
        }
        for number in range(FIELDS)
    }
    properties["items"] = {"type": "array", "items": {"type": "object", "properties": dict(properties)}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    name = f"g{group}.bench.example.com"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{name}"},
        "spec": {
            "group": name,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural, "kind": kind, "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def is_visible(client: Client, created: dict[str, Any]) -> bool:
    """Whether discovery and OpenAPI know a definition, asked as clients do."""
    group, kind = created["spec"]["group"], created["spec"]["names"]["kind"]
    apis = json.loads(client.call("GET", "/apis", accept=AGGREGATED))
    of_group = [item for item in apis["items"] if item["metadata"].get("name") == group]
    resources = [one["responseKind"]["kind"] for item in of_group for one in item["versions"][0]["resources"]]
    if kind not in resources:
        return False
    index = json.loads(client.call("GET", "/openapi/v3"))
    url = index["paths"][f"apis/{group}/v1"]["serverRelativeURL"]
    schemas = json.loads(client.call("GET", url))["components"]["schemas"]
    return any(name.endswith(f".v1.{kind}") for name in schemas)


def measure() -> Found:
    """Measure kcp."""
    directory = systems.scratch("crds")
    system = systems.start_kcp(directory)
    try:
        client = Client(system.server, system.ca, system.admin_token)
        client.call("POST", DEFINITIONS, definition(GROUPS, 0))
        is_visible(client, definition(GROUPS, 0))
        before = system.rss()

        def fill(groups: range) -> None:
            filler = Client(system.server, system.ca, system.admin_token)
            for group in groups:
                for index in range(EACH):
                    filler.call("POST", DEFINITIONS, definition(group, index))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(fill, [range(start, GROUPS, 4) for start in range(4)]))
        visible = []
        for number in range(MORE):
            created = definition(number * 7 % GROUPS, EACH + number)
            begun = time.monotonic()
            client.call("POST", DEFINITIONS, created)
            while not is_visible(client, created):
                pass
            visible.append(time.monotonic() - begun)
        memory = (system.rss() - before) / (GROUPS * EACH + MORE)
        return Found(visible, memory)
    finally:
        system.end()
        shutil.rmtree(directory, ignore_errors=True)
