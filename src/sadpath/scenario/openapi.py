"""An OpenAPI document, as far as it has the form of one: what roles are compared with, and guessed from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["OpenApi"]

_DEEPEST = 8
"""References and parts within each other that are followed."""


class OpenApi:
    """An OpenAPI document, as far as it has the form of one."""

    def __init__(self, data: Any) -> None:
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """Return what is said of an operation, nothing where nothing is."""
        item = _inside(self.data, "paths", path)
        found = _inside(item, method.lower())
        return {**found, "parameters": [*_listed(item, "parameters"), *_listed(found, "parameters")]} if found else {}

    def query(self, method: str, path: str) -> list[str]:
        """Return the names of an operation's query parameters."""
        return self.parameters(method, path, "query")

    def parameters(self, method: str, path: str, place: str) -> list[str]:
        """Return the names of an operation's parameters of a kind: ``query``, ``header``, ``path`` or ``cookie``."""
        parameters = [self.resolved(item) for item in self.operation(method, path).get("parameters", [])]
        return [str(item["name"]) for item in parameters if item.get("in") == place and "name" in item]

    def statuses(self, method: str, path: str) -> list[str]:
        """Return the statuses that an operation is said to answer with."""
        return [str(status) for status in _inside(self.operation(method, path), "responses")]

    def members(self, method: str, path: str) -> dict[str, Any]:
        """Return the properties of an operation's success, none where the document leaves them open."""
        return self.properties(self.success(method, path))

    def success(self, method: str, path: str) -> dict[str, Any]:
        """Return the schema of an operation's success, an empty one where there is none."""
        responses = _inside(self.operation(method, path), "responses")
        for status, response in responses.items():
            if str(status).startswith("2"):
                return self.resolved(_inside(self.resolved(response), "content", "application/json", "schema"))
        return {}

    def properties(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """Return the properties of a schema that is closed enough to be compared with."""
        schema = self.resolved(schema)
        if depth > _DEEPEST:
            return {}
        found = dict(_inside(schema, "properties"))
        for part in _listed(schema, "allOf"):
            found |= self.properties(part, depth + 1)
        return found

    def has(self, properties: dict[str, Any], path: str) -> bool:
        """Tell whether a path leads to a property, or to where the document says no more."""
        if not properties or path in properties:
            return True
        head, dot, rest = path.partition(".")
        return bool(dot) and head in properties and self.has(self.properties(properties[head]), rest)

    def within(self, properties: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield properties, then properties of properties, by name or path, with their schemas."""
        for name, schema in properties.items():
            yield name, self.resolved(schema)
        for name, schema in properties.items():
            for inner, item in self.properties(schema).items():
                yield f"{name}.{inner}", self.resolved(item)

    def security_schemes(self) -> list[dict[str, Any]]:
        """Return how requests may be signed."""
        return [self.resolved(item) for item in _inside(self.data, "components", "securitySchemes").values()]

    def resolved(self, value: Any) -> dict[str, Any]:
        """Return what a reference within the document leads to."""
        for _ in range(_DEEPEST):
            if not isinstance(value, dict) or "$ref" not in value:
                break
            value = _inside(self.data, *str(value["$ref"]).removeprefix("#/").split("/"))
        return value if isinstance(value, dict) else {}


def _inside(value: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _listed(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []
