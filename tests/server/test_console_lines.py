"""The line that ``sadpath serve`` prints for an exchange."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import ArmedFault, Ended, ExchangeEvent, FiredFault, How, Party
from sadpath.server.console import line_of, printable


def exchange(**facts: Any) -> ExchangeEvent:
    """Return an exchange that ended well, but for what is given."""
    usual: dict[str, Any] = {
        "session": "default",
        "connection": 1,
        "exchange": 1,
        "method": "GET",
        "path": "/users/1",
        "status": 200,
        "bytes_sent": 300,
        "ended": Ended("complete"),
    }
    return ExchangeEvent(**{**usual, **facts})


def text(event: ExchangeEvent) -> str:
    """Return the line without its time."""
    return re.sub(r"^\d\d:\d\d:\d\d  ", "", str(line_of(event, 0.0)))


def test_a_plain_exchange_is_request_and_status() -> None:
    """Where nothing goes wrong the line says time, method, path with query, and status, and no more."""
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  GET /users\?page=2 -> 200", str(line_of(exchange(path="/users", query="page=2"), 0))
    )


@pytest.mark.parametrize(
    ("how", "by", "sent", "expected"),
    [
        ("fin", "server", 0, "server closed"),
        ("rst", "server", 0, "server reset"),
        ("fin", "client", 0, "client closed"),
        ("rst", "server", 185, "200, then server reset after 185 bytes"),
        ("rst", "client", 185, "200, then client reset after 185 bytes"),
        ("open", None, 0, "still open"),
    ],
)
def test_an_exchange_without_a_whole_answer_says_how_it_ended(
    how: How, by: Party | None, sent: int, expected: str
) -> None:
    """An ending before the answer was whole is said with who ended it, and after how many bytes."""
    event = exchange(ended=Ended(how, by), bytes_sent=sent)

    assert text(event) == f"GET /users/1 -> {expected}"
    assert line_of(event, 0.0).level == "ended"


def test_faults_stand_with_phase_and_byte() -> None:
    """Each fault that fired stands with its phase, and its byte where it has one; armed ones say that they did not."""
    fired = [FiredFault("delay", "response"), FiredFault("truncate", "body", 20)]
    armed = [ArmedFault("delay"), ArmedFault("truncate"), ArmedFault("html")]

    assert text(exchange(fired=fired, armed=armed)).endswith(
        "  delay@response, truncate@body/20, html armed, not fired"
    )


def test_another_session_is_named() -> None:
    """A session other than the default one stands at the end of the line."""
    assert text(exchange(session="shop")).endswith("  [shop]")
    assert "[" not in text(exchange())


@pytest.mark.parametrize(
    ("status", "level"),
    [(200, "ok"), (204, "ok"), (304, "redirect"), (404, "client"), (503, "server"), (None, "ended")],
)
def test_levels_follow_the_status(status: int | None, level: str) -> None:
    """The level by which a terminal colours the line is the status's class."""
    assert line_of(exchange(status=status), 0.0).level == level


@given(st.text())
def test_no_request_can_move_the_cursor(path: str) -> None:
    """Whatever a client sends as its path, it is shown in one line without control characters."""
    shown = printable(path)

    assert shown.isprintable()
    assert shown == path or not path.isprintable()
