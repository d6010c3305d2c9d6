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
from sadpath.scenario.filemodel import FileModel, Several, TextOf, Trouble, complain, complain_of
from sadpath.scenario.rules import Method, OperationId, Role, is_file
from sadpath.scenario.yamlfile import load_model

__all__ = ["CursorPaging", "Login", "Operation", "PagePaging", "Paging", "Roles", "Tokens", "load_roles"]

HeaderName = Annotated[str, TextOf(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "the name of a header")]
Member = Annotated[str, Field(min_length=1)]
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


class Tokens(FileModel):
    """How tokens travel: in which header, and under which names in the answers of login and refresh."""

    scheme: Annotated[str, Field(min_length=1)] = "bearer"
    header: HeaderName = "Authorization"
    access: Member = "access_token"
    refresh: Member = "refresh_token"
    expires_in: Member = "expires_in"


class Login(FileModel):
    """Credentials that the API's data always hold."""

    email: Member
    password: Member


class PagePaging(FileModel):
    """Numbered pages: the query's names for the page and its size, and the member that holds the items."""

    operations: Several[OperationId]
    page: Member = "page"
    limit: Member = "limit"
    items: Member = "data"


class CursorPaging(FileModel):
    """Pages by cursor: the query's name for it, and the members that hold the next one and the items."""

    operations: Several[OperationId]
    cursor: Member = "cursor"
    next: Member = "next_cursor"
    items: Member = "data"


class Paging(FileModel):
    """How collections come in pages."""

    page: PagePaging | None = None
    cursor: CursorPaging | None = None


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
    paging: Paging = Paging()
    operations: Annotated[dict[OperationId, Operation], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Roles:
        troubles: list[Trouble] = []
        for style, paging in (("page", self.paging.page), ("cursor", self.paging.cursor)):
            for index, name in enumerate(paging.operations if paging is not None else ()):
                if name not in self.operations:
                    place = ("paging", style, "operations", index)
                    troubles.append(Trouble(place, f"unknown operation {name!r}", nearest(name, self.operations)))
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

    def operations_of(self, role: str) -> list[Operation]:
        """Return the operations that have a role, in the file's order."""
        return [operation for operation in self if operation.role == role]

    def __iter__(self) -> Iterator[Operation]:  # type: ignore[override] # pydantic iterates over fields, which nobody needs here
        return iter(self.operations.values())


def load_roles(path: Path, root: Path | None = None) -> Roles:
    """Read a roles file.

    Raises:
        FileProblems: with everything that is wrong with it.
    """
    return load_model(Roles, path, root=root)
