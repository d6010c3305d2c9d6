"""The configuration of an application, for each environment that it runs in.

```python
config = AppConfig.load("prod", file="shop.toml")
async with ShopClient.from_config(config) as client:
    ...
```

A setting is looked for in five places; each one goes before those above it:

1. the defaults: the reference policy, and the log level of the environment;
2. the table ``[default]`` of the file;
3. the table of the environment in the file: ``[dev]``, ``[staging]`` or ``[prod]``;
4. environment variables: ``SHOP_BASE_URL``, ``SHOP_TIMEOUTS__READ`` (two underscores stand for a dot);
5. ``overrides`` in code.

Which environment it is, is said by the argument, else by ``SHOP_ENVIRONMENT``, else by ``environment`` at the top of
the file; the file is the argument, else ``SHOP_CONFIG``. Every table of the file is checked, not only the one in force,
so that a slip in ``[prod]`` is found in dev.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from .config_reading import ConfigError, Found, Source, choose, flatten, policy_of, take
from .library import LibraryName
from .policy import Policy
from .ports import LogLevel

__all__ = ["AppConfig", "ConfigError", "Environment"]

_ENVIRONMENT = "environment"


class Environment(StrEnum):
    """Where the application runs."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


_LOG_LEVELS: Mapping[Environment, LogLevel] = {
    Environment.DEV: "debug",
    Environment.STAGING: "info",
    Environment.PROD: "warning",
}


@dataclass(frozen=True)
class AppConfig:
    """What a client is built with. It can be written in code as it stands, or be loaded.

    ``ca_pem`` are the certificate authorities to trust in place of the usual ones. ``origins`` says of each setting
    that is no default where it comes from.
    """

    base_url: str
    environment: Environment = Environment.PROD
    policy: Policy = field(default_factory=Policy)
    log_level: LogLevel = "warning"
    library: LibraryName | None = None
    ca_pem: str | None = field(default=None, repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def load(
        cls,
        environment: Environment | str | None = None,
        *,
        file: str | Path | None = None,
        variables: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
        prefix: str = "SHOP_",
    ) -> AppConfig:
        """Put the configuration together.

        ``variables`` are the process's own where none are handed in. ``overrides`` may be nested, or have dotted names.

        Raises:
            ConfigError: it names the source, the setting, and the nearest name for one that nobody knows.
        """
        if variables is None:
            variables = os.environ
        given = {name: value for name, value in variables.items() if name.startswith(prefix)}
        path = file if file is not None else given.pop(f"{prefix}CONFIG", None)
        given.pop(f"{prefix}CONFIG", None)
        named = given.pop(f"{prefix}{_ENVIRONMENT.upper()}", None)
        tables = _Tables(Path(path)) if path is not None else None
        where = _environment(environment, named, f"{prefix}{_ENVIRONMENT.upper()}", tables)
        found: dict[str, Found] = {}
        for source, values in tables.sources(where) if tables else ():
            take(found, source, values)
        take(found, *_of_variables(given, prefix))
        take(found, Source("overrides", Path()), flatten(overrides or {}))
        return cls._of(where, found, prefix)

    @classmethod
    def _of(cls, environment: Environment, found: Mapping[str, Found], prefix: str) -> AppConfig:
        if "base_url" not in found:
            raise ConfigError(
                f"no base_url is set for {environment}: say it in the file under [{environment}], as the variable "
                f"{prefix}BASE_URL, or in code"
            )
        plain = {name: found[name].value for name in ("base_url", "log_level", "library", "ca_file") if name in found}
        if "ca_file" in plain:
            plain["ca_pem"] = plain.pop("ca_file")
        plain.setdefault("log_level", _LOG_LEVELS[environment])
        origins = {name: item.at for name, item in found.items()}
        return cls(environment=environment, policy=policy_of(found), origins=origins, **plain)


def _environment(
    argument: Environment | str | None, variable: str | None, variable_name: str, tables: _Tables | None
) -> Environment:
    in_file = tables.environment if tables else None
    for value, at in (
        (argument, "the argument"),
        (variable, variable_name),
        (in_file, f"{tables.path if tables else ''}: {_ENVIRONMENT}"),
    ):
        if value is not None:
            return Environment(choose(value, [*Environment], at))
    raise ConfigError(
        f"nobody says which environment this is: name it in code, as the variable {variable_name}, or at the top of "
        f"the file; it is one of {', '.join(Environment)}"
    )


def _of_variables(given: Mapping[str, str], prefix: str) -> tuple[Source, dict[str, Any]]:
    """Return the settings among environment variables. A value is read as TOML has it, or else as plain text."""
    source = Source("environment", Path(), lambda key: prefix + key.upper().replace(".", "__"))
    values = {name[len(prefix) :].lower().replace("__", "."): _value(text) for name, text in sorted(given.items())}
    return source, flatten(values)


def _value(text: str) -> Any:
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return read["value"] if list(read) == ["value"] else text


class _Tables:
    """A configuration file. Raises ``ConfigError`` when it cannot be read, or has a name that nobody knows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{path}: there is no such file") from None
        except OSError as error:
            raise ConfigError(f"{path}: it cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: it is no TOML: {error}") from None
        self.environment = self._data.pop(_ENVIRONMENT, None)
        known = ["default", *Environment]
        for name, table in self._data.items():
            if not isinstance(table, dict):
                tables = ", ".join(f"[{known_one}]" for known_one in known)
                raise ConfigError(f"{path}: {name}: a setting stands in one of the tables {tables}")
            choose(name, known, str(path))
        for name in self._data:
            take({}, *self._source(name))

    def sources(self, environment: Environment) -> Iterator[tuple[Source, dict[str, Any]]]:
        """Return the tables that count, the more general first."""
        for name in ("default", str(environment)):
            if name in self._data:
                yield self._source(name)

    def _source(self, name: str) -> tuple[Source, dict[str, Any]]:
        return Source(str(self.path), self.path.parent, lambda key: f"{name}.{key}"), flatten(self._data[name])
