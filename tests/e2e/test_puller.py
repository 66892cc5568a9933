"""What crd-puller writes of a real cluster: who takes it, and whether it means what its source means."""

from __future__ import annotations

import copy
import os
import re
import resource
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kcp.client import HttpClient, StatusError
from kcp.client.connection import connect
from kcp.kubeconfig import load, locate
from kcp.puller import Catalogue, OpenApi, Resource, discover, pull, resources_of, structural
from tests.conftest import kcp_command
from tests.e2e.conftest import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.e2e.conftest import LogicalCluster

pytestmark = [pytest.mark.peers, pytest.mark.timeout(1800)]  # the first run on a machine compiles the programs

Json = Any
Path_ = tuple[str | int, ...]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Where what is pulled goes on a server that has the originals.
OWN = "pulled.example.com"
# Seconds for a kube-apiserver to serve what it took.
SERVED = 60
# A number that no field of 32 bits holds.
LONG = 99999999999
ASKERS = 6


@dataclass(frozen=True, slots=True)
class Source:
    """A physical cluster as the puller sees it."""

    client: HttpClient
    catalogue: Catalogue


def client(kubeconfig: Path) -> HttpClient:
    return HttpClient(connect(load(locate(str(kubeconfig), {}))))


@pytest.fixture(scope="module")
def source(pcluster: Path) -> Iterator[Source]:
    with client(pcluster) as reader:
        yield Source(reader, discover(reader))


@pytest.fixture(scope="module")
def definitions(source: Source) -> list[Json]:
    """Return the definitions of everything the cluster has."""
    resources, _ = resources_of(source.catalogue, ["all"])
    found = list(pull(source.client, resources, descriptions=False))
    assert [(p.resource.full_name, p.note) for p in found if p.definition is None or p.note] == []
    return [p.definition for p in found]


def renamed(definition: Json) -> Json:
    """Return a definition for a group of the test's own: a real server has those of Kubernetes already."""
    found: Json = copy.deepcopy(definition)
    group = own_group(found["spec"]["group"])
    found["spec"]["group"] = group
    found["metadata"]["name"] = f"{found['spec']['names']['plural']}.{group}"
    return found


def own_group(group: str) -> str:
    return f"{(group or 'core').replace('.', '-')}.{OWN}"


def conditions(definition: Json) -> dict[str, str]:
    return {c["type"]: c["status"] for c in definition.get("status", {}).get("conditions") or ()}


@pytest.fixture(scope="module")
def given_back(source: Source, definitions: list[Json]) -> list[Json]:
    """Give all definitions to the kube-apiserver itself and return them as it serves them."""
    own = [renamed(definition) for definition in definitions]
    for definition in own:
        source.client.post(DEFINITIONS, definition)
    names = {definition["metadata"]["name"] for definition in own}
    listed = source.client.get(DEFINITIONS)
    found = {item["metadata"]["name"]: item for item in listed["items"] if item["metadata"]["name"] in names}
    events = source.client.watch(
        DEFINITIONS, {"resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": str(SERVED)}
    )
    while not all(conditions(item).get("Established") == "True" for item in found.values()):
        changed = next(events)["object"]
        if changed["metadata"]["name"] in names:
            found[changed["metadata"]["name"]] = changed
    events.close()
    return list(found.values())


def test_a_kube_apiserver_takes_everything(definitions: list[Json], given_back: list[Json]) -> None:
    assert len(definitions) > 45
    assert len(given_back) == len(definitions)
    for item in given_back:
        assert "NonStructuralSchema" not in conditions(item), item["metadata"]["name"]
    kept = {item["metadata"]["name"]: item["spec"]["versions"][0]["schema"] for item in given_back}
    # Nothing is lost on the way, which a server does to what it does not know.
    assert kept == {renamed(d)["metadata"]["name"]: d["spec"]["versions"][0]["schema"] for d in definitions}


