"""The same client for code that knows no ``await``.

```python
with BlockingShopClient.create("https://shop.example/api") as client:
    client.login("ada@example.com", password)
    result = client.users.get(1)
```

It is a façade and nothing more: an event loop in a thread of its own runs a ``ShopClient``, and each method here hands
its call over and waits. Any number of threads may share one.
"""

from __future__ import annotations

import atexit
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from anyio.from_thread import start_blocking_portal

from .background import BackgroundError, Listener
from .cancel import CallCancelled, CancelToken
from .client import ShopClient
from .domain import Order, User
from .failures import Bug
from .paging import Pager
from .ports import SavedSession
from .repositories import OrderRepository, SettingsRepository, UserRepository
from .result import Err, Result

__all__ = ["BlockingOrders", "BlockingPager", "BlockingSettings", "BlockingShopClient", "BlockingUsers", "ClosedError"]

P = ParamSpec("P")
T = TypeVar("T")


class ClosedError(RuntimeError):
    """The client is closed, and with it the thread that it ran in."""


class _Thread:
    """An event loop in a thread, until ``close``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._at_exit: Callable[[], None] | None = None
        self._exit = ExitStack()
        self._portal = self._exit.enter_context(start_blocking_portal("asyncio"))

    def run(self, work: Callable[[], Awaitable[T]], token: CancelToken | None = None) -> T:
        """Run ``work`` in the loop and wait for its end. Whatever ends the wait, such as Ctrl-C, ends the work.

        Raises ``CallCancelled`` when the token is cancelled, and ``ClosedError`` after ``close``.
        """
        if self._closed:
            raise ClosedError("the client is closed")
        return self._run(work, token)

    def _run(self, work: Callable[[], Awaitable[T]], token: CancelToken | None) -> T:
        own = CancelToken()

        async def whole() -> T:
            return await work()

        async def cancellable() -> T | CallCancelled:
            try:
                return await own.run(whole() if token is None else token.run(whole()))
            except CallCancelled as cancelled:
                # In a thread this is an ordinary exception, to be raised where the caller waits.
                return cancelled

        try:
            future = self._portal.start_task_soon(cancellable)
        except RuntimeError as error:
            raise ClosedError("the client is closed") from error
        try:
            outcome = future.result()
        except BaseException:
            own.cancel("nobody waits for it any more")
            raise
        if isinstance(outcome, CallCancelled):
            raise CallCancelled(outcome.reason)
        return outcome

    def close_at_exit(self, last: Callable[[], Awaitable[None]]) -> None:
        """Close when the interpreter ends, if nobody did before: it would wait for the thread for ever."""
        self._at_exit = functools.partial(self.close, last)
        atexit.register(self._at_exit)

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Run ``last``, and end the loop and its thread; a second time does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._at_exit is not None:
            atexit.unregister(self._at_exit)
        with self._exit:
            self._run(last, None)


class _Side:
    """What a thread calls, and the part of the client that it stands for."""

    def __init__(self, thread: _Thread, target: Any, token: CancelToken | None) -> None:
        self._thread = thread
        self._target = target
        self._token = token

    def _result(self, work: Callable[[], Awaitable[Result[T]]]) -> Result[T]:
        """Make a call. After ``close`` it is the caller's mistake, as it is with the client itself."""
        try:
            return self._thread.run(work, self._token)
        except ClosedError as error:
            return Err(Bug(message=str(error), sent=False))


