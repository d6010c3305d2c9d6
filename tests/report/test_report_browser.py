"""The HTML report in a real browser: by eye, by keyboard, by screen reader, on a phone, without JavaScript."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it ships no types
from playwright.sync_api import Browser, Page, sync_playwright

from sadpath.report.page import render_html
from sadpath.verify.results import Results
from tests.report.made import HOSTILE, every_verdict, filled, killed

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser that all tests of this file share."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program is not None, "the report is looked at in Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program)
        yield opened
        opened.close()


@dataclass
class Seen:
    """A page with what it said and what it asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def _open(browser: Browser, folder: Path, results: Results, **options: Any) -> Seen:
    path = folder / "report.html"
    path.write_text(render_html(results), encoding="utf-8")
    seen = Seen(browser.new_context(**options).new_page())
    seen.page.on("console", lambda message: seen.errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(path.as_uri())
    return seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("results", [every_verdict(), killed()], ids=["clauses", "known-bad"])
def test_everybody_can_use_it(browser: Browser, tmp_path: Path, scheme: str, results: Results) -> None:
    """With everything folded out axe finds nothing, in light and dark; nothing is asked of any network."""
    seen = _open(browser, tmp_path, results, color_scheme=scheme)
    seen.page.evaluate("document.querySelectorAll('details').forEach((story) => { story.open = true; })")
    found = Axe().run(seen.page).response["violations"]

    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    assert seen.errors == []
    assert seen.requests == [(tmp_path / "report.html").as_uri()]


def test_a_cell_is_opened_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    """Enter on a cell opens its finding and leads there; Enter again folds it up."""
    page = _open(browser, tmp_path, every_verdict()).page
    page.locator("#filter-family").focus()
    page.keyboard.press("Tab")  # the matrix itself, which scrolls
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    story = page.locator("#f0-0")

    assert story.evaluate("story => story.open && story.querySelector('summary') === document.activeElement")
    assert "It came back 0.020 s after exchange 1." in story.inner_text()
    page.keyboard.press("Enter")
    assert not story.evaluate("story => story.open")


def test_filters_choose_rows_and_findings(browser: Browser, tmp_path: Path) -> None:
    """By text, verdict and family; how many are left is said."""
    page = _open(browser, tmp_path, every_verdict()).page
    rows = page.locator("tr[data-row]:visible")
    page.locator("#filter-text").fill("0.020 auth")
    assert rows.locator("th").all_inner_texts() == ["AUTH-01", "AUTH-02"]
    page.locator("#filter-verdict").select_option("flaky")
    assert rows.locator("th").all_inner_texts() == ["AUTH-02"]
    assert page.locator("details:visible").count() == 1
    assert page.locator("#filter-count").inner_text() == "1 of 7 clauses"
    page.locator("#filter-text").fill("")
    page.locator("#filter-verdict").select_option("")
    page.locator("#filter-family").select_option("CACHE")
    assert rows.locator("th").all_inner_texts() == ["CACHE-01", "CACHE-02"]


def test_the_command_can_be_copied(browser: Browser, tmp_path: Path) -> None:
    """The button says that it did."""
    page = _open(browser, tmp_path, every_verdict()).page
    page.locator(".matrix td a").first.click()
    button = page.locator("#f0-0 button").first
    button.click()
    page.wait_for_function("button => button.textContent !== 'Copy'", arg=button.element_handle())

    assert button.inner_text() == "Copied"


def test_it_works_without_javascript(browser: Browser, tmp_path: Path) -> None:
    """A cell opens its finding all the same; what would do nothing is not shown."""
    page = _open(browser, tmp_path, every_verdict(), java_script_enabled=False).page
    assert page.locator("#f0-0-facts").is_hidden()
    page.locator(".matrix td a").first.click()

    assert page.locator("#f0-0-facts").is_visible()
    assert page.locator("form:visible, button:visible").count() == 0


def test_it_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    """With everything folded out, nothing is wider than the screen; what is wide scrolls by itself."""
    page = _open(browser, tmp_path, every_verdict(), viewport=PHONE).page
    page.evaluate("document.querySelectorAll('details').forEach((story) => { story.open = true; })")

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("svg.chart").first.bounding_box() is not None


def test_print_shows_what_is_folded_up(browser: Browser, tmp_path: Path) -> None:
    """Findings are printed, controls are not."""
    page = _open(browser, tmp_path, every_verdict()).page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#f0-0-facts").is_visible()
    assert page.locator("form:visible, button:visible").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_hostile_texts_stay_texts(browser: Browser, tmp_path: Path) -> None:
    """They are shown, run nothing, load nothing, and leave the page as it is."""
    text = "".join(HOSTILE)
    seen, plain = _open(browser, tmp_path, filled(text)), render_html(filled("plain"))
    title = seen.page.title()
    seen.page.locator(".matrix td a").first.click()

    assert title == "sadpath: 2 of 5 clauses fail"
    assert seen.page.locator("script").count() == plain.count("<script") == 2
    assert "<img src=x onerror=" in seen.page.locator("#f0-0").inner_text()
    assert seen.errors == []
    assert len(seen.requests) == 1


def test_what_is_not_ours_is_not_let_in(browser: Browser, tmp_path: Path) -> None:
    """Even if a script were smuggled in, the page's policy would neither run it nor let it call anywhere."""
    page = _open(browser, tmp_path, every_verdict()).page
    blocked = page.evaluate(
        """async () => {
          const blocked = [];
          document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "document.title = 'owned'";
          document.body.append(script);
          const picture = document.createElement("img");
          picture.src = "http://127.0.0.1:9/x.png";
          document.body.append(picture);
          await fetch("http://127.0.0.1:9/").catch(() => {});
          await new Promise((done) => setTimeout(done, 50));
          return blocked;
        }"""
    )

    assert sorted(set(blocked)) == ["connect-src", "img-src", "script-src-elem"]
    assert page.title() != "owned"
