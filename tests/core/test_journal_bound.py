"""A bounded journal keeps the latest events, and counts the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import ConnectionEvent, Journal


@given(limit=st.integers(1, 100), count=st.integers(0, 300), looks=st.sets(st.integers(0, 300), max_size=5))
def test_who_looks_sees_the_latest_whenever_they_look(limit: int, count: int, looks: set[int]) -> None:
    """At any moment the journal shows the last ``limit`` events, and has dropped what came before them."""
    journal = Journal(limit)
    for number in range(count):
        journal.add(ConnectionEvent(number, "opened", "client", 0.0))
        if number in looks:
            assert [event.connection for event in journal.connections] == list(range(number + 1))[-limit:]
    assert [event.connection for event in journal.connections] == list(range(count))[-limit:]
    assert journal.dropped == max(0, count - limit)
    assert len(journal.to_json()["events"]) == min(count, limit)


@given(limit=st.integers(1, 50))
def test_nothing_is_left_after_a_clearing(limit: int) -> None:
    """A cleared journal is as good as new."""
    journal = Journal(limit)
    for number in range(2 * limit):
        journal.add(ConnectionEvent(number, "opened", "client", 0.0))
    journal.clear()
    assert (journal.events, journal.dropped) == ([], 0)