class _Blocking(Generic[P, T]):
    """A method that makes the call of the same name, with the same arguments, and waits for its result."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, Result[T]]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, side: _Side, owner: type[_Side]) -> Callable[P, Result[T]]:
        # The method is looked up by name, so that a part that was replaced is what is called.
        method = getattr(side._target, self._method.__name__)  # noqa: SLF001 - it is a part of that class

        def call(*args: P.args, **kwargs: P.kwargs) -> Result[T]:
            return side._result(lambda: method(*args, **kwargs))  # noqa: SLF001 - it is a part of that class

        return functools.update_wrapper(call, method)


class BlockingPager(Generic[T]):
    """The pages of a collection: ``Pager``, for threads."""

    def __init__(self, side: _Side, pager: Pager[T]) -> None:
        self._side = side
        self._pager = pager

    @property
    def items(self) -> list[T]:
        """The items so far."""
        return self._pager.items

    @property
    def json(self) -> list[Any]:
        """Their JSON."""
        return self._pager.json

    @property
    def done(self) -> bool:
        """Whether the last page is here."""
        return self._pager.done

    def load_next(self) -> Result[list[T]]:
        """Load one more page and return its new items; at the end there are none."""
        return self._side._result(self._pager.load_next)  # noqa: SLF001 - it is a part of that class

    def load_all(self) -> Result[list[T]]:
        """Load every page that is left and return all items."""
        return self._side._result(self._pager.load_all)  # noqa: SLF001 - it is a part of that class

    def restart(self) -> None:
        """Begin anew, and discard what is on its way."""

        async def restart() -> None:
            self._pager.restart()

        self._side._thread.run(restart)  # noqa: SLF001 - it is a part of that class


class BlockingUsers(_Side):
    """The directory of users."""

    get = _Blocking(UserRepository.get)
    list = _Blocking(UserRepository.list)
    all = _Blocking(UserRepository.all)
    create = _Blocking(UserRepository.create)
    update = _Blocking(UserRepository.update)
    delete = _Blocking(UserRepository.delete)

    def pages(self, limit: int = 20, *, headers: Mapping[str, str] | None = None) -> BlockingPager[User]:
        """Return the pages, to be loaded one after another."""
        return BlockingPager(self, self._target.pages(limit, headers=headers))


class BlockingOrders(_Side):
    """The orders of the user who is signed in."""

    list = _Blocking(OrderRepository.list)
    all = _Blocking(OrderRepository.all)
    create = _Blocking(OrderRepository.create)

    def pages(self, limit: int = 20, *, headers: Mapping[str, str] | None = None) -> BlockingPager[Order]:
        """Return the pages, to be loaded one after another."""
        return BlockingPager(self, self._target.pages(limit, headers=headers))


class BlockingSettings(_Side):
    """The settings of the user who is signed in."""

    get = _Blocking(SettingsRepository.get)


class _Making(Generic[P]):
    """A way to build the client: the one of ``ShopClient`` that it is given."""

    def __init__(self, make: Callable[P, ShopClient]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, side: None, owner: type[BlockingShopClient]) -> Callable[P, BlockingShopClient]:
        def call(*args: P.args, **kwargs: P.kwargs) -> BlockingShopClient:
            return owner.made_by(lambda: self._make(*args, **kwargs))

        return functools.update_wrapper(call, self._make)


class BlockingShopClient(_Side):
    """A client of the shop's API, for threads: ``create`` and ``from_config`` are those of ``ShopClient``.

    Its operations return results; ``CallCancelled`` is raised by calls whose token was cancelled. Close it, or use it
    in a ``with`` statement: its thread runs until then.
    """

    create = _Making(ShopClient.create)
    from_config = _Making(ShopClient.from_config)
    login = _Blocking(ShopClient.login)
    logout = _Blocking(ShopClient.logout)
    http = _Blocking(ShopClient.http)

    def __init__(self, thread: _Thread, client: ShopClient, token: CancelToken | None = None) -> None:
        """Take a client that runs in ``thread``; ``create`` and ``from_config`` make both."""
        super().__init__(thread, client, token)
        self._client = client
        self.users = BlockingUsers(thread, client.users, token)
        self.orders = BlockingOrders(thread, client.orders, token)
        self.settings = BlockingSettings(thread, client.settings, token)

    @classmethod
    def made_by(cls, make: Callable[[], ShopClient]) -> Self:
        """Build the client in a thread of its own. Raises what ``make`` raises."""
        thread = _Thread()

        async def build() -> ShopClient:
            return make()

        try:
            client = thread.run(build)
            thread.close_at_exit(client.close)
            return cls(thread, client)
        except BaseException:
            thread.close(_nothing)
            raise

    def __enter__(self) -> Self:
        self._thread.run(self._client.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cancelled_by(self, token: CancelToken) -> Self:
        """Return this client for calls that end when ``token`` is cancelled, by whichever thread."""
        return type(self)(self._thread, self._client, token)

    @property
    def signed_in(self) -> bool:
        """Whether there is a session."""
        return self._client.signed_in

    @property
    def logouts(self) -> int:
        """How many sessions ended because the server said so, not because somebody logged out."""
        return self._client.logouts

    @property
    def background_errors(self) -> list[BackgroundError]:
        """What went wrong beside the calls, the newest last."""
        return self._client.background_errors

    def restore(self, session: SavedSession | None) -> None:
        """Go on with this session, or with none, as if it had been stored. Raises ``ClosedError`` after ``close``."""
        self._thread.run(lambda: self._client.restore(session))

    def hint(self, *, offline: bool) -> None:
        """Take the system's word on whether there is a network, as advice. Raises ``ClosedError`` after ``close``."""

        async def hint() -> None:
            self._client.hint(offline=offline)

        self._thread.run(hint)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` of what happens beside the calls; it is called in the client's own thread.

        Return what ends that. Raises ``ClosedError`` after ``close``.
        """

        async def listen() -> Callable[[], None]:
            return self._client.listen(listener)

        stop = self._thread.run(listen)

        async def end() -> None:
            stop()

        def end_it() -> None:
            with suppress(ClosedError):
                self._thread.run(end)

        return end_it

    def settle(self) -> None:
        """Wait until nothing runs beside the calls any more. Raises ``ClosedError`` after ``close``."""
        self._thread.run(self._client.settle, self._token)

    def close(self) -> None:
        """End what is running, in whichever thread it is waited for, close every connection, and end the thread.

        Calls that come later fail.
        """
        self._thread.close(self._client.close)


async def _nothing() -> None:
    pass
