"""The fault ``wrong_shape``: JSON, but not that of the contract."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import JsonValue

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.filemodel import Several, TextOf
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Member", "WrongShape", "reshaped"]

Member = Annotated[str, TextOf(r"[^.]+(?:\.[^.]+)*", "a member's name, or names with dots between them: data.*.id")]
"""A member: its name, or the names on the way to it; ``*`` stands for each element of a list."""

_Object = dict[str, Any]


class WrongShape(Fault):
    """Drops members of the JSON that the backend has answered, gives others a wrong type, and adds some.

    A member is named from the answer's top: ``id``, or ``data.*.id`` for that of each element of the list ``data``; an
    answer that is itself a list begins with ``*``. ``retype`` makes text of a number and a number of anything that is
    neither list nor object; those two become each other. A bare ``wrong_shape`` drops the first member, of each
    element where the answer is a list. Where nothing of this is there, or the answer is no JSON, it does not fire.
    """

    name: ClassVar[str] = "wrong_shape"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The body is JSON, but members are missing, have another type, or nobody knows them."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200",
        "browser": "200",
    }

    drop: Several[Member] = ()
    retype: Several[Member] = ()
    add: dict[Member, JsonValue] | None = None

    async def on_response(self, exchange: Exchange) -> None:
        """Change the body's shape."""
        answer = exchange.answer
        if answer is None or not exchange.body_size:
            return
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            return
        if self.reshape(value):
            answer.set_body(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass"))
            exchange.fire(self, "response")

    def reshape(self, value: Any) -> bool:
        """Change a value as the settings say; return whether anything changed."""
        if not (self.drop or self.retype or self.add):
            first = [found for found in (value if isinstance(value, list) else [value]) if _is_filled(found)]
            for found in first:
                del found[next(iter(found))]
            return bool(first)
        return reshaped(value, self.drop, self.retype, self.add or {})


def reshaped(value: Any, drop: tuple[str, ...], retype: tuple[str, ...], add: dict[str, Any]) -> bool:
    """Change a value in place; return whether anything changed."""
    before = json.dumps(value)
    for member in drop:
        _at(value, member.split("."), _drop)
    for member in retype:
        _at(value, member.split("."), _retype)
    for member, added in add.items():
        _at(value, member.split("."), functools.partial(_set, added))
    return json.dumps(value) != before


def _at(value: Any, names: list[str], act: Callable[[_Object, str], object]) -> None:
    """Act on every object that holds, or could hold, the member that the names lead to."""
    name, rest = names[0], names[1:]
    if name == "*" and isinstance(value, list) and rest:
        for element in value:
            _at(element, rest, act)
    elif isinstance(value, dict):
        if not rest:
            act(value, name)
        elif name in value:
            _at(value[name], rest, act)


def _drop(parent: _Object, key: str) -> None:
    parent.pop(key, None)


def _set(value: Any, parent: _Object, key: str) -> None:
    parent[key] = value


def _retype(parent: _Object, key: str) -> None:
    if key not in parent:
        return
    value = parent[key]
    if isinstance(value, list):
        parent[key] = {}
    elif isinstance(value, dict):
        parent[key] = []
    else:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        parent[key] = str(value) if is_number else 7


def _is_filled(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


FAULTS.register(WrongShape)
