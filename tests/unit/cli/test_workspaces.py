"""What the workspace commands print, ask and write; the texts are those of upstream's plugins on the same tree."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.scripted import HOME

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Shell
    from tests.unit.cli.scripted import Workspaces

CURRENT, PREVIOUS = "workspace.kcp.io/current", "workspace.kcp.io/previous"


def test_a_walk_tells_where_one_is(shell: Shell) -> None:
    assert shell("ws", ".") == "Current workspace is 'root'.\n"
    assert shell("ws", "org") == "Current workspace is 'root:org' (type root:organization).\n"
    assert shell("ws", "team") == "Current workspace is 'root:org:team' (type root:universal).\n"
    assert shell("ws", "../..") == "Current workspace is 'root' (type root).\n"
    assert shell("ws", "-") == "Current workspace is 'root:org:team'.\n"
    assert shell("ws", "-") == "Current workspace is 'root'.\n"
    assert shell("ws", "cd", ":root:zoo") == "Current workspace is 'root:zoo' (type root:universal).\n"
    assert shell("ws", ":") == "Current workspace is 'root'.\n"
    assert shell("ws", "current") == "Current workspace is 'root'.\n"
    assert shell("kcp", "workspaces", "current", "--short") == "root\n"
    assert shell.errors == ""


def test_home_is_where_no_target_leads(shell: Shell) -> None:
    assert shell("ws") == f"Current workspace is '{HOME}'.\n"
    assert shell.errors == (
        "Note: 'kubectl ws' now matches 'cd' semantics: go to home workspace. "
        "'kubectl ws -' to go back. 'kubectl ws .' to print current workspace.\n"
    )
    assert shell("ws", "-") == "Current workspace is 'root'.\n"
    assert shell("ws", "--short") == f"{HOME}\n"
    assert shell.errors == ""
    assert shell("ws", "use", "~") == f"Current workspace is '{HOME}'.\n"


def test_the_old_absolute_form_is_noted(shell: Shell) -> None:
    assert shell("ws", "root:org") == "Current workspace is 'root:org' (type root:organization).\n"
    assert shell.errors == (
        "Note: Using 'root:' to define an absolute path is no longer supported. "
        "Instead, use ':root' to specify an absolute path.\n"
    )


def test_the_kubeconfig_keeps_current_and_previous(shell: Shell, tree: Workspaces) -> None:
    before = shell.config()
    shell("ws", "org")
    first = shell.config()
    assert first["current-context"] == CURRENT
    assert first["clusters"][CURRENT] == {"server": f"{tree.url}/clusters/root:org"}
    assert first["contexts"][CURRENT] == {"cluster": CURRENT, "user": "u", "namespace": "ns"}
    assert first["contexts"][PREVIOUS] == {"cluster": "c", "user": "u", "namespace": "ns"}
    assert PREVIOUS not in first["clusters"]
    shell("ws", "team")
    second = shell.config()
    assert second["clusters"][PREVIOUS] == {"server": f"{tree.url}/clusters/root:org"}
    assert second["contexts"][PREVIOUS] == {"cluster": PREVIOUS, "user": "u", "namespace": "ns"}
    for config in (first, second):
        assert config["contexts"]["mine"] == before["contexts"]["mine"]
        assert config["clusters"]["c"] == before["clusters"]["c"]


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("nope", 'workspace "root:nope" not found'),
        ("shy", 'access to workspace "root:shy" denied'),
        ("..", "cannot go up from root"),
        ("a::b", "invalid workspace path: a::b"),
        ("-", "no previous workspace found in kubeconfig"),
    ],
)
def test_a_switch_that_cannot_be_leaves_the_kubeconfig(
    shell: Shell, tree: Workspaces, target: str, complaint: str
) -> None:
    tree.add("root:shy")
    tree.denied.add("root:shy")
    before = shell.kubeconfig.read_bytes()
    assert shell.fails("ws", target) == f"Error: {complaint}\n"
    assert shell.fails("kcp", "ws", "use", target) == f"error: {complaint}\n"
    assert shell.kubeconfig.read_bytes() == before


def test_a_url_that_is_no_workspace_is_told(shell: Shell, tree: Workspaces) -> None:
    shell.kubeconfig.write_text(shell.kubeconfig.read_text().replace("/clusters/root", ""))
    assert shell("ws", ".") == f'Current workspace is the URL "{tree.url}".\n'
    assert shell("ws", ".", "--short") == ""
    assert shell.fails("ws", "org") == f'Error: current URL "{tree.url}" does not point to a workspace\n'
    assert shell("ws", "tree") == (f'current context URL "{tree.url}" does not point directly to a kcp workspace\n')


def test_claims_that_are_open_are_warned_of(shell: Shell, tree: Workspaces) -> None:
    tree.bindings["root:zoo"] = [
        {
            "metadata": {"name": "b"},
            "spec": {
                "permissionClaims": [
                    {"resource": "secrets", "verbs": ["*"], "state": "Accepted"},
                    {"resource": "configmaps", "verbs": ["get"]},
                    {"group": "g.io", "resource": "fine", "verbs": ["get"], "state": "Rejected"},
                ]
            },
            "status": {
                "exportPermissionClaims": [
                    {"resource": "secrets", "verbs": ["get", "list"]},
                    {"resource": "configmaps", "verbs": ["get"]},
                    {"group": "g.io", "resource": "fine", "verbs": ["get"]},
                    {"group": "g.io", "resource": "things", "identityHash": "abc", "verbs": ["get"]},
                ]
            },
        }
    ]
    shell("ws", "zoo")
    assert shell.errors.splitlines() == [
        "Warning: allowed verbs (*) on claim for secrets on APIBinding b do not match expected verbs (get,list).",
        "Warning: claim for configmaps specified on APIBinding b but not accepted or rejected.",
        "Warning: claim for things.g.io:abc exported but not specified on APIBinding b",
        "Add this claim to the APIBinding's Spec.",
        "Warning: claim for things.g.io:abc specified on APIBinding b but not accepted or rejected.",
    ]


def test_the_tree_is_drawn(shell: Shell, tree: Workspaces) -> None:
    tree.add("root:org:gone", metadata={"name": "gone", "deletionTimestamp": "2026-01-01T00:00:00Z"})
    mount = {"ref": {"apiVersion": "v1", "kind": "K", "name": "n"}}
    tree.add("root:org:mounted", spec={"mount": mount, "URL": "https://elsewhere/clusters/x"})
    plain = """\
