"""Both worlds are one: every fault does the same to every client in the simulated world and on real sockets.

Compared are, for each call, how it ended (outcome, kind of failure, status, attempts, source), and for each exchange the
operation, the faults that fired with phase and byte, the status, and whether the effect was committed. Where the worlds
differ, ``DIFFERENT`` says why; an entry that is no longer true fails the test.
"""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.scenario.model import Scenario
from sadpath.scenario.vocabulary import FAULTS
from sadpath.verify.played import Case, Client, Played
from tests.campaign.arranged import scenario
from tests.parity.both_worlds import CREATE, READ, clients, differing, simulated
from tests.simworld.arranged_sim import bundled, known

FORMS: dict[str, list[Any]] = {
    "bad_status_line": ["bad_status_line", {"bad_status_line": "ICY 200 OK"}],
    "broken_chunk": ["broken_chunk", {"broken_chunk": 20}, {"broken_chunk": 0}],
    "broken_gzip": ["broken_gzip", {"broken_gzip": "cut"}, {"broken_gzip": "plain"}],
    "bursts": [{"bursts": {"bad": 1, "good": 0}}],
    "early_response": ["early_response", {"early_response": 503}],
    "garbage": ["garbage"],
    "oversized_header": ["oversized_header", {"oversized_header": "1MiB"}],
    "request_close": ["request_close", {"request_close": 10}],
    "request_reset": ["request_reset", {"request_reset": 10}],
    "request_stall": ["request_stall", {"request_stall": 10}],
    "wrong_length": [{"wrong_length": 5}, {"wrong_length": {"by": 5, "ending": "reset"}},
                     {"wrong_length": {"by": 5, "ending": "stall"}}, {"wrong_length": -5}],
    "bad_utf8": ["bad_utf8"],
    "deep_json": [{"deep_json": 50}, "deep_json"],
    "duplicate_delivery": ["duplicate_delivery"],
    "error_in_200": ["error_in_200", {"error_in_200": ""}],
    "etag_mismatch": ["etag_mismatch"],
    "half_close": ["half_close", {"half_close": "request"}, {"half_close": "head"}, {"half_close": {"after": 20}}],
    "outage": ["outage", {"outage": {"from": "1h"}}],
    "rate_limit": [{"rate_limit": {"limit": 0, "window": "1s"}}, {"rate_limit": {"limit": 1, "window": "1s"}}],
    "reject_login": ["reject_login"],
    "revoke_tokens": ["revoke_tokens", {"revoke_tokens": "access"}],
    "slice": [{"slice": 20}, {"slice": {"size": 7, "gap": 0}}],
    "stale_while_error": ["stale_while_error"],
    "wrong_content_type": ["wrong_content_type", {"wrong_content_type": ""}],
    "close_after": ["close_after"],
    "dribble": [{"dribble": {"chunks": 4, "over": "60ms"}}, {"dribble": {"chunks": 2, "over": "1s"}}],
    "empty": ["empty"],
    "idle_close": [{"idle_close": "50ms"}],
    "no_store": ["no_store"],
    "not_modified_without_entry": ["not_modified_without_entry"],
    "omit_refresh_token": ["omit_refresh_token"],
    "redirect": [{"redirect": "/users/2"}, {"redirect": {"to": "/users/2", "code": 307}},
                 {"redirect": "{other_origin}/users/1"}],
    "throttle": [{"throttle": "1KiB"}, {"throttle": {"rate": 1}}],
    "wrong_shape": ["wrong_shape", {"wrong_shape": {"retype": ["id"]}}, {"wrong_shape": {"add": {"surprise": [1]}}}],
    "close": ["close", {"close": "request"}, {"close": "head"}, {"close": "body"}, {"close": {"after": 20}}],
    "delay": [{"delay": "30ms"}, {"delay": {"time": "30ms", "at": "head"}}, {"delay": {"time": "30ms", "after": 20}},
              {"delay": {"time": "1s", "at": "request"}}, {"delay": "1s"}, {"delay": {"time": "1s", "at": "body"}},
              {"delay": {"uniform": {"min": "5ms", "max": "50ms"}}}],
    "expire_token": ["expire_token", {"expire_token": "refresh"}],
    "html": ["html", {"html": 503}],
    "invalid_grant": ["invalid_grant"],
    "malformed_json": ["malformed_json", {"malformed_json": "unquoted"}, {"malformed_json": "comma"}],
    "reset": ["reset", {"reset": "request"}, {"reset": "head"}, {"reset": "body"}, {"reset": {"after": 20}}],
    "stall": ["stall", {"stall": {"at": "request"}}, {"stall": {"at": "head"}}, {"stall": {"at": "body"}},
              {"stall": "40ms"}, {"stall": {"time": "40ms", "then": "close"}},
              {"stall": {"time": "40ms", "then": "reset"}}],
    "status": [{"status": 503}, {"status": 404}, {"status": {"code": 503, "committed": True}},
               {"status": {"code": 429, "retry_after": "1s"}}, {"status": 204}, {"status": 401}],
    "truncate": ["truncate", {"truncate": 20}, {"truncate": 0}, {"truncate": {"after": 20, "ending": "reset"}},
                 {"truncate": {"after": 20, "ending": "stall"}}, {"truncate": {"after": 10, "of": "answer"}},
                 {"truncate": {"after": 100_000}}],
    "unauthorized": ["unauthorized", {"unauthorized": "nobody knows you"}],
}  # fmt: skip
"""Each fault in the forms in which it acts differently."""

