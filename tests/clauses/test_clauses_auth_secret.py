"""AUTH-16 on told traces: where a token may not stand."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import credential_digest
from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, Story, truth

SIGNED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.3EQSsaye1kv7CiplvWyif-9H5FCXkL5SlRNCl1McHNQ"
OPAQUE = "b3BhcXVl+dG9rZW4/with=signs"
HARMLESS = "users.get: -> GET http://127.0.0.1/users/1"


def _story(log: str, **facts: object) -> Story:
    story = Story(result=Result(log=log), facts={"secrets": (SIGNED, OPAQUE)})
    story.call().meets(200, **facts).ok()  # type: ignore[arg-type] # facts of any exchange
    return story


@truth("AUTH-16")
@given(
    st.sampled_from(
        ["nothing", SIGNED, OPAQUE, SIGNED.rpartition(".")[2], quote(OPAQUE, safe=""), quote(OPAQUE, safe="").lower(),
         "its head alone"],
    ),
    st.lists(st.text(alphabet=" abcdef:/.-\n", max_size=30), max_size=6),
    st.sampled_from(["log", "url", "error", "background"]),
)  # fmt: skip
def test_a_token_stands_nowhere(secret: str, lines: list[str], where: str) -> None:
    """AUTH-16 holds for any log, URL and error without a token, and fails where one stands, however it is written."""
    if secret == "its head alone":
        secret = SIGNED.rpartition(".")[0]  # what it says is no secret; that it is signed is
    harmless = secret in ("nothing", SIGNED.rpartition(".")[0])
    log = "\n".join([HARMLESS, *lines])
    story = _story(f"{log}\n> {secret}, she said" if where == "log" else log)
    if where == "url":
        story.call("http", {"method": "GET", "path": "/users/1"}).meets(200, query=f"token={secret}").ok()
    elif where == "error":
        call = story.call()
        call.meets(500).fails("server", 500)
        assert call.outcome is not None
        assert call.outcome.error is not None
        call.outcome.error.message = f"it failed: {secret}"
    elif where == "background":
        assert story.result is not None
        story.result.background_errors.append({"op": "settings.get", "kind": "server", "message": secret})

    assert story.verdict("AUTH-16") == ("pass" if harmless else "fail")
    assert not any(SIGNED in sentence or OPAQUE in sentence for sentence in story.sentences("AUTH-16"))


@pytest.mark.parametrize("place", ["path", "query"])
def test_the_journal_shows_a_token_in_a_url_as_its_digest(place: str) -> None:
    """AUTH-16 also finds tokens in URLs that the journal has replaced by their digests."""
    digest = credential_digest(OPAQUE)
    story = _story(HARMLESS, **{place: f"/users/{digest}" if place == "path" else f"access_token={digest}"})

    assert story.verdict("AUTH-16") == "fail"


def test_a_token_across_lines() -> None:
    """AUTH-16 says so where a token that holds a line break stands in the log."""
    secret = "a-token-in-two\nlines-of-its-own"
    story = Story(result=Result(log=f"one\n{secret}\n"), facts={"secrets": (secret,)})
    story.call().meets(200).ok()

    assert story.verdict("AUTH-16") == "fail"


def test_nothing_to_read_proves_nothing() -> None:
    """AUTH-16 is not exercised without a log, nor where no token was issued."""
    silent, blank, tokenless = _story(""), _story(" \n"), Story(result=Result(log=HARMLESS))
    tokenless.call().meets(200).ok()

    assert {item.verdict("AUTH-16") for item in (silent, blank, tokenless)} == {"not_exercised"}


def test_short_tokens_are_left_alone() -> None:
    """AUTH-16 does not look for tokens that may be words of a log by chance."""
    story = Story(result=Result(log="users a1 b2"), facts={"secrets": ("a1",)})
    story.call().meets(200).ok()

    assert story.verdict("AUTH-16") == "pass"


def test_a_log_must_be_handed_over() -> None:
    """AUTH-16 is unsupported for a client whose log is not captured."""
    assert Story(capabilities=ALL - {"log_capture"}).verdict("AUTH-16") == "unsupported"


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (f"{SIGNED}", "Line 1 of the log holds a token issued in this case (whole)."),
        (f"one\n{SIGNED}\nthree", "Line 2 of the log holds a token issued in this case (whole)."),
        (f"one\n{OPAQUE}\nthree\n{SIGNED.rpartition('.')[2]}",
         "Line 2 of the log holds a token issued in this case (whole), and 1 more of its lines hold one."),
        (f"{SIGNED.rpartition('.')[2]}\n{OPAQUE}\n{OPAQUE}",
         "Line 1 of the log holds a token issued in this case (its signature), and 2 more of its lines hold one."),
        (quote(OPAQUE, safe=""), "Line 1 of the log holds a token issued in this case (whole, URL-encoded)."),
    ],
)  # fmt: skip
def test_which_line_it_is(log: str, sentence: str) -> None:
    """AUTH-16 says which line holds a token first, how it stands there, and in how many more lines."""
    assert _story(log).sentences("AUTH-16") == [sentence]


def test_a_token_across_lines_has_no_line() -> None:
    """AUTH-16 names no line for a token that stands in none of them whole."""
    story = Story(result=Result(log="a-token-in-two\nlines-of-its-own"), facts={"secrets": ("in-two\nlines-of-its-",)})
    story.call().meets(200).ok()

    assert story.sentences("AUTH-16") == ["A token issued in this case stands in the log, across its lines."]


@pytest.mark.parametrize(("length", "verdict"), [(15, "pass"), (16, "fail"), (17, "fail")])
def test_how_long_a_part_must_be(length: int, verdict: str) -> None:
    """AUTH-16 looks for tokens, and for signatures, of 16 characters or more."""
    part = "abcdefghijklmnopq"[:length]
    for secret in (part, f"head.{part}"):
        story = Story(result=Result(log=f"> {part} <"), facts={"secrets": (secret,)})
        story.call().meets(200).ok()
        assert story.verdict("AUTH-16") == verdict


@pytest.mark.parametrize("secret", [".abcdefghijklmnopq", "no-dot-abcdefghijklmnopq", "a-long-head-of-its-own.short"])
def test_what_has_no_signature(secret: str) -> None:
    """AUTH-16 takes only what follows a head and a dot, and is long enough, for a signature."""
    for part in ("abcdefghijklmnopq", "short"):
        story = Story(result=Result(log=f"> {part} <"), facts={"secrets": (secret,)})
        story.call().meets(200).ok()
        assert story.verdict("AUTH-16") == "pass"


def test_whose_url_it_was() -> None:
    """AUTH-16 names the call whose URL held a token."""
    story = _story(HARMLESS)
    story.call("http", {"method": "GET", "path": "/users/1"}).meets(200, query=f"token={SIGNED}").ok()
    found = story.judge("AUTH-16").findings[0]

    assert (found.call, found.exchanges) == ("c1/0", (2,))
