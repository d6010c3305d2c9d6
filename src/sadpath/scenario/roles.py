"""What the operations of an API are for: the file ``contracts/api/roles.yaml``.

Clauses, strategies and scenarios speak of roles, so they fit any API whose roles are written down. ``Roles.match`` is
asked for every exchange, so it looks literal paths up and tries templates only among those of the same length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic.json_schema import SkipJsonSchema

from sadpath.core.names import nearest
from sadpath.scenario.filemodel import FileModel, Trouble, complain, complain_of
from sadpath.scenario.paging import CursorPaging, OffsetPaging, PagePaging, Paging
from sadpath.scenario.rules import Method, OperationId, Role, is_file
from sadpath.scenario.saying import Errors
from sadpath.scenario.travel import HeaderName, Login, Tokens
from sadpath.scenario.yamlfile import load_model

__all__ = [
    "CursorPaging",
    "Errors",
    "HeaderName",
    "Login",
    "OffsetPaging",
    "Operation",
    "PagePaging",
    "Paging",
    "Roles",
    "Tokens",
    "load_roles",
]

_SEGMENT = r"[^/?#\s{}]*(?:\{[^/{}\s]+\}[^/?#\s{}]*)*"


def _template(value: str) -> str:
    if re.fullmatch(f"(?:/{_SEGMENT})+", value) is None:
        raise ValueError(f"must be a path template such as /users/{{id}}, not {value!r}")
    return value


class Operation(FileModel):
    """One operation: its ``operationId``, what it is for, and where it is found."""

    id: SkipJsonSchema[str] = ""
    role: Role
    method: Method
    path: Annotated[str, AfterValidator(_template), Field(pattern=f"^(?:/{_SEGMENT})+$")]

    @model_validator(mode="before")
    @classmethod
    def _no_id(cls, value: Any, info: ValidationInfo) -> Any:
        if is_file(info) and isinstance(value, dict) and "id" in value:
            raise complain("unknown key", "id")
        return value

    @property
    def shape(self) -> str:
        """The path with its parameters' names left out: two operations with one shape cannot be told apart."""
        return re.sub(r"\{[^}]+\}", "{}", self.path)

    @property
    def collection(self) -> tuple[str, ...]:
        """The segments of the path up to the collection: without the parameters at its end."""
        parts = self.shape.strip("/").split("/")
        while parts and "{}" in parts[-1]:
            parts.pop()
        return tuple(parts)


class Lookup(NamedTuple):
    """Operations by method and literal path, and by method and how many segments a template has."""

    literal: dict[tuple[str, str], Operation]
    templates: dict[tuple[str, int], list[tuple[re.Pattern[str], Operation]]]


class Roles(FileModel):
    """What each operation of an API is for; ``api`` names the OpenAPI document beside the file."""

    api: Annotated[str, Field(min_length=1)] = "openapi.yaml"
    idempotency_key: HeaderName = "Idempotency-Key"
    tokens: Tokens = Tokens()
    login: Login | None = None
    second_login: Login | None = None
    errors: Errors = Errors()
    paging: Paging = Paging()
    operations: Annotated[dict[OperationId, Operation], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Roles:
        troubles: list[Trouble] = []
        paged: set[str] = set()
        for where, way in self.paging.ways():
            for index, name in enumerate(way.operations):
                place = ("paging", *where, "operations", index)
                if name not in self.operations:
                    troubles.append(Trouble(place, f"unknown operation {name!r}", nearest(name, self.operations)))
                elif name in paged:
                    troubles.append(Trouble(place, f"it is said twice how {name} comes in pages"))
                paged.add(name)
        first: dict[tuple[str, str], str] = {}
        for name, operation in self.operations.items():
            other = first.setdefault((operation.method, operation.shape), name)
            if other != name:
                message = f"has the same method and path as {other}, so exchanges cannot be told apart"
                troubles.append(Trouble(("operations", name), message))
        if troubles:
            raise complain_of(troubles)
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Give each operation its id."""
        for name, operation in self.operations.items():
            self.operations[name] = operation.model_copy(update={"id": name})

    @cached_property
    def lookup(self) -> Lookup:
        """Where ``match`` looks; of templates, those with more literal text go first."""
        literal, templates = found = Lookup({}, {})
        for operation in sorted(self.operations.values(), key=lambda item: (-len(item.shape), item.id)):
            if "{" not in operation.path:
                literal[operation.method, operation.path] = operation
                continue
            parts = re.split(r"(\{[^}]+\})", operation.path)
            pattern = re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))
            key = (operation.method, operation.path.count("/"))
            templates.setdefault(key, []).append((pattern, operation))
        return found

    def match(self, method: str, path: str) -> Operation | None:
        """Return the operation that a request is about; a literal path goes before a template."""
        literal, templates = self.lookup
        found = literal.get((method, path))
        if found is not None:
            return found
        for pattern, operation in templates.get((method, path.count("/")), ()):
            if pattern.fullmatch(path) is not None:
                return operation
        return None

    def role(self, operation: str) -> Role | None:
        """Return what an operation is for, None for an unknown one."""
        known = self.operations.get(operation)
        return known.role if known is not None else None

    def related(self, one: Operation | str, other: Operation | str) -> bool:
        """Tell whether two operations, or paths, may be about the same things: one's collection is within the other's.

        A collection is what a path names without the parameters at its end: ``/v2/users`` for ``/v2/users/{id}``.
        """
        first, second = _collection(one), _collection(other)
        return all(a == b or "{}" in (a, b) for a, b in zip(first, second, strict=False))

    def operations_of(self, role: str) -> list[Operation]:
        """Return the operations that have a role, in the file's order."""
        return [operation for operation in self if operation.role == role]

    def __iter__(self) -> Iterator[Operation]:  # type: ignore[override] # pydantic iterates over fields, which nobody needs here
        return iter(self.operations.values())


def _collection(of: Operation | str) -> tuple[str, ...]:
    return tuple(of.strip("/").split("/")) if isinstance(of, str) else of.collection


def load_roles(path: Path, root: Path | None = None) -> Roles:
    """Read a roles file.

    Raises:
        FileProblems: with everything that is wrong with it.
    """
    return load_model(Roles, path, root=root)
