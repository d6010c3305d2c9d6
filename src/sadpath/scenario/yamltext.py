"""Writing YAML as a person would: short mappings on one line, longer things as blocks."""

from __future__ import annotations

import io
import math
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

__all__ = ["to_yaml"]

_LINE = 80

_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./*,'() -]*[A-Za-z0-9_./*')])?|[0-9]+[A-Za-z]+")
"""Text that the library may write without quotes where YAML allows it; other text it does not always write truly."""


def to_yaml(data: dict[str, Any], comment: str | None = None) -> str:
    """Return plain data as the text of a YAML file; ``comment`` stands before it, line by line.

    Raises:
        ValueError: for what a file of ours cannot hold: numbers that are not finite, text that UTF-8 cannot hold.
    """
    writer = YAML()
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.width = 1 << 20  # folding would break a long text over lines; a reader's editor wraps as well
    writer.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    writer.dump(_styled(data), out)
    return _comment(comment) + out.getvalue()


def _comment(text: str | None) -> str:
    lines = [] if text is None else re.sub(r"[^\S\n]|[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\n]", " ", text).split("\n")
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _styled(value: Any, *, top: bool = True, listed: bool = False) -> Any:
    """Return a value with the style of its lists and mappings chosen; ``listed`` says that it is a list's entry."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot stand in a file")
    if isinstance(value, str):
        value.encode()  # half of a surrogate pair raises here, and not in the middle of the writer
        return value if _PLAIN.fullmatch(value) else DoubleQuotedScalarString(value)
    if isinstance(value, dict):
        styled: Any = CommentedMap((_styled(key), _styled(item, top=False)) for key, item in value.items())
        one_line = not top and (not listed or len(value) > 1) and _depth(value) <= 3
    elif isinstance(value, list):
        styled = CommentedSeq(_styled(item, top=False, listed=True) for item in value)
        one_line = _depth(value) <= 1
    else:
        return value
    if not value or (one_line and len(str(value)) <= _LINE):
        styled.fa.set_flow_style()
    return styled


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return 1 + max((_depth(item) for item in value), default=0)
    return 0
