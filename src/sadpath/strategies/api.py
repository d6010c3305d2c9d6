"""What the strategies know of an API: what its operations are for, and what they may be asked with.

Roles come from ``roles.yaml``, arguments from the examples of the OpenAPI document beside it. A path's parameters go by
their own names, a request's body is the argument ``data``, as in the driver protocol.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sadpath.core.errors import UsageError
from sadpath.core.names import nearest
from sadpath.drivers.messages import CAPABILITIES
from sadpath.scenario.roles import Operation, Roles
from sadpath.scenario.rules import Role
from sadpath.scenario.yamlfile import YamlFile
from sadpath.verify.played import Client
from sadpath.workspace import Workspace, find_workspace

__all__ = ["RAW", "Api", "is_absent", "the_api"]

Arguments = dict[str, Any]

RAW = "http"
"""The operation by which a client is asked for any request."""

_NOBODY = 404_404
"""An id that no data set has."""

_PLAINEST_FIRST: tuple[Role, ...] = (
    "read", "list", "page", "public", "write", "delete", "create", "login", "logout", "refresh",
)  # fmt: skip
"""Roles in the order in which a smaller case would rather have them: reading before writing."""


@dataclass(frozen=True)
class Api:
    """An API and a client of it, as far as cases are drawn for them.

    Args:
        roles: what the operations are for.
        arguments: for an operation, what it may be asked with, the plainest first; others are asked without any.
        operations: those that the client offers; None: all.
        capabilities: what the client declares; cases never ask for anything else.
        payloads: what of ``fixtures/`` may stand in for an answer's body.
        data_sets: the data sets, the usual one first.
    """

    roles: Roles
    arguments: Mapping[str, tuple[Arguments, ...]] = field(default_factory=dict)
    operations: frozenset[str] | None = None
    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    payloads: tuple[str, ...] = ()
    data_sets: tuple[str, ...] = ()

    @classmethod
    def of(cls, workspace: Workspace, client: Client | None = None) -> Api:
        """Return the API of a workspace, as far as a client is made for it.

        Raises:
            AuthorError: where roles or the OpenAPI document cannot be read.
        """
        api = _of(workspace.root)
        return api if client is None else api.for_client(client.capabilities, client.operations or None)

    def for_client(self, capabilities: Collection[str], operations: Collection[str] | None = None) -> Api:
        """Return the API as a client with these capabilities sees it."""
        known = None if operations is None else frozenset(operations)
        return Api(self.roles, self.arguments, known, frozenset(capabilities), self.payloads, self.data_sets)

    def offers(self, operation: str) -> bool:
        """Tell whether the client can be asked for an operation."""
        return self.operations is None or operation in self.operations

    def can(self, capability: str) -> bool:
        """Tell whether the client declares a capability."""
        return capability in self.capabilities

    def choose(self, names: Collection[str] | None = None) -> list[Operation]:
        """Return the operations that calls are drawn from, the plainest first; ``names`` are operations or roles.

        A refresh is never asked for: that is the client's own affair.

        Raises:
            UsageError: for a name that is neither an operation nor a role of this API.
        """
        for name in names or ():
            if name != RAW and name not in self.roles.operations and not self.roles.operations_of(name):
                near = nearest(name, [*self.roles.operations, *_PLAINEST_FIRST])
                hint = f" (did you mean {near!r}?)" if near else ""
                raise UsageError(f"the API has neither an operation nor a role {name!r}{hint}")
        known = [item for item in self.roles if item.role != "refresh" and self.offers(item.id)]
        chosen = [item for item in known if names is None or item.id in names or item.role in names]
        return sorted(chosen, key=lambda item: _PLAINEST_FIRST.index(item.role))

    def page_size(self, operation: Operation) -> str | None:
        """Return what the size of an operation's pages is called, None where it has none."""
        way = self.roles.paging.of(operation.id)
        return None if way is None else way.limit

    def refresh(self) -> Operation | None:
        """Return the operation by which tokens are renewed, None where there is none."""
        found = self.roles.operations_of("refresh")
        return found[0] if found else None

    def examples(self, operation: Operation) -> tuple[Arguments, ...]:
        """Return what an operation may be asked with, the plainest first."""
        return self.arguments.get(operation.id) or ({},)


def the_api(api: Api | Roles | None) -> Api:
    """Return the API that is meant: given as such, by its roles alone, or that of the workspace at hand.

    Raises:
        AuthorError: where the workspace's files cannot be read.
        UsageError: where there is no workspace.
    """
    if isinstance(api, Api):
        return api
    if isinstance(api, Roles):
        return Api(api, {item.id: _by_path_alone(item) for item in api})
    return Api.of(find_workspace())


