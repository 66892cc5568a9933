"""A tree of workspaces on a scripted server, and plugins that are run against it in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kcp.cli.plugin import kubectl_create_workspace, kubectl_kcp, kubectl_ws
from tests.unit.cli.scripted import Workspaces, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLUGINS = {"kcp": kubectl_kcp, "ws": kubectl_ws, "create workspace": kubectl_create_workspace}


@dataclass
class Shell:
    """Runs plugins with a kubeconfig of its own."""

    kubeconfig: Path
    capsys: pytest.CaptureFixture[str]
    errors: str = ""

    def __call__(self, plugin: str, *words: str) -> str:
        """Run a plugin that must succeed; return what it printed, and keep what it said on stderr."""
        code = PLUGINS[plugin](words)
        printed = self.capsys.readouterr()
        assert code == 0, printed.err
        self.errors = printed.err
        return printed.out

    def fails(self, plugin: str, *words: str) -> str:
        """Run a plugin that must fail with exit code 1 and print nothing but its complaint; return that."""
        assert PLUGINS[plugin](words) == 1
        printed = self.capsys.readouterr()
        assert printed.out == ""
        return printed.err

    def config(self) -> dict[str, Any]:
        """Return the kubeconfig with its lists as mappings."""
        document = yaml.safe_load(self.kubeconfig.read_text())
        for kind in ("clusters", "contexts"):
            document[kind] = {entry["name"]: entry[kind.removesuffix("s")] for entry in document[kind]}
        found: dict[str, Any] = document
        return found


@pytest.fixture
def tree() -> Iterator[Workspaces]:
    with serving(Workspaces()) as served:
        served.add("root:org", "organization")
        for path in ("root:org:other", "root:org:team", "root:org:team:a", "root:zoo"):
            served.add(path)
        yield served


@pytest.fixture
def shell(
    tree: Workspaces, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """Return a shell that is in `root`."""
    kubeconfig = tmp_path / "config"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mine",
        "clusters": [{"name": "c", "cluster": {"server": f"{tree.url}/clusters/root"}}],
        "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config, sort_keys=False))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    return Shell(kubeconfig, capsys)
