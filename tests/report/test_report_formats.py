"""JUnit, Markdown, annotations and badge: what stands in them, and that nothing in results becomes more than text."""

from __future__ import annotations

import html
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.errors import UsageError
from sadpath.report.badge import render_badge
from sadpath.report.comparison import compare
from sadpath.report.formats import FORMATS, chosen, write_reports
from sadpath.report.github import render_github
from sadpath.report.junit import render_junit
from sadpath.report.markdown import LONGEST, render_markdown
from sadpath.report.words import printable
from sadpath.verify.results import ErrorEntry, Results
from tests.report.made import HOSTILE, a_clause, a_finding, every_verdict, filled, hostile, killed

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


def _junit(results: Results) -> ET.Element:
    text = render_junit(results)
    SCHEMA.validate(text)
    return ET.fromstring(text)  # noqa: S314 - our own output


def _cases(root: ET.Element) -> dict[str, ET.Element]:
    return {(case.get("name") or "").split()[0]: case for case in root.iter("testcase")}


def test_junit_has_a_suite_for_a_client_and_a_case_for_a_clause() -> None:
    """Failures fail, what is expected or untested is skipped with the reason, the numbers add up."""
    root = _junit(every_verdict())
    (suite,) = root
    cases = _cases(root)

    assert (suite.get("name"), suite.get("timestamp")) == ("shop", "2026-01-02T03:04:05")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["7", "2", "0", "4"]
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["7", "2", "0"]
    assert {name: [child.tag for child in case] for name, case in cases.items()} == {
        "RETRY-01": ["failure"], "RETRY-02": ["failure"], "AUTH-01": ["skipped"], "AUTH-02": ["skipped"],
        "CACHE-01": [], "CACHE-02": ["skipped"], "PAGE-01": ["skipped"],
    }  # fmt: skip
    assert cases["RETRY-01"].get("classname") == "shop.RETRY"
    assert cases["AUTH-01"][0].get("message") == "xfail: expected because: it refreshes twice"
    assert cases["PAGE-01"][0].get("message") == "unsupported: it does not declare pages"


def test_a_failure_holds_sentence_schedule_and_replay() -> None:
    """Whoever reads the CI system's page needs no other."""
    failure = _cases(_junit(every_verdict()))["RETRY-01"][0]

    assert failure.get("message") == "It came back 0.020 s after exchange 1."
    for part in ("source: RFC 9110 §10.2.3", "plan: [503]", "sadpath replay .sadpath/cases/1.json", "retry/other"):
        assert part in (failure.text or "")


def test_what_could_not_be_judged_is_an_error() -> None:
    """It stands in a suite of its own, with the party at fault."""
    root = _junit(every_verdict(errors=[ErrorEntry(party="driver", where="retry/x@shop", message="it died")]))
    (case,) = [case for case in root.iter("testcase") if case.find("error") is not None]

    assert (case.get("classname"), case.get("name"), case[0].get("message")) == ("driver", "retry/x@shop", "it died")


def test_known_bad_clients_are_cases_that_hold_when_caught() -> None:
    """That a known-bad client fails its clause is no failure; that it does not is one."""
    root = _junit(killed())

    assert {case.get("name"): len(case) for case in root.iter("testcase")} == {
        "too-eager is caught": 1,
        "lazy is caught": 0,
    }


@given(hostile())
def test_junit_is_valid_whatever_is_in_results(text: str) -> None:
    """It is well formed, fits the schema, and has the same elements as with a plain text."""
    root, plain = _junit(filled(text)), _junit(filled("plain"))

    assert [item.tag for item in root.iter()] == [item.tag for item in plain.iter()]


@pytest.mark.parametrize("text", HOSTILE)
def test_junit_shows_hostile_texts_as_they_are(text: str) -> None:
    """What XML can hold is read back; what it cannot is written out."""
    failure = next(_junit(filled(text)).iter("failure"))

    assert " ".join(printable(text).split()) in " ".join((failure.text or "").split())


