"""Reading settings, wherever they come from: each has a dotted name, a reader, and a source that is named in errors.

The settings of the policy are those of ``policy_reading``, with durations written out: ``"10s"``, ``"300ms"``, or
``"none"`` for no limit.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast, get_args

from .http import InvalidUrlError, Url
from .library import LibraryName
from .policy import BudgetPolicy, Policy, PolicyError
from .policy_reading import SECTIONS, STRATEGIES, Reader, choice, status_map
from .ports import LogLevel

__all__ = ["ConfigError", "Found", "Source", "choose", "flatten", "policy_of", "take"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h)")
_MILLISECONDS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0}
_NONE = "none"
_BUDGET = "retry.budget"
_STATUS = "errors.map."
_CACHE = "cache."
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


class ConfigError(ValueError):
    """A configuration that cannot be used: the message names the source, the setting, and what was expected."""


@dataclass(frozen=True)
class Source:
    """Where settings come from: its name, the folder that its paths are relative to, and how it spells a setting."""

    name: str
    folder: Path
    spell: Callable[[str], str] = str

    def at(self, key: str) -> str:
        """Return the place of a setting, for an error."""
        return f"{self.name}: {self.spell(key)}"


@dataclass(frozen=True)
class Found:
    """A setting's value as the client takes it, and its place."""

    value: Any
    at: str


