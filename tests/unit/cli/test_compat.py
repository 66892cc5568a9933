from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kcp.cli import main
from tests.unit.compat.crds import definition

if TYPE_CHECKING:
    from pathlib import Path

Json = Any


def spec(**properties: Json) -> Json:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


TEXT = {"type": "string"}
OLD = definition(spec(a=TEXT, b=TEXT))
NEW = definition(spec(a={"type": "string", "pattern": "^[a-z]+$"}))


class Shell:
    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.capsys = capsys

    def file(self, name: str, *documents: Json) -> str:
        path = self.directory / name
        path.write_text(yaml.safe_dump_all(documents))
        return str(path)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        status = main(["compat", *words])
        printed = self.capsys.readouterr()
        return status, printed.out, printed.err

    def fails(self, *words: str) -> str:
        """Run what must end with 2 and one line; return the line."""
        status, out, err = self(*words)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert err.startswith("error: ")
        return err


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def test_what_differs_is_told_with_an_object_that_shows_it(shell: Shell) -> None:
    status, out, err = shell(shell.file("old", OLD), shell.file("new", NEW))
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "things.example.com: not compatible (2 incompatible)",
        "  incompatible v1 spec.a: must match ^[a-z]+$",
        '               old takes it, new does not: {"apiVersion": "example.com/v1", "kind": "Thing", '
        '"metadata": {"name": "a"}, "spec": {"a": ""}}',
        "  incompatible v1 spec.b: the field is removed",
        '               old takes it, new does not: {"apiVersion": "example.com/v1", "kind": "Thing", '
        '"metadata": {"name": "a"}, "spec": {"b": ""}}',
    ]


def test_compatible_definitions_end_with_0(shell: Shell) -> None:
    status, out, _ = shell(shell.file("new", NEW), shell.file("old", OLD))
    assert (status, out) == (0, "things.example.com: compatible\n")


def test_json_has_every_finding_with_its_witness(shell: Shell) -> None:
    status, out, _ = shell("-o", "json", shell.file("old", OLD), shell.file("new", NEW))
    report = json.loads(out)
    assert status == 1
    assert report["compatible"] is False
    first = report["definitions"][0]["findings"][0]
    assert (first["version"], first["path"], first["rule"], first["verdict"]) == (
        "v1",
        "spec.a",
        "pattern",
        "incompatible",
    )
    assert first["witness"]["takenBy"] == "old"
    assert first["witness"]["object"]["spec"] == {"a": ""}


@pytest.mark.parametrize("flag", ["--lcd", "-lcd"])
def test_the_common_denominator_is_a_definition_that_is_compatible_with_both(shell: Shell, flag: str) -> None:
    old, new = shell.file("old", OLD), shell.file("new", NEW)
    status, out, err = shell(flag, old, new)
    assert status == 0
    assert "spec.b: the field is removed (narrowed)" in err
    joined = yaml.safe_load(out)
    assert joined == {**OLD, "spec": {**OLD["spec"], "versions": NEW["spec"]["versions"]}}
    for other in (old, new):
        assert shell(shell.file("joined", joined), other)[0] == 0


def test_without_a_common_denominator_nothing_is_printed_as_one(shell: Shell) -> None:
    status, out, err = shell(
        "--lcd", shell.file("old", OLD), shell.file("new", definition(spec(a={"type": "integer"})))
    )
    assert (status, out) == (1, "")
    assert "spec.a: type changed from string to integer" in err


def test_one_file_may_be_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(json.dumps(NEW).encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert shell("-", shell.file("old", OLD))[0] == 0
    assert "not both" in shell.fails("-", "-")


def test_definitions_of_several_documents_are_paired_by_name(shell: Shell) -> None:
    names = {"plural": "others", "singular": "other", "kind": "Other", "listKind": "OtherList"}
    other = definition(spec(a=TEXT), names=names)
    both = {"apiVersion": "v1", "kind": "List", "items": [other, OLD]}
    status, out, _ = shell(shell.file("old", OLD, other), shell.file("new", both))
    assert (status, out.splitlines()) == (0, ["things.example.com: compatible", "others.example.com: compatible"])
    status, out, _ = shell(shell.file("old", OLD, other), shell.file("new", OLD))
    assert status == 1
    assert "the definition is removed" in out
    status, out, _ = shell(shell.file("old", OLD), shell.file("new", OLD, other))
    assert status == 0
    assert "the definition is new" in out


def test_every_served_version_counts(shell: Shell) -> None:
    version = OLD["spec"]["versions"][0]
    two = [version, {**version, "name": "v2", "storage": False}]
    more = definition(spec(), versions=two)
    status, out, _ = shell(shell.file("old", more), shell.file("new", OLD))
    assert status == 1
    assert "v2 (object): the version is no longer served" in out
    assert shell(shell.file("old", OLD), shell.file("new", more))[0] == 0
    narrow = definition(spec(), versions=[version, {**NEW["spec"]["versions"][0], "name": "v2", "storage": False}])
    status, out, _ = shell(shell.file("old", more), shell.file("new", narrow))
    assert status == 1
    assert "v2 spec.a: must match" in out
    joined = yaml.safe_load(shell("--lcd", shell.file("old", more), shell.file("new", OLD))[1])
    assert [v["name"] for v in joined["spec"]["versions"]] == ["v1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scope": "Cluster"}, "scope changed from Namespaced to Cluster"),
        ({"group": "other.com"}, "group changed from example.com to other.com"),
        ({"names": {**OLD["spec"]["names"], "kind": "Thong"}}, "kind changed from Thing to Thong"),
        ({"names": {**OLD["spec"]["names"], "plural": "thingies"}}, "plural changed from things to thingies"),
    ],
)
def test_names_and_scope_must_stay(shell: Shell, change: Json, message: str) -> None:
    new = definition(spec(a=TEXT, b=TEXT), **change)
    status, out, _ = shell(shell.file("old", OLD), shell.file("new", new))
    assert status == 1
    assert message in out
    assert "takes it" in out
    assert shell("--lcd", shell.file("old", OLD), shell.file("new", new))[0] == 1


