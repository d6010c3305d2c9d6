"""The fault ``malformed_json``: the body is not the JSON it says it is."""

from __future__ import annotations

import json
import re
from typing import ClassVar, Literal

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["How", "MalformedJson", "broken"]

How = Literal["cut", "trailing", "unquoted", "comma"]
"""Ends in its middle; goes on after its end; member names lost their quotes; a comma before the last bracket."""

_MEMBER_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s*:)')


class MalformedJson(Fault):
    """Breaks the JSON that the backend has answered; status, content type and framing stay honest.

    An answer without a body, or whose body is not JSON, is left as it is, and the fault has then not fired.
    """

    name: ClassVar[str] = "malformed_json"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The body says that it is JSON and cannot be parsed; its length is right."
    scalar: ClassVar[str | None] = "how"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200, JSONDecodeError from json",
        "browser": "200, SyntaxError from json",
    }

    how: How = "cut"

    async def on_response(self, exchange: Exchange) -> None:
        """Break the body."""
        answer = exchange.answer
        if answer is None or not exchange.body_size or not _is_json(answer.body):
            return
        answer.set_body(broken(answer.body.decode(), self.how).encode())
        exchange.fire(self, "response")


def broken(text: str, how: How) -> str:
    """Return JSON that is broken in one way; where it has nothing to break in this way, it goes on after its end."""
    if how == "cut":
        found = _cut(text)
    elif how == "unquoted":
        found = _MEMBER_NAME.sub(lambda name: re.sub(r"\W", "_", name[1]) or "_", text)
    elif how == "comma":
        found = re.sub(r"(\s*[}\]]\s*)\Z", r",\1", text)
    else:
        found = text
    return found if not _is_json(found.encode()) else text + "}"


def _cut(text: str) -> str:
    """Return the beginning of a text, about half of it, that is no JSON: half of a number would still be one."""
    middle = max(1, len(text) // 2)
    for end in (*range(middle, len(text)), *range(middle - 1, 0, -1)):
        if not _is_json(text[:end].encode()):
            return text[:end]
    return text


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body.decode())
    except (ValueError, RecursionError):
        return False
    return True


FAULTS.register(MalformedJson)
