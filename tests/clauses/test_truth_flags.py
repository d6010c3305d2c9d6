"""What kind of rule each clause is: whether it holds for every schedule, and whether time decides it."""

from __future__ import annotations

from sadpath.verify.clauses import all_clauses

KINDS = {
    "AUTH-01": "invariant timed", "AUTH-02": "timed", "AUTH-03": "invariant", "AUTH-04": "", "AUTH-05": "timed",
    "AUTH-06": "timed", "AUTH-07": "invariant timed", "AUTH-08": "timed", "AUTH-09": "timed",
    "AUTH-10": "timed", "AUTH-11": "timed", "AUTH-12": "timed", "AUTH-13": "timed", "AUTH-14": "timed",
    "AUTH-15": "invariant", "AUTH-16": "", "AUTH-17": "", "AUTH-18": "timed", "CACHE-01": "invariant timed",
    "CACHE-02": "invariant", "CACHE-03": "", "CACHE-04": "", "CACHE-05": "", "CACHE-06": "invariant",
    "CACHE-07": "invariant", "CACHE-08": "", "CACHE-09": "", "CACHE-10": "invariant", "CACHE-11": "",
    "CACHE-12": "", "CACHE-13": "", "CACHE-14": "", "CACHE-15": "timed", "CACHE-16": "",
    "CANCEL-01": "invariant timed", "CANCEL-02": "invariant timed", "CANCEL-03": "timed", "CANCEL-04": "",
    "CONN-01": "", "CONN-02": "", "END-01": "invariant timed", "ERROR-01": "invariant",
    "ERROR-02": "invariant timed", "ERROR-03": "", "ERROR-04": "", "ERROR-05": "", "ERROR-06": "",
    "ERROR-07": "", "HEAL-01": "invariant timed", "HONEST-01": "invariant timed", "HONEST-02": "invariant",
    "IDEM-01": "invariant", "IDEM-02": "invariant", "IDEM-03": "timed", "PAGE-01": "", "PAGE-02": "",
    "PAGE-03": "", "PAGE-04": "", "PAGE-05": "", "POOL-01": "invariant timed", "POOL-02": "timed",
    "POOL-03": "", "POOL-04": "invariant", "REDIR-01": "", "RETRY-01": "invariant", "RETRY-02": "invariant",
    "RETRY-03": "invariant timed", "RETRY-04": "", "RETRY-05": "invariant timed", "RETRY-06": "",
    "RETRY-07": "invariant timed", "RETRY-08": "timed", "RETRY-09": "timed", "RETRY-10": "timed",
    "RETRY-11": "timed", "RETRY-12": "invariant", "RETRY-13": "timed", "RETRY-14": "invariant timed",
    "RETRY-15": "timed", "RETRY-16": "timed", "RETRY-17": "invariant", "RETRY-18": "", "TIME-01": "timed",
    "TIME-02": "timed", "TIME-03": "timed", "TIME-04": "timed", "TIME-05": "timed", "TIME-06": "timed",
    "TIME-07": "",
}  # fmt: skip


def test_what_kind_of_rule_each_is() -> None:
    """Drawn cases are judged by invariant rules, and what a timed one finds in real time is run again, alone."""
    kinds = {item.id: (("invariant", item.invariant), ("timed", item.timed)) for item in all_clauses()}

    assert {name: " ".join(word for word, so in pairs if so) for name, pairs in kinds.items()} == KINDS
