"""A badge: what a run comes to, as a small picture that needs nothing from elsewhere."""

from __future__ import annotations

from typing import Final

from sadpath.report.comparison import Comparison
from sadpath.report.markup import Markup, element
from sadpath.report.words import headline
from sadpath.verify.results import Results, exit_code

__all__ = ["render_badge"]

_LABEL: Final = "sadpath"
_COLORS: Final[dict[int, str]] = {0: "#1b6e37", 1: "#b3261e"}
_OTHER: Final = "#6b5200"
_PER_CHARACTER: Final = 6.6
_PADDING: Final = 8


def render_badge(results: Results, comparison: Comparison | None = None) -> str:
    """Return the badge as SVG."""
    del comparison
    code, said = exit_code(results), headline(results)
    if code in (2, 3):
        said = "not judged"
    elif code not in _COLORS:
        said = "interrupted"
    title = f"{_LABEL}: {said}"
    left, right = (round(len(text) * _PER_CHARACTER + 2 * _PADDING) for text in (_LABEL, said))
    parts = [
        element("title", title),
        element("rect", width=left + right, height=20, rx=3, fill="#3b3f45"),
        element("path", d=f"M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z",
                fill=_COLORS.get(code, _OTHER)),
        element(
            "g",
            _text(_LABEL, left / 2, left),
            _text(said, left + right / 2, right),
            fill="#fff", text_anchor="middle", font_family="Verdana,DejaVu Sans,sans-serif", font_size=11,
        ),
    ]  # fmt: skip
    svg = element(
        "svg", *parts, xmlns="http://www.w3.org/2000/svg", width=left + right, height=20, role="img", aria_label=title
    )
    return f"{svg}\n"


def _text(text: str, middle: float, width: int) -> Markup:
    return element("text", text, x=middle, y=14, textLength=width - 2 * _PADDING, lengthAdjust="spacingAndGlyphs")