def test_kcp_takes_everything(definitions: list[Json], cluster: LogicalCluster) -> None:
    with client(cluster.kubeconfig) as kcp:
        for definition in definitions:
            found = kcp.post(DEFINITIONS, definition)
            assert conditions(found).get("Established") == "True", found["metadata"]["name"]
            assert conditions(found).get("NonStructuralSchema", "False") == "False"


def test_all_of_a_server_takes_three_seconds_at_most(pcluster: Path, tmp_path: Path) -> None:
    """Three seconds of the command's own: whatever else the machine does is not counted."""
    command = [kcp_command(), "crd-puller", "--kubeconfig", str(pcluster), "-o", str(tmp_path), "all"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "NO_PROXY": "127.0.0.1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(list(tmp_path.iterdir())) > 45
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3.0


class Older:
    """A server as it was before aggregated discovery and OpenAPI v3."""

    def __init__(self, reader: HttpClient) -> None:
        self._client = reader

    def get(
        self, target: str, *, query: Mapping[str, str] | None = None, accept: str = "application/json"
    ) -> dict[str, Any]:
        if target.startswith("/openapi/v3"):
            raise StatusError.of(404, b"there is no such path")
        return self._client.get(target, query=query)


def test_an_older_server_says_the_same(source: Source) -> None:
    """Its documents have no defaults, and nothing else is missing."""
    older = Older(source.client)
    catalogue = discover(older)
    found = [{r for r in c.resources if not r.group.endswith(OWN)} for c in (catalogue, source.catalogue)]
    assert found[0] == found[1]
    names = ["deployments.apps", "pods", "services", "ingresses.networking.k8s.io"]
    new, old = OpenApi(source.client), OpenApi(older)
    for each in resources_of(catalogue, names)[0]:
        models = [documents.model(each) for documents in (new, old)]
        schemas = [without_defaults(structural(*model, descriptions=False)) for model in models if model]
        assert len(schemas) == 2
        assert schemas[0] == schemas[1], each.full_name


def without_defaults(schema: Json) -> Json:
    """Return a schema without defaults; a key without one is required instead."""
    if isinstance(schema, dict):
        return {k: without_defaults(v) for k, v in schema.items() if k not in {"default", "required"}}
    return [without_defaults(item) for item in schema] if isinstance(schema, list) else schema


# ---- the same objects ----


@dataclass(frozen=True, slots=True)
class Case:
    """An object, and what was done to it."""

    kind: str
    fault: str
    at: Path_
    value: Json
    body: Json


WRONG: dict[type, list[Json]] = {
    str: [5, {"a": 1}, ["x"]],
    int: ["five", {"a": 1}, 1.5, LONG],
    bool: ["yes", 1],
    dict: ["x", [1]],
    list: ["x", {"a": 1}],
    type(None): [],
}


def walk(value: Json, at: Path_ = ()) -> Iterator[Path_]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*at, key)
        yield from walk(inner, (*at, key))


def found_at(value: Json, at: Path_) -> Json:
    for key in at:
        value = value[key]
    return value


def spoiled(body: Json) -> Iterator[Case]:
    """Yield an object as it is, and with one fault in each of its fields."""
    kind = body["kind"]
    yield Case(kind, "none", (), None, body)
    for at in walk({k: v for k, v in body.items() if k not in {"apiVersion", "kind", "metadata"}}):
        present = found_at(body, at)
        values = [("type", wrong) for wrong in WRONG[type(present)]]
        if isinstance(present, dict):
            values.append(("unknown", {**present, "bogusField": 1}))
        for fault, value in values:
            changed = copy.deepcopy(body)
            found_at(changed, at[:-1])[at[-1]] = value
            yield Case(kind, fault, at, value, changed)
        changed = copy.deepcopy(body)
        del found_at(changed, at[:-1])[at[-1]]
        yield Case(kind, "gone", at, None, changed)


