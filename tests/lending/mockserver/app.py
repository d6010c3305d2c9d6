"""A lending library's API, shaped as differently from the reference API as it could be.

Passes travel in cookies, a refused one says so with 401, collections begin at an offset, errors stand in ``error``, and
what is lent has a number and an ISBN. One process; one desk for each session.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML
from starlette.exceptions import HTTPException

__all__ = ["create_app"]

PASS, RENEWAL = "desk_pass", "desk_renewal"
PASS_SECONDS = 900


class Refused(Exception):
    """An error answer: ``{"error": {"code": …, "detail": …}}``."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail

    def response(self) -> JSONResponse:
        """The answer as it is sent."""
        return JSONResponse({"error": {"code": self.code, "detail": self.detail}}, self.status)


class Card(BaseModel):
    """Who signs in."""

    card: str
    pin: str


class NewLoan(BaseModel):
    """What is to be lent."""

    model_config = ConfigDict(extra="forbid")
    isbn: str


class Extension(BaseModel):
    """By how many weeks a loan is extended."""

    weeks: int


@dataclass
class Sitting:
    """One sign-in: the numbers of the passes that hold now."""

    card: str
    access: int
    renewal: int
    until: float


@dataclass
class Desk:
    """What one session knows."""

    titles: list[dict[str, Any]]
    readers: dict[str, dict[str, Any]]
    loans: dict[int, dict[str, Any]] = field(default_factory=dict)
    sittings: list[Sitting] = field(default_factory=list)
    answers: dict[tuple[str, str], tuple[str, Response, str]] = field(default_factory=dict)
    issued: int = 0
    effects: int = 0

    def number(self) -> int:
        """The number of the next pass."""
        self.issued += 1
        return self.issued


class Desks:
    """The desks by session, and what an engine may do to their passes."""

    def __init__(self, fixtures: Path) -> None:
        self._data = {path.stem: YAML(typ="safe").load(path) for path in sorted(fixtures.glob("*.yaml"))}
        self._desks: dict[str, Desk] = {}

    def of(self, seam: Any) -> Desk:
        """The desk of a request's session."""
        if seam.session not in self._desks:
            data = self._data[seam.data or next(iter(self._data))]
            self._desks[seam.session] = Desk(
                [dict(title) for title in data["titles"]], {reader["card"]: dict(reader) for reader in data["readers"]}
            )
        return self._desks[seam.session]

    def reset(self, session: str) -> None:
        """Forget a session."""
        self._desks.pop(session, None)

    def expire(self, session: str, kind: str) -> None:
        """Let the passes of a kind issued so far be over."""
        self.revoke(session, kind)

    def revoke(self, session: str, kind: str) -> None:
        """Let the passes of a kind issued so far be refused."""
        for sitting in self._desks[session].sittings if session in self._desks else ():
            sitting.access = -1 if kind in ("access", "all") else sitting.access
            sitting.renewal = -1 if kind in ("refresh", "all") else sitting.renewal


def _seal(session: str, kind: str, number: int) -> str:
    secret = hashlib.blake2b(f"{session}/{kind}/{number}".encode(), digest_size=20).hexdigest()
    return f"{kind}.{number}.{secret}"


def create_app(fixtures: Path) -> FastAPI:
    """Make the app; its shelves are described by ``fixtures``."""
    app = FastAPI(title="Lending desk", docs_url=None, redoc_url=None)
    app.state.sadpath_hooks = app.state.desks = desks = Desks(fixtures)
    _install_errors(app)
    _add_sessions(app, desks)
    _add_titles(app, desks)
    _add_loans(app, desks)

    @app.get("/status", operation_id="status")
    async def status() -> dict[str, str]:
        return {"status": "open"}

    return app


def _install_errors(app: FastAPI) -> None:
    async def refused(_: Request, error: Exception) -> JSONResponse:
        return error.response() if isinstance(error, Refused) else Refused(500, "bug", "A bug.").response()

    async def invalid(_: Request, __: Exception) -> JSONResponse:
        return Refused(422, "invalid", "The request is not of the form wanted.").response()

    async def other(_: Request, error: Exception) -> JSONResponse:
        code = error.status_code if isinstance(error, HTTPException) else 500
        return Refused(code, "no_such_route", "There is nothing here.").response()

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, other)


def _seam(request: Request) -> Any:
    return request.scope["state"]["sadpath"]


def _sitting(request: Request, desks: Desks) -> tuple[Desk, Sitting]:
    """The desk and the sign-in of a request. ``Refused`` with 401 where its pass does not hold."""
    seam = _seam(request)
    desk = desks.of(seam)
    shown = request.cookies.get(PASS)
    for sitting in desk.sittings:
        if shown == _seal(seam.session, "pass", sitting.access) and seam.clock.wall() < sitting.until:
            return desk, sitting
    raise Refused(401, "no_pass" if shown is None else "pass_over", "Show a pass that holds.")


def _hand_out(response: Response, seam: Any, sitting: Sitting, *, renewal: bool = True) -> None:
    bound = "Domain=lending.example; Secure; HttpOnly; SameSite=Lax"
    access = _seal(seam.session, "pass", sitting.access)
    response.headers.append("set-cookie", f"{PASS}={access}; Path=/v2; Max-Age={PASS_SECONDS}; {bound}")
    if renewal:
        token = _seal(seam.session, "renewal", sitting.renewal)
        response.headers.append("set-cookie", f"{RENEWAL}={token}; Path=/v2/sessions; Max-Age=2592000; {bound}")


