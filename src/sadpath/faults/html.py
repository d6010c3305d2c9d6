"""The fault ``html``: a captive portal's page in the place of the answer."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.faults.base import Answer, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Html"]

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Welcome to our Wi-Fi</title></head>
<body>
<h1>Welcome to our Wi-Fi</h1>
<form action="/accept" method="post">
<p>Accept the terms of use to go online.</p>
<button>Accept</button>
</form>
</body>
</html>
"""


class Html(Fault):
    """Replaces the whole answer by a web page with status 200: what hotels and trains do to a client not signed in.

    The backend has run, and nothing of its answer is left, headers included. ``status`` changes the page's status.
    """

    name: ClassVar[str] = "html"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A captive portal's web page, with status 200, in the place of the answer."
    scalar: ClassVar[str | None] = "status"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200, JSONDecodeError from json",
        "browser": "200, SyntaxError from json",
    }

    status: Annotated[int, Field(ge=200, le=599)] = 200

    async def on_response(self, exchange: Exchange) -> None:
        """Replace the answer."""
        answer = Answer(self.status)
        answer.set_body(PAGE.encode(), "text/html; charset=utf-8")
        exchange.answer = answer
        exchange.fire(self, "response")


FAULTS.register(Html)
