"""One case in the live world: what the client is asked for, what the trace holds, and who is blamed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sadpath.drivers.messages import Outcome
from sadpath.verify.judging import case_result, errors_of
from sadpath.verify.played import Played
from sadpath.verify.run import live_world
from sadpath.verify.trace import Trace
from tests.campaign.arranged import BUSY_ONCE, CUT, READ, SILENT, case, client, judged, play, workspace
from tests.campaign.small import Broken, Deaf, Escapes, Hangs, Hasty, LosesBase, Small, Stubborn


def _trace(played: Played) -> Trace:
    assert played.trace is not None, (played.ending, played.why)
    return played.trace


def _phases(trace: Trace) -> list[str]:
    return [f"{call.phase} {call.tag} {call.op}" for call in trace.calls]


def test_a_case_yields_the_journal_and_the_clients_account() -> None:
    """The trace holds calls with outcomes, the exchanges of each by its tag, and their times on one clock."""
    (played,) = play(case(BUSY_ONCE))
    trace = _trace(played)
    (call,) = trace.case_calls()
    own = trace.exchanges_of(call)

    assert played.fired == ["status"]
    assert [event.status for event in own] == [503, 200]
    assert call.outcome is not None
    assert call.outcome.outcome == "ok"
    assert call.t_ended is not None
    assert call.t_started <= own[0].t_arrived <= own[1].t_arrived <= call.t_ended
    assert trace.result is not None
    assert trace.result.signed_in is True
    assert len(trace.secrets) == 2
    assert trace.granted_generation == 1


def test_every_connection_is_over_when_the_trace_is_taken() -> None:
    """The client is closed before the judge looks, so what is still open then was leaked."""
    (played,) = play(case(BUSY_ONCE))
    events = _trace(played).connections
    opened = {event.connection for event in events if event.what == "opened"}

    assert opened == {event.connection for event in events if event.what == "fin" and event.by == "client"}


def test_the_pool_is_probed_and_the_client_asked_again_once_the_faults_stop() -> None:
    """After the calls come as many held-open calls as the pool has places, then one that needs a session."""
    policy = {"pool": {"size": 3}, "timeouts": {"read": "500ms", "total": "2s"}, "heal": {"within": "1s"}}
    (played,) = play(case(CUT, client(policy=policy)))
    trace = _trace(played)
    held = [event for event in trace.exchanges if event.call and event.call.startswith("pool/")]

    assert _phases(trace)[1:] == ["pool pool/0 http", "pool pool/1 http", "pool pool/2 http", "heal heal0/0 http"]
    assert [event.path for event in held] == ["/health"] * 3
    assert all((event.t_first_byte or 0) - event.t_arrived >= 0.12 for event in held)
    assert played.last < held[0].exchange


def test_without_heal_the_faults_go_on() -> None:
    """``heal: false`` ends the case with its last call."""
    (played,) = play(case(BUSY_ONCE, heal=False))

    assert _phases(_trace(played)) == ["case a/0 users.get"]


def test_recovery_signs_in_where_the_session_is_over() -> None:
    """A client whose session the backend has ended is asked to sign in, and then must be answered."""
    given = {"access_token": "revoked", "refresh_token": "revoked"}
    (played,) = play(case({"calls": READ}, given=given))
    trace = _trace(played)

    assert _phases(trace)[1:] == ["heal heal0/0 http", "heal login0/0 auth.login", "heal heal1/0 http"]
    assert trace.calls[-1].outcome is not None
    assert trace.calls[-1].outcome.outcome == "ok"


@pytest.mark.parametrize(
    ("given", "statuses"),
    [
        ({}, [200]),
        ({"access_token": "expired"}, [401, 200, 200]),
        ({"access_token": "none"}, [401, 200, 200]),
        ({"access_token": "none", "refresh_token": "none"}, [401]),
        ({"access_token": "expired", "refresh_token": "used"}, [401, 400]),
    ],
)
def test_tokens_are_as_given(given: dict[str, str], statuses: list[int]) -> None:
    """The client begins with tokens in the state that the scenario names, and the backend agrees."""
    (played,) = play(case({"calls": READ}, given=given, heal=False))

    assert [event.status for event in played.exchanges] == statuses


def test_rules_change_between_segments() -> None:
    """A ``faults:`` step replaces the rules from there on, in the same client and on the same clock."""
    calls = [*READ, {"faults": [{"on": "*", "fault": {"status": 404}}]}, *READ, {"faults": []}, *READ]
    (played,) = play(case(BUSY_ONCE, calls=calls, heal=False))
    trace = _trace(played)
    starts = [call.t_started for call in trace.calls]

    assert [event.status for event in trace.exchanges] == [503, 200, 404, 200]
    assert [call.tag for call in trace.calls] == ["a/0", "b/0", "c/0"]
    assert starts == sorted(starts)
    assert len({event.connection for event in trace.exchanges}) == 1
    assert [entry.first for entry in played.history] == [1, 3, 4]


def test_a_short_advance_is_waited_on_both_sides() -> None:
    """Without a clock of its own to move, a client waits; the server's clock does not run ahead of it."""
    calls = [*READ, {"advance": "300ms"}, *READ]
    (played,) = play(case({"calls": calls}, heal=False))
    first, second = _trace(played).exchanges

    assert 0.3 <= second.t_arrived - first.t_arrived < 0.6


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"calls": [{"advance": "1h"}, *READ]}, "fake_clock"),
        ({"calls": [{"offline": True}, *READ]}, "connectivity"),
        ({"calls": [{"pages": {"orders.list": {}}}]}, "no operation orders.list"),
        ({"calls": [{"users.get": {"id": 1}, "replayable": False}]}, "single_use_body"),
        ({"calls": READ, "given": {"cache": "fresh"}}, "cache_fallback"),
        ({"calls": READ, "faults": [{"on": "connection", "plan": ["refuse"]}]}, "cannot be counted on real sockets"),
    ],
)
def test_what_the_client_cannot_do_is_never_asked(data: dict[str, Any], why: str) -> None:
    """A case that cannot do without an undeclared capability is unsupported, and nothing is sent."""
    (played,) = play(case(data))

    assert played.ending == "unsupported"
    assert why in played.why


