"""What the operations of an API are for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.errors import FileProblem, FileProblems
from sadpath.scenario.lint_roles import lint_roles
from sadpath.scenario.roles import Roles, load_roles
from sadpath.scenario.yamlfile import YamlFile
from sadpath.workspace import find_workspace

FILE = """# What each operation is for.
operations:
  users.list: {role: page, method: GET, path: /users}
  users.me: {role: read, method: GET, path: /users/me}
  users.get: {role: read, method: GET, path: "/users/{id}"}
  users.update: {role: write, method: PUT, path: "/users/{id}"}
  files.get: {role: read, method: GET, path: "/files/{name}.json"}
  files.any: {role: read, method: GET, path: "/files/{name}"}
  orders.items: {role: list, method: GET, path: "/orders/{order}/items/{item}"}
  root: {role: public, method: GET, path: /}
"""


def read(text: str) -> Roles:
    """Return a roles file's model."""
    return YamlFile.parse(text, "roles.yaml").to_model(Roles)


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/users", "users.list"),
        ("GET", "/users/me", "users.me"),
        ("GET", "/users/1", "users.get"),
        ("PUT", "/users/me", "users.update"),
        ("GET", "/files/a.json", "files.get"),
        ("GET", "/files/a.txt", "files.any"),
        ("GET", "/orders/1/items/2", "orders.items"),
        ("GET", "/", "root"),
        ("GET", "/users/", None),
        ("GET", "/users/1/2", None),
        ("GET", "/Users", None),
        ("get", "/users", None),
        ("POST", "/users", None),
        ("GET", "", None),
        ("GET", "/users/\n", "users.get"),
    ],
)
def test_a_request_finds_its_operation(method: str, path: str, operation: str | None) -> None:
    """Literal paths go before templates, and more literal templates before others."""
    found = read(FILE).match(method, path)

    assert (found.id if found is not None else None) == operation


@settings(deadline=None)
@given(
    st.sampled_from(["GET", "PUT", "POST"]),
    st.lists(st.sampled_from(["users", "me", "files", "a.json", "", "1"]), max_size=5),
)
def test_the_lookup_agrees_with_trying_every_template(method: str, segments: list[str]) -> None:
    """The fast lookup finds an operation exactly where one of the templates fits."""
    roles, path = read(FILE), "/" + "/".join(segments)
    fitting = {
        operation.id
        for operation in roles
        if operation.method == method
        and re.fullmatch(re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(operation.path)), path) is not None
    }
    found = roles.match(method, path)

    assert (found is None) == (not fitting)
    assert found is None or found.id in fitting


def test_operations_know_their_names_and_roles_their_operations() -> None:
    """Both directions can be asked for."""
    roles = read(FILE)

    assert [operation.id for operation in roles][:2] == ["users.list", "users.me"]
    assert [operation.id for operation in roles.operations_of("read")] == [
        "users.me",
        "users.get",
        "files.get",
        "files.any",
    ]
    assert roles.operations_of("login") == []
    assert (roles.role("users.get"), roles.role("nope")) == ("read", None)
    assert roles.operations["users.get"].path == "/users/{id}"


def test_what_is_left_out_is_as_in_the_reference_api() -> None:
    """A file need not repeat what most APIs do."""
    roles = read(FILE)

    assert (roles.api, roles.idempotency_key, roles.login) == ("openapi.yaml", "Idempotency-Key", None)
    assert (roles.tokens.header, roles.tokens.access, roles.tokens.refresh) == (
        "Authorization",
        "access_token",
        "refresh_token",
    )
    assert (roles.paging.page, roles.paging.offset, roles.paging.cursor) == ((), (), ())