# Markdown

FENCE = re.compile(r"^(`{3,})\w*\n.*?^\1$", re.DOTALL | re.MULTILINE)


def test_markdown_has_a_table_and_folded_failures() -> None:
    """First the numbers of each client, then each clause that fails or is flaky, folded up."""
    text = render_markdown(every_verdict())

    assert text.startswith("### ❌ sadpath: 2 of 5 clauses fail\n")
    assert "| shop 3.2 | **2** | 1 | 1 | 2 |" in text
    assert re.findall(r"<details><summary><b>(.*?)</b>", text) == ["RETRY-01", "RETRY-02", "AUTH-02"]
    assert text.count("<details>") == text.count("</details>") == 3
    assert "```yaml\nfaults:\n  - {on: users.get, plan: [503]}\n" in text
    assert "```sh\nsadpath replay .sadpath/cases/1.json\n```" in text


@given(hostile())
def test_markdown_takes_no_markup_mention_or_link_from_results(text: str) -> None:
    """Outside of code blocks nothing of it is an element, a heading, a mention, a reference or a link."""
    rendered = render_markdown(filled(text))
    outside = FENCE.sub("", rendered)
    plain = FENCE.sub("", render_markdown(filled("plain")))

    assert re.findall(r"</?[a-zA-Z!][^>]*>", outside) == re.findall(r"</?[a-zA-Z!][^>]*>", plain)
    assert re.findall(r"^#+ ", outside, re.MULTILINE) == ["### "]
    assert not re.search(r"[@#]\w|https?://|www\.\w", outside)
    assert outside.count("\n| ") == plain.count("\n| ")
    assert printable(rendered) == rendered


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 30), st.sampled_from(["x", "<", "`", "|", "é", "\n", "&"]))
def test_markdown_fits_into_a_comment(clients: int, letter: str) -> None:
    """However much fails, and whatever it is written with, it stays below GitHub's limit and says what is left out."""
    one = filled(letter * 2000).clients[0]
    results = Results(
        clients=[one.model_copy(update={"name": f"{letter * 3000}{number}"}) for number in range(clients * 5)]
    )
    text = render_markdown(results, compare(results, results))

    assert len(text) <= LONGEST
    assert "more did not fit here" in text or clients < 5


def test_markdown_of_known_bad_clients_names_those_not_caught() -> None:
    """There is no table of clauses, for those clients are meant to fail them."""
    text = render_markdown(killed())

    assert "1 of 2 known\\-bad clients caught" in text or "1 of 2 known-bad clients caught" in text
    assert "**Not caught**: too\\-eager was to fail RETRY\\-01" in text
    assert "| client |" not in text


# Annotations


def test_annotations_are_errors_for_what_fails_and_warnings_for_what_is_flaky() -> None:
    """One line each; nothing for what holds, is expected or was not tested."""
    lines = render_github(every_verdict()).splitlines()

    assert [line.split("::")[1] for line in lines] == [
        "error title=shop%3A RETRY-01", "error title=shop%3A RETRY-02", "warning title=shop%3A AUTH-02",
    ]  # fmt: skip
    assert "%0AIt came back 0.020 s after exchange 1.%0A" in lines[0]
    assert render_github(killed()).startswith("::error title=known-bad client too-eager::It was to fail RETRY-01")


