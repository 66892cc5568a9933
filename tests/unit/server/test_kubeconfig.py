from __future__ import annotations

import base64

import yaml

from kcp.server.kubeconfig import GROUPS, SAMPLE_USER, admin_kubeconfig


def test_contexts_lead_two_administrators_to_three_places() -> None:
    text = admin_kubeconfig("https://[::1]:6443", b"the ca", dict.fromkeys(GROUPS, "a-token"))
    config = yaml.safe_load(text)
    assert config["current-context"] == "root"
    contexts = {entry["name"]: tuple(entry["context"].values()) for entry in config["contexts"]}
    assert contexts == {
        "root": ("root", "kcp-admin"),
        "base": ("base", "kcp-admin"),
        "system:admin": ("system:admin", "shard-admin"),
        "shard-base": ("base", "shard-admin"),
    }
    servers = {entry["name"]: entry["cluster"]["server"] for entry in config["clusters"]}
    assert servers == {
        "root": "https://[::1]:6443/clusters/root",
        "base": "https://[::1]:6443",
        "system:admin": "https://[::1]:6443/clusters/system:admin",
    }
    assert base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]) == b"the ca"
    assert [entry["user"] for entry in config["users"]] == [{"token": "a-token"}] * 2


def test_the_sample_user_has_a_context_of_its_own() -> None:
    text = admin_kubeconfig("https://h:1", b"ca", {**dict.fromkeys(GROUPS, "a"), SAMPLE_USER: "sample"})
    config = yaml.safe_load(text)
    assert config["contexts"][-1] == {"name": "user", "context": {"cluster": "root", "user": "user"}}
    assert config["users"][-1] == {"name": "user", "user": {"token": "sample"}}
