"""Members of JSON values by name or path, and values made from a template: what ``roles.yaml`` says of bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

__all__ = ["Member", "filled", "last_part", "member", "without_member"]

Member = Annotated[str, Field(min_length=1)]
"""The name of a member, or several joined by dots for one within others: ``data.token``."""

_BLANK = re.compile(r"\{([a-z_]+)\}")


def member(value: Any, path: str) -> Any:
    """Return what stands under a name or path; None where nothing does. A name may itself hold dots."""
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    return member(value.get(head), rest) if dot else None


def without_member(value: dict[str, Any], path: str) -> dict[str, Any]:
    """Return an object without what stands under a name or path; everything else is as before."""
    if path in value:
        return {name: item for name, item in value.items() if name != path}
    head, dot, rest = path.partition(".")
    inner = value.get(head)
    return {**value, head: without_member(inner, rest)} if dot and isinstance(inner, dict) else value


def last_part(path: str) -> str:
    """Return the name at the end of a path."""
    return path.rpartition(".")[2]


def filled(template: Any, blanks: Mapping[str, Any]) -> Any:
    """Return a JSON value in whose texts ``{name}`` is filled in; a text that is nothing else becomes the value itself.

    A name that is none of the blanks stays as it is.
    """
    if isinstance(template, dict):
        return {name: filled(item, blanks) for name, item in template.items()}
    if isinstance(template, list):
        return [filled(item, blanks) for item in template]
    if not isinstance(template, str):
        return template
    whole = _BLANK.fullmatch(template)
    if whole is not None and whole[1] in blanks:
        return blanks[whole[1]]
    return _BLANK.sub(lambda found: str(blanks.get(found[1], found[0])), template)
