"""`crd-puller` against a scripted server: what it writes, what it says, and its exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kcp.cli import COMMANDS, complete
from kcp.cli.plugin import crd_puller
from tests.unit.cli.scripted import Workspaces, serving, status
from tests.unit.puller.scripted import aggregated, discovered, listed, model, v3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAIR = [listed("widgets", "Widget"), listed("gears", "Gear")]
DOCUMENTS = {
    "/api": aggregated(discovered("", ("v1", [listed("configmaps", "ConfigMap")]))),
    "/apis": aggregated(discovered("shop.example.com", ("v1", PAIR))),
    "/openapi/v3/apis/shop.example.com/v1": v3(
        Widget={**model("shop.example.com", "v1", "Widget"), "description": "A widget."},
        Gear=model("shop.example.com", "v1", "Gear"),
    ),
}


class Server(Workspaces):
    """Serves documents by path."""

    documents: dict[str, Any]

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        """Answer a request."""
        found = self.documents.get(path)
        if isinstance(found, int):
            return status(found, "Forbidden", f'forbidden: User "u" cannot get path "{path}"')
        return (200, found) if found else status(404, "NotFound", "the server could not find the requested resource")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Run a server; the working directory is empty but for its kubeconfig."""
    made = Server()
    made.documents = dict(DOCUMENTS)
    with serving(made):
        config = {
            "current-context": "here",
            "clusters": [
                {"name": "c", "cluster": {"server": made.url}},
                {"name": "nobody", "cluster": {"server": "http://127.0.0.1:1"}},
            ],
            "contexts": [
                {"name": "here", "context": {"cluster": "c", "user": "u"}},
                {"name": "away", "context": {"cluster": "nobody", "user": "u"}},
            ],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        monkeypatch.chdir(tmp_path)
        yield made


def test_a_file_is_written_for_each_resource(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crd_puller(["--kubeconfig", str(tmp_path / "config"), "-o", "new/crds"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.split() == ["new/crds/widgets.shop.example.com.yaml", "new/crds/gears.shop.example.com.yaml"]
    written = yaml.safe_load((tmp_path / "new/crds/widgets.shop.example.com.yaml").read_text())
    assert written["metadata"]["name"] == "widgets.shop.example.com"
    assert written["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] == "A widget."


def test_a_dash_means_standard_output(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd_puller(["-o", "-", "--descriptions=false", "widget", "-r", "gears.shop.example.com"]) == 0
    documents = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [d["spec"]["names"]["plural"] for d in documents] == ["widgets", "gears"]
    assert "A widget." not in str(documents)
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


def test_what_is_unknown_is_told_and_the_rest_is_written(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crd_puller(["nixes", "gears", "configmaps"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "gears.shop.example.com.yaml\n"
    assert printed.err.splitlines() == [
        'error: the server doesn\'t have a resource type "nixes"',
        "error: configmaps: kcp has it built in",
    ]


def test_groups_that_do_not_answer_are_told_when_everything_is_wanted(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.documents["/apis"]["items"].append(discovered("gone.example.com", ("v1", []), stale=True))
    try:
        assert crd_puller(["all"]) == 1
        assert "error: the server does not tell what gone.example.com/v1 has" in capsys.readouterr().err
        assert crd_puller(["gears"]) == 0
    finally:
        server.documents["/apis"]["items"].pop()


@pytest.mark.parametrize("path", ["/apis", "/openapi/v3/apis/shop.example.com/v1"])
def test_who_may_not_read_gets_one_line(server: Server, capsys: pytest.CaptureFixture[str], path: str) -> None:
    server.documents[path] = 403
    assert crd_puller(["gears"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f'error: forbidden: User "u" cannot get path "{path}"\n')


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--context", "away"], 1, "error: Unable to connect to the server http://127.0.0.1:1: "),
        (["--context", "none"], 1, 'error: context "none" does not exist'),
        (["--kubeconfig", "missing"], 1, "error: "),
        (["-o", "config/below", "gears"], 1, "error: cannot write to config/below: "),
        (["--colour"], 2, "error: unknown flag: --colour"),
    ],
)
def test_what_goes_wrong_is_one_line(
    server: Server, capsys: pytest.CaptureFixture[str], words: list[str], code: int, complaint: str
) -> None:
    assert crd_puller(words) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(complaint)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("plural", ["../../etc/x", "A", "x/y"])
def test_no_server_chooses_where_files_go(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], plural: str
) -> None:
    server.documents["/apis"] = aggregated(discovered("shop.example.com", ("v1", [listed(plural, "Gear")])))
    assert crd_puller(["-o", "deep/er"]) == 1
    assert "impossible name" in capsys.readouterr().err
    assert list((tmp_path / "deep/er").iterdir()) == []


def test_the_help_has_examples_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert crd_puller(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(part in printed for part in ("Examples:", "crd-puller --kubeconfig", "Exit status:", "  2  wrong usage"))


def words_after(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert complete.script(["words", *words]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == ":4"
    return [line.partition("\t")[0] for line in lines]


def test_words_are_completed_with_what_the_server_has(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert words_after(capsys, "crd-puller", "") == ["gears.shop.example.com", "widgets.shop.example.com", "all"]
    assert words_after(capsys, "kcp", "crd-puller", "w") == ["widgets.shop.example.com"]
    assert words_after(capsys, "crd-puller", "--context", "away", "w") == []
    assert words_after(capsys, "kcp", "crds", "in") == ["install"]
    assert words_after(capsys, "kcp", "crds", "show", "deploy") == ["deployments.apps"]
    assert words_after(capsys, "kcp", "crds", "--no") == []
    assert words_after(capsys, "kcp", "start", "x") == []
    assert set(words_after(capsys, "kcp", "")) == {name for name, _, _ in COMMANDS}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert complete.script([shell]) == 0
    assert "kcp completion words" in capsys.readouterr().out


def test_another_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert complete.script(["tcsh"]) == 2
    assert "kcp completion bash|zsh|fish" in capsys.readouterr().err
