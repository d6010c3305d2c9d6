"""What the journal says of an exchange: times, bytes, tokens by generation, and never a credential."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.events import ExchangeEvent, credential_digest
from sadpath.engine.redact import Redactor
from sadpath.engine.tokens import TokenLedger
from sadpath.scenario.roles import Roles
from tests.engine.bench import BODY, Bench, get, post, run


def test_one_exchange_in_full() -> None:
    """The journal's entry, member by member, as the control API shows it."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": {"after": 5, "ending": "reset"}})
            head = ("X-Sadpath-Call: a/0", "Idempotency-Key: k-1")
            received = await bench.ask(post("/items?dry=1", b"{}", *head))
            shown = (await bench.ended()).to_json()
            times = [shown.pop(name) for name in ("t_arrived", "t_first_byte", "t_last_byte", "t_ended")]
            assert times == sorted(times)
            assert times[0] > 0
            digest = shown.pop("body_digest")
            assert isinstance(digest, str)
            assert shown.pop("request_headers") == [
                ["host", "test"], ["content-length", "2"], ["x-sadpath-call", "a/0"], ["idempotency-key", "k-1"],
            ]  # fmt: skip
            assert [name for name, _ in shown.pop("response_headers")] == ["content-type", "content-length", "date"]
            assert shown == {
                "event": "exchange", "session": "default", "connection": 1, "exchange": 1, "operation": "items.create",
                "http_version": "1.1", "stream": None,
                "role": "create", "method": "POST", "path": "/items", "query": "dry=1", "call": "a/0",
                "token_generation": None, "refresh_generation": None, "issued_generation": None,
                "idempotency_key": "k-1", "effect": {"committed": True, "id": "e1"}, "status": 201,
                "fault": {
                    "armed": ["truncate"], "fired": [{"name": "truncate", "as": None, "phase": "body", "byte": 5}],
                },
                "bytes_sent": len(received.data), "ended": {"how": "rst", "by": "server"},
            }  # fmt: skip

    run(scene)


def test_events_are_in_the_order_in_which_things_happened() -> None:
    """Opening, exchange and ending come in order, and their times never go back."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("pass", "close", {"delay": "20ms"}, "reset")
            connection = await bench.connect()
            for _ in range(2):
                await connection.send(get("/item"))
                await connection.receive(patience=0.05)
            for _ in range(2):
                await bench.ask(get("/item", "Connection: close"))
            await bench.ended(4)
            events = bench.session.journal.events
            assert [event["event"] for event in bench.session.journal.to_json()["events"]][:3] == [
                "connection", "exchange", "exchange",
            ]  # fmt: skip
            times = [event.t_arrived if isinstance(event, ExchangeEvent) else event.t for event in events]
            assert times == sorted(times)
            for event in bench.session.journal.exchanges:
                marks = [event.t_arrived, event.t_first_byte, event.t_last_byte, event.t_ended]
                known = [mark for mark in marks if mark is not None]
                assert known == sorted(known)
                assert (event.t_first_byte is None) is (event.bytes_sent == 0)

    run(scene)


def test_an_advance_moves_the_journals_time() -> None:
    """Times are those of the session's clock, so an advance lies between two exchanges as if it had passed."""

    async def scene() -> None:
        async with Bench() as bench:
            await bench.ask(get("/item", "Connection: close"))
            bench.session.clock.advance(3600)
            await bench.ask(get("/item", "Connection: close"))
            first, second = bench.session.journal.exchanges
            assert 3600 <= second.t_arrived - first.t_arrived < 3610

    run(scene)


@pytest.mark.parametrize("step", ["close", {"limit_data": 20}, {"limit_data": 0}, {"delay": "60s"}])
def test_the_status_is_one_that_was_sent(step: object) -> None:
    """An answer whose head never left whole has no status in the journal, whatever the backend had answered."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(step)
            connection = await bench.connect()
            await connection.send(get("/item"))
            await connection.receive(patience=0.1)
            connection.close()
            event = await bench.ended()
            assert bench.backend.runs == ["GET /item"]
            assert (event.status, event.response_headers, event.response_body) == (None, [], b"")

    run(scene)


def test_a_client_that_has_left_before_its_request_was_read() -> None:
    """The journal tells the opening and the client's RST also where both came before the exchange was looked at."""

    async def scene() -> None:
        async with Bench() as bench:
            for _ in range(20):
                connection = await bench.connect()
                connection.sock.send(post("/items", b"{}"))
                connection.reset()
            await bench.until(lambda: len(bench.backend.runs) == 20)
            await bench.ended(20)
            await bench.until(lambda: not bench.session.wires)
            for number in range(1, 21):
                whats = [event.what for event in bench.connections() if event.connection == number]
                assert whats[0] == "opened"
                assert whats[-1] in ("rst", "fin")
            assert {event.ended.by for event in bench.session.journal.exchanges} <= {"client", None}

    run(scene)


