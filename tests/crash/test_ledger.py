"""The ledger notices each kind of loss; a check that cannot fail would prove nothing."""

from __future__ import annotations

import pytest

from tests.crash.ledger import Event, Key, Ledger, Version, Write, confirm_seen, rising

KEY = Key("configmaps", "left", "default", "a")
ONE, TWO, THREE = {"write": "1"}, {"write": "2"}, {"write": "3"}
CREATED = Write("create", KEY, None, ONE, acknowledged=True, revision=11)
UPDATED = Write("update", KEY, ONE, TWO, acknowledged=True, revision=12)
DELETED = Write("delete", KEY, TWO, None, acknowledged=True)
UPDATING = Write("update", KEY, ONE, THREE)
DELETING = Write("delete", KEY, ONE, None)
ADDED_1 = Event("ADDED", KEY, ONE, 11)
MODIFIED_2 = Event("MODIFIED", KEY, TWO, 12)
MODIFIED_3 = Event("MODIFIED", KEY, THREE, 12)
DELETED_2 = Event("DELETED", KEY, TWO, 13)


@pytest.mark.parametrize(
    ("writes", "found"),
    [
        ([CREATED], Version(ONE, 11)),
        ([CREATED, UPDATED], Version(TWO, 12)),
        ([CREATED, UPDATING], Version(ONE, 11)),
        ([CREATED, UPDATING], Version(THREE, 12)),
        ([CREATED, DELETING], None),
        ([CREATED, UPDATED, DELETED], None),
    ],
)
def test_a_state_that_keeps_what_was_acknowledged_is_right(writes: list[Write], found: Version | None) -> None:
    assert list(Ledger().check_state([writes], {KEY: found} if found else {})) == []


@pytest.mark.parametrize(
    ("writes", "found", "wrong"),
    [
        ([CREATED], None, "found nothing"),
        ([CREATED, UPDATED], Version(ONE, 11), "found [{'write': '1'}]"),
        ([CREATED, UPDATED], Version(TWO, 13), "at revision 13, acknowledged was 12"),
        ([CREATED, UPDATING], Version(THREE, 10), "got revision 10, before it was 11"),
        ([CREATED, UPDATING], None, "or one of"),
        ([CREATED, UPDATED, DELETED], Version(TWO, 12), "content=None"),
        ([], Version(TWO, 12), "content=None"),
    ],
)
def test_a_state_that_lost_or_raised_something_is_wrong(writes: list[Write], found: Version | None, wrong: str) -> None:
    (complaint,) = Ledger().check_state([writes], {KEY: found} if found else {})
    assert str(KEY) in complaint
    assert wrong in complaint


@pytest.mark.parametrize(
    ("writes", "events"),
    [
        ([CREATED, UPDATED, DELETED], [ADDED_1, MODIFIED_2, DELETED_2]),
        ([CREATED, UPDATING], [ADDED_1]),
        ([CREATED, UPDATING], [ADDED_1, MODIFIED_3]),
    ],
)
def test_events_that_tell_each_write_once_are_right(writes: list[Write], events: list[Event]) -> None:
    assert list(Ledger().check_events([writes], events)) == []


@pytest.mark.parametrize(
    ("writes", "events", "wrong"),
    [
        ([CREATED, UPDATED], [ADDED_1], "MODIFIED came 0 times"),
        ([CREATED, UPDATED, DELETED], [ADDED_1, MODIFIED_2], "DELETED came 0 times"),
        ([CREATED], [ADDED_1, ADDED_1._replace(revision=12)], "ADDED came 2 times"),
        ([CREATED], [ADDED_1, MODIFIED_2], "nobody wrote it"),
        ([CREATED], [ADDED_1._replace(revision=12)], "acknowledged at 11, its event has 12"),
        ([CREATED, UPDATED], [MODIFIED_2, ADDED_1], "came after revision 12"),
        ([CREATED, UPDATED, DELETED], [DELETED_2._replace(revision=1), ADDED_1, MODIFIED_2], "not after its writer"),
    ],
)
def test_events_lost_doubled_or_out_of_order_are_wrong(writes: list[Write], events: list[Event], wrong: str) -> None:
    assert wrong in "\n".join(Ledger().check_events([writes], events))


def test_what_a_watcher_saw_counts_as_acknowledged() -> None:
    update = Write("update", KEY, ONE, THREE)
    confirm_seen([[CREATED, update]], [ADDED_1, MODIFIED_3])
    assert (update.acknowledged, update.revision) == (True, 12)


def test_an_event_of_the_same_revision_is_not_later() -> None:
    assert len(list(rising(11, [ADDED_1, MODIFIED_2]))) == 1
