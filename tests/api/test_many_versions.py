"""Many workspaces, each with a version of its own of one definition: each is served its own, and memory is bounded."""

from __future__ import annotations

import os
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.api.test_many_workspaces import make, resident
from tests.conftest import read_kubeconfig, start_kcp, stop_kcp
from tests.crash.test_kill_workspaces import ask
from tests.crash.writer import Door

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.ledger import Json

COUNT = int(os.environ.get("KCP_MANY_VERSIONS", "100"))
CONNECTIONS = 4
GROUP = "versions.example.com"
DEFINITIONS = "apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GAUGES = f"apis/{GROUP}/v1/namespaces/default/gauges"
# Fields besides the one that makes a version: definitions of about 5 kB, as people write them.
FIELDS = 40
# Coarse on purpose: what a compiled schema and its documents take, not what a cache or a task for each would.
BYTES_EACH = 192 * 1024
BYTES_FIXED = 16 * 1024 * 1024


def definition(number: int) -> Json:
    """Return the definition of gauges with the field that only this version has, and has to have."""
    fields: Json = {
        f"field{index}": {"type": "string", "maxLength": 63, "description": f"The {index}th of what gauges say."}
        for index in range(FIELDS)
    }
    fields[own(number)] = {"type": "integer", "maximum": number}
    spec = {"type": "object", "properties": fields, "required": [own(number)]}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}, "required": ["spec"]}}
    return {
        "metadata": {"name": f"gauges.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "gauges", "kind": "Gauge"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def own(number: int) -> str:
    """Return the name of a version's own field."""
    return f"own{number}"


def gauge(number: int, value: int) -> Json:
    """Return a gauge as one version has it."""
    kind = {"apiVersion": f"{GROUP}/v1", "kind": "Gauge", "metadata": {"name": f"gauge-{value}"}}
    return {**kind, "spec": {own(number): value, "field0": "x"}}


def serves_its_own(door: Door, cluster: str, number: int) -> None:
    """Hold a workspace to its own version: its schema, its limits, its documents, and nobody else's."""
    path = f"/clusters/{cluster}/{GAUGES}"
    with closing(door.connect()) as connection:
        made = door.ask(connection, "POST", path, gauge(number, number))
        assert made["spec"] == {own(number): number, "field0": "x"}
        other = (number + 1) % COUNT
        for body, text in (
            (gauge(other, number), f"spec.{own(number)}: Required value"),
            (gauge(number, number + 1), f"spec.{own(number)}: Invalid value"),
        ):
            status, answer = ask(door, connection, "POST", path, body)
            assert (status, text in answer["message"]) == (422, True), answer
        document = door.ask(connection, "GET", f"/clusters/{cluster}/openapi/v3/apis/{GROUP}/v1")
        spec = document["components"]["schemas"]["com.example.versions.v1.Gauge"]["properties"]["spec"]
        assert {name for name in spec["properties"] if name.startswith("own")} == {own(number)}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_of_many_workspaces_serves_its_own_version_of_one_definition(tmp_path: Path) -> None:
    root = tmp_path / "root"
    process, url = start_kcp(root, "--unsafe-no-fsync")
    try:
        token = read_kubeconfig(root / "admin.kubeconfig")["users"]["kcp-admin"]["token"]
        door = Door(url, token, ssl.create_default_context(cafile=str(root / "ca.crt")))
        parent = make(door, "root", ["versions"], "organization")[0]
        clusters = make(door, parent, [f"ws-{number}" for number in range(COUNT)], "universal")
        before = resident(process)

        def define(number: int) -> None:
            with closing(door.connect()) as connection:
                door.ask(connection, "POST", f"/clusters/{clusters[number]}/{DEFINITIONS}", definition(number))

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(define, range(COUNT)))
            list(pool.map(lambda number: serves_its_own(door, clusters[number], number), range(COUNT)))
        with closing(door.connect()) as connection:
            gauges = door.ask(connection, "GET", f"/clusters/*/apis/{GROUP}/v1/gauges")["items"]
        where = {item["metadata"]["annotations"]["kcp.io/cluster"]: set(item["spec"]) for item in gauges}
        assert where == {cluster: {own(number), "field0"} for number, cluster in enumerate(clusters)}
        grown = resident(process) - before
        print(f"{grown / COUNT:,.0f} bytes for each of {COUNT} versions")
        assert grown < BYTES_FIXED + BYTES_EACH * COUNT, f"{grown:,} bytes for {COUNT} versions"
    finally:
        stop_kcp(process)
