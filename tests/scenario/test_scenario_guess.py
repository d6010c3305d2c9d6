"""A first roles file from an OpenAPI document, and what lint says where the two disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sadpath.scenario.guess_roles import guess_roles
from sadpath.scenario.lint_roles import lint_roles
from sadpath.scenario.roles import Roles, load_roles
from sadpath.scenario.yamlfile import YamlFile
from sadpath.scenario.yamltext import to_yaml
from tests.support.places import REFERENCE, TOP

LENDING = TOP / "tests" / "lending" / "contracts" / "api"
API = """
paths:
  /in: {post: {operationId: sign.in, responses: {200: {content: {application/json: {schema: {$ref: "#/components/schemas/Out"}}}}}}}
  /renew: {post: {operationId: renew, responses: {200: {}, 401: {}}}}
  /things:
    parameters: [{name: skip, in: query}, {name: size, in: query}]
    get:
      operationId: things
      responses: {200: {content: {application/json: {schema: {allOf: [{properties: {found: {properties: {things: {type: array}}}}}, {properties: {total: {}}}]}}}}}
components: {schemas: {Out: {properties: {token: {}, refresh: {}}}}}
"""
GOOD = """
# What for.
tokens: {access: token, refresh: refresh}
errors: {refused_refresh: {status: 401}}
paging: {offset: {operations: [things], offset: skip, limit: size, items: found.things, total: total}}
operations:
  sign.in: {role: login, method: POST, path: /in}
  renew: {role: refresh, method: POST, path: /renew}
  things: {role: page, method: GET, path: /things}
"""


def _lint(folder: Path, roles: str) -> list[str]:
    (folder / "openapi.yaml").write_text(API)
    (folder / "roles.yaml").write_text(roles.lstrip())
    return [str(problem) for problem in lint_roles(folder / "roles.yaml", folder)]


def _guessed(folder: Path, document: Path) -> Roles:
    (folder / "roles.yaml").write_text(to_yaml(guess_roles(YamlFile.load(document).data, "openapi.yaml"), "Guessed."))
    return load_roles(folder / "roles.yaml")


def test_the_reference_roles_are_guessed_right(tmp_path: Path) -> None:
    """Operations, tokens, key and pages of the reference API follow from its document alone."""
    api = REFERENCE / "contracts" / "api"
    guessed, roles = _guessed(tmp_path, api / "openapi.yaml"), load_roles(api / "roles.yaml")

    assert guessed.operations == roles.operations
    assert (guessed.tokens, guessed.idempotency_key) == (roles.tokens, roles.idempotency_key)
    assert [(way.operations, way.items, way.limit) for _, way in guessed.paging.ways()] == [
        (way.operations, way.items, way.limit) for _, way in roles.paging.ways()
    ]


def test_what_an_api_s_document_tells_is_guessed(tmp_path: Path) -> None:
    """Of an API of another shape the roles are right; what a document does not tell is left out."""
    guessed, roles = _guessed(tmp_path, LENDING / "openapi.yaml"), load_roles(LENDING / "roles.yaml")

    assert guessed.operations == roles.operations
    assert guessed.login is None


def test_guesses_agree_with_their_document(tmp_path: Path) -> None:
    """A file that was guessed is no problem to lint, but for what ends a session, which is asked for."""
    (tmp_path / "openapi.yaml").write_text(API)
    data: Any = guess_roles(YamlFile.load(tmp_path / "openapi.yaml").data, "openapi.yaml")
    (note,) = _lint(tmp_path, to_yaml(data, "Guessed."))

    assert "note: operations.renew: openapi.yaml has renew answer 401, and a refresh token that is no good" in note
    assert data["tokens"] == {"access": "token", "refresh": "refresh"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", None),
        ("access: token", "access: tokn", "tokens.access: openapi.yaml shows no member 'tokn' in what sign.in answers (did you mean 'token'?)"),
        ("refresh: refresh", "refresh: refrsh", "tokens.refresh: openapi.yaml shows no member 'refrsh' in what sign.in answers (did you mean 'refresh'?)"),
        ("offset: skip", "offset: skp", "paging.offset.offset: openapi.yaml gives things no query parameter 'skp' (did you mean 'skip'?)"),
        ("limit: size", "limit: sizes", "paging.offset.limit: openapi.yaml gives things no query parameter 'sizes' (did you mean 'size'?)"),
        ("total: total", "total: totl", "paging.offset.total: openapi.yaml shows no member 'totl' in what things answers (did you mean 'total'?)"),
        ("items: found.things", "items: found.thing", "paging.offset.items: openapi.yaml shows no member 'found.thing' in what things answers (did you mean 'found.things'?)"),
    ],
)  # fmt: skip
def test_names_that_the_document_does_not_have_are_told(
    tmp_path: Path, old: str, new: str, message: str | None
) -> None:
    """A name that nothing has would make clauses blind; lint says which is the nearest."""
    found = _lint(tmp_path, GOOD.replace(old, new))

    assert [text.partition(": ")[2] for text in found] == ([] if message is None else [message])


def test_operations_within_one_another_s_collection_are_related() -> None:
    """What is below a version prefix is not all one collection."""
    roles = load_roles(LENDING / "roles.yaml")
    known = roles.operations

    assert roles.related(known["titles.get"], known["titles.list"])
    assert roles.related("/v2/loans/3", known["loans.list"])
    assert not roles.related(known["titles.list"], known["loans.list"])
    assert not roles.related("/v2/titles/1", known["loans.return"])
