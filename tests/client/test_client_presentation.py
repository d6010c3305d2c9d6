"""A screen of a user: its states, what cancels what, and who hears of it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import Err, Result, Server, Success, User
from sadpath.client.background import Listener, Refreshed
from sadpath.client.dto import read_user
from sadpath.client.policy import Strategy
from sadpath.client.presentation import Cubit, Failed, Loaded, Loading, Stale, State, States, UserCubit
from tests.client.scripted import Server as Shop
from tests.client.scripted import problem, reply, serving, stall, wait
from tests.client.shopside import PATIENT, USER, shop, success_of

ADA = read_user(USER)
AWAY = Server(message="away", status=503)


class Users:
    """A source of users that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[int | str] = []
        self.answers: list[asyncio.Future[Result[User]]] = []
        self.cancelled = 0

    async def get(self, user_id: int | str, /) -> Result[User]:
        """Wait for the answer."""
        self.asked.append(user_id)
        answer: asyncio.Future[Result[User]] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        try:
            return await answer
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def seen(states: States[State[User]]) -> list[State[User]]:
    """Return every state until the end."""
    return [state async for state in states]


def test_a_screen_loads_goes_stale_and_recovers() -> None:
    """Over a real server: loading, loaded, stale with its age and reason, loaded again, and an error for an empty cache."""

    async def run() -> None:
        server = Shop().on(
            "GET /users/1", reply(200, USER), *[problem(503)] * 3, reply(200, {**USER, "user_name": "Eva"})
        )
        async with serving(server), shop(server) as client, UserCubit(client.users) as cubit:
            watching = asyncio.create_task(seen(cubit.states()))
            await cubit.load(1)
            await cubit.refresh()
            await cubit.refresh()
            await cubit.load(2)
            await cubit.close()

            first, second, third, fourth, fifth, sixth, seventh, last = await watching
            assert (first, second) == (Loading(), Loaded(ADA))
            assert third == Loading(ADA)
            assert isinstance(fourth, Stale)
            assert (fourth.value, fourth.because is not None and fourth.because.kind) == (ADA, "server")
            assert 0 < fourth.age < 60
            assert fifth == Loading(ADA)
            assert sixth == Loaded(replace(ADA, name="Eva"))
            assert seventh == Loading()
            assert isinstance(last, Failed)
            assert (last.failure.kind, last.value) == ("not_found", None)

    asyncio.run(run())


@pytest.mark.parametrize("strategy", ["cache_first", "network_first"])
def test_what_the_background_brings_reaches_the_screen(strategy: Strategy) -> None:
    """A stale user is shown at once, and the newer one as soon as it is there, without another request."""

    async def run() -> None:
        policy = replace(PATIENT, cache=replace(PATIENT.cache, strategies={"users.get": strategy}, fallback_after=0.05))
        newer = reply(200, {**USER, "user_name": "Eva"})
        later = [newer] if strategy == "cache_first" else [wait(0.5, newer), newer]
        server = Shop().on("GET /users/1", reply(200, USER), *later).on("GET /users/2", reply(200, {**USER, "id": 2}))
        async with serving(server), shop(server, policy=policy) as client:
            success_of(await client.users.get(1))
            eva: State[User] = Loaded(replace(ADA, name="Eva"))
            async with UserCubit(client.users, client.listen) as cubit:
                seen: list[type[State[User]]] = []
                async with asyncio.timeout(10):
                    loading = asyncio.create_task(cubit.load(1))
                    async for state in cubit.states():
                        seen.append(type(state))
                        if isinstance(state, Loaded):
                            break
                await loading
                assert seen == [Loading, Stale, Loaded]
                assert cubit.state == eva
                assert server.count("GET /users/1") == 1 + len(later)
                # What is fetched for another screen changes nothing on this one, nor does anything after it is left.
                success_of(await client.users.get(2))
                success_of(await client.users.get(2))
                await client.settle()
                assert cubit.state == eva
            left = cubit.state
            server.on("GET /users/1", reply(200, USER))
            await client.users.get(1)
            await client.settle()
            assert cubit.state == left

    asyncio.run(run())


def test_news_that_come_while_loading_are_not_lost() -> None:
    """A refresh that ends in the moment between a stale answer and its showing is what is shown."""

    async def run() -> None:
        users, listeners = Users(), list[Listener]()

        def listen(listener: Listener) -> Callable[[], None]:
            listeners.append(listener)
            return listeners.clear

        async with UserCubit(users, listen) as cubit:
            loading = asyncio.create_task(cubit.load(1))
            await turn()
            for user_id, name in ((1, "Eva"), (2, "Bob")):
                result = Success(replace(ADA, id=user_id, name=name))
                listeners[0](Refreshed("users.get", {"id": user_id}, result, changed=True))
            users.answers[0].set_result(Success(ADA, source="cache", stale=True, age=3.0))
            await loading
            assert cubit.state == Loaded(replace(ADA, name="Eva"))
        assert listeners == []

    asyncio.run(run())


def test_an_error_keeps_what_was_shown() -> None:
    """When a refresh fails, the screen still has its user, and the failure beside it."""

    async def run() -> None:
        users = Users()
        async with UserCubit(users) as cubit:
            for outcome in (Success(ADA), Err(AWAY)):
                loading = asyncio.create_task(cubit.load(1))
                await turn()
                users.answers[-1].set_result(outcome)
                await loading
            assert cubit.state == Failed(AWAY, ADA)

    asyncio.run(run())