def flatten(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return the settings of nested tables by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flatten(cast("Mapping[str, Any]", value), f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def take(found: dict[str, Found], source: Source, values: Mapping[str, Any]) -> None:
    """Read a source's settings, and put them in place of those that are there. Raises ``ConfigError``."""
    for key, value in values.items():
        read = _read(source, key, value)
        # A whole, such as no budget at all, goes for its parts, and a part for its whole.
        for other in [other for other in found if other.startswith(f"{key}.") or key.startswith(f"{other}.")]:
            del found[other]
        found[key] = Found(read, source.at(key))


def policy_of(found: Mapping[str, Found]) -> Policy:
    """Return the policy that settings make of the default one."""
    policy = Policy()
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for key, item in found.items():
        section, _, name = key.rpartition(".")
        if section in SECTIONS and (name in _NAMES[section]):
            sections[section][_NAMES[section][name]] = item.value
    budget = sections.pop(_BUDGET)
    if budget:
        sections["retry"]["budget"] = replace(BudgetPolicy(), **budget)
    strategies = {
        key.removeprefix(_CACHE): item.value for key, item in found.items() if key.startswith(_CACHE) and _is_read(key)
    }
    sections["cache"]["strategies"] = {**policy.cache.strategies, **strategies}
    for key, item in found.items():
        if key.startswith(_STATUS):
            sections["errors"]["map"] = {**sections["errors"].get("map", policy.errors.map), **item.value}
    changed = {name: replace(getattr(policy, name), **values) for name, values in sections.items() if values}
    return replace(policy, **changed)


def choose(value: object, known: Iterable[str], at: str) -> str:
    """Return ``value`` if it is a known name. Raises ``ConfigError`` with the nearest one, or all of them."""
    names = [str(name) for name in known]
    if isinstance(value, str) and value in names:
        return str(value)
    said = str(value).lower()
    near = [name for name in names if name and said.startswith(name)] or difflib.get_close_matches(said, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    raise ConfigError(f"{at}: nothing is named {value!r}; {hint}")


def _read(source: Source, key: str, value: Any) -> Any:
    reader = _reader(key)
    at = source.at(key)
    if reader is None:
        near = difflib.get_close_matches(key, _KNOWN, n=1)
        hint = f"did you mean {source.spell(near[0])!r}?" if near else f"settings are {_some_names(source)}"
        raise ConfigError(f"{at}: there is no such setting; {hint}")
    try:
        read = reader(value, at)
        return _certificates(source.folder / read, at) if key == "ca_file" else read
    except PolicyError as error:
        raise ConfigError(str(error)) from None


def _some_names(source: Source) -> str:
    return ", ".join(source.spell(key) for key in ("base_url", "log_level", "timeouts.read", "retry.max_retries"))


def _reader(key: str) -> Reader | None:
    if key in _KNOWN:
        return _KNOWN[key]
    if key.startswith(_STATUS) and key != _STATUS:
        status = key.removeprefix(_STATUS)
        return lambda value, at: _one_status(status, value, at)
    if key.startswith(_CACHE) and _is_read(key):
        return choice(*STRATEGIES)
    return None


def _is_read(key: str) -> bool:
    """Tell whether a setting of the cache is the strategy of an operation: those have a dot of their own."""
    return "." in key.removeprefix(_CACHE)


def _one_status(status: str, value: Any, at: str) -> dict[int | str, str]:
    # The reader puts the status behind the place that it is given.
    place = re.sub(rf"(\.|__){re.escape(status)}$", "", at, flags=re.IGNORECASE)
    read = status_map({status: value}, place)
    name: int | str = int(status) if status.isdigit() else status
    return {name: read[name]}


def _written_out(read: Reader) -> Reader:
    """Return a reader of durations, written out or as ``timedelta``, by way of one of milliseconds."""
    return lambda value, at: _duration(read, value, at)


def _duration(read: Reader, value: Any, at: str) -> Any:
    if isinstance(value, list | tuple):
        return read([_milliseconds(item, at) for item in cast("Iterable[Any]", value)], at)
    milliseconds = None if value == _NONE else _milliseconds(value, at)
    try:
        return read(milliseconds, at)
    except PolicyError:
        if milliseconds is not None:
            raise
        raise PolicyError(f"{at}: it has to have a value, so it cannot be {_NONE!r}") from None


def _milliseconds(value: Any, at: str) -> float:
    if isinstance(value, timedelta) and value >= timedelta():
        return value / timedelta(milliseconds=1)
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise PolicyError(f"{at}: expected a duration such as '10s' or '300ms', got {value!r}")
    return float(match[1]) * _MILLISECONDS[match[2]]


def _base_url(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise PolicyError(f"{at}: expected a URL, got {value!r}")
    try:
        Url(value)
    except InvalidUrlError as error:
        raise PolicyError(f"{at}: expected a URL such as 'https://api.example.com', got {value!r}: {error}") from None
    if "?" in value or "#" in value:
        raise PolicyError(f"{at}: a base URL ends with its path, it has no query and no fragment: {value!r}")
    return value


def _path(value: Any, at: str) -> Path:
    if not isinstance(value, str | Path):
        raise PolicyError(f"{at}: expected the path of a file, got {value!r}")
    return Path(value)


def _certificates(path: Path, at: str) -> str:
    """Return the certificates in a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PolicyError(f"{at}: {path} cannot be read: {reason}") from None
    if _CERTIFICATE not in text:
        raise PolicyError(f"{at}: {path} holds no certificate in PEM form")
    return text


def _no_budget(value: Any, at: str) -> None:
    if value != _NONE:
        raise PolicyError(f"{at}: expected {_NONE!r}, or the settings tokens, cost and refill below it, got {value!r}")


def _named(section: str) -> dict[str, Reader]:
    """Return the readers of a section's fields by the names that settings have."""
    return {
        name.removesuffix("_ms"): _written_out(read) if name.endswith("_ms") else read
        for name, (_, read) in SECTIONS[section].items()
    }


_NAMES: Mapping[str, Mapping[str, str]] = {
    section: {name.removesuffix("_ms"): target for name, (target, _) in fields.items()}
    for section, fields in SECTIONS.items()
}
_KNOWN: Mapping[str, Reader] = {
    "base_url": _base_url,
    "log_level": choice(*get_args(LogLevel)),
    "library": choice(*get_args(LibraryName)),
    "ca_file": _path,
    **{f"{section}.{name}": reader for section in SECTIONS for name, reader in _named(section).items()},
    _BUDGET: _no_budget,
}
