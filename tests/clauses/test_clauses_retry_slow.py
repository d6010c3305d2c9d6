"""RETRY-03 where the network is slower than the client's patience with it."""

from __future__ import annotations

from sadpath.verify.pinned import assert_holds

SLOW = """\
title: A retry that the fallback overtakes
given: {cache: fresh, network: {latency: 3s}}
faults:
  - {on: users.get, plan: [close]}
calls:
  - users.get: {id: 1}
"""


def test_a_retry_that_is_still_under_way_is_not_missed() -> None:
    """Where the fallback's deadline comes before a retry could reach the server, its absence is no finding."""
    assert_holds(SLOW, client="reference", clauses=["RETRY-03"])
