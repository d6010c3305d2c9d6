"""Results that were written before, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sadpath.core.errors import UsageError
from sadpath.verify.results import SCHEMA, Results

__all__ = ["read_results", "results_path"]


def results_path(path: Path) -> Path:
    """Return the file that is meant: the path, or ``results.json`` in it if it is a folder."""
    return path / "results.json" if path.is_dir() else path


def read_results(path: Path) -> Results:
    """Read results from a file, or from ``results.json`` in a folder.

    Raises:
        UsageError: where there are none, or none that this version reads; it says what is wrong in the file.
    """
    file = results_path(path)
    try:
        data: Any = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no results.json: {error}") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA or isinstance(schema, bool):
        said = "says no schema" if schema is None else f"has schema {schema!r:.40}"
        raise UsageError(f"{file} {said}, and this version of sadpath reads schema {SCHEMA}")
    try:
        return Results.model_validate_json(json.dumps(data))
    except (ValidationError, ValueError) as error:
        raise UsageError(f"{file} is no results.json: {_first(error)}") from error


def _first(error: ValidationError | ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