.
└── root
    ├── org
    │   ├── mounted [m]
    │   ├── other
    │   └── team
    │       └── a
    └── zoo

"""
    assert shell("ws", "tree") == plain
    assert shell("ws", "tree", "--full").splitlines()[2:5] == [
        "    ├── root:org",
        "    │   ├── root:org:mounted [m]",
        "    │   ├── root:org:other",
    ]
    wide = shell("ws", "tree", "--wide").splitlines()
    assert wide[1] == "└── root           ws=-      lc=Ready"
    assert wide[3] == "    │   ├── mounted [m]"
    assert wide[5] == "    │   └── team   ws=Ready  lc=Ready"
    assert shell("ws", "tree", "-w", "org:team") == ".\n└── team\n    └── a\n\n"
    assert shell("ws", ".") == "Current workspace is 'root'.\n"


def test_a_listing_that_is_refused_ends_the_tree(shell: Shell, tree: Workspaces) -> None:
    tree.denied.add("root:zoo")
    assert shell.fails("ws", "tree").startswith("Error: forbidden: ")


def test_credentials_go_to_the_server_of_the_kubeconfig_alone(shell: Shell, tree: Workspaces) -> None:
    tree.objects["root:zoo"]["spec"]["URL"] = "http://127.0.0.1:9/clusters/root:org:team"
    assert shell("ws", "tree").endswith("    └── zoo\n        └── a\n\n")
    assert {headers["authorization"] for headers in tree.headers} == {"Bearer secret"}


def test_a_workspace_is_created_and_waited_for(shell: Shell, tree: Workspaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kcp.cli.workspace_create.ASK_EVERY", 0.0)
    tree.slow = 2
    kind = "(type root:universal)"
    assert shell("create workspace", "new") == (
        f'Workspace "new" {kind} created. Waiting for it to be ready...\nWorkspace "new" {kind} is ready to use.\n'
    )
    assert shell("create workspace", "more", "--enter", "--type", "root:TEAM").splitlines() == [
        'Workspace "more" (type root:team) is ready to use.',
        "Current workspace is 'root:more' (type root:team).",
    ]
    assert shell("create workspace", "-w", ":root:zoo", "inside") == f'Workspace "inside" {kind} is ready to use.\n'
    assert "root:zoo:inside" in tree.objects
    assert shell("ws", "create", "old", "--location-selector", "a=b").endswith("is ready to use.\n")
    assert "deprecated" in shell.errors
    assert tree.objects["root:more:old"]["spec"]["location"] == {"selector": {"matchLabels": {"a": "b"}}}


def test_a_workspace_that_never_becomes_ready_is_told(shell: Shell, tree: Workspaces) -> None:
    from kcp.cli.plugin import UserError
    from kcp.cli.workspace_create import create, manifest
    from kcp.client import HttpClient
    from kcp.client.connection import Connection

    tree.slow = 1_000_000
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    collection = f"{tree.url}/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
    with (
        HttpClient(Connection(server=tree.url)) as client,
        pytest.raises(UserError, match="is not ready after a minute"),
    ):
        create(
            client, collection, manifest("never", None, ""), say=lambda line: None, clock=lambda: now[0], sleep=sleep
        )


def test_an_existing_workspace_is_refused_or_fine(shell: Shell, tree: Workspaces) -> None:
    assert shell.fails("create workspace", "org") == 'Error: workspaces.tenancy.kcp.io "org" already exists\n'
    fine = ("--ignore-existing", "org")
    kind = "(type root:organization)"
    assert shell("create workspace", *fine) == (
        f'Workspace "org" {kind} already exists.\nWorkspace "org" {kind} is ready to use.\n'
    )
    assert shell.fails("create workspace", *fine, "--type", "team") == (
        "Error: --ignore-existing must not be used with non-absolute type path\n"
    )
    assert shell.fails("create workspace", *fine, "--type", "root:team") == (
        'Error: workspace "org" cannot be created with type root:team, '
        "it already exists with different type root:organization\n"
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "accepts 1 arg(s), received 0"),
        (("a", "b"), "accepts 1 arg(s), received 2"),
        (("a", "--location-selector", "a=b=c"), 'invalid location selector: unable to parse requirement: "a=b=c"'),
        (("a", "--fly"), "unknown flag: --fly"),
        (("a", "--type"), "flag needs an argument: --type"),
        (("a", "--enter=perhaps"), 'invalid argument "perhaps" for "--enter" flag: neither true nor false'),
        (("a", "--as-user-extra", "x"), '--as-user-extra "x" is not key=value'),
        (("a", "--context", "nope"), 'current "nope" context not found'),
        (("a", "--user", "nope"), 'auth info "nope" does not exist'),
    ],
)
def test_wrong_usage_of_create_is_one_line(shell: Shell, words: tuple[str, ...], complaint: str) -> None:
    assert shell.fails("create workspace", *words) == f"Error: {complaint}\n"


def test_contexts_are_created_for_workspaces(shell: Shell, tree: Workspaces) -> None:
    shell("ws", "org")
    assert shell("ws", "create-context") == 'Created context "root:org" and switched to it.\n'
    assert shell.fails("ws", "create-context") == (
        'Error: context "root:org" already exists in kubeconfig, use --overwrite to update it\n'
    )
    assert shell("ws", "create-context", "--overwrite") == 'Updated context "root:org".\n'
    assert shell("create workspace", "c", "--create-context", "ctx").splitlines()[-1] == 'Created context "ctx".'
    assert shell.config()["current-context"] == "root:org"
    assert shell.config()["clusters"]["ctx"] == {"server": f"{tree.url}/clusters/root:org:c"}
    assert shell("create workspace", "d", "--create-context", "two", "--enter").splitlines()[-1] == (
        'Created context "two" and switched to it.'
    )
    assert shell.config()["current-context"] == "two"


@pytest.mark.parametrize("words", [("use",), ("a", "b"), ("--help",), ("tree", "-h"), ("create-context", "a", "b")])
def test_too_many_or_too_few_words_print_help(shell: Shell, words: tuple[str, ...]) -> None:
    assert "Usage:\n  kubectl ws" in shell("ws", *words)


def test_the_browser_takes_no_words_and_needs_a_terminal(shell: Shell) -> None:
    assert shell.fails("ws", "-i", "x") == "Error: interactive mode does not accept arguments\n"
    assert shell.fails("ws", "-i") == "Error: interactive mode needs a terminal\n"


def test_what_later_releases_do_is_named(shell: Shell) -> None:
    assert shell.fails("kcp", "bind", "apiexport", "a:b").startswith("error: this release of kcp has no exported APIs")
    assert shell.fails("kcp", "claims", "get", "apibinding").startswith("error: this release of kcp ")
    assert shell.fails("kcp", "fly") == 'error: unknown command "fly" for "kubectl kcp"\n'


def test_a_server_that_is_not_there_is_one_line(shell: Shell) -> None:
    complaint = shell.fails("ws", "-s", "http://127.0.0.1:9/clusters/root", "tree")
    assert complaint.startswith("Error: Unable to connect to the server http://127.0.0.1:9: ")
    assert complaint.count("\n") == 1


def test_requests_are_shown_when_asked_for(shell: Shell, tree: Workspaces) -> None:
    shell("ws", "-v", "6", "org")
    assert f"GET {tree.url}/clusters/root:org/apis 200" in shell.errors
    assert "secret" not in shell.errors


@pytest.mark.parametrize(
    ("answers", "last"),
    [((), "Quickstart complete! Here's what was created:"), (("--enter",), "Current workspace is 'root:q-ws-0'")],
)
def test_quickstart_makes_a_tree_and_finds_it_again(
    shell: Shell, tree: Workspaces, answers: tuple[str, ...], last: str
) -> None:
    words = ("quickstart", "--scenario=workspaces", "--name-prefix=q", "--tree-count=7", "--tree-seed=3", *answers)
    printed = shell("kcp", *words)
    assert printed.startswith('Setting up "workspaces" scenario with prefix "q"...\nStep 1/7: ')
    assert last in printed
    made = {path for path in tree.objects if ":q-ws-" in path}
    assert {path.rpartition("-")[2] for path in made} == {str(number) for number in range(7)}
    assert max(path.count(":") for path in made) <= 3
    assert "already exists." in shell("kcp", *words)
    assert {path for path in tree.objects if ":q-ws-" in path} == made


def test_a_command_that_stays_at_home_loads_no_http_and_no_core(shell: Shell) -> None:
    script = (
        "import sys\nfrom kcp.cli.plugin import kubectl_ws\nassert kubectl_ws(['.']) == 0\n"
        "print(sorted({'httpx', 'trio', 'rich', 'kcp._core', 'ssl', 'argparse'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "Current workspace is 'root'.\n[]\n"


def test_two_files_are_changed_where_kubectl_would(
    shell: Shell, tmp_path: Path, tree: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = shell.kubeconfig
    first = tmp_path / "first"
    first.write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{first}:{second}")
    shell("ws", "org")
    assert first.read_text() == f"apiVersion: v1\nkind: Config\ncurrent-context: {CURRENT}\n"
    assert shell.config()["clusters"][CURRENT] == {"server": f"{tree.url}/clusters/root:org"}
    assert shell("ws", ".", "--short") == "root:org\n"
