"""Both worlds are one before HTTP too: each fault of connections does the same in the simulated world and on sockets.

Compared are, for each call, how it ended (outcome, kind of failure, the library's own name for it, attempts), and for
each connection what happened to it, by whom and by which fault. Which connects got nowhere is known in the simulated
world alone, and whether a client that breaks a handshake off ends with FIN or RST is a race of its alert with its end.
"""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.scenario.vocabulary import FAULTS
from sadpath.verify.played import Case, Client, Played
from tests.campaign.arranged import scenario
from tests.parity.both_worlds import CREATE, READ, clients, differing, simulated

TLS = {"tls": True}

FORMS: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "refuse": [({}, {"fault": "refuse"}), ({}, {"fault": {"refuse": "1h"}}), (TLS, {"fault": "refuse"})],
    "blackhole": [({}, {"fault": {"blackhole": "100ms"}}), ({}, {"fault": "blackhole"})],
    "accept_stall": [({}, {"fault": "accept_stall"}), ({}, {"plan": [{"accept_stall": "40ms"}]}),
                     ({}, {"plan": ["accept_stall"]}), (TLS, {"plan": [{"accept_stall": "40ms"}]})],
    "accept_close": [({}, {"fault": "accept_close"}), ({}, {"plan": ["accept_close"]}), (TLS, {"plan": ["accept_close"]})],
    "accept_reset": [({}, {"fault": "accept_reset"}), ({}, {"plan": ["accept_reset"]}), (TLS, {"plan": ["accept_reset"]})],
    "tls_handshake_fail": [(TLS, {"fault": "tls_handshake_fail"}), (TLS, {"plan": ["tls_handshake_fail"]})],
    "tls_expired": [(TLS, {"fault": "tls_expired"}), (TLS, {"plan": ["tls_expired"]})],
    "tls_wrong_host": [(TLS, {"fault": "tls_wrong_host"}), (TLS, {"plan": ["tls_wrong_host"]})],
    "tls_self_signed": [(TLS, {"fault": "tls_self_signed"}), (TLS, {"plan": ["tls_self_signed"]})],
}  # fmt: skip
"""Each fault in the forms in which it acts differently: what is given, and the rule."""


def _cases(who: Client) -> list[Case]:
    found = []
    for name, forms in FORMS.items():
        for number, (given, rule) in enumerate(forms):
            rules = [{"on": "connection", **rule}]
            for call, what in ((READ, "read"), (CREATE, "create")):
                data = {"given": given, "faults": rules, "calls": [call, READ], "heal": False}
                found.append(Case(f"connections/{name}-{number}-{what}", scenario(data), who))
    return found


def _came_of(played: Played) -> dict[str, Any]:
    trace = played.trace
    if trace is None:
        return {"ending": played.ending, "why": played.why}
    calls: list[Any] = []
    for call in trace.case_calls():
        outcome = call.outcome
        error = outcome.error if outcome is not None else None
        kind = None if error is None else (error.kind, error.native)
        calls.append([call.tag, outcome and outcome.outcome, kind, outcome and outcome.attempts])
    numbers = {event.connection for event in trace.connections if event.what == "opened"}
    connections = [
        sorted({_happened(event) for event in trace.connections if event.connection == number})
        for number in sorted(numbers)
    ]
    return {
        "calls": calls,
        "port": [_happened(event) for event in trace.connections if event.connection == 0],
        "connections": connections,
        "fired": played.fired,
        "exchanges": [(event.operation, event.status) for event in trace.exchanges],
    }


def _happened(event: Any) -> tuple[str, str, str]:
    ended = event.by == "client" and event.what in ("fin", "rst")
    return ("left" if ended else event.what, event.by, event.fault or "")


def test_every_fault_is_compared() -> None:
    """A fault before HTTP that exists in both worlds must be added here."""
    kinds = [kind for kind in FAULTS if kind.phase == "connection"]

    assert set(FORMS) == {kind.name for kind in kinds if set(kind.worlds) == {"sim", "live"}}


@pytest.mark.parametrize("who", ["reference", "article", "plain"])
def test_every_fault_does_the_same_in_both_worlds(who: str) -> None:
    """The same outcomes, attempts and ends of connections for each form; a machine may be busy, so twice again alone."""
    cases = _cases(clients()[who])

    assert {cases[index].scenario_name: found for index, found in differing(cases, _came_of).items()} == {}
    assert all(found["fired"] for found in simulated(cases, _came_of))
