"""HTML and SVG put together so that a text can never become markup: this is the one place that escapes."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

from sadpath.report.words import printable

__all__ = ["Markup", "element", "escaped", "joined"]

_VOID: Final = ("meta", "link", "input", "br", "hr")
_SHAPES: Final = ("rect", "path", "line", "circle", "polygon")


class Markup(str):
    """A text that is markup already; made by ``element`` and ``escaped`` alone, and by constants of ours."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Return a text as markup that shows it, whatever is in it."""
    return Markup(html.escape(printable(text), quote=True))


def joined(parts: Iterable[str]) -> Markup:
    """Return parts one after another; those that are no markup are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escaped(part) for part in parts))


def element(name: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """Return an element.

    Args:
        name: its name.
        children: markup, or texts, which are escaped.
        attributes: by their names, with ``_`` for ``-``; one underscore at the end is left out (``class_``). True
            stands for an attribute without a value; None and False leave it out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.removesuffix("_").replace("_", "-")
        words.append(shown if value is True else f'{shown}="{escaped(_written(value))}"')
    opening = " ".join(words)
    if name in _VOID:
        return Markup(f"<{opening}>")
    if name in _SHAPES and not children:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{joined(children)}</{name}>")


def _written(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
