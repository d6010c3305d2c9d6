"""The state of one session, and the sessions.

A shop starts as a view of its data set, which it shares with others, and keeps only its own changes: a new session
costs microseconds. Every change happens between two awaits, so requests never see half of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from starlette.requests import Request

from .dataset import DataSet, DataSets, total_cents
from .keys import Keys
from .models import NewOrder, NewUser, Order, Settings, User, UserChanges
from .seam import Seam, seam_of
from .tokens import Tokens

__all__ = ["EFFECT", "Hooks", "Shop", "Shops", "commit", "shop_of"]

# Where a request's own effect id is kept in its scope, for the answer's idempotency key.
EFFECT = "shop.effect"


class Shop:
    """One session's users, orders, tokens and idempotency keys."""

    def __init__(self, data: DataSet, session: str, seed: int) -> None:
        self.tokens = Tokens(session, seed)
        self._effects = 0
        self.load(data)

    def load(self, data: DataSet) -> None:
        """Begin anew with another data set; who is signed in stays so, if the data set has their account."""
        self.accounts = data.accounts
        self.keys = Keys()
        self.tokens.keep_only(data.settings)
        self._data = data
        self._users = dict(data.users)  # the records themselves are frozen, and shared
        self._next_user_id = max(data.users) + 1
        self._orders: dict[int, list[Order]] = {}  # only of users who have placed some here
        self._next_order_id = data.last_order_id + 1

    def users(self) -> Sequence[User]:
        """All users, by id."""
        return list(self._users.values())

    def user(self, user_id: int) -> User | None:
        """One user."""
        return self._users.get(user_id)

    def create_user(self, new: NewUser, now: float) -> User:
        """Add a user, created at ``now`` (Unix seconds)."""
        user = User(id=self._next_user_id, created_at=_moment(now), **new.model_dump())
        self._next_user_id += 1
        self._users[user.id] = user
        return user

    def update_user(self, user: User, changes: UserChanges) -> User:
        """Set the members that were sent, except those that the server sets."""
        sent = changes.model_dump(include=changes.model_fields_set - {"id", "created_at"})
        changed = user.model_copy(update=sent)
        self._users[user.id] = changed
        return changed

    def delete_user(self, user: User) -> None:
        """Take a user out of the directory; an account of that id can still sign in."""
        del self._users[user.id]

    def orders(self, user_id: int) -> Sequence[Order]:
        """A user's orders, oldest first."""
        return self._orders.get(user_id) or self._data.orders.get(user_id, ())

    def create_order(self, user_id: int, new: NewOrder, now: float) -> Order:
        """Place an order at ``now`` (Unix seconds)."""
        order = Order(
            id=self._next_order_id,
            user_id=user_id,
            items=new.items,
            total_cents=total_cents(new.items),
            status="pending",
            created_at=_moment(now),
        )
        self._next_order_id += 1
        if user_id not in self._orders:
            self._orders[user_id] = list(self._data.orders.get(user_id, ()))
        self._orders[user_id].append(order)
        return order

    def settings(self, user_id: int) -> Settings:
        """The settings of an account."""
        return self._data.settings[user_id]

    def next_effect(self) -> str:
        """An id for the change that is being made; unique in the session."""
        self._effects += 1
        return f"e{self._effects}"


class Shops:
    """One shop for each session; made at its first request."""

    def __init__(self, data_sets: DataSets) -> None:
        self._data_sets = data_sets
        self._shops: dict[str, tuple[str, Shop]] = {}

    def get(self, seam: Seam) -> Shop:
        """The session's shop.

        A session that names another data set than before gets that one's data. Its seed counts whenever data are
        loaded: one that changes in between changes nothing, until the session is reset.
        """
        name = self._data_sets.name(seam.data)
        loaded, shop = self._shops.get(seam.session, ("", None))
        if shop is None:
            shop = Shop(self._data_sets.get(name, seam.seed), seam.session, seam.seed)
        elif loaded == name:
            return shop
        else:
            shop.load(self._data_sets.get(name, seam.seed))
        self._shops[seam.session] = (name, shop)
        return shop

    def find(self, session: str) -> Shop | None:
        """The session's shop, if it has one."""
        return self._shops.get(session, ("", None))[1]

    def forget(self, session: str) -> None:
        """Drop the session's shop."""
        self._shops.pop(session, None)


class Hooks:
    """What an engine may do to a session's truth. For a session that has no state yet each is a no-op."""

    def __init__(self, shops: Shops) -> None:
        self._shops = shops

    def reset(self, session: str) -> None:
        """Forget the session's data, tokens and idempotency keys."""
        self._shops.forget(session)

    def expire(self, session: str, kind: Literal["access", "refresh"]) -> None:
        """Let all tokens of this kind issued so far count as expired."""
        if shop := self._shops.find(session):
            shop.tokens.expire(kind)

    def revoke(self, session: str, kind: Literal["access", "refresh", "all"]) -> None:
        """Let all tokens of this kind issued so far count as revoked."""
        if shop := self._shops.find(session):
            for one in ("access", "refresh") if kind == "all" else (kind,):
                shop.tokens.revoke(one)


def shop_of(request: Request) -> Shop:
    """The shop of a request's session."""
    shops: Shops = request.app.state.shops
    return shops.get(seam_of(request))


def commit(request: Request, shop: Shop) -> None:
    """Report that the request's change is made; call it in the same step as the change, without an await between."""
    effect = shop.next_effect()
    request.scope[EFFECT] = effect
    seam_of(request).effect(effect)


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)