def test_other_names_are_told_and_stand_against_nothing(shell: Shell) -> None:
    new = definition(spec(a=TEXT, b=TEXT), names={**OLD["spec"]["names"], "shortNames": ["th"]})
    new["spec"]["versions"][0]["subresources"] = {"status": {}}
    status, out, _ = shell(shell.file("old", OLD), shell.file("new", new))
    assert status == 0
    assert "shortNames changed from nothing to th" in out
    assert "subresource status added" in out


def deep(levels: int) -> Json:
    schema: Json = TEXT
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("kind: Pod", "document 1: not a CustomResourceDefinition but a Pod"),
        ("just text", "document 1: not a CustomResourceDefinition"),
        ("", "there is no CustomResourceDefinition in it"),
        ("a: [", "line 2"),
        ("a: &a [*a]", "contains itself"),
        (BOMB, "more than 3000000 values"),
        ("[" * 5_000, "levels"),
        ("{" * 100_000, "levels"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (yaml.safe_dump(definition(deep(80))), "more than 64 levels"),
        (yaml.safe_dump(definition({"$ref": "#/definitions/x"})), "$ref is not allowed"),
        (yaml.safe_dump(definition({"type": "text"})), "'text' is not one of object"),
        (yaml.safe_dump(definition({"type": "object", "properties": []})), "properties: must be an object, not a list"),
        (yaml.safe_dump(definition({"type": "object", "minProperties": "many"})), "minProperties: must be a number"),
        (yaml.safe_dump({**OLD, "apiVersion": "apiextensions.k8s.io/v1beta1"}), "is not apiextensions.k8s.io/v1"),
        (yaml.safe_dump(OLD) + "---\n" + yaml.safe_dump(OLD), "things.example.com is there twice"),
        (yaml.safe_dump({**OLD, "spec": 1}), "spec: must be an object"),
        (yaml.safe_dump(definition(spec(), versions=[])), "at least one version"),
    ],
)
def test_what_is_no_definition_is_one_line(shell: Shell, content: str | bytes, message: str) -> None:
    path = shell.directory / "bad"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in shell.fails(shell.file("good", OLD), str(path))


def test_wrong_usage_is_one_line(shell: Shell) -> None:
    old = shell.file("old", OLD)
    assert "needs OLD and NEW" in shell.fails(old)
    assert "needs OLD and NEW" in shell.fails(old, old, old)
    assert 'output "yaml"' in shell.fails(old, old, "-o", "yaml")
    assert "unknown flag: --nope" in shell.fails(old, old, "--nope")
    assert "No such file" in shell.fails(old, str(shell.directory / "none"))
    assert "Is a directory" in shell.fails(old, str(shell.directory))
    assert "none" in shell.fails("--against", str(shell.directory / "none"), old)


def test_the_help_has_examples_and_exit_statuses(shell: Shell) -> None:
    status, out, _ = shell("--help")
    assert status == 0
    assert "Examples:\n  compat crd-v1.yaml crd-v2.yaml" in out
    assert "Exit status:\n  0  compatible" in out


def test_what_a_definition_says_cannot_steer_a_terminal(shell: Shell) -> None:
    new = definition(spec(a={"type": "string", "enum": ["\x1b[2J"]}, b=TEXT))
    _, out, _ = shell(shell.file("old", OLD), shell.file("new", new))
    assert "\x1b" not in out


def test_flags_are_completed(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["compat"], ["kcp", "compat"]):
        assert main(["completion", "words", *words, "--lc"]) == 0
        assert capsys.readouterr().out.startswith("--lcd\t")
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "compat" in capsys.readouterr().out