@given(hostile())
def test_an_annotation_is_one_line_that_ends_no_sooner(text: str) -> None:
    """No line begins with anything but our commands, and what was escaped reads as it was."""
    rendered = render_github(filled(text))
    lines = rendered.split("\n")[:-1]

    assert len(lines) == 4
    assert all(re.match(r"::(error|warning) title=[^:,\r\n]*::[^\r\n]*$", line) for line in lines)
    undone = lines[0].split("::", 2)[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    assert printable(text)[:500] in undone


# The badge


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (every_verdict(), "2 of 5 clauses fail"),
        (killed(), "1 of 2 known-bad clients caught"),
        (Results(), "not judged"),
        (Results(interrupted=True), "interrupted"),
    ],
)
def test_the_badge_says_what_it_comes_to_and_needs_nothing(results: Results, said: str) -> None:
    """It is a picture with a name for those who cannot see it, and holds no address but its namespace."""
    text = render_badge(results)
    root = ET.fromstring(text)  # noqa: S314 - our own output

    assert root.get("role") == "img"
    assert root.get("aria-label") == f"sadpath: {said}"
    assert root[0].tag.endswith("title")
    assert root[0].text == f"sadpath: {said}"
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]


# Comparison


def test_a_comparison_tells_new_from_mended() -> None:
    """New, mended, failed before and not tested now, and failing as before."""
    before = Results(
        clients=[
            every_verdict().clients[0].model_copy(
                update={
                    "clauses": [
                        a_clause("A-01", "fail"), a_clause("A-02", "pass"), a_clause("A-03", "fail"),
                        a_clause("A-04", "fail"), a_clause("A-05", "xfail"),
                    ]
                }
            )
        ]
    )  # fmt: skip
    after = before.model_copy(deep=True)
    for clause, verdict in zip(
        after.clients[0].clauses, ("pass", "fail", "not_exercised", "fail", "xfail"), strict=True
    ):
        clause.verdict = verdict  # type: ignore[assignment] # they are verdicts
        clause.findings = [a_finding()] if verdict == "fail" else []
    change = compare(before, after)

    assert change.lines() == ["shop: new: A-02; mended: A-01; failed before, not tested now: A-03; 2 fail as before."]
    assert [line.split("::")[1] for line in render_github(after, change).splitlines()] == [
        "error title=shop%3A A-02 (new)", "error title=shop%3A A-04",
    ]  # fmt: skip
    assert "new: it came back" in html.unescape(render_junit(after, change)).lower()
    assert render_markdown(after, change).index("<b>A-02</b> fails (<b>new</b>)") < render_markdown(
        after, change
    ).index("A-04")
    assert compare(Results(), after).lines() == ["shop: not among the results compared with."]
    assert compare(after, Results()).lines() == ["shop: only among the results compared with."]
    assert compare(after, after).lines() == ["shop: 3 fail as before."]


# Files


def test_each_format_is_a_file_of_its_own(tmp_path: Path) -> None:
    """Those that are asked for are written, whole, over what was there."""
    (tmp_path / "junit.xml").write_text("old")
    written = write_reports(every_verdict(), tmp_path / "sub" / "..", chosen("markdown,junit"))

    assert [path.name for path in written] == ["junit.xml", "report.md"]
    assert "<testsuites" in (tmp_path / "junit.xml").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "report.md", "sub"]
    assert chosen(None) == list(FORMATS)
    with pytest.raises(UsageError, match="'htlm' is no format; did you mean 'html'"):
        chosen("junit,htlm")


@pytest.mark.parametrize(
    "started", ["", "yesterday", "2026-02-30T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "２０２６"]
)
def test_a_run_whose_beginning_is_not_known_has_no_timestamp(started: str) -> None:
    """What is no moment is left out of JUnit, which takes no other."""
    (suite,) = _junit(every_verdict(started=started))

    assert suite.get("timestamp") is None


def test_a_client_that_is_not_there_is_named_everywhere() -> None:
    """What it lacks is said, and no clause of it counts."""
    results = every_verdict()
    results.clients.append(
        results.clients[0].model_copy(update={"name": "axios", "clauses": [], "missing": "run npm ci"})
    )
    suite = _junit(results)[1]

    assert [(case.get("name"), case[0].get("message")) for case in suite.iter("testcase")] == [
        ("put to the test", "not installed: run npm ci")
    ]
    assert "- axios was not put to the test: run npm ci" in render_markdown(results)
    assert "axios: run npm ci" in FORMATS["html"].render(results)
