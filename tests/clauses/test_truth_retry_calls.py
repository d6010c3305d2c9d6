"""The truth about the RETRY clauses that look at a call as a whole."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.clauses.stories import Story, truth

TEMPORARY = st.sampled_from([408, 429, 502, 503, 504])


@truth("RETRY-14")
@given(
    st.lists(TEMPORARY, min_size=1, max_size=4),
    st.floats(0.5, 20.0),
    st.sampled_from([-0.2, -0.01, 0.01, 3.0]),
    st.sampled_from(["server", "ok", "cache"]),
)
def test_a_call_ends_in_its_time(statuses: list[int], total: float, over: float, how: str) -> None:
    """RETRY-14 holds where a call ends a trifle before its deadline, and fails where it ends a trifle after."""
    story = Story(policy={"timeouts": {"total": f"{total * 1000:.0f}ms"}})
    call = story.call()
    for status in statuses:
        call.meets(status)
    story.t = call.started + round(total, 3) + over
    if how == "server":
        call.fails("server", 503)
    else:
        call.ok(source="network" if how == "ok" else "cache")

    assert story.verdict("RETRY-14") == ("fail" if over > 0 else "pass")


@truth("RETRY-14")
@given(st.integers(1, 9), st.floats(0.01, 5.0), st.booleans())
def test_nothing_is_sent_afterwards(total: int, later: float, sent: bool) -> None:
    """RETRY-14 fails for an attempt after the deadline, however well the call itself ended before."""
    story = Story(policy={"timeouts": {"total": f"{total}s", "read": "30s"}})
    call = story.call().meets(503)
    story.t = call.started + total - 0.05
    call.meets(503).fails("server", 503)
    if sent:
        story.t = call.started + total + later
        call.meets(200)

    assert story.verdict("RETRY-14") == ("fail" if sent else "pass")


@truth("RETRY-14")
@given(
    st.sampled_from([408, 429, 503, "rst", "fin", "cut"]),
    st.floats(0.01, 0.9),
    st.sampled_from(["timeout.total", "server", "timeout.read"]),
    st.booleans(),
)
def test_no_wait_in_vain(met: int | str, left: float, kind: str, parallel: bool) -> None:
    """RETRY-14 fails where the deadline meets a call that had failed and waits alone for what cannot come any more."""
    story = Story(policy={"timeouts": {"total": "1s"}})
    call = story.call(parallel=parallel)
    story.t = call.started + 1.0 - left - 0.005
    if isinstance(met, int):
        call.meets(met)
    elif met == "cut":
        call.breaks_off()
    else:
        call.breaks(met)
    story.t = call.started + 0.999
    call.fails(kind)

    assert story.verdict("RETRY-14") == ("fail" if kind == "timeout.total" and not parallel else "pass")


@truth("RETRY-14")
@given(st.booleans(), st.booleans())
def test_a_hang_is_beyond_every_deadline(hangs: bool, silent: bool) -> None:
    """RETRY-14 fails for a call that never ends."""
    story = Story()
    call = story.call()
    (call.gives_up() if silent else call.breaks())
    (call.hangs() if hangs else call.fails("reset"))

    assert story.verdict("RETRY-14") == ("fail" if hangs else "pass")


@truth("RETRY-17")
@given(
    st.integers(1, 3), st.lists(st.integers(0, 3), min_size=2, max_size=4), st.lists(TEMPORARY, min_size=4, max_size=4)
)
def test_each_call_has_a_count_of_its_own(allowed: int, made: list[int], statuses: list[int]) -> None:
    """RETRY-17 fails where one call stops early while the others' retries and its own make up one call's.

    Where a call did so before anybody else had made a retry, the client just gives up early, and no count is shared.
    """
    story = Story(policy={"retry": {"budget": None, "max_retries": allowed}, "timeouts": {"total": "600s"}})
    made = [min(retries, allowed) for retries in made]
    for number, retries in enumerate(made):
        call = story.call(args={"id": number})
        for status in statuses[: retries + 1]:
            call.waits(0.3).meets(status)
        call.fails("server", statuses[retries])
    bad = alone = False
    for index, used in enumerate(made):
        # Calls come one after another: a later one cannot have taken what an earlier one lacked.
        taken = sum(made[:index])
        bad = bad or (used < allowed and taken > 0 and used + taken >= allowed)
        alone = alone or (used < allowed and taken == 0)

    assert story.verdict("RETRY-17") == ("fail" if bad and not alone else "pass")


@truth("RETRY-17")
@given(st.integers(2, 3), st.integers(0, 2), st.booleans())
def test_calls_at_the_same_time(calls: int, second: int, ends_well: bool) -> None:
    """RETRY-17 counts the retries of calls beside this one, and lets a call be that ended well."""
    assume(not ends_well or second < 2)
    story = Story(policy={"retry": {"budget": None}})
    start = story.t
    for number in range(calls):
        story.t = start
        call = story.call(args={"id": number}, at=start, parallel=True)
        for _ in range(3 if number else second + 1):
            call.waits(0.3).meets(503)
        if ends_well and not number:
            call.waits(0.3).meets(200).ok()
        else:
            call.fails("server", 503)

    assert story.verdict("RETRY-17") == ("pass" if ends_well or second == 2 else "fail")