def _take_back(response: Response) -> None:
    for name, path in ((PASS, "/v2"), (RENEWAL, "/v2/sessions")):
        response.headers.append("set-cookie", f"{name}=; Path={path}; Max-Age=0; Domain=lending.example; Secure")


def _add_sessions(app: FastAPI, desks: Desks) -> None:
    @app.post("/v2/sessions", operation_id="sessions.open")
    async def sign_in(card: Card, request: Request) -> Response:
        seam = _seam(request)
        desk = desks.of(seam)
        reader = desk.readers.get(card.card)
        if reader is None or reader["pin"] != card.pin:
            raise Refused(401, "wrong_pin", "There is no such card with this PIN.")
        sitting = Sitting(card.card, desk.number(), desk.number(), seam.clock.wall() + PASS_SECONDS)
        desk.sittings.append(sitting)
        response = JSONResponse({"reader": {"card": card.card, "name": reader["name"]}})
        _hand_out(response, seam, sitting)
        return response

    @app.post("/v2/sessions/renewal", operation_id="sessions.renew")
    async def renew(request: Request) -> Response:
        seam = _seam(request)
        desk, shown = desks.of(seam), request.cookies.get(RENEWAL)
        for sitting in desk.sittings:
            if shown == _seal(seam.session, "renewal", sitting.renewal):
                rotates = getattr(seam, "rotate", True)
                sitting.access, sitting.until = desk.number(), seam.clock.wall() + PASS_SECONDS
                sitting.renewal = desk.number() if rotates else sitting.renewal
                response = JSONResponse({"renewed": True})
                _hand_out(response, seam, sitting, renewal=rotates)
                return response
        refused = Refused(401, "renewal_refused", "Sign in again.").response()
        _take_back(refused)
        return refused

    @app.delete("/v2/sessions/current", operation_id="sessions.close", status_code=204)
    async def sign_out(request: Request) -> Response:
        desk, sitting = _sitting(request, desks)
        desk.sittings.remove(sitting)
        response = Response(status_code=204)
        _take_back(response)
        return response

    @app.get("/v2/readers/me", operation_id="readers.me")
    async def me(request: Request) -> dict[str, Any]:
        desk, sitting = _sitting(request, desks)
        return {"card": sitting.card, "name": desk.readers[sitting.card]["name"]}


Offset = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=1, le=50)]


def _part(name: str, items: list[dict[str, Any]], offset: int, limit: int) -> dict[str, Any]:
    return {name: items[offset : offset + limit], "part": {"offset": offset, "limit": limit, "total": len(items)}}


def _add_titles(app: FastAPI, desks: Desks) -> None:
    @app.get("/v2/titles", operation_id="titles.list")
    async def titles(request: Request, offset: Offset = 0, limit: Limit = 10) -> dict[str, Any]:
        desk, _ = _sitting(request, desks)
        return _part("titles", desk.titles, offset, limit)

    @app.get("/v2/titles/{isbn}", operation_id="titles.get")
    async def title(isbn: str, request: Request) -> Response:
        desk, _ = _sitting(request, desks)
        for one in desk.titles:
            if one["isbn"] == isbn:
                return JSONResponse(one, headers={"Cache-Control": "private, max-age=0"})
        raise Refused(404, "no_such_title", f"There is no title {isbn}.")


def _add_loans(app: FastAPI, desks: Desks) -> None:
    def changed(desk: Desk, request: Request) -> str:
        desk.effects += 1
        effect = f"e{desk.effects}"
        _seam(request).effect(effect)
        return effect

    def find(request: Request, number: int) -> tuple[Desk, dict[str, Any]]:
        desk, sitting = _sitting(request, desks)
        loan = desk.loans.get(number)
        if loan is None or loan["card"] != sitting.card:
            raise Refused(404, "no_such_loan", f"There is no loan {number}.")
        return desk, loan

    @app.get("/v2/loans", operation_id="loans.list")
    async def loans(request: Request, offset: Offset = 0, limit: Limit = 10) -> dict[str, Any]:
        desk, sitting = _sitting(request, desks)
        own = [loan for loan in desk.loans.values() if loan["card"] == sitting.card]
        return _part("loans", own, offset, limit)

    @app.post("/v2/loans", operation_id="loans.create", status_code=201)
    async def lend(
        new: NewLoan, request: Request, key: Annotated[str | None, Header(alias="X-Loan-Key")] = None
    ) -> Response:
        desk, sitting = _sitting(request, desks)
        if key is not None and (sitting.card, key) in desk.answers:
            isbn, answer, effect = desk.answers[sitting.card, key]
            if isbn != new.isbn:
                raise Refused(422, "key_used", "This key belongs to another loan.")
            _seam(request).effect(effect)
            return answer
        number = max(desk.loans, default=0) + 1
        loan = desk.loans[number] = {"number": number, "isbn": new.isbn, "card": sitting.card, "weeks": 4}
        effect, answer = changed(desk, request), JSONResponse(loan, 201)
        if key is not None:
            desk.answers[sitting.card, key] = (new.isbn, answer, effect)
        return answer

    @app.put("/v2/loans/{number}", operation_id="loans.extend")
    async def extend(number: int, extension: Extension, request: Request) -> dict[str, Any]:
        desk, loan = find(request, number)
        loan["weeks"] = extension.weeks
        changed(desk, request)
        return loan

    @app.delete("/v2/loans/{number}", operation_id="loans.return", status_code=204)
    async def give_back(number: int, request: Request) -> Response:
        desk, _ = find(request, number)
        del desk.loans[number]
        changed(desk, request)
        return Response(status_code=204)
