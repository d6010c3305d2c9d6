"""The HTML report as a file: whole, bounded, and made of text alone where results speak."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.report.chart import timeline_chart
from sadpath.report.markup import element, escaped
from sadpath.report.page import render_html
from sadpath.verify.results import ClientResult, Finding, Results, TimelineRow
from tests.report.made import HOSTILE, a_clause, a_finding, every_verdict, filled, hostile, killed


class _Outline(HTMLParser):
    """Every element with the names of its attributes, and the texts of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.scripts: list[str] = []
        self._script = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self._script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts.append(data)


@settings(deadline=None)
@given(hostile())
def test_nothing_in_results_becomes_markup(text: str) -> None:
    """The page has the same elements with the same attributes whatever the results say; its data is read back."""
    outline, plain = _Outline(render_html(filled(text))), _Outline(render_html(filled("plain")))
    data, _ = outline.scripts

    assert outline.elements == plain.elements
    assert [item["verdicts"][0] for item in json.loads(data)["clauses"]] == [
        "fail", "xpass", "xfail", "flaky", "not_exercised", "unsupported", "pass",
    ]  # fmt: skip
    assert outline.scripts[1] == plain.scripts[1]


@given(st.text(st.characters(exclude_categories=())))
def test_an_element_shows_any_text_and_holds_no_other(text: str) -> None:
    """Texts and attributes are escaped wherever an element is made of them; markup goes in as it is."""
    made = element("p", text, element("b", text), title=text)

    assert [tag for tag, _ in _Outline(made).elements] == ["p", "b"]
    assert made.count(escaped(text)) >= 3 or not text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", made)


def test_the_page_forbids_everything_but_what_is_in_it() -> None:
    """Its policy lets in its own style and script by their digests; it names no address but that of a namespace."""
    text = render_html(every_verdict())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)

    assert policy.startswith("default-src &#x27;none&#x27;; style-src &#x27;sha256-")
    assert "unsafe" not in policy
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)
    assert re.findall(r"https?://", text) == []


def test_every_cell_with_a_story_leads_to_it() -> None:
    """Links of the matrix point to parts that are there; what holds or was not tested says so itself."""
    text = render_html(every_verdict())
    targets = re.findall(r'href="#(f[0-9][^"]+)"', text)

    assert len(targets) == 4
    assert all(f'id="{target}"' in text for target in targets)
    assert 'title="unsupported; it does not declare pages"' in text


def test_the_gravest_comes_first_and_further_findings_are_named() -> None:
    """Failures before what is expected; of many findings the first two in full."""
    results = every_verdict()
    results.clients[0].clauses[0].findings = [a_finding(case=f"retry/case{number}@shop") for number in range(20)]
    text = render_html(results)

    assert re.findall(r'class="verdict (\w+)"', text) == ["fail", "xpass", "flaky", "xfail"]
    assert text.index("retry/case2</b>") > text.index("Seen as well in:")
    assert "and 10 more, in results.json" in text


def test_a_full_matrix_stays_small() -> None:
    """Twelve clients that fail everything, with long timelines and many findings, fit into three megabytes."""
    row = TimelineRow(t=0.0, kind="exchange", exchange=1, call="a/0 users.get", attempt=1, text="GET /users/1?page=2",
                      fault="truncate at byte 83", answer="401, then closed by the server", wait=0.1, marked=True)  # fmt: skip
    rows = [row.model_copy(update={"t": number / 10}) for number in range(60)]
    finding = Finding(case="c@shop", sentence="it failed " * 20, schedule="calls: []\n" * 20, replay="r", timeline=rows)
    clauses = [a_clause(f"RETRY-{number}", "fail", findings=[finding] * 6) for number in range(180)]
    results = Results(clients=[ClientResult(name=f"client{number}", clauses=clauses) for number in range(12)])
    text = render_html(results)

    assert len(text.encode()) < 3_000_000
    assert text.count("<svg") > 10


def test_known_bad_clients_have_a_page_of_their_own() -> None:
    """What each clause catches, what it does not, and no matrix of failures that are meant to be."""
    text = render_html(killed())

    assert "1 of 2 known-bad clients caught" in text
    assert "too-eager</b> was to fail RETRY-01: it held in 4 cases" in text
    assert 'id="matrix"' not in text


# Timelines


def _numbers(svg: str) -> list[float]:
    return [float(number) for number in re.findall(r' (?:x|x1|x2|width)="([^"]*)"', svg)]


@given(
    st.lists(
        st.builds(
            TimelineRow,
            t=st.floats(),
            kind=st.sampled_from(["exchange", "call", "change"]),
            call=st.sampled_from([None, "a/0", "b/0", "refresh"]),
            text=st.sampled_from(HOSTILE),
            fault=st.none() | st.just("status"),
            wait=st.none() | st.floats(),
            marked=st.booleans(),
        ),
        max_size=12,
    )
)
def test_a_timeline_can_be_drawn_of_any_rows(rows: list[TimelineRow]) -> None:
    """Whatever the times, what is drawn lies within the picture."""
    svg = timeline_chart(rows)

    assert all(math.isfinite(number) and -1 <= number <= 721 + 3 for number in _numbers(svg))
    assert svg == "" or (svg.startswith("<svg") and svg.count("<svg") == 1)


def test_a_timeline_is_to_scale() -> None:
    """Twice the time is twice the length, and an attempt ends where the wait after it begins."""
    rows = [
        TimelineRow(t=0.0, kind="exchange", call="a/0", text="GET /"),
        TimelineRow(t=1.0, kind="exchange", call="a/0", text="GET /", wait=0.5),
        TimelineRow(t=2.0, kind="call", call="a/0", text="ended well"),
    ]
    svg = timeline_chart(rows)
    (first, second) = [
        (float(x), float(w)) for x, w in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    ]
    ((wait_from, wait_to),) = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" [^>]*class="wait"', svg)

    assert second[1] == pytest.approx(2 * first[1], rel=0.01)
    assert float(wait_from) == pytest.approx(first[0] + first[1], abs=0.1)
    assert float(wait_to) == pytest.approx(second[0], abs=0.1)


def test_a_gap_that_would_hide_all_else_is_cut_and_says_so() -> None:
    """Five minutes between two exchanges of milliseconds are drawn short, with their length beside them."""
    svg = timeline_chart(a_finding().timeline)

    assert "300 s cut" in svg
    assert svg.count('class="cut"') == 1


def test_the_page_is_the_same_for_the_same_results(tmp_path: Path) -> None:
    """Nothing of the machine or of the hour goes into it."""
    text = every_verdict().to_json()
    (tmp_path / "results.json").write_text(text)

    assert render_html(every_verdict()) == render_html(Results.model_validate_json(text))
