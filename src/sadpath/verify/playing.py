"""A case while it runs: what is asked of the client in which order, and what the server does in between.

given → warm-up → segments of calls → the faults stop → the probe of the pool → recovery → the client is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sadpath.core.errors import DriverError
from sadpath.drivers.base import End
from sadpath.drivers.messages import (
    AdvanceStep,
    AuthGrant,
    CacheEntry,
    CallStep,
    DriverFault,
    Outcome,
    ParallelStep,
    Result,
    Run,
    Unsupported,
)
from sadpath.scenario.model import Rule
from sadpath.verify.entries import SEEDED_AGES, USUAL_MAX_STALE
from sadpath.verify.needs import CACHED_ROLES, warm_up_calls
from sadpath.verify.played import Case, Ending, Played
from sadpath.verify.segments import Segment, as_step, deadline, placed, records, segments
from sadpath.verify.stage import Stage
from sadpath.verify.trace import CallRecord, Trace

__all__ = ["CaseOver", "Playing"]

_HOLD_AT_MOST = 0.15
_FIRST_PAUSE = 0.1


class CaseOver(Exception):
    """The case ends without a trace: ``ending`` says how, ``why`` in words."""

    def __init__(self, ending: Ending, why: str) -> None:
        super().__init__(why)
        self.ending: Ending = ending
        self.why = why


@dataclass
class _UnderWay:
    """A segment while the driver is at it, with the outcomes that have come so far and when."""

    segment: Segment
    begun: float
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    received: dict[tuple[str, int], float] = field(default_factory=dict)

    def records(self) -> list[CallRecord]:
        """Return its calls as the trace holds them."""
        return records(self.segment, self.outcomes, self.begun, self.received)


class Playing:
    """A case while it runs."""

    def __init__(self, case: Case, place: Stage) -> None:
        self.case = case
        self.place = place
        self.client = case.client
        self.policy = case.client.contract.policy
        self.calls: list[CallRecord] = []
        self.result = Result()
        self._begun = False
        self._ended = False
        self._cache: list[CacheEntry] | None = None
        self._signed_in = True
        self._generation: int | None = None
        self._grant: AuthGrant | None = None
        self._own: tuple[int, int] | None = None
        self._under_way: _UnderWay | None = None

    @property
    def _declared(self) -> frozenset[str]:
        return self.client.capabilities

    @property
    def _hung(self) -> bool:
        return any(call.outcome is None for call in self.calls)

    async def run(self) -> Played:
        """Run the case and return its trace."""
        await self.begin()
        for segment in segments(self.case.scenario.calls, moves_clock="fake_clock" in self._declared):
            await self.go_on(segment)
        return await self.finish()

    async def begin(self) -> None:
        """Bring the client into the world that the scenario begins in."""
        self._grant = await self._start()
        self._own = self.place.next_exchange, len(self.place.history) - 1

    async def go_on(self, segment: Segment) -> list[CallRecord]:
        """Let the client make a segment's calls and return them; nothing is asked of one that hangs."""
        if self._hung:
            return []
        grant, self._grant = self._grant, None
        return await self._segment(segment, grant)

    async def finish(self) -> Played:
        """Let the faults stop, look how the client recovers, close it, and return the trace of it all."""
        scenario, (first, begun) = self.case.scenario, self._own or (1, 0)
        heals = scenario.heal and not self.client.one_call
        last, history = self.place.next_exchange - 1, self.place.history[begun:]
        if heals and not self._hung:
            self.place.heal()
            await self._probe_pool()
        if heals and not self._hung:
            await self._recover()
        left = [*self.result.left_over, *(await self._close())]
        await self.place.quiet(scenario.given.network.latency)
        trace = replace(self._trace(), left_over=tuple(dict.fromkeys(left)))
        played = Played(self.case, trace=trace, history=history, moves=self.place.moves, left_over=left)
        played.first, played.last = first, last
        return played

    def broken_off(self) -> Played | None:
        """Return the trace so far of a case that cannot go on: a call that is under way has no outcome, so it hangs.

        None where the client was not at work, so that it cannot be what is in the way.
        """
        if self._under_way is None:
            return None
        self.calls += self._under_way.records()
        self._under_way = None
        first, begun = self._own or (self.place.next_exchange, max(0, len(self.place.history) - 1))
        played = Played(self.case, trace=self._trace(), history=self.place.history[begun:])
        played.left_over += self.result.left_over
        played.first, played.last = first, self.place.next_exchange - 1
        played.duration = self.place.session.clock.elapsed()
        return played

    async def end(self) -> list[str]:
        """Close the client; return what could not be ended. Does nothing the second time."""
        try:
            return await self._close()
        except DriverError as error:
            return [f"the driver could not end the case: {error}"]

    async def _close(self) -> list[str]:
        """Close the client; return what could not be ended.

        Raises:
            DriverError: where the driver fails at that: then nothing is known of what the client left over.
        """
        if self._ended:
            return []
        self._ended = True
        return await self.client.driver.end_case(self.place.session.id)

    # The beginning

    async def _start(self) -> AuthGrant | None:
        """Bring cache and tokens into the state that ``given`` names; return the session for the first segment."""
        scenario, name = self.case.scenario, self.case.scenario_name
        if scenario.given.cache == "empty":
            return self._granted(await self.place.arrange(name, scenario))
        usual = await self.place.arrange_unfaulted(name, scenario)
        warm = [as_step(call, f"w{n}") for n, call in enumerate(warm_up_calls(scenario, self.place.roles), 1)]
        state = scenario.given.cache
        if state == "other_user":
            await self._warm_up_as_another(warm)
        else:
            await self._segment(Segment("warmup", [*warm]), usual)
        if self._hung:
            raise CaseOver("client_error", "the client hung in the unfaulted calls that fill its cache")
        if state in ("stale", "too_old", "corrupt", "unwritable") and "cache_control" in self._declared:
            self._cache = self._entries(warm, usual.email)
            self._begun = False
            return self._granted(await self.place.arrange(name, scenario))
        if state in ("stale", "too_old"):
            self.place.advance(self._age())
            await self._segment(Segment("warmup", [AdvanceStep(advance_ms=self._age() * 1000)]), None)
        given = scenario.given
        if state == "fresh" and given.access_token == given.refresh_token == "valid":  # noqa: S105 - a state
            self.place.start_faults(scenario)
            self._granted(usual)
            return None
        return self._granted(await self.place.arrange(name, scenario))

    async def _warm_up_as_another(self, warm: list[CallStep]) -> None:
        other = self.place.second_user()
        if other is None:
            raise CaseOver("unsupported", "roles.yaml names no second user (`second_login`)")
        login = self.place.roles.operations_of("login")[0].id
        await self._segment(Segment("warmup", [CallStep(call="w0", op=login), *warm]), other)

    def _age(self) -> float:
        max_stale = self.policy.cache.max_stale
        longest = USUAL_MAX_STALE if max_stale is None else max_stale
        return longest * SEEDED_AGES.get(self.case.scenario.given.cache, 0.0)

    def _entries(self, warm: list[CallStep], user: str) -> list[CacheEntry]:
        """Return what a cache is told to hold: the values that the warm-up brought, aged or spoilt."""
        state = self.case.scenario.given.cache
        outcomes = {record.call: record.outcome for record in self.calls if record.phase == "warmup"}
        etags = {event.call: _etag(event.response_headers) for event in self.place.session.journal.exchanges}
        if state == "unwritable":
            return [CacheEntry(op="*", broken=True)]
        found = []
        for step in warm:
            outcome = outcomes.get(step.call)
            if outcome is None or outcome.outcome != "ok" or outcome.value is None:
                continue
            entry = CacheEntry(op=step.op, args=step.args, data=outcome.value.data, user=user)
            age = self._age() * 1000 if state != "corrupt" else 0.0
            update = {"age_ms": age, "etag": etags.get(f"{step.call}/0"), "broken": state == "corrupt"}
            found.append(entry.model_copy(update=update))
        if not found:
            raise CaseOver("client_error", "none of the unfaulted calls that fill the cache ended well")
        return found

    def _granted(self, grant: AuthGrant) -> AuthGrant:
        tokens = self.place.session.tokens
        self._signed_in = grant.access_token is not None or grant.refresh_token is not None
        self._generation = None
        if grant.access_token is not None:
            self._generation = tokens.access(grant.access_token)
        elif grant.refresh_token is not None:
            self._generation = tokens.refresh(grant.refresh_token)
        return grant

    # One segment

    async def _segment(self, segment: Segment, grant: AuthGrant | None) -> list[CallRecord]:
        """Let the driver make a segment's calls, and keep what came of them."""
        if segment.rules is not None:
            self.place.set_rules(segment.rules)
        if segment.advance:
            self.place.advance(segment.advance)
        if not segment.steps and self._begun and grant is None:
            return []
        under_way = self._under_way = _UnderWay(segment, self.place.now())

        def heard(outcome: Outcome) -> None:
            under_way.outcomes[outcome.call, outcome.i] = outcome
            under_way.received[outcome.call, outcome.i] = self.place.now()

        run = self._message(segment, grant)
        end = await self.client.driver.run(run, heard)
        self._begun = True
        self._under_way = None
        self._take(end, replaces_session=run.continues and run.auth is not None)
        made = under_way.records()
        self.calls += made
        return made

    def _message(self, segment: Segment, grant: AuthGrant | None) -> Run:
        place, first = self.place, not self._begun
        policy = self.policy.to_protocol() if "policy_override" in self._declared else None
        return Run(
            id=place.session.id,
            case=self.case.scenario_name,
            base_url=place.base_url,
            continues=not first,
            other_origin=place.other_origin,
            tls_ca=place.tls_ca,
            deadline_ms=round(deadline(segment.steps, self.policy) * 1000, 3),
            auth=grant,
            cache=self._cache if first else None,
            policy=policy,
            calls=[placed(step, place.other_origin) for step in segment.steps],
        )

    def _take(self, end: End, *, replaces_session: bool) -> None:
        if isinstance(end, DriverFault):
            raise CaseOver("driver_error", end.message)
        if isinstance(end, Unsupported):
            if replaces_session or self.client.one_call:  # no capability or hello says whether a driver can
                raise CaseOver("unsupported", end.why)
            why = f"the driver answers `unsupported` ({end.why}), though all that the case needs is declared"
            raise CaseOver("driver_error", why)
        self.result = end

    # After the calls

    async def _recover(self) -> None:
        """Ask for something that needs a session, now that nothing goes wrong, until it is had; sign in if need be."""
        step, within = self._healing_call(), self.policy.heal.within
        if step is None or within is None:
            return
        until, pause, n = self.place.now() + within, _FIRST_PAUSE, 0
        while True:
            made = await self._segment(Segment("heal", [step.model_copy(update={"call": f"heal{n}"})]), None)
            outcome = made[0].outcome
            if outcome is None or outcome.outcome == "ok" or self.place.now() + pause >= until:
                return
            if outcome.error is not None and outcome.error.kind == "unauthorized":
                await self._sign_in(f"login{n}")
                if self._hung:
                    return
            if n:
                await self.place.session.clock.sleep(pause)
                pause *= 2
            n += 1

    async def _sign_in(self, name: str) -> None:
        login = self.place.roles.operations_of("login")
        if login and self._knows(login[0].id):
            await self._segment(Segment("heal", [CallStep(call=name, op=login[0].id)]), None)

    def _healing_call(self) -> CallStep | None:
        """Return a read past every cache, if the client can make one; else a plain one."""
        reads = [
            operation
            for role in CACHED_ROLES
            for operation in self.place.roles.operations_of(role)
            if "{" not in operation.path and operation.method == "GET"
        ]
        if reads and self._knows("http"):
            return CallStep(call="heal", op="http", args={"method": "GET", "path": reads[0].path})
        known = [operation.id for operation in reads if self._knows(operation.id)]
        return CallStep(call="heal", op=known[0]) if known else None

    async def _probe_pool(self) -> None:
        """Hold as many exchanges open at the same time as the pool has places, to see that all of them are free."""
        size, public = self.policy.pool.size, self.place.roles.operations_of("public")
        if size is None or not public or not self._knows("http"):
            return
        read = self.policy.timeouts.read
        hold = _HOLD_AT_MOST if read is None else min(_HOLD_AT_MOST, read / 2)
        self.place.set_rules((_hold_rule(hold),))
        args: dict[str, Any] = {"method": public[0].method, "path": public[0].path}
        step = ParallelStep(parallel=[CallStep(call="pool", op="http", args=args, times=size)])
        await self._segment(Segment("pool", [step]), None)
        self.place.heal()

    def _knows(self, operation: str) -> bool:
        return not self.client.operations or operation in self.client.operations

    def _trace(self) -> Trace:
        place = self.place
        return Trace(
            case=self.case.id,
            scenario=self.case.scenario,
            policy=self.policy,
            roles=place.roles,
            capabilities=self._declared,
            world=self.case.world,
            exchanges=place.exchanges(),
            connections=place.connections(),
            calls=tuple(self.calls),
            result=self.result,
            secrets=tuple(place.session.tokens.secrets()),
            started_signed_in=self._signed_in,
            granted_generation=self._generation,
            warmed=tuple((entry.op, _key(entry.args)) for entry in self._cache or ()),
        )


def _hold_rule(seconds: float) -> Rule:
    hold = {"delay": {"time": f"{round(seconds * 1000)}ms", "at": "request"}}
    return Rule.model_validate({"on": "*", "fault": hold})


def _key(args: dict[str, Any]) -> str:
    """Return arguments as ``CallRecord.key`` writes them."""
    return CallRecord("", 0, "", args).key


def _etag(headers: list[tuple[str, str]]) -> str | None:
    return next((value for name, value in headers if name.lower() == "etag"), None)
