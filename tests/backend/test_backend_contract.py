"""The written contract and the running app say the same."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from fastapi import FastAPI

ROLES = {"login", "refresh", "logout", "read", "list", "page", "write", "create", "delete", "public"}
METHODS = {"get", "put", "post", "delete", "patch", "options", "head", "trace"}


def _yaml(file: Path) -> Any:
    return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def contract(root: Path) -> Any:
    """The document of record."""
    return _yaml(root / "contracts" / "api" / "openapi.yaml")


@pytest.fixture(scope="module")
def roles(root: Path) -> Any:
    """What each operation is for."""
    return _yaml(root / "contracts" / "api" / "roles.yaml")


def _normal(node: Any, document: Any, *, names: bool = False) -> Any:
    """A document without the freedoms of OpenAPI: references followed, defaults and orders made one.

    ``names`` says that the keys of ``node`` are names that people chose, not keywords.
    """
    if isinstance(node, list):
        return [_normal(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node and not names:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _normal(target, document)
    node = dict(node)
    if not names:
        if isinstance(node.get("title"), str) and "version" not in node:
            del node["title"]  # made by Pydantic from the member's name
        if node.get("required") is False:
            del node["required"]
        if isinstance(node.get("required"), list):
            node["required"] = sorted(node["required"])
        if "parameters" in node and isinstance(node["parameters"], list):
            resolved = [_normal(parameter, document) for parameter in node["parameters"]]
            node["parameters"] = sorted(resolved, key=lambda parameter: (parameter["in"], parameter["name"]))
        if "schema" in node and isinstance(node.get("examples"), dict):
            del node["examples"]  # for readers; another test checks them
        match node.get("anyOf"):
            case [dict(one), {"type": "null"}]:
                node = {**{key: value for key, value in node.items() if key != "anyOf"}, **one}
                node["type"] = [one["type"], "null"]
    named = {"properties", "responses", "content", "headers", "paths", "securitySchemes", "schemas"}
    return {key: _normal(value, document, names=key in named and not names) for key, value in node.items()}


def test_app_and_document_agree(app: FastAPI, contract: Any) -> None:
    """All that the app says of itself stands in the document of record, and the other way round."""
    said, written = app.openapi(), contract
    for key in ("openapi", "info", "paths"):
        assert _normal(said[key], said, names=key == "paths") == _normal(written[key], written, names=key == "paths")
    schemas = "components", "schemas"
    assert _normal(said[schemas[0]][schemas[1]], said, names=True) == _normal(
        written[schemas[0]][schemas[1]], written, names=True
    )
    assert said["components"]["securitySchemes"] == written["components"]["securitySchemes"]


def test_comparison_would_notice(app: FastAPI, contract: Any) -> None:
    """A changed bound, a missing status and a renamed member each make the comparison fail."""
    said = _normal(app.openapi()["paths"], app.openapi(), names=True)

    def differs(change: Callable[[Any], None]) -> bool:
        document = copy.deepcopy(contract)
        change(document)
        return bool(_normal(document["paths"], document, names=True) != said)

    assert not differs(lambda _: None)
    assert differs(lambda document: document["paths"]["/users"]["get"]["responses"].pop("401"))
    assert differs(lambda document: document["components"]["parameters"]["UserId"]["schema"].update(minimum=0))
    assert differs(lambda document: document["components"]["schemas"]["User"]["properties"].pop("avatar_url"))
    assert differs(lambda document: document["components"]["schemas"]["ProblemDetails"]["properties"].pop("title"))
    assert differs(lambda document: document["paths"]["/users"]["get"].pop("security"))


def _examples(node: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each example of a document with its schema: of media types and of members."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _examples(item, f"{place}/{index}")
    elif isinstance(node, dict):
        if "schema" in node and isinstance(node.get("examples"), dict):
            for name, example in node["examples"].items():
                yield f"{place}/{name}", node["schema"], example["value"]
        if "type" in node and isinstance(node.get("examples"), list):
            for example in node["examples"]:
                yield place, node, example
        for key, value in node.items():
            yield from _examples(value, f"{place}/{key}")


def test_examples_fit_their_schemas(contract: Any) -> None:
    """Every example in the document of record is valid by the schema it stands beside."""
    found = list(_examples(contract))

    assert len(found) > 20
    for place, schema, example in found:
        whole = {**schema, "components": contract["components"]}
        assert jsonschema_rs.validator_for(whole).is_valid(example), place


def test_document_names_no_unused_part(contract: Any, root: Path) -> None:
    """Every shared component of the document is referred to."""
    text = (root / "contracts" / "api" / "openapi.yaml").read_text(encoding="utf-8")
    parts = [
        f"#/components/{kind}/{name}"
        for kind, named in contract["components"].items()
        if kind != "securitySchemes"
        for name in named
    ]

    assert [part for part in parts if f'"{part}"' not in text] == []


def test_every_operation_has_its_role(contract: Any, roles: Any) -> None:
    """The roles file has exactly the document's operations, at their methods and paths, each with a known role."""
    documented = {
        operation["operationId"]: (method.upper(), path)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }

    assert {name: (one["method"], one["path"]) for name, one in roles["operations"].items()} == documented
    assert {one["role"] for one in roles["operations"].values()} <= ROLES
    assert roles["api"] == "openapi.yaml"


