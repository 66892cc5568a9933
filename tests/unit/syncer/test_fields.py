"""Who owns a field decides whether it is still as it was applied."""

from __future__ import annotations

from typing import Any

import pytest

from kcp.syncer.fields import still_owned

PORT = 'k:{"containerPort":80,"protocol":"TCP"}'
FIELDS = {
    "f:metadata": {"f:labels": {"f:a": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:empty": {},
        "f:names": {".": {}, 'v:"x"': {}, 'v:"y"': {}},
        "f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:ports": {PORT: {"f:containerPort": {}}}}},
    },
}
APPLIED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "X",
    "metadata": {"name": "n", "namespace": "ns", "labels": {"a": "1"}, "annotations": {}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"deep": "1"}},
        "empty": [],
        "names": ["x", "y"],
        "containers": [{"name": "web", "ports": [{"containerPort": 80}]}],
    },
}


def test_what_is_owned_whole_is_as_it_was() -> None:
    applied = {**APPLIED, "metadata": {"labels": {"a": "1"}}}
    assert still_owned(applied, FIELDS)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("spec", "new"), 1),
        (("metadata", "labels"), {"a": "1", "b": "2"}),
        (("metadata", "annotations"), {"a": "1"}),
        (("spec", "names"), ["x", "z"]),
        (("spec", "containers"), [{"name": "other"}]),
        (("spec", "containers"), [{"name": "web", "image": "i"}]),
        (("spec", "containers"), [{"name": "web", "ports": [{"containerPort": 81}]}]),
        (("spec", "containers"), [{"name": "web", "ports": [{"containerPort": 80, "protocol": "UDP"}]}]),
    ],
)
def test_what_is_not_owned_was_changed(way: tuple[str, str], value: object) -> None:
    applied = {**APPLIED, "metadata": {"labels": {"a": "1"}}}
    first, second = way
    assert not still_owned({**applied, first: {**applied[first], second: value}}, FIELDS)


def test_an_item_owned_by_its_key_alone_is_as_it_was() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:secrets": {'k:{"name":"a"}': {}}}}
    assert still_owned({"metadata": {}, "spec": {"secrets": [{"name": "a"}]}}, fields)
    assert not still_owned({"metadata": {}, "spec": {"secrets": [{"name": "b"}]}}, fields)


def test_a_mapping_of_which_only_the_existence_is_owned_lost_its_content() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:selector": {".": {}}}}
    assert not still_owned({"metadata": {}, "spec": {"selector": {"a": "1"}}}, fields)
