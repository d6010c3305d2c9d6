"""Reading a policy from its nested form, in which durations are milliseconds and end in ``_ms``.

The tables say which fields there are and how each is read; a mistake is one sentence with the field's path.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from .policy import (
    TRANSPORT_CLASSES,
    AuthPolicy,
    BudgetPolicy,
    CachePolicy,
    ErrorPolicy,
    Policy,
    PolicyError,
    PoolPolicy,
    RedirectPolicy,
    RetryPolicy,
    Timeouts,
)

__all__ = ["SECTIONS", "STATUS_KINDS", "STRATEGIES", "Fields", "Reader", "choice", "read_policy", "status_map"]

T = TypeVar("T")
Reader = Callable[[Any, str], Any]
Fields = Mapping[str, tuple[str, Reader]]

STATUS_KINDS = (
    "unauthorized",
    "forbidden",
    "not_found",
    "conflict",
    "validation",
    "rate_limited",
    "server",
    "unexpected_status",
)
STRATEGIES = ("network_first", "cache_first", "network_only")
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


def read_policy(data: Mapping[str, Any]) -> Policy:
    """Build the policy. Raises ``PolicyError``."""
    sections: dict[str, Callable[[Any, str], Any]] = {
        "timeouts": lambda value, at: Timeouts(**_fields(value, at, _TIMEOUTS)),
        "pool": lambda value, at: PoolPolicy(**_fields(value, at, _POOL)),
        "retry": lambda value, at: RetryPolicy(**_fields(value, at, _RETRY)),
        "auth": lambda value, at: AuthPolicy(**_fields(value, at, _AUTH)),
        "cache": _cache,
        "errors": lambda value, at: ErrorPolicy(**_fields(value, at, _ERRORS)),
        "redirects": lambda value, at: RedirectPolicy(**_fields(value, at, _REDIRECTS)),
        # Promises that need no setting: how fast a cancel takes effect, and how fast the client recovers.
        "cancel": _mapping,
        "heal": _mapping,
    }
    read = {}
    for name, value in _mapping(data, "policy").items():
        _known(name, sections, "policy")
        section = sections[name](value, name)
        if name not in ("cancel", "heal"):
            read[name] = section
    return Policy(**read)


def _fields(value: Any, at: str, fields: Fields) -> dict[str, Any]:
    found = {}
    for name, item in _mapping(value, at).items():
        _known(name, fields, at)
        target, reader = fields[name]
        found[target] = reader(item, f"{at}.{name}")
    return found


def _mapping(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PolicyError(f"{at}: expected an object, got {value!r}")
    return cast("Mapping[str, Any]", value)


def _known(name: str, known: Iterable[str], at: str) -> None:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"
        raise PolicyError(f"{at}: unknown field {name!r}{hint}")


def _number(value: Any, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PolicyError(f"{at}: expected a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < 0:
        raise PolicyError(f"{at}: expected a finite number of zero or more, got {value!r}")
    return number


def _milliseconds(value: Any, at: str) -> float:
    return _number(value, at) / 1000


def _optional_milliseconds(value: Any, at: str) -> float | None:
    return None if value is None else _milliseconds(value, at)


def _factor(value: Any, at: str) -> float:
    number = _number(value, at)
    if number < 1:
        raise PolicyError(f"{at}: expected 1 or more, got {value!r}")
    return number


def _integer(value: Any, at: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise PolicyError(f"{at}: expected a whole number of zero or more, got {value!r}")
    return value


def _positive(value: Any, at: str) -> int:
    number = _integer(value, at)
    if number < 1:
        raise PolicyError(f"{at}: expected 1 or more, got {value!r}")
    return number


def _flag(value: Any, at: str) -> bool:
    if not isinstance(value, bool):
        raise PolicyError(f"{at}: expected true or false, got {value!r}")
    return value


def choice(*choices: str) -> Reader:
    """Return a reader of one of these words."""

    def read(value: Any, at: str) -> str:
        if not isinstance(value, str) or value not in choices:
            raise PolicyError(f"{at}: expected one of {', '.join(choices)}, got {value!r}")
        return value

    return read


def _list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise PolicyError(f"{at}: expected a list, got {value!r}")
    return list(cast("Iterable[Any]", value))


def _status(value: Any, at: str) -> int:
    number = _integer(value, at)
    if not 100 <= number <= 599:
        raise PolicyError(f"{at}: expected an HTTP status, got {value!r}")
    return number


def _statuses(value: Any, at: str) -> frozenset[int]:
    return frozenset(_status(item, at) for item in _list(value, at))


def _names(value: Any, at: str) -> frozenset[str]:
    items = _list(value, at)
    if not all(isinstance(item, str) for item in items):
        raise PolicyError(f"{at}: expected a list of names, got {value!r}")
    return frozenset(items)


def _transport(value: Any, at: str) -> frozenset[str]:
    if isinstance(value, bool):
        return frozenset(TRANSPORT_CLASSES) if value else frozenset()
    names = _names(value, at)
    for name in sorted(names):
        _known(name, TRANSPORT_CLASSES, at)
    return names


def _delays(value: Any, at: str) -> tuple[float, ...]:
    return tuple(_milliseconds(item, at) for item in _list(value, at))


def _fallbacks(value: Any, at: str) -> frozenset[int | str]:
    return frozenset(item if item == "transport" else _status(item, at) for item in _list(value, at))


def _budget(value: Any, at: str) -> BudgetPolicy | None:
    return None if value is None else BudgetPolicy(**_fields(value, at, _BUDGET))


def status_map(value: Any, at: str) -> dict[int | str, str]:
    """Read which status is which failure, in addition to what is usual. Raises ``PolicyError``."""
    found = dict(ErrorPolicy().map)
    for name, kind in _mapping(value, at).items():
        # JSON has no number as a name, YAML has.
        key: int | str = int(name) if isinstance(name, str) and name.isascii() and name.isdigit() else name
        if isinstance(key, str) and key in STATUS_CLASSES:
            found[key] = choice(*STATUS_KINDS)(kind, f"{at}.{name}")
        else:
            found[_status(key, at)] = choice(*STATUS_KINDS)(kind, f"{at}.{name}")
    return found


def _cache(value: Any, at: str) -> CachePolicy:
    strategies = dict(CachePolicy().strategies)
    options = {}
    for name, item in _mapping(value, at).items():
        if "." in name:
            strategies[name] = choice(*STRATEGIES)(item, f"{at}.{name}")
        else:
            options[name] = item
    return CachePolicy(strategies=strategies, **_fields(options, at, _CACHE))


_TIMEOUTS: Fields = {
    f"{name}_ms": (name, _optional_milliseconds) for name in ("connect", "read", "write", "pool", "total")
}
_POOL: Fields = {"size": ("size", _positive)}
_BUDGET: Fields = {name: (name, _number) for name in ("tokens", "cost", "refill")}
_RETRY: Fields = {
    "max_retries": ("max_retries", _integer),
    "first_delay_ms": ("first_delay", _milliseconds),
    "factor": ("factor", _factor),
    "max_delay_ms": ("max_delay", _milliseconds),
    "jitter": ("jitter", choice("none", "full", "equal")),
    "delays_ms": ("delays", _delays),
    "transport": ("transport", _transport),
    "statuses": ("statuses", _statuses),
    "statuses_if_told": ("statuses_if_told", _statuses),
    "methods": ("methods", choice("idempotent", "any")),
    "retry_after": ("retry_after", choice("honour", "ignore")),
    "retry_after_cap_ms": ("retry_after_cap", _milliseconds),
    "budget": ("budget", _budget),
}
_AUTH: Fields = {
    "refreshes_per_call": ("refreshes_per_call", _integer),
    "single_flight": ("single_flight", _flag),
    "refresh_early_ms": ("refresh_early", _optional_milliseconds),
    "logout_on": ("logout_on", _names),
}
_CACHE: Fields = {
    "max_stale_ms": ("max_stale", _milliseconds),
    "fallback_on": ("fallback_on", _fallbacks),
    "fallback_after_ms": ("fallback_after", _optional_milliseconds),
    "evict_on": ("evict_on", _statuses),
}
_ERRORS: Fields = {"map": ("map", status_map), "empty_success": ("empty_success", choice("ok", "error"))}
_REDIRECTS: Fields = {"follow": ("follow", _flag), "max": ("max", _integer)}

SECTIONS: Mapping[str, Fields] = {
    "timeouts": _TIMEOUTS,
    "pool": _POOL,
    "retry": _RETRY,
    "retry.budget": _BUDGET,
    "auth": _AUTH,
    "cache": _CACHE,
    "errors": _ERRORS,
    "redirects": _REDIRECTS,
}
"""The fields of each section by name: what a field is called in the policy, and how its value is read."""
