"""A client that keeps its contract, as a model: what it does is decided by the policy alone, exchange after exchange.

It makes one call after another. Where calls are made at the same time, are cancelled midway, or leave work behind,
what meets what is decided by arrival; from there on the model is *lost*, and only bounds are known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sadpath.scenario.model import Call
from sadpath.verify.oracle_answer import Answer, Choose, Span, add, past
from sadpath.verify.oracle_cache import Cache, Entry
from sadpath.verify.oracle_request import IDEMPOTENT, CallEnd, Failed, Limit, Request
from sadpath.verify.oracle_seen import Seen
from sadpath.verify.oracle_server import LIFETIME, RAW, Facts, Lost, Server, target_of

__all__ = ["CallEnd", "Model"]

_WITHOUT_CONTENT = ("delete", "logout")
_OF_TRANSPORT = frozenset({"timeout.read", "timeout.total", "reset", "closed", "truncated", "protocol"})


@dataclass
class Model:
    """One way in which a case may go."""

    facts: Facts
    choose: Choose
    refreshes: int = 0
    logouts: int = 0
    signed_in: bool = True
    lost: str | None = None
    server: Server = field(init=False)
    cache: Cache = field(init=False)
    _known_expired: bool = False
    _failed_early: bool = False
    _budget: float = float("inf")

    def __post_init__(self) -> None:
        given, policy = self.facts.scenario.given, self.facts.policy
        self.server = Server(self.facts, self.choose)
        self._known_expired = given.access_token == "expired"  # noqa: S105 - a state, not a secret
        self.signed_in = (self.server.access, self.server.refresh) != ("none", "none")
        if policy.retry.budget is not None:
            self._budget = policy.retry.budget.tokens
        self.cache = Cache(self.facts, self.choose)
        if self.signed_in:
            self.cache.fill()

    def pass_time(self, time: Span) -> None:
        """Let time pass: tokens and entries grow old."""
        self.server.pass_time(time)
        self.cache.pass_time(time)

    # One call

    def call(self, call: Call) -> CallEnd:
        """Make a call and return how it ends.

        Raises:
            Lost: where what comes after it cannot be followed; its ending may be anything then.
            Unknown: for a fault that the model does not know.
        """
        if call.cancel_after == 0:
            if self.facts.roles.role(call.op) == "logout" and self.choose((False, True)):
                self._end_session()  # whoever signs out may be signed out before anybody is told
            return CallEnd(frozenset({"cancelled"}), None, 0)
        request = Request(target_of(call, self.facts.roles), call)
        strategy = self.cache.strategy(call) if self.signed_in else None
        if call.pages or request.role == "refresh":
            raise Lost("how many pages there are is the data's affair" if call.pages else "a refresh is asked for")
        entry = self.cache.held(call) if strategy in ("network_first", "cache_first") else None
        if strategy == "cache_first" and entry is not None and self.cache.usable(entry):
            self.lost = "what was answered from the cache is fetched again in the background, beside what comes next"
            return CallEnd(frozenset({"ok"}), "cache", 0)
        if strategy is not None and entry is not None and self.cache.usable(entry):
            request.patient = self.facts.policy.cache.fallback_after
        return self._ask(call, request, entry)

    def _ask(self, call: Call, request: Request, entry: Entry | None) -> CallEnd:
        role = request.role
        try:
            self._fetch(request)
        except Limit as limit:
            return self._limited(call, request, entry, limit)
        except Failed as failed:
            return self._failed(call, request, entry, failed)
        if role == "login":
            self.signed_in, self._known_expired = True, False
            self.server.issue()
        elif role == "logout":
            self._end_session()
        elif self.signed_in:
            self.cache.store(call, kept=request.last is None or request.last.kept)
        self._budget = self._refilled()
        self.cache.doubt(role)
        return CallEnd(frozenset({"ok"}), "network", request.attempts)

    def _limited(self, call: Call, request: Request, entry: Entry | None, limit: Limit) -> CallEnd:
        """End a call whose time is over; whether its last request had left by then is not known."""
        self.lost = f"what a call had begun when {limit.which} ended it may still be done"
        attempts = self.choose((request.attempts, max(0, request.attempts - 1)))
        if limit.which == "its cancel":
            return CallEnd(frozenset({"cancelled"}), None, attempts)
        over = Failed(frozenset({"timeout.total"}))
        if limit.which == "the time for falling back" or self._falls_back(entry, over):
            return CallEnd(frozenset({"ok"}), "cache", attempts)
        return CallEnd(over.kinds, None, attempts)

    def _failed(self, call: Call, request: Request, entry: Entry | None, failed: Failed) -> CallEnd:
        role = request.role
        if role == "logout":
            self._end_session()
        self.cache.doubt(role)
        if self._falls_back(entry, failed) and (not failed.renewal or self.choose((True, False))):
            return CallEnd(frozenset({"ok"}), "cache", request.attempts)
        if failed.status in (self.facts.policy.cache.evict_on or ()) and not failed.renewal:
            self.cache.drop(call)
        return CallEnd(failed.kinds, None, request.attempts)

    def _falls_back(self, entry: Entry | None, failed: Failed) -> bool:
        """Tell whether the cache may stand in for a failure; an error whose body broke off is either of two."""
        falls = self.facts.policy.cache.fallback_on or ()
        if entry is None or not self.signed_in or not self.cache.usable(entry):
            return False
        if failed.status is not None and failed.status >= 400:
            by_status = failed.status in falls
            mixed = bool(failed.kinds & _OF_TRANSPORT)
            return by_status if not mixed or by_status else bool(self.choose((False, True)))
        return "transport" in falls and bool(failed.kinds) and failed.kinds <= _OF_TRANSPORT

    # Attempts

    def _fetch(self, request: Request) -> None:
        """Make the request; a 304 that nobody asked for leads to one more, and no further.

        Raises:
            Failed: with the failure of the last.
            Limit: where the call's own time is over.
        """
        self._request(request)
        if request.last is not None and request.last.unasked:
            self._request(request)
            if request.last.unasked:
                raise Failed(frozenset({self.facts.policy.errors.kind_of(304) or "unexpected_status"}), 304)

    def _request(self, request: Request) -> None:
        """Make attempts until one succeeds.

        Raises:
            Failed: with the failure of the last.
            Limit: where the call's own time is over.
        """
        while True:
            try:
                self._attempt(request)
            except Failed as failed:
                wait = self._wait_before_retry(request, failed)
                if wait is None:
                    raise
                self._spend(request, wait)
                request.retries += 1
            else:
                return

    def _wait_before_retry(self, request: Request, failed: Failed) -> Span | None:
        retry, total = self.facts.policy.retry, self.facts.policy.timeouts.total
        if failed.renewal or not request.call.replayable or request.retries >= (retry.max_retries or 0):
            return None
        if not (retry.methods == "any" or request.repeatable):
            return None
        if not self._is_retried(request, failed):
            return None
        bounds = retry.bounds(request.retries + 1) or (0.0, 0.0)
        listens = retry.retry_after == "honour" and failed.status in (429, 503, *(retry.statuses_if_told or ()))
        told = failed.told if listens else None
        if told is not None:
            if past(retry.retry_after_cap, told, self.choose):
                return None
            bounds = max(bounds[0], told[0]), max(bounds[1], told[1])
        if past(total, add(request.elapsed, bounds), self.choose):
            return None
        budget = retry.budget
        if budget is not None:
            if self._budget < budget.cost - 1e-6:
                return None
            self._budget -= budget.cost
        return bounds

    def _is_retried(self, request: Request, failed: Failed) -> bool:
        """Tell whether the policy retries a failure; an error whose body broke off may be taken for either of two."""
        retry, status = self.facts.policy.retry, failed.status
        told = failed.told is not None and status in (retry.statuses_if_told or ())
        by_status = status is not None and (status in (retry.statuses or ()) or told)
        if failed.waits is not False and request.repeatable:
            by_status = by_status or failed.waits is True or bool(self.choose((True, False)))
        kinds = failed.kinds & _OF_TRANSPORT
        if not kinds:
            return by_status
        names = {"truncated": "body"}
        promised = [retry.retries_transport(names.get(kind, kind)) for kind in sorted(kinds)]
        by_transport = all(promised) if all(promised) == any(promised) else bool(self.choose((True, False)))
        if status is None or status < 400:
            return by_transport
        return by_status if by_status == by_transport else bool(self.choose((True, False)))

    def _refilled(self) -> float:
        budget = self.facts.policy.retry.budget
        return self._budget if budget is None else min(budget.tokens, self._budget + budget.refill)

    def _attempt(self, request: Request) -> None:
        """Make one attempt, with a renewal before it or after its 401, and one replay."""
        if request.renews and self.signed_in and self._is_due() and self._may_renew(request) and not self._leaves_it():
            was_usable = self._is_usable()
            failed = self._renew(request)
            if failed is not None and not self._goes_on(was_usable):
                raise failed
            self._failed_early = failed is not None
        seen = self._exchange(request)
        if self._is_replayed(request, seen):
            # The status is enough: what comes of the body is nobody's affair.
            failed = self._renew(request)
            if failed is not None:
                raise failed
            request.replays += 1
            seen = self._exchange(request)
        self._judge(request, seen)

    def _goes_on(self, was_usable: bool) -> bool:
        """Tell whether a call goes on with the old token although its renewal failed; it may have ended meanwhile."""
        if not self.signed_in or not was_usable:
            return False
        return self._is_usable() or bool(self.choose((False, True)))

    def _leaves_it(self) -> bool:
        """Tell whether the client goes on with a token that still works, after an early renewal that failed."""
        return self._failed_early and self._is_usable() and bool(self.choose((False, True)))

    def _judge(self, request: Request, seen: Seen) -> None:
        answer = seen.answer
        if answer is None or (seen.kinds and answer.status < 400):
            raise Failed(seen.kinds)
        if answer.status >= 400:
            kind = self.facts.policy.errors.kind_of(answer.status) or "unexpected_status"
            raise Failed(seen.kinds | {kind}, answer.status, answer.told, waits=answer.waits)
        if not self._is_read(request, answer):
            raise Failed(frozenset({"decode"}), answer.status)
        request.last = answer

    def _is_read(self, request: Request, answer: Answer) -> bool:
        """Tell whether a client takes an answer for what it should be, or, where nobody promises that, may."""
        raw = request.call.op == RAW
        if answer.good and (answer.shapely or raw):
            return True
        empty = answer.size[1] == 0 and (raw or self.facts.policy.errors.empty_success != "error")
        # Of an operation without content it is nobody's promise to read what comes in its place.
        return (empty or request.role in _WITHOUT_CONTENT) and bool(self.choose((False, True)))

    # The session

    def _is_due(self) -> bool:
        """Tell whether the access token is missing or about to end, by the client's own reckoning."""
        early = self.facts.policy.auth.refresh_early
        if self.server.access == "none" or self._known_expired:
            return True
        return early is not None and past(LIFETIME - early, self.server.access_age, self.choose)

    def _is_usable(self) -> bool:
        known = self.server.access != "none" and not self._known_expired
        return known and not past(LIFETIME, self.server.access_age, self.choose)

    def _may_renew(self, request: Request) -> bool:
        return self.server.refresh != "none" and request.refreshes < (self.facts.policy.auth.refreshes_per_call or 0)

    def _is_replayed(self, request: Request, seen: Seen) -> bool:
        """Tell whether a 401 leads to a renewal and to sending the request once more."""
        refused = seen.answer is not None and seen.answer.status == 401
        may = refused and request.renews and self.signed_in and request.call.replayable and request.replays < 1
        return may and self._may_renew(request)

    def _renew(self, request: Request) -> Failed | None:
        """Trade the refresh token in; return how that failed, None where it did not."""
        self.refreshes += 1
        request.refreshes += 1
        seen = self.server.renew()
        self._spend(request, seen.took)
        answer = seen.answer
        if answer is None or (seen.kinds and answer.status < 400):
            return Failed(seen.kinds, renewal=True)
        if answer.status >= 400:
            if answer.refuses and not seen.kinds:
                return self._refused()
            kind = self.facts.policy.errors.kind_of(answer.status) or "unexpected_status"
            kinds = seen.kinds | {kind} | ({"unauthorized"} if answer.status < 500 else frozenset())
            if answer.refuses and self.choose((True, False)):
                return self._refused()
            return Failed(kinds, answer.status, renewal=True)
        if not (answer.good and answer.shapely):
            return Failed(frozenset({"decode"}), answer.status, renewal=True)
        self._known_expired = False
        self.server.issue(renewed=True)
        return None

    def _refused(self) -> Failed:
        """End the session: the server says that the refresh token is no good."""
        if "invalid_grant" not in (self.facts.policy.auth.logout_on or ()):
            return Failed(frozenset({"unauthorized", "unexpected_status"}), 400, renewal=True)
        self.logouts += 1
        self._end_session()
        return Failed(frozenset({"unauthorized"}), 401, renewal=True)

    def _end_session(self) -> None:
        self.signed_in = self._known_expired = False
        self.server.take_tokens()
        self.cache.clear()

    # Exchanges

    def _exchange(self, request: Request) -> Seen:
        """Send the request; an idempotent one whose reused connection turns out to be dead may be sent once more."""
        seen = self._send(request)
        silent = seen.answer is None and "timeout.read" not in seen.kinds
        idempotent = request.target.operation.method in IDEMPOTENT and request.call.replayable
        if silent and idempotent and request.repeats == 0 and self.server.exchanges > 1 and self.choose((False, True)):
            request.repeats += 1
            return self._send(request)
        return seen

    def _send(self, request: Request) -> Seen:
        request.attempts += 1
        seen = self.server.ask(request.target, signed=request.signed, conditional=self.cache.holds_anything)
        self._spend(request, seen.head if self._is_replayed(request, seen) else seen.took)
        return seen

    def _spend(self, request: Request, time: Span) -> None:
        """Let time pass for a call; whichever of its limits comes first ends it."""
        request.elapsed = add(request.elapsed, time)
        self.pass_time(time)
        limits: list[tuple[float, str]] = []
        if request.call.cancel_after is not None:
            limits.append((request.call.cancel_after, "its cancel"))
        if request.patient is not None:
            limits.append((request.patient, "the time for falling back"))
        if self.facts.policy.timeouts.total is not None:
            limits.append((self.facts.policy.timeouts.total, "its deadline"))
        for limit, which in sorted(limits):
            if past(limit, request.elapsed, self.choose):
                raise Limit(which)
