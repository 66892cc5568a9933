"""helm installs, upgrades, rolls back and removes a release of the kinds that kcp serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Clients

CHART = "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-prices}
data: {apple: {{ .Values.apple | quote }}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}-clerk}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: {{ .Release.Name }}-reader}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
"""


def write_chart(directory: Path) -> str:
    """Write a small chart and return its path."""
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text(CHART)
    (directory / "values.yaml").write_text("apple: 3\n")
    (directory / "templates" / "all.yaml").write_text(TEMPLATE)
    return str(directory)


def test_a_release_lives_and_goes(clients: Clients, tmp_path: Path) -> None:
    cluster = clients.server.new_cluster()
    helm, kubectl = clients.helm(cluster), clients.kubectl(cluster)
    chart = write_chart(tmp_path / "chart")

    def price() -> str:
        return kubectl("get", "cm", "mine-prices", "-o", "jsonpath={.data.apple}")

    helm("install", "mine", chart, "--server-side=false")
    assert price() == "3"
    helm("upgrade", "mine", chart, "--server-side=false", "--set", "apple=5")
    assert price() == "5"
    helm("rollback", "mine", "1", "--server-side=false")
    assert price() == "3"
    assert [release["name"] for release in helm.json("list")] == ["mine"]
    helm("uninstall", "mine")
    assert "NotFound" in kubectl.fails("get", "cm", "mine-prices")