def test_large_bodies_are_kept_in_part() -> None:
    """The journal keeps the first MiB of an answer's body, not more."""

    async def scene() -> None:
        async with Bench() as bench:
            assert len((await bench.ask(get("/big?3000000", "Connection: close"))).body) == 3_000_000
            assert len((await bench.ended()).response_body) == 1024 * 1024

    run(scene)


def test_watchers_hear_of_each_exchange_once_it_has_ended() -> None:
    """A watcher is told of an exchange when its entry is complete, however it ended."""

    async def scene() -> None:
        async with Bench() as bench:
            heard: list[tuple[int, str, bool]] = []
            bench.session.watchers.append(
                lambda event: heard.append((event.exchange, event.ended.how, event.t_ended is not None))
            )
            bench.inject("pass", "reset", {"status": 503})
            for _ in range(3):
                await bench.ask(get("/item", "Connection: close"))
            await bench.until(lambda: len(heard) == 3)
            assert heard == [(1, "complete", True), (2, "rst", True), (3, "complete", True)]

    run(scene)


def test_token_generations() -> None:
    """Tokens are numbered as they are issued; a request shows the number of the one it carries, also a stale one."""

    async def scene() -> None:
        async with Bench() as bench:
            first = json.loads((await bench.ask(post("/auth/login", b"{}", "Connection: close"))).body)
            body = json.dumps({"refresh_token": first["refresh_token"]}).encode()
            second = json.loads((await bench.ask(post("/auth/refresh", body, "Connection: close"))).body)
            for token in (first["access_token"], second["access_token"], "unknown"):
                await bench.ask(get("/me", f"Authorization: bearer {token}", "Connection: close"))
            shown = [
                (event.token_generation, event.refresh_generation, event.issued_generation)
                for event in bench.session.journal.exchanges
            ]
            assert shown == [(None, None, 1), (None, 1, 2), (1, None, None), (2, None, None), (None, None, None)]
            assert bench.session.tokens.secrets() == [*first.values(), *second.values()]

    run(scene)


def test_tokens_whose_answer_was_lost_are_issued_all_the_same() -> None:
    """A refresh that the backend has made counts, though its answer never left."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("reset", {"status": {"code": 503, "committed": True}}, {"status": 503})
            for _ in range(3):
                await bench.ask(post("/auth/login", b"{}", "Connection: close"))
            assert [event.issued_generation for event in bench.session.journal.exchanges] == [1, 2, None]

    run(scene)


def test_no_credential_is_shown() -> None:
    """Tokens, passwords, cookies and keys are nowhere in the journal's text, wherever a client puts them."""
    secrets = [
        "access-secret-1", "refresh-secret-1", "very-secret", "Zm9vOmJhcg==", "cookie-secret", "key-secret",
        "pass-secret", "query-secret",
    ]  # fmt: skip

    async def scene() -> None:
        async with Bench() as bench:
            await bench.ask(post("/auth/login", b'{"password":"pass-secret"}', "Connection: close"))
            bench.inject({"status": {"code": 302, "headers": {"Location": "/x?next=1&access_token=query-secret"}}})
            await bench.ask(get("/item?a=1&access_token=query-secret&b=2", "Connection: close"))
            lines = (
                "Authorization: Bearer access-secret-1", "Cookie: a=cookie-secret; sid=very-secret",
                "X-Api-Key: key-secret", "Referer: http://test/?token=query-secret",
                "X-Forwarded-Note: was refresh-secret-1 once",
            )  # fmt: skip
            await bench.ask(get("/items/access-secret-1?note=refresh-secret-1", *lines, "Connection: close"))
            await bench.ask(get("/item", "Authorization: Basic Zm9vOmJhcg==", "Connection: close"))
            text = json.dumps(bench.session.journal.to_json())
            assert [secret for secret in secrets if secret in text] == []
            digest = credential_digest("access-secret-1")
            shown = bench.session.journal.exchanges[2]
            assert ("authorization", f"Bearer {digest}") in shown.request_headers
            assert shown.path == f"/items/{digest}"
            assert shown.operation == "items.get"
            assert (
                bench.session.journal.exchanges[1].query == f"a=1&access_token={credential_digest('query-secret')}&b=2"
            )

    run(scene)


