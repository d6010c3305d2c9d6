"""What Schemathesis cannot know: an idempotency key that is used with two bodies is refused, and should be.

So each well-formed key that it makes is made unique, and a 422 to valid data stays a finding.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import schemathesis

_numbers = itertools.count()


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case[Any], __: dict[str, Any]) -> None:
    """Put a number in the place of a well-formed key's end."""
    headers: Any = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,255}", key):
        number = f"{next(_numbers):06}"
        headers["Idempotency-Key"] = key[: -len(number)] + number