NEVER: list[tuple[Any, str]] = [
    ({"truncate": {"after": 100_000}}, "users.get"),
    ({"truncate": {"after": 100_000}}, "orders.create"),
    ("not_modified_without_entry", "orders.create"),
    *(({name: 10}, "users.get") for name in ("request_close", "request_reset", "request_stall")),
    ("etag_mismatch", "orders.create"),
    ("stale_while_error", "orders.create"),
    ({"outage": {"from": "1h"}}, "users.get"),
    ({"outage": {"from": "1h"}}, "orders.create"),
    ({"rate_limit": {"limit": 1, "window": "1s"}}, "users.get"),
    ({"rate_limit": {"limit": 1, "window": "1s"}}, "orders.create"),
]
"""Forms that never act on an operation: what they are about is not there."""

OF_REFRESH: list[Any] = ["invalid_grant", "omit_refresh_token", {"expire_token": "refresh"}]
"""Forms that are about the refresh; all others meet a read, and a create."""

BETWEEN = ("idle_close",)
"""Faults that act between two calls, so that the second one waits a little."""

DIFFERENT: dict[tuple[str, str], str] = {}
"""Cases, by client and fault as a file writes it, in which the worlds differ, with the reason."""

RACING: dict[str, str] = {
    "cancellation/many-at-once": "twelve calls are cancelled at moments that race with connections and answers",
    "retry/many-at-once": "eight calls at once meet the steps of a rule in the order in which they arrive",
}
"""Bundled scenarios whose outcome depends on an order that real sockets do not fix, with the reason."""


def _case(who: Client, form: Any, operation: str) -> Case:
    """Return a case in which the first exchange of an operation meets a fault, and the second does not."""
    calls = {"users.get": READ, "orders.create": CREATE, "auth.refresh": READ}
    given = {"access_token": "expired"} if operation == "auth.refresh" else {}
    call = {"auth.refresh": {}} if operation == "auth.refresh" and who.name == "plain" else calls[operation]
    written = form if isinstance(form, str) else next(iter(form))
    again = {"parallel": [{**READ, "start_after": "300ms"}]} if written in BETWEEN else READ
    data = {"given": given, "faults": [{"on": operation, "plan": [form]}], "calls": [call, again], "heal": False}
    return Case(f"parity/{written}", scenario(data), who)


def _came_of(played: Played) -> dict[str, Any]:
    """Return what is compared."""
    trace = played.trace
    if trace is None:
        return {"ending": played.ending, "why": played.why}
    calls: list[list[Any]] = []
    for call in trace.case_calls():
        outcome = call.outcome
        if outcome is None:
            calls.append([call.tag, "hung"])
            continue
        error = outcome.error
        kind = None if error is None else (error.kind, error.status, error.native)
        status = None if outcome.value is None else outcome.value.status
        calls.append([call.tag, outcome.outcome, kind, status, outcome.attempts, outcome.source, outcome.escaped])
    exchanges: list[list[Any]] = [
        [
            event.operation,
            [(fault.name, fault.phase, fault.byte) for fault in event.fired],
            event.status,
            event.effect.committed,
        ]
        for event in played.exchanges
    ]
    if any(call.parallel for call in trace.case_calls()):  # in which order they arrive is not fixed on real sockets
        exchanges.sort(key=repr)
    return {"calls": calls, "exchanges": exchanges}


def _fired(found: dict[str, Any]) -> bool:
    return any(fired for _, fired, _, _ in found["exchanges"])


def test_every_fault_is_compared() -> None:
    """A fault that is added must be added here, unless cases cannot meet it; those before HTTP are compared elsewhere."""
    met = [kind for kind in FAULTS if kind.phase != "connection" and "HTTP/1" in kind.protocols]

    assert set(FORMS) == {kind.name for kind in met if {"sim", "live"} <= set(kind.worlds)}


@pytest.mark.parametrize("who", ["reference", "article", "plain"])
def test_every_fault_does_the_same_in_both_worlds(who: str) -> None:
    """The same outcomes, attempts, faults and effects, for each form of each fault; known differences are listed."""
    wanted = [
        (form, operation)
        for forms in FORMS.values()
        for form in forms
        for operation in (("auth.refresh",) if form in OF_REFRESH else ("users.get", "orders.create"))
    ]
    cases = [_case(clients()[who], form, operation) for form, operation in wanted]
    cases = [Case(f"{case.scenario_name}-{number}", case.scenario, case.client) for number, case in enumerate(cases)]
    unfired = {str(wanted[index]) for index, found in enumerate(simulated(cases, _came_of)) if not _fired(found)}
    found = differing(cases, _came_of)
    listed = {form for name, form in DIFFERENT if name == who}
    different = {str(wanted[index][0]) for index in found}

    assert {str(wanted[index]): pair for index, pair in found.items() if str(wanted[index][0]) not in listed} == {}
    assert listed - different == set(), "these do not differ any more: take them off the list"
    assert unfired <= {str(pair) for pair in NEVER}


def _in_both(told: Scenario) -> bool:
    """Tell whether all faults of a scenario exist in both worlds."""
    return all(set(type(fault.settings).worlds) == {"sim", "live"} for fault in told.all_faults())


def test_every_bundled_scenario_does_the_same_in_both_worlds() -> None:
    """The reference client, with the short times of live runs, meets the same and says the same."""
    who = known("reference", "quick")
    cases = [
        Case(item.name, item.scenario, who) for item in bundled() if item.name not in RACING and _in_both(item.scenario)
    ]
    found = differing(cases, _came_of)

    assert {cases[index].scenario_name: pair for index, pair in found.items()} == {}