def verdicts(asked: HttpClient, of: Resource, group: str, cases: Sequence[Case]) -> list[str]:
    """Return what a server says of each object, empty where it takes it."""
    place = f"/apis/{group}/{of.version}" if group else f"/api/{of.version}"
    space = "/namespaces/default" if of.namespaced else ""
    path = f"{place}{space}/{of.plural}?dryRun=All&fieldValidation=Strict"
    api_version = f"{group}/{of.version}" if group else of.version

    def verdict(case: Case) -> str:
        try:
            asked.post(path, {**case.body, "apiVersion": api_version})
        except StatusError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(ASKERS) as askers:
        return list(askers.map(verdict, cases))


# How a server with Go's types refuses an object for its form.
OF_FORM = re.compile(r"cannot be handled as a|strict decoding error|unknown field")
# Fields that the source's documents call required, and that it does not miss.
NOT_MISSED = {
    ("Deployment", "value"): "httpHeaders and sysctls",
    ("Job", "rules"): "podFailurePolicy",
    ("LimitRange", "limits"): "spec",
}


def compare(case: Case, source: str, other: str) -> str:
    """Return what is wrong with a server that says `other` where the source says `source`; empty for nothing."""
    if not source and other and (case.fault != "gone" or (case.kind, case.at[-1]) not in NOT_MISSED):
        return f"{case.kind} {case.at} {case.fault} {case.value!r} is refused: {other}"
    # The integer of an int-or-string has any length.
    if source and not other and OF_FORM.search(source) and case.value != LONG:
        return f"{case.kind} {case.at} {case.fault} {case.value!r} is taken; the source says {source}"
    return ""


@pytest.fixture(scope="module")
def corpus(source: Source) -> list[tuple[Resource, list[Case], list[str]]]:
    """Return objects of many kinds, whole and spoiled, with what their source says of each."""
    found = []
    for body in yaml.safe_load_all((FIXTURES / "kinds.yaml").read_text()):
        group, _, version = body["apiVersion"].rpartition("/")
        (of,) = (
            r for r in source.catalogue.resources if (r.group, r.version, r.kind) == (group, version, body["kind"])
        )
        cases = list(spoiled(body))
        said = verdicts(source.client, of, of.group, cases)
        assert said[0] == "", f"{body['kind']} is not valid: {said[0]}"
        found.append((of, cases, said))
    return found


def assert_agrees(corpus: list[tuple[Resource, list[Case], list[str]]], asked: HttpClient, *, renamed: bool) -> None:
    """Hold a server that has the pulled definitions against their source."""
    wrong, counts = [], Counter[tuple[str, bool, bool]]()
    for of, cases, said in corpus:
        group = own_group(of.group) if renamed else of.group
        for case, source, other in zip(cases, said, verdicts(asked, of, group, cases), strict=True):
            counts[case.fault, not source, not other] += 1
            if complaint := compare(case, source, other):
                wrong.append(complaint)
    assert not wrong, "\n".join(wrong)
    # Taken by both, refused by both for their types and for what is unknown: the comparison compared something.
    assert counts["none", True, True] == len(corpus)
    assert counts["gone", True, True] > 200
    assert counts["type", False, False] > 1000
    assert counts["unknown", False, False] > 150


@pytest.mark.usefixtures("given_back")
def test_a_kube_apiserver_agrees_with_the_source(
    source: Source, corpus: list[tuple[Resource, list[Case], list[str]]]
) -> None:
    assert_agrees(corpus, source.client, renamed=True)


def test_kcp_agrees_with_the_source(
    definitions: list[Json], corpus: list[tuple[Resource, list[Case], list[str]]], cluster: LogicalCluster
) -> None:
    wanted = {of.full_name for of, _, _ in corpus}
    with client(cluster.kubeconfig) as kcp:
        for definition in definitions:
            spec = definition["spec"]
            if f"{spec['names']['plural']}.{spec['group']}".rstrip(".") in wanted:
                kcp.post(DEFINITIONS, definition)
        assert_agrees(corpus, kcp, renamed=False)
