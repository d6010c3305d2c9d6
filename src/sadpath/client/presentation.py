"""What stands between a repository and a screen: states, and one object for each screen that moves between them.

```python
async with UserCubit(client.users, client.listen) as cubit:
    drawing = asyncio.create_task(draw(cubit.states()))
    await cubit.load(1)
    await cubit.refresh()
```

A screen shows what the state says and nothing else; what was on it stays there while something newer is fetched. It is
written in the manner of Flutter's Cubit, and is meant as a pattern: a screen of another kind has a class like
``UserCubit`` of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from .background import BackgroundError, Listener, Refreshed
from .cancel import CallCancelled, CancelToken
from .domain import User
from .failures import Failure
from .operations import USERS_GET
from .result import Err, Result

__all__ = ["Cubit", "Failed", "Loaded", "Loading", "Stale", "State", "States", "UserCubit", "UserSource"]

S = TypeVar("S")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_MOST_STATES = 64


@dataclass(frozen=True)
class Loading(Generic[T_co]):
    """It is being fetched. ``value`` is what was shown before, None where that is nothing."""

    value: T_co | None = None


@dataclass(frozen=True)
class Loaded(Generic[T_co]):
    """Here it is, as the server has it."""

    value: T_co


@dataclass(frozen=True)
class Stale(Generic[T_co]):
    """Here is what the server said ``age`` seconds ago. ``because`` is why there is nothing newer, if that is known."""

    value: T_co
    age: float
    because: Failure | None = None


@dataclass(frozen=True)
class Failed(Generic[T_co]):
    """It could not be had. ``value`` is what was shown before, None where that is nothing."""

    failure: Failure
    value: T_co | None = None


State: TypeAlias = Loading[T] | Loaded[T] | Stale[T] | Failed[T]


class States(Generic[S]):
    """The states of a cubit as one listener sees them: the one in force, then each that follows, until it is closed.

    A listener that is slow by more than 64 states misses the oldest of them.
    """

    def __init__(self, first: S) -> None:
        self._waiting: deque[S] = deque([first], maxlen=_MOST_STATES)
        self._news = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> S:
        while not self._waiting and not self._closed:
            self._news.clear()
            await self._news.wait()
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.popleft()

    def push(self, state: S) -> None:
        """Take a new state."""
        self._waiting.append(state)
        self._news.set()

    def close(self) -> None:
        """End after what is waiting."""
        self._closed = True
        self._news.set()


class Cubit(Generic[S]):
    """Holds a state, and tells whoever listens of each new one. Listeners that are gone are forgotten."""

    def __init__(self, first: S) -> None:
        self._state = first
        self._closed = False
        self._count = 0
        self._listeners: WeakValueDictionary[int, States[S]] = WeakValueDictionary()

    @property
    def state(self) -> S:
        """The state in force."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether there will be no further state."""
        return self._closed

    def states(self) -> States[S]:
        """Listen: the state in force comes first."""
        states = States(self._state)
        if self._closed:
            states.close()
        else:
            self._count += 1
            self._listeners[self._count] = states
        return states

    def emit(self, state: S) -> None:
        """Move to another state. Nothing happens where it is the one in force, or after ``close``."""
        if self._closed or state == self._state:
            return
        self._state = state
        for listener in list(self._listeners.values()):
            listener.push(state)

    async def close(self) -> None:
        """End the streams of states; what is loaded later is not shown any more."""
        self._closed = True
        for listener in list(self._listeners.values()):
            listener.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class UserSource(Protocol):
    """What a screen of a user needs: ``client.users`` has it, and so does whatever a test hands in."""

    def get(self, user_id: int | str, /) -> Coroutine[Any, Any, Result[User]]:
        """Return a user."""
        ...


class UserCubit(Cubit[State[User]]):
    """The screen of one user. Loading and refreshing raise nothing; leaving the screen cancels what is on its way.

    With ``listen`` (``client.listen``) what was shown stale is replaced as soon as a refresh in the background brings
    something newer; without, by the next refresh.
    """

    def __init__(self, users: UserSource, listen: Callable[[Listener], Callable[[], None]] | None = None) -> None:
        super().__init__(Loading())
        self._stop_listening = listen(self._hear) if listen is not None else None
        self._users = users
        self._user_id: int | str | None = None
        self._token = CancelToken()
        self._newer: Loaded[User] | None = None
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def load(self, user_id: int | str) -> None:
        """Show a user. Whoever was on the way to the screen is not shown any more."""
        self._token.cancel("another user is wanted")
        shown = self._shown if user_id == self._user_id else None
        self._user_id = user_id
        await self._load(user_id, shown)

    async def refresh(self) -> None:
        """Fetch what is shown anew, or wait for what is on its way already. Before ``load`` it does nothing."""
        if not self._idle.is_set():
            await self._idle.wait()
        elif self._user_id is not None:
            await self._load(self._user_id, self._shown)

    async def close(self) -> None:
        """Leave the screen: cancel what is on its way, and wait until that has cleaned up."""
        await super().close()
        if self._stop_listening is not None:
            self._stop_listening()
        self._token.cancel("the screen was left")
        await self._idle.wait()

    async def _load(self, user_id: int | str, shown: User | None) -> None:
        if self.closed:
            return
        before = self.state
        token = self._token = CancelToken()
        self._newer = None
        self._under_way += 1
        self._idle.clear()
        self.emit(Loading(shown))
        try:
            result = await token.run(self._users.get(user_id))
        except CallCancelled:
            return
        except asyncio.CancelledError:
            # Whoever waited does not any more, but the screen is still there.
            if token is self._token:
                self.emit(before)
            raise
        else:
            state = _state_of(result, shown)
            self.emit(self._newer if self._newer is not None and isinstance(state, Stale) else state)
        finally:
            self._under_way -= 1
            if self._under_way == 0:
                self._idle.set()

    def _hear(self, news: Refreshed | BackgroundError) -> None:
        if isinstance(news, Refreshed) and (news.operation, news.arguments) == (USERS_GET.name, {"id": self._user_id}):
            self._newer = Loaded(news.result.value)
            if self._under_way == 0:
                self.emit(self._newer)

    @property
    def _shown(self) -> User | None:
        return self.state.value


def _state_of(result: Result[T], shown: T | None) -> State[T]:
    if isinstance(result, Err):
        return Failed(result.failure, shown)
    if result.stale:
        return Stale(result.value, result.age, result.because)
    return Loaded(result.value)
