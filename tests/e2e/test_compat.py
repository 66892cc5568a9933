"""`compat --against` looks at the objects of a server, as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.unit.compat.crds import DEFINITIONS, definition

if TYPE_CHECKING:
    from tests.conftest import KcpServer

Json = Any
COMPAT = Path(sys.executable).parent / "compat"


def schema(**intent: Json) -> Json:
    properties = {"intent": {"type": "string", **intent}, "hat": {"type": "string"}}
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def compat(*words: str) -> tuple[int, str, str]:
    done = subprocess.run([COMPAT, *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def kubeconfig(kcp_server: KcpServer, tmp_path: Path) -> str:
    """A kubeconfig of a cluster with a definition and 601 objects, one of which has an intent in capitals."""
    url = kcp_server.new_cluster()
    kcp_server.send("POST", url + DEFINITIONS, json.dumps(definition(schema())).encode())
    for index in range(601):
        value = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": f"n{index}"}}
        value["spec"] = {"intent": "LOUD" if index == 600 else "quiet"}
        kcp_server.send("POST", f"{url}/apis/example.com/v1/namespaces/default/things", json.dumps(value).encode())
    config = yaml.safe_load(kcp_server.kubeconfig.read_text())
    context = next(c for c in config["contexts"] if c["name"] == config["current-context"])["context"]
    next(c for c in config["clusters"] if c["name"] == context["cluster"])["cluster"]["server"] = url
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_stored_objects_that_a_new_definition_breaks_are_told_by_name(kubeconfig: str, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(yaml.safe_dump(definition(schema(pattern="^[a-z]+$"))))
    status, out, err = compat("--against", kubeconfig, str(new))
    assert (status, err) == (1, "")
    assert "incompatible v1 spec.intent: must match ^[a-z]+$" in out
    assert "stored objects: 601, of which the new definition would break 1" in out
    assert "default/n600: spec.intent: must match ^[a-z]+$" in out
    status, out, _ = compat("--against", kubeconfig, "-o", "json", str(new))
    stored = json.loads(out)["definitions"][0]["stored"]
    assert (status, stored["objects"]) == (1, 601)
    assert [(one["namespace"], one["name"]) for one in stored["broken"]] == [("default", "n600")]


def test_a_definition_that_breaks_nothing_ends_with_0(kubeconfig: str, tmp_path: Path) -> None:
    rule = [{"rule": "self.size() > 0"}]
    new = tmp_path / "new.yaml"
    new.write_text(yaml.safe_dump(definition(schema())))
    status, out, _ = compat("--against", kubeconfig, str(new))
    assert status == 0
    assert "would break 0" in out
    new.write_text(yaml.safe_dump(definition(schema(**{"x-kubernetes-validations": rule}))))
    status, out, _ = compat("--against", kubeconfig, str(new))
    assert status == 1
    assert "CEL rules of v1 were not evaluated" in out


def test_a_server_that_does_not_answer_is_one_line(kubeconfig: str, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(yaml.safe_dump(definition(schema())))
    status, out, err = compat("--against", kubeconfig, "--server", "https://127.0.0.1:1", str(new))
    assert (status, out, err.count("\n")) == (2, "", 1)
