"""Suggestions for unfinished words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kcp.cli import complete

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Shell
    from tests.unit.cli.scripted import Workspaces


def suggested(capsys: pytest.CaptureFixture[str], *words: str, plugin: str = "ws") -> list[str]:
    """Return the suggestions; the protocol's last line has to follow them."""
    run = {"ws": complete.kubectl_ws, "kcp": complete.kubectl_kcp, "create": complete.kubectl_create_workspace}[plugin]
    assert run(words) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    *lines, last = printed.out.splitlines()
    assert last == ":4"
    return [line.partition("\t")[0] for line in lines]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("o",), ["org"]),
        (("use", ""), ["org", "zoo"]),
        (("cd", "org:"), ["org:other", "org:team"]),
        (("org/t",), ["org/team"]),
        ((":root:org:o",), [":root:org:other"]),
        ((":r",), [":root"]),
        (("org:team:",), ["org:team:a"]),
        (("tr",), ["tree"]),
        (("--kubeconfig", "x", "tr"), ["tree"]),
        (("--sh",), ["--short"]),
        (("tree", "--w"), ["--workspace", "--wide"]),
        (("tree", "-w", "z"), ["zoo"]),
        (("org", ""), []),
        (("nope:",), []),
        (("tree", ""), []),
        (("--token", ""), []),
    ],
)
def test_words_are_completed(
    shell: Shell, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], found: list[str]
) -> None:
    assert suggested(capsys, *words) == found


def test_no_word_at_all_offers_commands_and_workspaces(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    offered = suggested(capsys, "")
    assert {"use", "current", "tree", "create", "create-context", "org", "zoo"} == set(offered)


def test_the_other_plugins_complete_as_well(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert suggested(capsys, "work", plugin="kcp") == ["workspace"]
    assert suggested(capsys, "ws", "z", plugin="kcp") == ["zoo"]
    assert suggested(capsys, "--ty", plugin="create") == ["--type"]


def test_a_shell_never_sees_complaints(
    shell: Shell, tree: Workspaces, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.denied.add("root")
    assert suggested(capsys, "use", "o") == []
    shell.kubeconfig.write_text("[")
    assert suggested(capsys, "use", "o") == []
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    assert suggested(capsys, "use", "o") == []
