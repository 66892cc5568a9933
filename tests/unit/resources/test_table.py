"""The table of built-in resources, as values."""

import json

import pytest

from kcp.resources import Resource, built_in, read


def resources() -> list[tuple[str, Resource]]:
    return [(group.group, resource) for group in read() for version in group.versions for resource in version.resources]


def test_groups_come_in_order_of_priority() -> None:
    groups = read()
    assert groups[0].group == ""
    priorities = [group.priority for group in groups]
    assert priorities == sorted(priorities, reverse=True)


def test_the_table_is_handed_to_the_core_as_it_is_stored() -> None:
    assert [group["group"] for group in json.loads(built_in())] == [group.group for group in read()]


def test_names_are_unique_and_lists_sorted_as_discovery_shows_them() -> None:
    names = [(group, resource.name) for group, resource in resources()]
    assert len(set(names)) == len(names)
    for group, resource in resources():
        assert list(resource.verbs) == sorted(resource.verbs), (group, resource.name)
        subresources = [subresource.name for subresource in resource.subresources]
        assert subresources == sorted(subresources), (group, resource.name)


def test_kinds_that_are_stored_have_columns_that_begin_or_end_with_the_name() -> None:
    for group, resource in resources():
        if "list" not in resource.verbs:
            assert resource.verbs == ("create",), (group, resource.name)
            continue
        names = [column.name for column in resource.columns if column.format == "name"]
        assert names == ["Name"], (group, resource.name)


def test_both_apis_of_events_share_one_storage() -> None:
    events = {group: resource for group, resource in resources() if resource.kind == "Event"}
    assert events["events.k8s.io"].storage == events[""].name
    assert events["events.k8s.io"].storage_api_version == "v1"


@pytest.mark.parametrize("table", [b"{", b'[{"group": ""}]', b'[{"group": "", "priority": 1, "versions": [1]}]'])
def test_a_malformed_table_is_refused(table: bytes) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        read(table)
