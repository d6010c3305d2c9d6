"""Data sets: what a shop holds before its first request, made by Faker from a few lines of YAML and a seed.

A data set is a ``*.yaml`` file directly in ``fixtures/`` (payloads live in folders below); its name is the file's
name without the ending, and the alphabetically first is the default. Reading it checks every field. The making is
dear (Faker takes tens of milliseconds to import), so it happens at the first request that needs it, once for each
data set and seed, and what is made is never changed: sessions share it.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from .models import Order, OrderItem, OrderStatus, Settings, User

if TYPE_CHECKING:
    from faker import Faker

__all__ = ["Account", "DataSet", "DataSetError", "DataSets", "total_cents"]

# How many made data sets are kept; one of 500 users takes about 400 KiB.
KEPT = 32
STATUSES: tuple[OrderStatus, ...] = ("pending", "paid", "shipped", "delivered", "cancelled")


class DataSetError(ValueError):
    """A data set that cannot be read, or is not there. The text names file, line and field."""


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Account(_Description):
    """Somebody who can sign in. The address one signs in with is fixed: edits of the profile do not change it."""

    email: Annotated[str, Field(min_length=3, max_length=254)]
    password: Annotated[str, Field(min_length=1, max_length=256)]
    user_name: Annotated[str, Field(min_length=1, max_length=100)]
    orders: Annotated[int, Field(ge=0, le=100_000)] = 0
    settings: Settings


class Period(_Description):
    """The days, both included, between which users joined and orders were placed."""

    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.last < self.first:
            raise ValueError("'last' is before 'first'")
        return self


class Description(_Description):
    """A data set as its file describes it: accounts come first and have the ids from 1 on."""

    locale: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")] = "en_GB"
    users: Annotated[int, Field(ge=1, le=100_000)]
    period: Period
    accounts: Annotated[tuple[Account, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Description:
        addresses = [account.email.lower() for account in self.accounts]
        if len(set(addresses)) < len(addresses):
            raise ValueError("two accounts have the same email")
        if self.users < len(addresses):
            raise ValueError(f"'users' counts the accounts too: {self.users} is less than {len(addresses)}")
        return self


@dataclass(frozen=True, slots=True)
class DataSet:
    """A made data set; shared between sessions, so nothing in it ever changes."""

    accounts: Mapping[str, tuple[int, Account]]
    """Who can sign in: user id and account by lower-case e-mail address."""
    settings: Mapping[int, Settings]
    """Settings by the user id of their account."""
    users: Mapping[int, User]
    """The directory, in the order of ids."""
    orders: Mapping[int, Sequence[Order]]
    """Orders by user id, oldest first; ids grow with age across all users."""
    last_order_id: int


class DataSets:
    """The data sets of a folder, read at once and made when first asked for."""

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("*.yaml"), key=lambda file: file.stem)
        if not files:
            raise DataSetError(f"{folder}: there is no data set (*.yaml) here")
        self._described = {file.stem: _read(file) for file in files}
        self.default = files[0].stem
        self._made = lru_cache(maxsize=KEPT)(self._make)

    def name(self, name: str | None) -> str:
        """The data set's name, or that of the default one; ``DataSetError`` if there is none of that name."""
        if name is None:
            return self.default
        if name not in self._described:
            raise DataSetError(f"there is no data set {name!r}{_nearest(name, self._described)}")
        return name

    def get(self, name: str, seed: int) -> DataSet:
        """The data set as made from a seed. The same seed gives the same data in every process."""
        return self._made(self.name(name), seed)

    def _make(self, name: str, seed: int) -> DataSet:
        description = self._described[name]
        try:
            fake = _faker(description.locale)
        except AttributeError as error:  # what Faker raises for a locale that it does not have
            raise DataSetError(f"data set {name!r}: {error}") from error
        fake.seed_instance(seed)
        return _make(description, fake)


def total_cents(items: Sequence[OrderItem]) -> int:
    """What an order costs. Any article number is for sale: its price, 1 to 99.99, is a function of the number."""
    return sum((100 + crc32(item.sku.encode()) % 9_900) * item.quantity for item in items)