def test_leaving_cancels_what_is_on_its_way() -> None:
    """Closing the screen cancels the request, waits for its clean-up, ends the streams, and nothing is shown any more."""

    async def run() -> None:
        server = Shop().on("*", stall)
        async with serving(server), shop(server, policy=PATIENT) as client:
            cubit = UserCubit(client.users)
            watching = asyncio.create_task(seen(cubit.states()))
            loading = asyncio.create_task(cubit.load(1))
            await server.came("GET /users/1")
            await cubit.close()
            assert client.stack.guard.busy == 0
            await loading
            await cubit.load(2)
            await cubit.refresh()
            assert await watching == [Loading()]
            assert await seen(cubit.states()) == [Loading()]
            assert len(server.seen) == 1

    asyncio.run(run())


def test_another_user_takes_the_screen() -> None:
    """Loading another user cancels the first one, whose answer is never shown."""

    async def run() -> None:
        users = Users()
        async with UserCubit(users) as cubit:
            first = asyncio.create_task(cubit.load(1))
            await turn()
            second = asyncio.create_task(cubit.load(2))
            await turn()
            await first
            users.answers[1].set_result(Success(replace(ADA, id=2)))
            await second
            assert (cubit.state, users.asked, users.cancelled) == (Loaded(replace(ADA, id=2)), [1, 2], 1)

    asyncio.run(run())


def test_a_refresh_joins_what_is_on_its_way() -> None:
    """Pulling to refresh while the user is being fetched sends no second request, and ends when that one does."""

    async def run() -> None:
        users = Users()
        async with UserCubit(users) as cubit:
            await cubit.refresh()
            loading = asyncio.create_task(cubit.load(1))
            await turn()
            refreshing = asyncio.create_task(cubit.refresh())
            await turn()
            assert not refreshing.done()
            users.answers[0].set_result(Success(ADA))
            await asyncio.gather(loading, refreshing)
            assert (cubit.state, users.asked) == (Loaded(ADA), [1])

    asyncio.run(run())


def test_a_cancelled_refresh_leaves_the_screen_as_it_was() -> None:
    """Whoever gives up waiting for a refresh does not leave a spinner behind."""

    async def run() -> None:
        users = Users()
        async with UserCubit(users) as cubit:
            loading = asyncio.create_task(cubit.load(1))
            await turn()
            users.answers[0].set_result(Success(ADA))
            await loading
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await cubit.refresh()
            assert (cubit.state, users.cancelled) == (Loaded(ADA), 1)

    asyncio.run(run())


def test_every_listener_sees_every_state() -> None:
    """A listener begins with the state in force and sees each that follows, whoever else listens; equal states are one."""

    async def run() -> None:
        cubit: Cubit[int] = Cubit(0)
        early = cubit.states()
        cubit.emit(1)
        late = cubit.states()
        cubit.emit(1)
        cubit.emit(2)
        await cubit.close()
        cubit.emit(3)
        assert ([state async for state in early], [state async for state in late]) == ([0, 1, 2], [1, 2])
        assert (cubit.state, cubit.closed) == (2, True)

    asyncio.run(run())


def test_listeners_that_are_gone_are_forgotten() -> None:
    """A cubit that outlives its listeners keeps none of them, and a slow one holds no more than the newest 64 states."""

    async def run() -> None:
        cubit: Cubit[int] = Cubit(0)
        for _ in range(3):
            async for _ in cubit.states():
                break
        gc.collect()
        assert len(cubit._listeners) == 0
        slow = cubit.states()
        for number in range(1, 101):
            cubit.emit(number)
        await cubit.close()
        assert [state async for state in slow] == list(range(37, 101))

    asyncio.run(run())


STEP = st.one_of(
    st.tuples(st.just("load"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["refresh", "answer", "fail", "stale", "give_up"]), st.just(0)),
)


@settings(max_examples=60)
@given(steps=st.lists(STEP, max_size=12))
def test_any_use_of_a_screen_keeps_its_promises(steps: list[tuple[str, int]]) -> None:
    """Whatever is asked, answered and given up in whichever order: never two requests at once, never another user."""

    async def run() -> None:
        users, tasks, wanted = Users(), list[asyncio.Task[None]](), 0
        answers: dict[str, Callable[[User], Result[User]]] = {
            "answer": Success,
            "fail": lambda _: Err(AWAY),
            "stale": lambda user: Success(user, source="cache", stale=True, age=5.0),
        }
        async with UserCubit(users) as cubit:
            for what, number in steps:
                if what == "load":
                    wanted = number
                    tasks.append(asyncio.create_task(cubit.load(number)))
                elif what == "refresh":
                    tasks.append(asyncio.create_task(cubit.refresh()))
                elif what == "give_up":
                    for task in tasks:
                        task.cancel()
                else:
                    for user_id, waiting in zip(users.asked, users.answers, strict=True):
                        if not waiting.done():
                            waiting.set_result(answers[what](replace(ADA, id=int(user_id))))
                await turn()
                pending = [
                    asked for asked, waiting in zip(users.asked, users.answers, strict=True) if not waiting.done()
                ]
                assert len(pending) <= 1
                assert all(user_id == wanted for user_id in pending)
                if not isinstance(cubit.state, Failed | Loading):
                    assert cubit.state.value.id == wanted
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)

    asyncio.run(run())
