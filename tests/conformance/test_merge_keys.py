"""Published schemas tell clients of merging what those of a real kube-apiserver tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.conformance.merge_keys import RECORDED, published

if TYPE_CHECKING:
    from tests.conftest import KcpServer


def test_schemas_tell_how_lists_and_maps_merge(kcp_server: KcpServer) -> None:
    """kube-api 1.5.8: of every schema that is published, and nothing more."""
    url = kcp_server.new_cluster()
    ours = published(lambda path: json.loads(kcp_server.send("GET", url + path)))
    recorded = json.loads(RECORDED.read_text())
    assert len(ours) > 100
    assert {name: told for name, told in ours.items() if told} == {
        name: recorded[name] for name in ours if recorded[name]
    }
    assert sum(map(len, ours.values())) > 60
