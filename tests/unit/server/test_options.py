from __future__ import annotations

from pathlib import Path

import pytest

from kcp.server.options import UsageError, parse


def test_the_defaults_serve_on_loopback_from_dot_kcp() -> None:
    options = parse([])
    assert options.root_directory == Path(".kcp")
    assert (options.bind_address, options.secure_port) == ("127.0.0.1", 6443)
    assert options.fsync
    assert options.run_controllers
    assert options.controllers == ("*",)
    assert (options.listener, options.logging_format, options.verbosity) == ("native", "text", 0)


def test_logical_clusters_have_no_limit_unless_one_is_given() -> None:
    assert parse([]).total_object_limit == 0
    assert parse(["--logical-cluster-total-object-limit", "1000"]).total_object_limit == 1000


@pytest.mark.parametrize("words", [["--run-controllers=false"], ["--run-controllers", "false"]])
def test_booleans_are_written_as_go_programs_take_them(words: list[str]) -> None:
    assert not parse(words).run_controllers


def test_a_boolean_alone_is_true() -> None:
    assert not parse(["--unsafe-no-fsync"]).fsync


def test_controllers_are_separated_by_commas() -> None:
    assert parse(["--controllers", "*,-namespace-controller"]).controllers == ("*", "-namespace-controller")


@pytest.mark.parametrize(
    "flag", ["--etcd-servers=localhost:2379", "--shard-name", "--oidc-issuer-url", "--feature-gates=A=true"]
)
def test_options_of_later_releases_are_refused_by_name(flag: str) -> None:
    with pytest.raises(UsageError, match=f"this release of kcp has no {flag.partition('=')[0]};"):
        parse([flag])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--secure-port", "70000"], "not a port"),
        (["--secure-port", "-1"], "not a port"),
        (["--bind-address", "localhost"], "not an IP address"),
        (["--run-controllers=perhaps"], "neither true nor false"),
        (["--fly"], "unrecognized arguments: --fly"),
        (["--root", "x"], "unrecognized arguments: --root"),
        (["--listener", "granian"], "invalid choice"),
        (["--tls-cert-file", "x"], "go together"),
        (["-v", "11"], "not between"),
        (["--shard-virtual-workspace-url", "elsewhere"], "not a URL"),
        (["--shard-virtual-workspace-url", "ftp://elsewhere"], "not a URL"),
        (["--shard-virtual-workspace-url", "https://:1"], "not a URL"),
        (["--shard-virtual-workspace-url", "https://a:x"], "not a URL"),
        (["--shard-virtual-workspace-url", "https://[a"], "not a URL"),
        (["--shard-virtual-workspace-url", "https://a?b"], "not a URL"),
        (["--shard-virtual-workspace-url", "https://user@a"], "not a URL"),
        (["--logical-cluster-total-object-limit", "-1"], "not a number of 0 or more"),
    ],
)
def test_a_wrong_option_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        parse(words)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("admin", {"admin"}),
        ("admin,user", {"admin", "user"}),
        ("+user", {"admin", "workspace-types", "user"}),
        ("-workspace-types", {"admin"}),
        ("+user,-workspace-types", {"admin", "user"}),
        ("", set()),
    ],
)
def test_batteries_are_a_set_or_changes_to_the_default(text: str, wanted: set[str]) -> None:
    assert parse([f"--batteries-included={text}"]).batteries == wanted


def test_a_server_comes_with_administrators_and_workspace_types() -> None:
    assert parse([]).batteries == {"admin", "workspace-types"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("+user,admin", "cannot be mixed"),
        ("fly", 'there is no battery "fly"'),
        ("user", "battery user needs battery admin"),
        ("+user,-admin", "battery user needs battery admin"),
        ("+", 'there is no battery ""'),
    ],
)
def test_wrong_batteries_are_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        parse([f"--batteries-included={text}"])
    assert "\n" not in str(raised.value)


def test_options_prints_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse(["options"])
    assert raised.value.code == 0
    printed = capsys.readouterr().out
    assert "--client-ca-file" in printed
    assert "--controllers" in printed
