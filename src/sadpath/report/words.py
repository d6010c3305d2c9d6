"""What the reports share: how verdicts are called, what is safe to show, and what a client comes to."""

from __future__ import annotations

import re
from typing import Final

from sadpath.verify.results import ClauseResult, Results

__all__ = ["FAILING", "VERDICTS", "bounded", "case_name", "headline", "moment", "printable", "reason_of", "sentence"]

VERDICTS: Final[dict[str, str]] = {
    "fail": "fails",
    "xpass": "listed as failing, but holds",
    "flaky": "flaky",
    "xfail": "fails as expected",
    "pass": "holds",
    "not_exercised": "not exercised",
    "unsupported": "unsupported",
    "driver_error": "the driver failed",
    "harness_error": "sadpath failed",
}
"""Verdicts in words, the gravest first."""

FAILING: Final = ("fail", "xpass")
"""The verdicts by which a run fails."""

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters, halves of pairs, and marks that let text be read in another order than it is written in."""


def printable(text: str) -> str:
    """Return a text with what no file format and no reader can take written out (``\\x1b``); lines and tabs stay."""
    return _UNSAFE.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return "\\r" if code == 0x0D else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def bounded(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters; what is cut off is marked by an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def sentence(text: str) -> str:
    """Return a text as a sentence: with a capital and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ")")) or not text else f"{text}."


def case_name(case: str) -> str:
    """Return a case's scenario, without the client."""
    return case.rpartition("@")[0] or case


def moment(seconds: float) -> str:
    """Return a time as timelines show it."""
    return f"{seconds:.3f} s"


def reason_of(clause: ClauseResult) -> str:
    """Return why a clause has its verdict where no finding says so, an empty text if there is nothing to say."""
    if clause.verdict == "not_exercised":
        return clause.why or "no case put it to the test"
    if clause.verdict in ("xfail", "xpass"):
        parts = [clause.why, f"expected because: {clause.expected}" if clause.expected else None]
        return "; ".join(part for part in parts if part)
    if clause.verdict == "flaky":
        return "it failed beside other cases and held when its case was run again alone, so it does not count"
    return clause.why or ""


def headline(results: Results) -> str:
    """Return what the results come to, in a few words."""
    rate = results.kill_rate
    if rate is not None:
        return f"{rate.killed} of {rate.bad} known-bad clients caught"
    verdicts = [clause.verdict for client in results.clients for clause in client.clauses]
    failing = sum(verdict in FAILING for verdict in verdicts)
    tested = sum(verdict not in ("not_exercised", "unsupported") for verdict in verdicts)
    if not tested:
        return "nothing tested"
    return f"{failing} of {tested} clauses fail" if failing else f"{tested} clauses hold"
