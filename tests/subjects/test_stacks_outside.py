"""Published stacks of other languages, judged on real sockets: what each of them does is what its maintainers would find.

All cases are played at once, by one process for each stack. What they show does not depend on how fast that goes.
"""

from __future__ import annotations

import asyncio
import subprocess
from functools import cache
from typing import Any, NamedTuple

import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.judging import clauses_for, judge_case
from sadpath.verify.played import Case
from sadpath.verify.run import live_world
from sadpath.workspace import find_workspace

READ: dict[str, Any] = {"users.get": {"id": 1}}
ORDER: dict[str, Any] = {"orders.create": {"data": {"items": [{"sku": "TEA-250", "quantity": 1}]}}}


def _java() -> int:
    """Return which Java there is."""
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    return int(said.split('"')[1].split(".")[0])


class Found(NamedTuple):
    """What a stack does in a case: its calls, the faults that their first attempts meet, and the clauses that fail."""

    name: str
    plan: list[Any]
    call: dict[str, Any]
    failing: list[str]
    given: dict[str, Any] = {}  # noqa: RUF012 - never changed, for a default of a tuple
    profile: str = "published"

    @property
    def title(self) -> str:
        """The case as pytest and the world name it."""
        return f"{self.name}/{FOUND.index(self)}"


CHANGES: dict[str, Any] = {"users.update": {"id": 1, "data": {"user_name": "Ada King"}}, "times": 2}
TLS = {"tls": True}
DRIP = {"dribble": {"chunks": 35, "over": "3500ms"}}
TWO_HOURS = {"status": {"code": 503, "retry_after": "2h"}}

FOUND = [
    Found("axios-retry", [], READ, []),
    # Its README speaks of network errors and of idempotent requests; the first are retried whatever the method.
    Found("axios-retry", ["reset"], ORDER, ["IDEM-02", "RETRY-02"]),
    # An answer was begun, so axios gives it to the error, and the plugin sees a 200 there.
    Found("axios-retry", ["truncate"], READ, ["RETRY-03"]),
    # `silentJSONParsing` hands out the text.
    Found("axios-retry", ["malformed_json"], READ, ["ERROR-05"]),
    # An idempotent request is retried on whatever has no answer.
    Found("axios-retry", ["tls_wrong_host"] * 4, READ, ["RETRY-18"], TLS),
    # The clock of its `timeout`, which a request is said not to exceed, is stopped when the head is there.
    Found("axios-retry", [DRIP], READ, ["RETRY-14", "TIME-04"], profile="quick"),
    Found("got", [], READ, []),
    # `setTimeout` takes a negative number for none.
    Found("got", [{"status": {"code": 503, "retry_after": {"raw": "-1"}}}], READ, ["RETRY-05", "RETRY-09"]),
    Found("got", ["truncate"], READ, []),
    Found("ky", [], READ, []),
    # The body is read when the retries are over.
    Found("ky", ["truncate"], READ, ["RETRY-03"]),
    # Its `timeout` is said to include retries, and begins anew with each.
    Found("ky", [{"status": {"code": 503, "retry_after": "3s"}}], READ, ["RETRY-14"], profile="quick"),
    Found("ky", ["tls_wrong_host"] * 3, READ, ["RETRY-18"], TLS),
    Found("undici-retry", [], READ, []),
    # `maxTimeout`, of which the documentation says that it bounds the waits between retries, cuts Retry-After short.
    Found("undici-retry", [TWO_HOURS], READ, ["RETRY-07", "RETRY-08", "RETRY-10"], profile="quick"),
    Found("java-http-client", [], READ, []),
    Found("java-http-client", ["reset"], ORDER, []),
    # Of what fails on a connection that was kept, a GET or HEAD alone is sent again.
    Found("java-http-client", ["pass", "close"], CHANGES, ["POOL-03"]),
    # Its `timeout` is over when the head is there (JDK-8208693, mended in 26).
    Found("java-http-client", [DRIP], READ, ["RETRY-14", "TIME-04"] if _java() < 26 else [], profile="quick"),
]


def _scenario(found: Found) -> dict[str, Any]:
    operation = next(iter(found.call))
    on: Any = "connection" if found.given else operation
    faults = [{"on": on, "plan": found.plan}] if found.plan else []
    return {"title": "One fault", "given": found.given, "faults": faults, "calls": [found.call]}


async def _play_all() -> dict[str, list[str]]:
    workspace = find_workspace()
    kinds = sorted({(found.name, found.profile) for found in FOUND})
    opened = await asyncio.gather(*(open_client(ClientRequest(name, workspace, profile=kind)) for name, kind in kinds))
    clients = dict(zip(kinds, opened, strict=True))
    cases = [Case(item.title, read_scenario(_scenario(item)), clients[item.name, item.profile]) for item in FOUND]
    try:
        async with live_world(workspace) as world:
            played = await asyncio.gather(*(world.play(case) for case in cases))
    finally:
        await asyncio.gather(*(client.driver.close() for client in opened))
    assert [(item.case.id, item.why) for item in played if item.trace is None] == []
    judged = [judge_case(item, clauses_for(item.case.client.contract)) for item in played]
    return {item.played.case.scenario_name: sorted(item.unexpected()) for item in judged}


@cache
def _failing() -> dict[str, list[str]]:
    return asyncio.run(_play_all())


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.title)
def test_what_is_found(found: Found) -> None:
    """One fault shows what a stack is known for, and nothing else; none shows nothing."""
    assert _failing()[found.title] == found.failing
