"""JUnit XML, which CI systems show: a suite for each client, a test case for each of its clauses."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Final

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from sadpath.report.comparison import Comparison
from sadpath.report.words import bounded, case_name, printable, reason_of, sentence
from sadpath.verify.results import ClauseResult, ClientResult, ErrorEntry, Finding, Results

__all__ = ["render_junit"]

_SHOWN: Final = 3
_LONGEST: Final = 20_000


def render_junit(results: Results, comparison: Comparison | None = None) -> str:
    """Return the results as JUnit XML.

    A clause that fails is a failure with sentence, schedule and replay command. One that fails as expected, that is
    flaky, unsupported or was not put to the test is skipped, with the reason. What could not be judged is an error.
    """
    xml = JUnitXml("sadpath")
    if results.kill_rate is not None:
        xml.add_testsuite(_known_bad(results))
    else:
        for client in results.clients:
            xml.add_testsuite(_client(client, results, comparison))
    if results.errors:
        suite = _suite("not judged", results)
        suite.add_testcases([_error(error) for error in results.errors])
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call] # it has no annotation there
    xml.time = results.duration_s
    text = xml.tostring()  # type: ignore[no-untyped-call] # as above
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text if isinstance(text, str) else text.decode()}\n'


def _suite(name: str, results: Results) -> TestSuite:
    suite = TestSuite(printable(name))
    with contextlib.suppress(ValueError, OverflowError):  # it is no moment where somebody else wrote the file
        suite.timestamp = datetime.fromisoformat(results.started).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return suite


def _client(client: ClientResult, results: Results, comparison: Comparison | None) -> TestSuite:
    suite = _suite(client.name, results)
    facts = {"version": client.version, "contract": client.contract, "profile": client.profile}
    facts |= {"sadpath": results.sadpath, "world": results.world, "seed": str(results.seed)}
    for name, value in facts.items():
        if value:
            suite.add_property(name, printable(value))
    suite.add_testcases([_clause(client, clause, comparison) for clause in client.clauses])
    if client.missing is not None:
        case = TestCase("put to the test", classname=printable(client.name))
        case.result = [Skipped(printable(f"not installed: {client.missing}"), "missing")]
        suite.add_testcase(case)
    return suite


def _clause(client: ClientResult, clause: ClauseResult, comparison: Comparison | None) -> TestCase:
    case = TestCase(
        printable(f"{clause.id} {clause.title}"), classname=printable(f"{client.name}.{clause.family or 'clauses'}")
    )
    new = comparison is not None and comparison.is_new(client.name, clause.id)
    if clause.verdict == "fail":
        first = clause.findings[0].sentence if clause.findings else clause.title
        case.result = _failure(f"{'new: ' if new else ''}{sentence(first)}", clause.level, _story(clause))
    elif clause.verdict == "xpass":
        case.result = _failure(sentence(reason_of(clause)), "stale expectation", reason_of(clause))
    elif clause.verdict in ("driver_error", "harness_error"):
        case.result = [Error(printable(reason_of(clause)), clause.verdict)]
    elif clause.verdict != "pass":
        case.result = [Skipped(printable(f"{clause.verdict}: {reason_of(clause)}"), clause.verdict)]
    return case


def _failure(message: str, kind: str, story: str) -> list[FinalResult]:
    failure = Failure(printable(bounded(message, 2000)), kind)
    failure.text = printable(bounded(story, _LONGEST))
    return [failure]


def _story(clause: ClauseResult) -> str:
    head = [f"The client {clause.title}.", f"{clause.level}; source: {clause.source or 'the contract'}"]
    shown = [_finding(item) for item in clause.findings[:_SHOWN]]
    more = len(clause.findings) - len(shown)
    return "\n\n".join(["\n".join(head), *shown, *([f"{more} more findings of this clause."] if more > 0 else [])])


def _finding(finding: Finding) -> str:
    return (
        f"{sentence(finding.sentence)}\n\nThe smallest schedule that shows it, of {case_name(finding.case)}:\n"
        f"{bounded(finding.schedule.rstrip(), 4000)}\n\nRun it again:\n{finding.replay}"
    )


def _error(error: ErrorEntry) -> TestCase:
    case = TestCase(printable(error.where) or "somewhere", classname=error.party)
    case.result = [Error(printable(bounded(error.message, _LONGEST)), error.party)]
    return case


def _known_bad(results: Results) -> TestSuite:
    suite = _suite("known-bad clients", results)
    survivors = results.kill_rate.survivors if results.kill_rate is not None else []
    names = dict.fromkeys([client.name for client in results.clients] + [item.name for item in survivors])
    for name in names:
        case = TestCase(printable(f"{name} is caught"), classname="known-bad")
        missed = [f"it was to fail {item.clause}: {item.why}" for item in survivors if item.name == name]
        if missed:
            case.result = _failure(sentence(missed[0]), "survivor", "\n".join(missed))
        suite.add_testcase(case)
    return suite