def test_a_token_header_of_another_name() -> None:
    """An API may carry its token in a header of its own: it is hidden there, and numbered."""
    login = {"role": "login", "method": "POST", "path": "/auth/login"}
    roles = Roles.model_validate({"tokens": {"header": "X-Shop"}, "operations": {"auth.login": login}})

    async def scene() -> None:
        async with Bench(roles=roles) as bench:
            await bench.ask(post("/auth/login", b"{}", "Connection: close"))
            await bench.ask(get("/item", "X-Shop: access-secret-1", "Connection: close"))
            event = bench.session.journal.exchanges[1]
            assert event.token_generation == 1
            assert ("x-shop", credential_digest("access-secret-1")) in event.request_headers

    run(scene)


SECRET = st.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789._-", min_size=12, max_size=60)


@settings(deadline=None)
@given(
    secret=SECRET,
    place=st.sampled_from(
        ["path", "query", "bearer", "bare", "scheme", "cookie", "cookie name", "no cookie", "set-cookie", "other"]
    ),
    later=st.sampled_from([0, 1, 100]),
)
def test_an_issued_token_is_hidden_wherever_it_stands(secret: str, place: str, later: int) -> None:
    """Whatever an issued token looks like, no place of a request or an answer shows it, and its digest is stable."""
    ledger = TokenLedger()
    ledger.issue(secret, None)
    for n in range(later):
        ledger.issue(f"access-{n}", f"refresh-{n}")
    redactor = Redactor(ledger)
    views: dict[str, Callable[[], object]] = {
        "path": lambda: redactor.text(f"/reset/{secret}/now"),
        "query": lambda: redactor.text(f"a=1&t={secret}&b=2"),
        "bearer": lambda: redactor.headers([(b"authorization", f"Bearer {secret}".encode())]),
        "bare": lambda: redactor.headers([(b"authorization", secret.encode())]),
        "scheme": lambda: redactor.headers([(b"authorization", f"{secret} x".encode())]),
        "cookie name": lambda: redactor.headers([(b"cookie", f"a=b; {secret}=c".encode())]),
        "no cookie": lambda: redactor.headers([(b"cookie", f"{secret}; a=b".encode())]),
        "cookie": lambda: redactor.headers([(b"cookie", f"a=b; t={secret}".encode())]),
        "set-cookie": lambda: redactor.headers([(b"set-cookie", f"t={secret}; Path=/".encode())]),
        "other": lambda: redactor.headers([(b"x-note", f"see {secret}, please".encode())]),
    }
    shown = views[place]()
    assert secret not in str(shown)
    assert place == "scheme" or credential_digest(secret) in str(shown)


@pytest.mark.parametrize("secret", ["s3cret-pass", "dXNlcjpwYXNz", "user:pass,x", "a.b.c", "access_1"])
def test_what_stands_in_the_place_of_a_scheme_is_shown_only_where_it_can_be_one(secret: str) -> None:
    """A secret of somebody else's at the beginning of Authorization, or in a cookie without a name, is not shown."""
    redactor = Redactor(TokenLedger())
    shown = redactor.headers([(b"authorization", f"{secret}, x".encode()), (b"cookie", f"{secret}; a=b".encode())])

    assert secret not in str(shown)
    assert redactor.headers([(b"authorization", b"Bearer x")])[0][1].startswith("Bearer ")


@settings(deadline=None)
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_what_is_no_credential_is_shown_as_it_is(text: str) -> None:
    """Without issued tokens and telling names nothing of a header is changed."""
    headers = [(b"accept", text.encode()), (b"idempotency-key", base64.b64encode(text.encode()))]
    assert Redactor(TokenLedger()).headers(headers)[1][1] == base64.b64encode(text.encode()).decode()
    plain = quote(text, safe="")
    assert Redactor(TokenLedger()).text(f"q={plain}&page_token=abc") == f"q={plain}&page_token=abc"


@pytest.mark.parametrize("limit", [5, 8])
def test_a_bounded_journal_says_what_it_dropped(limit: int) -> None:
    """Beyond its bound the journal drops its oldest events and counts them; numbering goes on."""

    async def scene() -> None:
        async with Bench() as bench:
            session = bench.add("small", journal_limit=limit)
            connection = await bench.connect()
            for _ in range(10):
                await connection.send(get("/s/small/item"))
                assert (await connection.answer()).body == BODY
            assert len(session.journal.events) == limit
            assert session.journal.dropped == 11 - limit
            assert session.journal.exchanges[-1].exchange == 10

    run(scene)