@cache
def _faker(locale: str) -> Faker:
    from faker import Faker  # noqa: PLC0415 - takes 60 ms to import, and a help text does not need it

    return Faker(locale, providers=["faker.providers.person"])


def _make(description: Description, fake: Faker) -> DataSet:
    joined = sorted(_moment(description.period, fake) for _ in range(description.users))
    users: dict[int, User] = {}
    for user_id, created_at in enumerate(joined, start=1):
        account = description.accounts[user_id - 1] if user_id <= len(description.accounts) else None
        users[user_id] = _user(user_id, created_at, account, fake)
    numbered = dict(enumerate(description.accounts, start=1))
    orders = _orders(numbered, description.period, fake)
    return DataSet(
        accounts={account.email.lower(): (user_id, account) for user_id, account in numbered.items()},
        settings={user_id: account.settings for user_id, account in numbered.items()},
        users=users,
        orders=orders,
        last_order_id=sum(map(len, orders.values())),
    )


def _user(user_id: int, created_at: datetime, account: Account | None, fake: Faker) -> User:
    if account:
        name, address = account.user_name, account.email
    else:
        first, last = fake.first_name(), fake.last_name()
        name = f"{first} {last}"
        address = f"{_ascii(f'{first}.{last}')}{user_id}@example.{fake.random.choice(['com', 'net', 'org'])}"
    pictured = fake.random.random() < 0.75
    return User(
        id=user_id,
        user_name=name,
        email_address=address,
        avatar_url=f"https://avatars.example.net/{user_id}.png" if pictured else None,
        created_at=created_at,
    )


def _orders(accounts: Mapping[int, Account], period: Period, fake: Faker) -> dict[int, list[Order]]:
    owners = chain.from_iterable([user_id] * account.orders for user_id, account in accounts.items())
    placed = sorted((_moment(period, fake), user_id) for user_id in owners)
    orders: dict[int, list[Order]] = {user_id: [] for user_id in accounts}
    for order_id, (created_at, user_id) in enumerate(placed, start=1):
        items = [
            OrderItem(sku=f"SKU-{fake.random.randint(1, 999):03}", quantity=fake.random.randint(1, 5))
            for _ in range(fake.random.randint(1, 3))
        ]
        orders[user_id].append(
            Order(
                id=order_id,
                user_id=user_id,
                items=items,
                total_cents=total_cents(items),
                status=fake.random.choice(STATUSES),
                created_at=created_at,
            )
        )
    return orders


def _moment(period: Period, fake: Faker) -> datetime:
    days = (period.last - period.first).days + 1
    start = datetime.combine(period.first, time(), UTC)
    return start + timedelta(seconds=fake.random.randrange(days * 86_400))


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in plain if letter.isalnum() or letter == ".").strip(".") or "user"


def _read(file: Path) -> Description:
    try:
        content = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataSetError(f"{file}:{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(f"{file}: {error}") from error
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        raise DataSetError("\n".join(_explain(file, content, item) for item in error.errors())) from error


def _explain(file: Path, content: object, error: Mapping[str, Any]) -> str:
    path = error["loc"]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"unknown field{_nearest(str(path[-1]), _fields(path[:-1]))}"
    field = ".".join(map(str, path)) or "the data set"
    return f"{file}:{_line(content, path)}: {field}: {message}"


def _fields(path: Sequence[int | str]) -> Sequence[str]:
    model: type[BaseModel] = Description
    inner: dict[str, type[BaseModel]] = {"accounts": Account, "period": Period, "settings": Settings}
    for part in path:
        model = inner.get(str(part), model)
    return list(model.model_fields)


def _line(content: Any, path: Sequence[int | str]) -> int:  # Any: whatever a YAML file holds
    line = 1
    for part in path:
        try:
            place = content.lc.key(part) if isinstance(part, str) else content.lc.item(part)
            content = content[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break  # the field is missing, or its holder is not what it should be: the holder's line will do
        line = place[0] + 1
    return line


def _nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(known))}"
