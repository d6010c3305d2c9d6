"""The driver protocol's messages: what stands in the protocol's text is what the models read and write."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from sadpath.drivers.messages import AuthGrant, CacheEntry, CallStep, Outcome, ParallelStep, Run

RUN = """
{"id": "k81f", "case": "refresh/expired-token", "base_url": "http://127.0.0.1:40123/s/k81f",
 "other_origin": "http://127.0.0.1:40124", "tls_ca": null, "deadline_ms": 20000,
 "auth": {"access_token": "A", "refresh_token": "R", "expires_in": 3600, "email": "e", "password": "p"},
 "cache": [{"op": "users.get", "args": {"id": 1}, "json": {"id": 1}, "age_ms": 60000, "etag": null,
            "user": "ada@example.com", "broken": false}],
 "policy": null,
 "calls": [
   {"call": "a", "op": "users.get", "args": {"id": 1}},
   {"parallel": [{"call": "b", "op": "users.get", "args": {"id": 1}, "times": 5},
                 {"call": "c", "op": "users.get", "args": {"id": 2}, "cancel_after_ms": 100}]},
   {"call": "g", "op": "users.create", "args": {"data": {}}, "replayable": false},
   {"advance_ms": 60000}, {"offline": true}]}
"""

OUTCOME = """
{"id": "k81f", "call": "a", "i": 0, "outcome": "error", "value": {"status": 200, "json": {"x": 1}}, "source": "network",
 "stale": false, "age_ms": 0,
 "error": {"kind": "timeout.read", "status": null, "retry_after_ms": null, "effect_unknown": false,
           "native": "ReadTimeout", "message": ""},
 "escaped": false, "attempts": 2, "started_ms": 0, "ended_ms": 412, "cancelled_ms": null}
"""


def test_a_run_is_read_as_the_protocol_writes_it() -> None:
    """Each kind of step is told by its keys, and cache entries carry their value as ``json``."""
    run = Run.model_validate_json(RUN)

    assert [type(step).__name__ for step in run.calls] == [
        "CallStep", "ParallelStep", "CallStep", "AdvanceStep", "OfflineStep",
    ]  # fmt: skip
    assert isinstance(run.calls[1], ParallelStep)
    assert [call.times for call in run.calls[1].parallel] == [5, 1]
    assert run.cache is not None
    assert run.cache[0].data == {"id": 1}


@pytest.mark.parametrize(("model", "text"), [(Run, RUN), (Outcome, OUTCOME)])
def test_messages_survive_the_wire(model: type[Run] | type[Outcome], text: str) -> None:
    """Writing a message and reading it again loses nothing, and every key of the protocol is written back."""
    message = model.model_validate_json(text)
    written = message.model_dump_json(by_alias=True)

    assert model.model_validate_json(written) == message
    assert json.loads(text).keys() <= json.loads(written).keys()
    assert '"data"' not in written.replace('"data":{}', "")


def test_an_unknown_key_is_refused() -> None:
    """A message with a key that the protocol does not have is broken, not half understood."""
    with pytest.raises(ValidationError):
        CallStep.model_validate({"call": "a", "op": "x", "retries": 3})


def test_python_code_writes_values_by_their_names() -> None:
    """Code says ``data`` where the wire says ``json``."""
    entry = CacheEntry(op="users.get", data=[1])
    grant = AuthGrant(email="e", password="p")

    assert json.loads(entry.model_dump_json(by_alias=True))["json"] == [1]
    assert grant.access_token is None
