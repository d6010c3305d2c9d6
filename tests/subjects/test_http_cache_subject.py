"""The client with an HTTP cache: what the standard lets a private cache do, over real sockets and rule by rule."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.client.message import Headers, Reply, Request
from sadpath.client.parts import Given, Stack
from sadpath.drivers.messages import Outcome
from sadpath.subjects.http_cache import CachingExchange, Stored, create
from sadpath.subjects.http_cache.layers import cache_below
from sadpath.subjects.http_cache.rules import directives, freshened, lifetime, same_tag, seconds, varies
from sadpath.subjects.http_cache.store import Store
from tests.client.scripted import Server, close, problem, reply, serving, stall, wait
from tests.client.shopside import SETTINGS, USER, Gate
from tests.subjects.driving import ADA, Driven, driven
from tests.subjects.showing import after, single


def told(outcome: Outcome) -> tuple[Any, ...]:
    """Return where an answer came from and whether it was stale, or how the call failed."""
    return (outcome.source, outcome.stale) if outcome.error is None else (outcome.error.kind,)


def named(name: str, **fields: str) -> Any:
    """Answer with a user of this name."""
    return reply(200, {**USER, "user_name": name}, **fields)


def name_of(outcome: Outcome) -> str:
    """Return the name that a call brought."""
    assert outcome.value is not None
    return str(outcome.value.data["user_name"])


def asked(server: Server) -> list[str | None]:
    """Return the condition of each read."""
    return [seen.headers.get("if-none-match") for seen in server.seen if seen.method == "GET"]


# Serving


def test_what_is_fresh_is_not_asked_for() -> None:
    """A fresh answer is served again with its age and no request; when its time is over, the server is asked."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", named("Ada", Cache_Control="max-age=60", ETag='"1"'), named("Grace"))
            first, again = await client.get(), await client.get()
            await client.subject.advance(59)
            late = await client.get()
            await client.subject.advance(2)
            over = await client.get()

            assert [told(item) for item in (first, again, late)] == [
                ("network", False), ("cache", False), ("cache", False)
            ]  # fmt: skip
            assert (again.attempts, again.age_ms is not None) == (0, True)
            assert 59_000 <= (late.age_ms or 0) < 60_000
            assert (told(over), name_of(over)) == (("network", False), "Grace")
            assert asked(server) == [None, '"1"']

    asyncio.run(main())


@pytest.mark.parametrize("words", ["no-cache", "max-age=0", "max-age=60, no-cache", "max-age=soon", "private"])
def test_what_is_not_fresh_is_asked_about(words: str) -> None:
    """What must be asked about, or does not say that it is fresh, goes out on a condition, and a 304 is as good as 200."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", named("Ada", Cache_Control=words, ETag='"1"'), reply(304, ETag='"1"'))
            first, again = await client.get(), await client.get()

            assert (name_of(first), name_of(again)) == ("Ada", "Ada")
            assert (told(again), again.attempts) == (("network", False), 1)
            assert asked(server) == [None, '"1"']

    asyncio.run(main())


def test_a_confirmation_makes_it_fresh_again() -> None:
    """A 304 brings new words about caching: by those the stored answer is served from then on."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on(
                "GET /users/1",
                named("Ada", Cache_Control="max-age=0", ETag='"1"'),
                reply(304, ETag='W/"1"', Cache_Control="max-age=60"),
            )
            outcomes = [await client.get() for _ in range(3)]

            assert [told(item)[0] for item in outcomes] == ["network", "network", "cache"]
            assert {name_of(item) for item in outcomes} == {"Ada"}

    asyncio.run(main())


def test_a_confirmation_of_something_else_is_none() -> None:
    """A 304 about an answer that is not held is followed by a whole fetch, in the same call."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on(
                "GET /users/1",
                named("Ada", Cache_Control="max-age=0", ETag='"1"'),
                reply(304, ETag='"2"'),
                named("Grace", ETag='"2"'),
            )
            await client.get()
            again = await client.get()

            assert (name_of(again), again.attempts) == ("Grace", 2)
            assert asked(server) == [None, '"1"', None]

    asyncio.run(main())


@pytest.mark.parametrize("words", ["no-cache", "no-store", "max-age=0"])
def test_whoever_wants_to_be_sure_asks(words: str) -> None:
    """A request that says so itself is not answered without asking."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", named("Ada", Cache_Control="max-age=60"))
            await client.get()
            sure = await client.http("GET", "/users/1", headers={"Cache-Control": words})

            assert told(sure)[0] == "network"
            assert len(server.seen) == 2

    asyncio.run(main())


