"""The rules of garbage collection, without a server (kube-api 7.1.1, 7.1.3, 7.1.4, 7.1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kcp.client import Described, Owner
from kcp.controllers.judgement import Delete, Keep, Release, Verdict, Wait, blocks, judge

if TYPE_CHECKING:
    from kcp.client.facts import State


def dependent(*states: State, implied: State | None = None, **metadata: object) -> Described:
    owners = [Owner("", "ConfigMap", f"o{n}", f"uid-{n}", state) for n, state in enumerate(states)]
    if implied is not None:
        owners.append(Owner("", "ServiceAccount", "a", "uid-a", implied, implied=True))
    references = [{"uid": owner.uid, "blockOwnerDeletion": True} for owner in owners]
    found = {"name": "x", "uid": "u", "resourceVersion": "1", "ownerReferences": references, **metadata}
    return Described("/api/v1/x", "v1", "Secret", found, tuple(owners))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (dependent(), Keep()),
        (dependent("solid"), Keep()),
        (dependent("solid", "absent"), Release(frozenset({"uid-1"}))),
        (dependent("waiting", "solid", "absent"), Release(frozenset({"uid-0", "uid-2"}))),
        (dependent("absent"), Delete("Background")),
        (dependent("absent", "waiting"), Delete("Background", before_owner=True)),
        (dependent("absent", finalizers=["orphan"]), Delete("Orphan")),
        (dependent("absent", finalizers=["foregroundDeletion"]), Delete("Foreground")),
        (dependent("absent", "unknown"), Wait("ConfigMap.")),
        (dependent("unknown", "solid"), Wait("ConfigMap.")),
        (dependent("misplaced", "absent"), Keep()),
        (dependent("absent", deletionTimestamp="t"), Keep()),
        (dependent(implied="solid"), Keep()),
        (dependent("solid", implied="absent"), Delete("Background")),
    ],
)
def test_one_owner_keeps_and_none_lets_go(found: Described, verdict: Verdict) -> None:
    assert judge(found) == verdict


def test_only_a_waiting_owner_is_blocked_and_only_by_who_says_so() -> None:
    assert blocks(dependent("waiting"), "uid-0")
    assert not blocks(dependent("solid"), "uid-0")
    assert not blocks(dependent("waiting"), "uid-1")
    assert not blocks(dependent("waiting", ownerReferences=[{"uid": "uid-0"}]), "uid-0")
