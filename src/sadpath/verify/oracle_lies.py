"""What lying bodies make of an answer, in the model of an exchange. A part of the oracle."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sadpath.scenario.model import Fault
from sadpath.verify.oracle_answer import UNKNOWN_SIZE, ZERO, Answer, Choose, size_of

__all__ = ["LIES", "told_instead"]

LIES = frozenset(
    {
        "bad_utf8", "deep_json", "empty", "error_in_200", "html", "malformed_json", "no_store", "wrong_content_type",
        "wrong_shape",
    }
)  # fmt: skip
"""The faults that change what an answer says, and not when or whether it comes."""

_ERROR_IN_200 = (80, 160)
_SHALLOW = 500
"""Levels of JSON that every parser reads."""


def told_instead(fault: Fault, answer: Answer, choose: Choose) -> Answer:
    """Return the answer that leaves in the place of another one."""
    settings: Any = fault.settings
    match fault.name:
        case "html":
            return Answer(settings.status, (100, 1000), good=False)
        case "error_in_200":
            return _error_in_200(settings.body, choose)
        case "no_store":
            return replace(answer, kept=False)
        case _ if answer.size[1] == 0:
            return answer  # there is no body to lie with
        case "empty":
            return replace(answer, size=ZERO, good=answer.status >= 400, refuses=False, waits=False)
        case "malformed_json":
            return _unreadable(answer, (answer.size[0] / 2, answer.size[1] + 1), choose)
        case "bad_utf8":
            return _unreadable(answer, (answer.size[0], answer.size[1] + 2), choose)
        case "deep_json":
            return _nested(answer, settings.depth, choose)
        case "wrong_shape":
            return _reshaped(answer, settings, choose)
        case "wrong_content_type" if answer.refuses:
            return replace(answer, refuses=bool(choose((True, False))))  # who goes by the type does not read it
        case _:
            return answer


def _unreadable(answer: Answer, size: tuple[float, float], choose: Choose) -> Answer:
    """Return an answer whose body is no JSON; where it may have had none, it may be as it was."""
    if answer.status >= 400:
        return replace(answer, refuses=False)  # what it says can no longer be read
    spoilt = replace(answer, good=False, size=size)
    return spoilt if answer.size[0] > 0 else choose((answer, spoilt))


def _nested(answer: Answer, depth: int, choose: Choose) -> Answer:
    size = (2 * depth, 2 * depth)
    if answer.status >= 400:
        return replace(answer, size=size, refuses=False, waits=False)
    is_read = depth <= _SHALLOW or bool(choose((True, False)))
    nested = replace(answer, size=size, good=is_read, shapely=False)
    return nested if answer.size[0] > 0 else choose((answer, nested))


def _error_in_200(body: Any, choose: Choose) -> Answer:
    if body is None:
        return Answer(200, _ERROR_IN_200, shapely=False)
    size = size_of(body)
    if size[1] == 0:
        return Answer(200, ZERO, good=False)
    is_json = _is_json(body) if isinstance(body, str) else hasattr(body, "value") or bool(choose((True, False)))
    return Answer(200, size, good=is_json, shapely=False)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _reshaped(answer: Answer, settings: Any, choose: Choose) -> Answer:
    """Return an answer with members gone, of another type, or added: what nobody asked for does no harm."""
    bare = not (settings.drop or settings.retype or settings.add)
    if not bare and not (settings.drop or settings.retype):
        return replace(answer, size=(answer.size[0], UNKNOWN_SIZE[1]))
    if answer.status >= 400:
        refuses = answer.refuses and bool(choose((True, False)))
        return replace(answer, refuses=refuses, waits=None if answer.waits else answer.waits)
    reshaped = replace(answer, shapely=False, size=(min(2.0, answer.size[0]), answer.size[1] + 1000))
    return reshaped if bare and answer.size[0] > 0 else choose((answer, reshaped))
