"""Data sets: made the same everywhere, and what is wrong with one is said with file, line and field."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from tests.backend.conftest import Visitor

GOOD = """\
locale: de_DE
users: 4
period: {first: 2024-01-01, last: 2024-01-31}
accounts:
  - email: a@example.com
    password: a
    user_name: A
    orders: 2
    settings: {theme: dark, locale: de-DE, notifications: true}
"""


def _transcript(root: Path, hash_seed: str) -> list[str]:
    script = root / "tests" / "backend" / "transcript.py"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, str(script), str(root / "mockserver")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


@pytest.mark.slow
def test_same_seed_same_bytes_in_every_process(root: Path) -> None:
    """In processes with different hash seeds the same session answers the same bytes; Faker and PyJWT load late."""
    first, second = _transcript(root, "0"), _transcript(root, "4711")

    assert first == second
    assert first[0].split()[1] != first[1].split()[1]
    assert first[2] == "early: []"


def test_ids_grow_with_age(ada: Visitor) -> None:
    """Users are numbered in the order in which they joined, orders in the order in which they were placed."""
    users = ada.get("/users?limit=100").json()["data"]
    orders = ada.get("/orders?limit=100").json()["data"]

    assert [user["id"] for user in users] == list(range(1, 51))
    assert [user["created_at"] for user in users] == sorted(user["created_at"] for user in users)
    assert [order["id"] for order in orders] == sorted((order["id"] for order in orders), reverse=True)
    assert all("2023-01-01" <= thing["created_at"] < "2026-01-01" for thing in users + orders)


def test_addresses_are_unique_and_reserved(ada: Visitor) -> None:
    """No two users share an address, and none is of a real domain (RFC 2606)."""
    addresses = [user["email_address"] for user in ada.get("/users?limit=100").json()["data"]]

    assert len(set(addresses)) == 50
    assert all(address.split("@")[1] in {"example.com", "example.net", "example.org"} for address in addresses)


@pytest.mark.parametrize("locale", ["de_DE", "ja_JP", "ar_EG", "pl_PL"])
def test_any_locale_gives_users_that_fit_the_schema(
    backend: Callable[[str], ModuleType], tmp_path: Path, locale: str
) -> None:
    """Names of other scripts still make addresses that the API's own schema allows."""
    (tmp_path / "one.yaml").write_text(GOOD.replace("de_DE", locale).replace("users: 4", "users: 40"))
    made = backend("dataset").DataSets(tmp_path).get("one", 0)
    model = backend("models").User

    assert [model.model_validate_json(user.model_dump_json()) for user in made.users.values()] == list(
        made.users.values()
    )


def test_what_is_made_is_kept_and_shared(backend: Callable[[str], ModuleType], root: Path) -> None:
    """A data set is made once for each seed."""
    sets = backend("dataset").DataSets(root / "fixtures")

    assert sets.get("small-shop", 5) is sets.get("small-shop", 5)
    assert sets.get("small-shop", 5) is not sets.get("small-shop", 6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("users: 4", "user: 4", "2: user: unknown field; did you mean 'users'?"),
        ("    orders: 2", "    order: 2", "8: accounts.0.order: unknown field; did you mean 'orders'?"),
        ("users: 4", "users: many", "2: users: Input should be a valid integer"),
        ("users: 4", "users: 0", "2: users: Input should be greater than or equal to 1"),
        ("    password: a\n", "", "5: accounts.0.password: Field required"),
        ("theme: dark", "theme: pink", "9: accounts.0.settings.theme: Input should be 'light', 'dark' or 'system'"),
        ("first: 2024-01-01", "first: 2025-01-01", "3: period: 'last' is before 'first'"),
        ("locale: de_DE", "locale: German", "1: locale: String should match pattern"),
        ("users: 4", "users: [", "4: expected "),
        ("users: 4", "users: 4\nusers: 5", 'found duplicate key "users"'),
        (GOOD, "", "1: the data set: Input should be a valid dictionary"),
        (GOOD, "- 1", "1: the data set: Input should be a valid dictionary"),
    ],
)
def test_mistakes_are_placed(
    backend: Callable[[str], ModuleType], tmp_path: Path, old: str, new: str, message: str
) -> None:
    """A mistake in a data set is an error with file, line, field and the nearest known name."""
    file = tmp_path / "shop.yaml"
    file.write_text(GOOD.replace(old, new))
    module = backend("dataset")
    with pytest.raises(module.DataSetError) as caught:
        module.DataSets(tmp_path)

    assert str(caught.value).startswith(f"{file}:")
    assert message in str(caught.value)


def test_mistakes_between_fields(backend: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """Two accounts with one address, and more accounts than users, are errors."""
    module, file = backend("dataset"), tmp_path / "shop.yaml"
    account = GOOD[GOOD.index("  - email") :]
    file.write_text(GOOD + account.replace("a@", "A@"))
    with pytest.raises(module.DataSetError, match="two accounts have the same email"):
        module.DataSets(tmp_path)
    file.write_text(GOOD.replace("users: 4", "users: 1") + account.replace("a@", "b@"))
    with pytest.raises(module.DataSetError, match="'users' counts the accounts too: 1 is less than 2"):
        module.DataSets(tmp_path)


def test_folder_without_data_sets(backend: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """A folder without a data set is an error that names it."""
    module = backend("dataset")
    with pytest.raises(module.DataSetError, match="there is no data set"):
        module.DataSets(tmp_path / "nowhere")


def test_locale_that_faker_lacks(backend: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """A locale of the right form that Faker does not have is an error of the data set."""
    module = backend("dataset")
    (tmp_path / "one.yaml").write_text(GOOD.replace("de_DE", "xx_XX"))
    with pytest.raises(module.DataSetError, match="xx_XX"):
        module.DataSets(tmp_path).get("one", 0)


def test_fixtures_are_described(root: Path) -> None:
    """The folder's own description names each data set and each payload, and nothing that is not there."""
    folder = root / "fixtures"
    described = re.findall(r"^\| `([a-z-]+)` \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    files = [*folder.glob("*.yaml"), *folder.glob("payloads/*")]

    assert sorted(described) == sorted(file.stem for file in files)


def test_json_payloads_are_json(root: Path) -> None:
    """A payload that is called JSON can be read as such: what lies is its content, not its name."""
    payloads = sorted((root / "fixtures" / "payloads").glob("*.json"))

    assert payloads
    assert all(json.loads(payload.read_bytes()) for payload in payloads)
