"""Segments: nothing of a scenario's calls is lost, and every outcome finds its call."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from sadpath.drivers.messages import AdvanceStep, CallStep, Outcome, ParallelStep
from sadpath.scenario.model import Advance, Call, ChangeFaults, Offline, Parallel, StepOfCalls
from sadpath.verify.policy import Policy
from sadpath.verify.segments import Segment, call_names, deadline, placed, records, segments

SOME = Policy.model_validate(
    {"timeouts": {"connect": "1s", "read": "500ms", "total": "3s"}, "retry": {"max_retries": 2}}
)

_call = st.builds(
    Call,
    op=st.sampled_from(["users.get", "settings.get"]),
    times=st.integers(1, 3),
    cancel_after=st.sampled_from([None, "0s", "500ms"]),
    start_after=st.sampled_from([None, "250ms"]),
)
_step: st.SearchStrategy[StepOfCalls] = st.one_of(
    _call,
    st.builds(Parallel, parallel=st.lists(_call, min_size=1, max_size=3).map(tuple)),
    st.builds(Advance, advance=st.sampled_from(["1s", "60s"])),
    st.builds(Offline, offline=st.booleans()),
    st.just(ChangeFaults(faults=())),
)
_calls = st.lists(_step, max_size=6)


def _asked(found: list[Segment]) -> list[CallStep]:
    steps = [step for segment in found for step in segment.steps]
    return [
        call
        for step in steps
        for call in (step.parallel if isinstance(step, ParallelStep) else [step])
        if isinstance(call, CallStep)
    ]


@given(_calls, st.booleans())
def test_every_call_is_asked_for_once_and_in_order(calls: list[StepOfCalls], moves_clock: bool) -> None:
    """Splitting a scenario loses no call, changes none, and gives each a name of its own."""
    asked = _asked(segments(calls, moves_clock=moves_clock))
    meant = [
        call
        for step in calls
        for call in (step.parallel if isinstance(step, Parallel) else [step])
        if isinstance(call, Call)
    ]

    assert [(call.op, call.times) for call in asked] == [(call.op, call.times) for call in meant]
    assert [call.call for call in asked] == list(islice(call_names(), len(asked)))


@given(_calls, st.booleans())
def test_rules_and_clocks_change_only_between_segments(calls: list[StepOfCalls], moves_clock: bool) -> None:
    """A segment begins with the change that made it necessary; the server's clock moves only with the client's."""
    found = segments(calls, moves_clock=moves_clock)
    advances = [step.advance for step in calls if isinstance(step, Advance)]

    assert sum(segment.rules is not None for segment in found) == sum(isinstance(step, ChangeFaults) for step in calls)
    assert [segment.advance for segment in found if segment.advance] == (advances if moves_clock else [])
    for segment in found:
        assert all(not isinstance(step, AdvanceStep) for step in segment.steps[1:])


@given(_calls)
def test_the_deadline_leaves_room_for_the_longest_wait_of_every_call(calls: list[StepOfCalls]) -> None:
    """A segment's deadline is at least what its calls may take one after another, by the contract."""
    for segment in segments(calls, moves_clock=False):
        longest = 3 + 3 * 1.5
        least = 0.0
        for step in segment.steps:
            if isinstance(step, CallStep):
                least += longest * step.times
            elif isinstance(step, ParallelStep):
                least += longest
            elif isinstance(step, AdvanceStep):
                least += step.advance_ms / 1000

        assert deadline(segment.steps, SOME) > least


@given(_calls, st.data())
def test_outcomes_find_their_calls(calls: list[StepOfCalls], data: st.DataObject) -> None:
    """Each outcome is recorded with its call; the first group with one missing is the last that was made."""
    for segment in segments(calls, moves_clock=False):
        groups = [
            [
                (call, i)
                for call in (step.parallel if isinstance(step, ParallelStep) else [step])
                for i in range(call.times)
            ]
            for step in segment.steps
            if isinstance(step, CallStep | ParallelStep)
        ]
        every = [item for group in groups for item in group]
        lost = set(data.draw(st.lists(st.integers(0, max(0, len(every) - 1)), max_size=2)))
        outcomes = {
            (call.call, i): Outcome(call=call.call, i=i, outcome="ok", started_ms=float(n), ended_ms=n + 0.5)
            for n, (call, i) in enumerate(every)
            if n not in lost
        }
        made = records(segment, outcomes, 10.0, dict.fromkeys(outcomes, 99.0))
        hung = [record for record in made if record.outcome is None]

        assert all(record.outcome == outcomes.get((record.call, record.i)) for record in made)
        assert [(record.call, record.i) for record in made] == [(call.call, i) for call, i in every[: len(made)]]
        assert bool(hung) == bool(lost and every)
        if not hung:
            assert len(made) == len(every)


def test_names_go_on_behind_z() -> None:
    """There is no last name."""
    names = list(islice(call_names(), 30))

    assert names[:3] == ["a", "b", "c"]
    assert names[25:29] == ["z", "aa", "ab", "ac"]
    assert len(set(islice(call_names(), 2_000))) == 2_000


def test_a_client_that_promises_nothing_still_gets_a_deadline() -> None:
    """Without any promise a call may take a while, and not for ever."""
    step = CallStep(call="a", op="x")

    assert 20 < deadline([step], Policy()) < 200
    assert deadline([step, step], Policy()) > deadline([step], Policy())


def test_a_path_to_the_other_origin_is_filled_in() -> None:
    """Only the path of an `http` call is filled in, at its beginning, also in a parallel step."""
    origin = "http://127.0.0.1:1/s/x"
    for op, path, sent in (
        ("http", "{other_origin}/users/1", f"{origin}/users/1"),
        ("http", "/users/{other_origin}", "/users/{other_origin}"),
        ("users.get", "{other_origin}/users/1", "{other_origin}/users/1"),
    ):
        step = CallStep(call="a", op=op, args={"method": "GET", "path": path})
        placed_step = placed(step, origin)
        both = placed(ParallelStep(parallel=[step]), origin)
        assert isinstance(placed_step, CallStep)
        assert isinstance(both, ParallelStep)
        assert (placed_step.args["path"], both.parallel[0].args["path"]) == (sent, sent)
        assert step.args["path"] == path
    assert placed(AdvanceStep(advance_ms=5), origin) == AdvanceStep(advance_ms=5)