def test_roles_name_what_is_there(contract: Any, roles: Any) -> None:
    """The names of tokens, paging and key in the roles file are those of the document's schemas and parameters."""
    schemas, paths = contract["components"]["schemas"], contract["paths"]
    tokens, paging = roles["tokens"], roles["paging"]
    names = {parameter["name"] for parameter in paths["/users"]["get"]["parameters"]}
    cursor_names = {parameter["name"] for parameter in paths["/orders"]["get"]["parameters"]}

    assert {tokens["access"], tokens["refresh"], tokens["expires_in"]} < set(schemas["TokenPair"]["properties"])
    assert tokens["refresh"] in schemas["RefreshRequest"]["properties"]
    assert contract["components"]["securitySchemes"]["bearer"]["scheme"] == tokens["scheme"]
    assert {paging["page"]["page"], paging["page"]["limit"]} == names
    assert paging["page"]["items"] in schemas["UserPage"]["properties"]
    assert paging["cursor"]["cursor"] in cursor_names
    assert {paging["cursor"]["items"], paging["cursor"]["next"]} == set(schemas["OrderPage"]["properties"])
    assert contract["components"]["parameters"]["IdempotencyKey"]["name"] == roles["idempotency_key"]
    by_role: dict[str, list[str]] = {}
    for name, one in roles["operations"].items():
        by_role.setdefault(one["role"], []).append(name)
    assert sorted(by_role["page"]) == sorted(paging["page"]["operations"] + paging["cursor"]["operations"])


def test_only_three_operations_need_no_token(contract: Any, roles: Any) -> None:
    """Login, refresh and health are without security; every other operation asks for the bearer token."""
    free = {
        operation["operationId"]
        for methods in contract["paths"].values()
        for operation in methods.values()
        if operation.get("security") != [{"bearer": []}]
    }
    by_role = {name for name, one in roles["operations"].items() if one["role"] in {"login", "refresh", "public"}}

    assert free == by_role == {"auth.login", "auth.refresh", "health"}


def test_backend_is_on_its_own(root: Path, backend: Callable[[str], ModuleType]) -> None:
    """The backend imports nothing of sadpath, and its modules import each other relatively alone."""
    backend("app")
    files = sorted((root / "mockserver").glob("*.py"))
    own = {file.stem for file in files}
    imported = {
        name.split(".")[0]
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }

    assert "fastapi" in imported
    assert not imported & {"sadpath", "mockserver", *own}
