"""What kind of rule each clause is: whether it holds for every schedule, and whether time decides it."""

from __future__ import annotations

import pytest

from sadpath.verify.clauses import clause

KINDS = {
    "AUTH-01": "invariant timed", "AUTH-03": "invariant", "AUTH-04": "", "AUTH-07": "invariant timed",
    "AUTH-15": "invariant", "CACHE-01": "invariant timed", "CACHE-02": "invariant", "CACHE-06": "invariant",
    "CACHE-07": "invariant", "CACHE-10": "invariant", "CANCEL-01": "invariant timed", "CANCEL-02": "invariant timed",
    "END-01": "invariant timed", "ERROR-01": "invariant", "ERROR-02": "invariant timed", "ERROR-03": "",
    "ERROR-05": "", "HEAL-01": "invariant timed", "HONEST-01": "invariant timed", "HONEST-02": "invariant",
    "IDEM-01": "invariant", "IDEM-02": "invariant", "POOL-01": "invariant timed", "POOL-04": "invariant",
    "RETRY-01": "invariant", "RETRY-02": "invariant", "RETRY-03": "invariant timed", "RETRY-05": "invariant timed",
    "RETRY-07": "invariant timed", "RETRY-12": "invariant", "RETRY-14": "invariant timed", "RETRY-17": "invariant",
}  # fmt: skip


@pytest.mark.parametrize(("name", "kinds"), KINDS.items())
def test_what_kind_of_rule_it_is(name: str, kinds: str) -> None:
    """Drawn cases are judged by invariant rules, and what a timed one finds in real time is run again, alone."""
    item = clause(name)

    assert (item.invariant, item.timed) == ("invariant" in kinds, "timed" in kinds)
