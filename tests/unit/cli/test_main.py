from __future__ import annotations

import pytest

from kcp.cli import COMMANDS, main


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name, _, _ in COMMANDS)


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage:" in capsys.readouterr().out


def test_an_unknown_command_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == 'error: unknown command "fly" for "kcp"; `kcp --help` lists them\n'


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("kcp ")