def test_a_condition_of_the_caller_is_the_caller_s() -> None:
    """Who sets a condition gets the 304 itself: the cache is not asked."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", named("Ada", Cache_Control="max-age=60", ETag='"1"'), reply(304, ETag='"1"'))
            await client.get()
            own = await client.http("GET", "/users/1", headers={"If-None-Match": '"1"'})

            assert told(own) == ("unexpected_status",)

    asyncio.run(main())


# Vary


def test_an_answer_in_another_language_is_another() -> None:
    """What varies with a field is served where the field is the same; where it is not, the server hears what is known."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            facts = {"Cache_Control": "max-age=60", "Vary": "Accept, accept-language"}
            server.on(
                "GET /users/1",
                *(named(name, ETag=f'"{name}"', **facts) for name in ("en", "de", "none")),
                reply(304, ETag='"de"', **facts),
            )

            async def read(language: str | None) -> tuple[str, Any]:
                fields = {} if language is None else {"Accept-Language": language}
                outcome = await client.http("GET", "/users/1", headers=fields)
                return name_of(outcome), outcome.source

            assert [await read(wanted) for wanted in ("en", "de", "en", "de", None, "en", "fr", "fr")] == [
                ("en", "network"), ("de", "network"), ("en", "cache"), ("de", "cache"), ("none", "network"),
                ("en", "cache"), ("de", "network"), ("de", "cache"),
            ]  # fmt: skip
            assert asked(server) == [None, '"en"', '"de", "en"', '"none", "de", "en"']

    asyncio.run(main())


def test_a_star_matches_no_request() -> None:
    """What varies with everything is never served without asking."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", named("Ada", Cache_Control="max-age=60", Vary="*"))
            assert [told(await client.get())[0] for _ in range(2)] == ["network", "network"]

    asyncio.run(main())


def test_a_repeated_request_keeps_its_condition() -> None:
    """What is sent again with a new token goes out on the same condition, though the stored answer varies with the token."""

    async def main() -> None:
        gate = Gate()
        async with serving() as server, driven(create, server.url) as client:
            fields = {"Cache_Control": "max-age=60", "Vary": "Authorization", "ETag": '"1"'}
            server.on("GET /settings", gate.guards(reply(200, SETTINGS, **fields)))
            server.on("POST /auth/refresh", gate.renews())
            await client.call("settings.get")
            gate.expire()
            await client.subject.advance(61)
            again = await client.call("settings.get")
            fresh = await client.call("settings.get")

            assert [told(item)[0] for item in (again, fresh)] == ["network", "cache"]
            assert asked(server) == [None, '"1"', '"1"']

    asyncio.run(main())


# Standing in


@pytest.mark.parametrize(
    ("words", "trouble", "ends"),
    [
        ("max-age=0, stale-if-error=60", problem(503), ("cache", True)),
        ("max-age=0, stale-if-error=60", problem(500), ("cache", True)),
        ("max-age=0, stale-if-error=60", problem(501), ("server",)),
        ("max-age=0, stale-if-error=60", problem(404), ("not_found",)),
        ("max-age=0, stale-if-error=60", problem(403), ("forbidden",)),
        ("max-age=0, stale-if-error=1", problem(503), ("server",)),
        ("max-age=0", problem(503), ("server",)),
        ("max-age=0", close, ("cache", True)),
        ("max-age=0", stall, ("cache", True)),
        ("max-age=0, must-revalidate, stale-if-error=60", close, ("closed",)),
        ("no-cache, stale-if-error=60", problem(503), ("server",)),
        ("no-store, max-age=60", close, ("closed",)),
    ],
)  # fmt: skip
def test_a_stale_answer_stands_in_where_it_may(words: str, trouble: Any, ends: tuple[Any, ...]) -> None:
    """Who cannot be reached is stood in for unless the answer forbids it; an error only as long as the answer says."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url, promised=single()) as client:
            server.on("GET /users/1", named("Ada", Cache_Control=words), trouble)
            await client.get()
            await client.subject.advance(10)
            assert told(await client.get()) == ends

    asyncio.run(main())


def test_it_stands_in_after_the_last_attempt() -> None:
    """The retries that are promised are made before a stale answer is served."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", named("Ada", Cache_Control="max-age=0, stale-if-error=60"), problem(503))
            await client.get()
            outcome = await client.get()

            assert (told(outcome), outcome.attempts, len(server.seen)) == (("cache", True), 3, 4)

    asyncio.run(main())


def test_what_is_older_than_promised_is_no_answer() -> None:
    """A stale answer stands in for a day at most."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url, promised=single()) as client:
            server.on("GET /users/1", named("Ada", Cache_Control="max-age=60"), close)
            await client.get()
            await client.subject.advance(86_401)
            assert told(await client.get()) == ("closed",)

    asyncio.run(main())