def test_a_hang_is_an_outcome_that_never_came() -> None:
    """A client without a read timeout has no outcome by the deadline; what would come after is not asked."""
    promise: dict[str, Any] = {
        "policy": {"timeouts": {"connect": "50ms", "read": "50ms", "total": "200ms"}, "retry": {"max_retries": 0}}
    }
    started = time.monotonic()
    found = judged(case(SILENT, client(Hangs, **promise), calls=[*READ, *READ]))
    trace = _trace(found.played)

    assert [call.outcome for call in trace.calls] == [None]
    assert found.played.hung
    assert found.judgements["END-01"].verdict == "fail"
    assert time.monotonic() - started < 5


def test_an_escape_is_seen() -> None:
    """An exception that gets past the client's result type is in the outcome, and breaks ERROR-01."""
    found = judged(case(CUT, client(Escapes)))
    (call,) = _trace(found.played).case_calls()

    assert call.outcome is not None
    assert call.outcome.escaped
    assert found.judgements["ERROR-01"].verdict == "fail"


def test_a_cancel_reaches_the_client() -> None:
    """A good client ends at its cancel; one that is deaf to it goes on and is seen to."""
    calls = [{"users.get": {"id": 1}, "cancel_after": "50ms"}]
    well, badly = play(case(SILENT, calls=calls), case(SILENT, client(Deaf), calls=calls))
    good, deaf = next(_trace(well).case_calls()), next(_trace(badly).case_calls())

    assert good.outcome is not None
    assert good.outcome.outcome == "cancelled"
    assert good.outcome.cancelled_ms is not None
    assert 50 <= good.outcome.cancelled_ms < 200
    assert deaf.outcome is not None
    assert deaf.outcome.outcome == "error"
    assert deaf.outcome.cancelled_ms is not None


@pytest.mark.parametrize(("bad", "clause"), [(Stubborn, "RETRY-01"), (Hasty, "RETRY-05")])
def test_bad_clients_break_their_clause_and_the_good_one_does_not(bad: type[Small], clause: str) -> None:
    """One scenario tells a good client from bad ones."""
    busy = {"faults": [{"on": {"role": "read"}, "fault": {"status": 503}}], "calls": READ}

    assert judged(case(busy, client(bad))).judgements[clause].verdict == "fail"
    assert judged(case(busy)).judgements[clause].verdict == "pass"


def test_an_adapter_that_fails_is_never_the_clients_failure() -> None:
    """A client that cannot even be opened is its driver's error, and no clause is judged."""
    found = judged(case(BUSY_ONCE, client(Broken)))

    assert found.played.ending == "driver_error"
    assert "SHOP_API_KEY" in found.played.why
    assert found.judgements == {}


def test_a_client_that_hangs_without_a_fault_is_not_judged() -> None:
    """Where the calls that fill the cache do not end, the case itself is never begun: the client is at fault."""

    class HangsUnasked(Small):
        async def send(self, method: str, path: str, tag: str) -> Outcome:
            await self.clock.sleep(60)
            return await super().send(method, path, tag)

    promise: dict[str, Any] = {
        "capabilities": ["cache_fallback"],
        "policy": {"timeouts": {"connect": "50ms", "read": "50ms", "total": "100ms"}, "retry": {"max_retries": 0}},
    }
    found = judged(case(BUSY_ONCE, client(HangsUnasked, **promise), given={"cache": "fresh"}))

    assert found.played.ending == "client_error"
    assert "fill its cache" in found.played.why
    assert case_result(found).verdict == "not_exercised"
    assert [error.party for error in errors_of(found)] == ["client"]


def test_an_unknown_payload_is_its_authors_error() -> None:
    """A scenario that asks for what the workspace does not have is blamed on its author, not on the client."""
    faults = [{"on": {"role": "read"}, "fault": {"status": {"code": 503, "body": {"fixture": "no-such-payload"}}}}]
    found = judged(case({"calls": READ}, faults=faults))

    assert found.played.ending == "author_error"
    assert "no-such-payload" in found.played.why
    assert found.judgements == {}


def test_a_lost_base_path_is_noticed() -> None:
    """Requests that miss the session's path reach the default session, and the world names them."""

    async def main() -> tuple[list[str], list[str]]:
        async with live_world(workspace()) as world:
            await world.play(case(BUSY_ONCE, client(LosesBase), heal=False))
            return world.strays(), world.strays()

    first, second = asyncio.run(main())

    assert set(first) == {"GET /users/1"}
    assert second == []


def test_sessions_are_named_so_that_chance_repeats() -> None:
    """The same scenario and client draw the same faults in every run, whatever else runs."""
    faults = [{"on": "*", "chance": 0.5, "fault": {"status": 404}}]
    calls = [{"users.get": {"id": 1}, "times": 12}]
    first, other, second = play(
        case({"calls": calls}, faults=faults, heal=False),
        case({"calls": calls}, name="topic/other", faults=faults, heal=False),
        case({"calls": calls}, faults=faults, heal=False),
    )
    drawn = [[event.status for event in played.exchanges] for played in (first, other, second)]

    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1]
    assert {200, 404} == set(drawn[0])