def is_absent(arguments: Arguments) -> bool:
    """Tell whether arguments are about something that no data set holds."""
    return any(value in (_NOBODY, str(_NOBODY)) for value in arguments.values())


@lru_cache(maxsize=8)
def _of(root: Path) -> Api:
    """Read a workspace's files, once per process: the OpenAPI document is large."""
    workspace = Workspace(root)
    roles = workspace.roles()
    document = workspace.roles_path.parent / roles.api
    described = _described(YamlFile.load(document, root).data) if document.is_file() else {}
    arguments = {item.id: _arguments(item, described.get(item.id, {}), roles) for item in roles}
    payloads = [name for name in workspace.fixtures.payloads() if "/" not in name]
    return Api(roles, arguments, payloads=tuple(sorted(payloads)), data_sets=tuple(workspace.fixtures.data_sets()))


def _described(document: Any) -> dict[str, dict[str, Any]]:
    """Return what an OpenAPI document says of each operation, references within it resolved at its surface."""
    found: dict[str, dict[str, Any]] = {}
    paths = document.get("paths") if isinstance(document, dict) else None
    for item in paths.values() if isinstance(paths, dict) else ():
        shared = item.get("parameters", []) if isinstance(item, dict) else []
        for operation in item.values() if isinstance(item, dict) else ():
            if isinstance(operation, dict) and isinstance(operation.get("operationId"), str):
                listed = [*shared, *operation.get("parameters", [])]
                body = _resolved(document, operation.get("requestBody"))
                found[operation["operationId"]] = {
                    "parameters": [_resolved(document, parameter) for parameter in listed],
                    "bodies": _bodies(document, body),
                }
    return found


def _resolved(document: dict[str, Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    target: Any = document
    for part in str(value.get("$ref", "")).removeprefix("#/").split("/") if "$ref" in value else ():
        target = target.get(part, {}) if isinstance(target, dict) else {}
    found: dict[str, Any] = target if "$ref" in value and isinstance(target, dict) else value
    return found


def _bodies(document: dict[str, Any], body: dict[str, Any]) -> list[Any]:
    """Return the example bodies of a request."""
    media = body.get("content", {}).get("application/json", {})
    examples = media.get("examples", {}) if isinstance(media, dict) else {}
    found = [item["value"] for example in examples.values() if "value" in (item := _resolved(document, example))]
    return [*found, *([media["example"]] if "example" in media else [])]


def _arguments(operation: Operation, described: dict[str, Any], roles: Roles) -> tuple[Arguments, ...]:
    """Return what an operation may be asked with: examples for its path, its query and its body."""
    parameters = described.get("parameters", [])
    paths = [_example_values(item) for item in parameters if item.get("in") == "path"]
    names = [item["name"] for item in parameters if item.get("in") == "path"]
    if not names:
        plain = _by_path_alone(operation)
    else:
        longest = max(len(values) for values in paths)
        rows = range(longest)
        plain = tuple(
            {name: values[min(row, len(values) - 1)] for name, values in zip(names, paths, strict=True)} for row in rows
        )
    bodies = described.get("bodies", [])
    if operation.role in ("create", "write") and bodies:
        return tuple({**path, "data": body} for body in bodies for path in plain)
    way = roles.paging.of(operation.id)
    if way is not None and any(item.get("in") == "query" and item.get("name") == way.limit for item in parameters):
        return (*plain, {**plain[0], way.limit: 5})
    return plain


def _by_path_alone(operation: Operation) -> tuple[Arguments, ...]:
    names = re.findall(r"\{([^}]+)\}", operation.path)
    return tuple(dict.fromkeys(names, number) for number in (1, 2, 3)) if names else ({},)


def _example_values(parameter: dict[str, Any]) -> list[Any]:
    """Return values that a parameter may have: its examples, else small numbers and one that nothing has."""
    if "example" in parameter:
        return [parameter["example"]]
    examples = parameter.get("examples")
    if isinstance(examples, dict) and examples:
        return [item["value"] for item in examples.values() if isinstance(item, dict) and "value" in item]
    schema = parameter.get("schema", {})
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return list(schema[key])
    return [1, 2, 3, _NOBODY] if schema.get("type", "integer") == "integer" else ["1", "2", "3", str(_NOBODY)]