# Storing


@pytest.mark.parametrize(
    "bad",
    [
        named("Ada"),
        reply(200, b"<html>sign in</html>", Cache_Control="max-age=60"),
        reply(200, {"id": "one"}, Cache_Control="max-age=60", ETag='"1"'),
        named("Ada", Cache_Control="no-store, max-age=60"),
        problem(404, Cache_Control="max-age=60"),
    ],
    ids=["says nothing", "portal", "another shape", "no-store", "not found"],
)
def test_what_is_no_answer_is_not_kept(bad: Any) -> None:
    """What says nothing of caching, forbids it, or cannot be read is asked for again, plainly, also where a good one was."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            good = named("Grace", Cache_Control="max-age=60", ETag='"2"')
            server.on("GET /users/1", named("Old", Cache_Control="max-age=0", ETag='"0"'), bad, good)
            await client.get()
            await client.get()
            assert name_of(await client.get()) == "Grace"
            assert asked(server) == [None, '"0"', None]

    asyncio.run(main())


def _write(client: Driven) -> Any:
    return client.call("users.update", {"id": 1, "data": {"user_name": "Countess"}})


@pytest.mark.parametrize(
    ("answer", "kept"), [(named("Countess"), False), (problem(500), False), (problem(409), True), (close, False)]
)
def test_a_write_drops_what_it_may_have_changed(answer: Any, kept: bool) -> None:
    """After a write that has, or may have, taken effect the URL is asked for again; a refusal changes nothing."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url, promised=single()) as client:
            server.on("GET /users/1", named("Ada", Cache_Control="max-age=60"))
            server.on("PUT /users/1", answer)
            await client.get()
            await _write(client)
            assert (told(await client.get())[0] == "cache") == kept

    asyncio.run(main())


def test_what_was_asked_before_a_write_is_not_kept() -> None:
    """An answer that was under way when its URL was changed is not stored."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url, promised=single()) as client:
            server.on("GET /users/1", wait(0.1, named("Ada", Cache_Control="max-age=60")))
            server.on("PUT /users/1", named("Countess"))
            await asyncio.gather(client.get(), after(0.03, _write(client)))
            assert told(await client.get())[0] == "network"

    asyncio.run(main())


def test_signing_out_empties_it() -> None:
    """What a session has stored is gone with it."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /settings", reply(200, SETTINGS, Cache_Control="max-age=60"))
            server.on("POST /auth/logout", reply(204))
            store, url = cache_below(client.subject.client.stack.calls).store, f"{server.url}/settings"
            await client.call("settings.get")
            assert store.answers(url)
            await client.call("auth.logout")
            assert not store.answers(url)

    asyncio.run(main())


def test_another_session_has_another_cache() -> None:
    """What one session has stored is not served to the next, even where the server forgets to say Vary."""

    async def main() -> None:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /settings", reply(200, SETTINGS, Cache_Control="max-age=60"))
            await client.call("settings.get")
            run = client.subject._session(ADA.model_copy(update={"email": "grace@example.com"}))
            await client.subject.client.restore(run)
            assert told(await client.call("settings.get"))[0] == "network"

    asyncio.run(main())


def test_it_says_what_it_can() -> None:
    """It offers a cache of HTTP answers, and none of values."""
    offered = create().hello().capabilities

    assert "http_cache" in offered
    assert {"cache_fallback", "cache_control"}.isdisjoint(offered)


def test_a_stack_without_a_cache_is_told_apart() -> None:
    """Asking for the cache of a client that has none is an error."""
    stack = Stack("http://127.0.0.1:9/", Given())

    assert not isinstance(stack.exchange, CachingExchange)
    with pytest.raises(TypeError, match="no HTTP cache"):
        cache_below(stack.calls)


# Rules

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORD = st.text("abcdefghij-", min_size=1, max_size=8)


@given(st.dictionaries(WORD, st.none() | st.text("0123456789 ,=a", max_size=6)), st.integers(0, 3))
def test_directives_are_read_as_they_were_written(words: dict[str, str | None], lines: int) -> None:
    """Each directive is read with its argument, quoted or not, in however many lines, and whatever the case."""
    parts = [name.upper() if value is None else f'{name}="{value}"' for name, value in words.items()]
    split = min(lines, len(parts))

    assert directives([", ".join(parts[:split]), ", ".join(parts[split:])]) == {
        name: value or "" for name, value in words.items()
    }