def test_the_reference_api_has_every_role_but_one() -> None:
    """The reference workspace's roles are read, and only ``list`` (a whole collection at once) has no operation."""
    roles = find_workspace().roles()
    used = {operation.role for operation in roles}

    assert used == {"login", "refresh", "logout", "read", "page", "write", "create", "delete", "public"}
    assert roles.paging.page is not None
    assert roles.paging.cursor is not None
    assert roles.match("GET", "/users/1") == roles.operations["users.get"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("operations: {a: {role: reed, method: GET, path: /a}}", "operations.a.role: must be one of 'login', "),
        ("operations: {a: {role: read, method: get, path: /a}}", "operations.a.method: must be a method in capitals, such as GET"),
        ("operations: {a: {role: read, method: GET, path: a}}", "operations.a.path: must be a path template such as /users/{id}"),
        ("operations: {a: {role: read, method: GET, path: '/{a'}}", "operations.a.path: must be a path template"),
        ("operations: {a: {role: read, method: GET, path: '/a?b'}}", "operations.a.path: must be a path template"),
        ("operations: {a: {role: read, method: GET, path: /a, id: b}}", "operations.a.id: unknown key"),
        ("operations: {}", "operations: must not be empty"),
        ("operations: {a: {role: read, method: GET}}", "operations.a.path: this key is missing"),
        ("tokens: {acess: x}", "tokens.acess: unknown key (did you mean 'access'?)"),
        ("tokens: {header: 'A B'}", "tokens.header: must be the name of a header, not 'A B'"),
        ("paging: {page: {operations: [user.list]}}", "paging.page.operations[0]: unknown operation 'user.list' (did you mean 'users.list'?)"),
        ("paging: {cursor: {operations: [nope]}}", "paging.cursor.operations[0]: unknown operation 'nope'"),
        ("login: {email: a}", "login.password: this key is missing"),
        ("idempotency_key: ''", "idempotency_key: must be the name of a header, not ''"),
    ],
)  # fmt: skip
def test_a_wrong_roles_file_is_told_where(change: str, message: str) -> None:
    """Names must exist and paths be templates."""
    text = change if change.startswith("operations") else f"{FILE}{change}\n"
    with pytest.raises(FileProblems) as caught:
        read(text)

    (problem,) = caught.value.problems
    assert f"{problem.field}: {problem.message}".startswith(message.partition(" (did")[0])
    assert "(did" not in message or problem.nearest is not None


def test_two_operations_that_cannot_be_told_apart_are_refused() -> None:
    """The name of a path's parameter does not make another path."""
    with pytest.raises(FileProblems, match=r"has the same method and path as users\.get"):
        read(FILE + '  users.other: {role: read, method: GET, path: "/users/{name}"}\n')


# Lint


def lint(folder: Path, roles: str, document: str | None) -> list[FileProblem]:
    """Return what is said of a roles file beside an OpenAPI document."""
    (folder / "roles.yaml").write_text(roles)
    if document is not None:
        (folder / "openapi.yaml").write_text(document)
    return lint_roles(folder / "roles.yaml", folder)


ROLES = "# What for.\noperations:\n  users.get: {role: read, method: GET, path: '/users/{id}'}\n"


def test_roles_that_agree_with_the_document_are_well(tmp_path: Path) -> None:
    """Operation, method and path stand in both."""
    assert lint(tmp_path, ROLES, "paths: {'/users/{id}': {get: {operationId: users.get}, parameters: []}}\n") == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "roles.yaml:2: api: there is no OpenAPI document 'openapi.yaml' beside this file"),
        ("paths: {}\n", "roles.yaml:3: operations.users.get: openapi.yaml has no operation 'users.get'"),
        ("openapi: 3.1.0\n", "roles.yaml:3: operations.users.get: openapi.yaml has no operation 'users.get'"),
        ("- a\n", "roles.yaml:3: operations.users.get: openapi.yaml has no operation 'users.get'"),
        ("paths: {/users: {post: {operationId: users.get}}}\n", "roles.yaml:3: operations.users.get: openapi.yaml has it at POST /users"),
        (
            "paths: {'/users/{id}': {get: {operationId: users.get}, put: {operationId: users.update}}}\n",
            "roles.yaml:2: note: operations: openapi.yaml has an operation 'users.update' without a role",
        ),
    ],
)  # fmt: skip
def test_roles_that_disagree_with_the_document_are_told(tmp_path: Path, document: str | None, message: str) -> None:
    """What the OpenAPI document does not have, has elsewhere, or has without a role."""
    found: Any = [str(problem) for problem in lint(tmp_path, ROLES, document)]

    assert found == [message]


def test_a_roles_file_without_a_comment_is_told(tmp_path: Path) -> None:
    """A file begins with what it is."""
    document = "paths: {'/users/{id}': {get: {operationId: users.get}}}\n"
    (problem,) = lint(tmp_path, ROLES.removeprefix("# What for.\n"), document)

    assert "must begin with a comment" in problem.message


def test_the_reference_roles_agree_with_the_reference_document() -> None:
    """The workspace that we ship is consistent."""
    workspace = find_workspace()

    assert lint_roles(workspace.roles_path, workspace.root) == []
    assert load_roles(workspace.roles_path, workspace.root) == workspace.roles()