@given(st.text(max_size=15))
def test_a_number_of_seconds_is_read_or_none(text: str) -> None:
    """What is no number of seconds counts as none, and a huge one as many."""
    expected = min(float(text.strip()), 2.0**31) if text.strip().isascii() and text.strip().isdigit() else 0.0

    assert seconds(text) == expected
    assert seconds(None) == 0.0


@given(st.none() | st.integers(0, 10_000), st.none() | st.integers(-10_000, 10_000), st.booleans())
def test_how_long_an_answer_is_fresh(max_age: int | None, expires: int | None, dated: bool) -> None:
    """Max-age goes before Expires, which counts from Date; without either an answer is stale at once."""
    fields = []
    if max_age is not None:
        fields.append(("Cache-Control", f"private, max-age={max_age}, s-maxage=7"))
    if expires is not None:
        fields.append(("Expires", format_datetime(NOW + timedelta(seconds=expires), usegmt=True)))
    if dated:
        fields.append(("Date", format_datetime(NOW, usegmt=True)))
    by_date = float(max(0, expires)) if expires is not None and dated else 0.0

    assert lifetime(Headers(fields)) == (by_date if max_age is None else float(max_age))


@pytest.mark.parametrize("text", ["0", "", "never", "Sat, 99 Mar 2026 12:00:00 GMT"])
def test_a_date_that_is_none_means_stale(text: str) -> None:
    """An Expires that cannot be read lies in the past."""
    assert lifetime(Headers([("Expires", text), ("Date", format_datetime(NOW, usegmt=True))])) == 0.0


def test_fields_and_tags_are_compared_as_they_should() -> None:
    """Names in Vary are compared without case, in any number of lines; tags weakly, and none is like no other."""
    assert varies(Headers([("Vary", "Accept,, ACCEPT-Language "), ("vary", "accept")])) == ["accept", "accept-language"]
    assert same_tag('W/"1"', '"1"')
    assert not same_tag('"1"', '"2"')
    assert not same_tag(None, None)


def test_a_confirmation_changes_what_is_said_and_not_the_content() -> None:
    """Fields of a 304 replace the stored ones, save those about the content and the connection; an old age is gone."""
    stored = Headers([("ETag", '"1"'), ("Content-Type", "application/json"), ("Age", "50"), ("X-Old", "stays")])
    news = Headers([("ETag", '"1"'), ("Content-Type", "text/html"), ("Connection", "close"), ("Cache-Control", "a")])

    assert sorted(freshened(stored, news)) == [
        ("cache-control", "a"), ("content-type", "application/json"), ("etag", '"1"'), ("x-old", "stays")
    ]  # fmt: skip


def _stored(url: str, name: str, language: str = "en", session: int = 0) -> Stored:
    stack = Stack("http://127.0.0.1:9/", Given())
    request = Request("GET", stack.api.url(url))
    reply_ = Reply(request, 200, Headers([("etag", name)]))
    return Stored(reply_, (("accept-language", language),), session, 0.0)


@given(st.permutations(range(4)))
def test_the_newest_question_wins(order: list[int]) -> None:
    """In whatever order answers come, what is held in the end answers the question that was asked last."""
    store, first = Store(), _stored("/users/1", "0")
    questions = [store.asking(first.url) for _ in range(4)]
    asked_in_order = [question.__enter__() for question in questions]
    for number in order:
        store.put(asked_in_order[number], _stored("/users/1", str(number)))
        questions[number].__exit__(None, None, None)

    assert [item.etag for item in store.answers(first.url)] == ["3"]


def test_variants_live_side_by_side() -> None:
    """Answers that vary are held beside each other, the newest first; those of another session make room."""
    store, held = Store(), []
    for name, language, session in (("1", "en", 1), ("2", "de", 1), ("3", "en", 1), ("4", "en", 2)):
        item = _stored("/users/1", name, language, session)
        with store.asking(item.url) as question:
            store.put(question, item)
        held.append([known.etag for known in store.answers(item.url)])

    assert held == [["1"], ["2", "1"], ["3", "2"], ["4"]]


def test_it_does_not_grow_without_end() -> None:
    """What has not been used for longest makes room for what is new."""
    store, kept = Store(), _stored("/users/0", "0")
    items = [kept, *(_stored(f"/users/{number}", str(number)) for number in range(1, 300))]
    for item in items:
        with store.asking(item.url) as question:
            store.put(question, item)
        assert store.answers(kept.url)

    assert store.answers(items[1].url) == ()
    assert store.answers(items[-1].url) == (items[-1],)
