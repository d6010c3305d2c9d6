"""A long life of the reference client: faults, time, calls, sign-ins, sign-outs and cancels in any order.

Hypothesis lives it, rule by rule, against the real server in one simulated world: in each step the weather is chosen
(what goes wrong from now on), and the client is asked for something. A model beside it knows one thing only, whether
there *should* be a session. When the life is over the faults stop, and the client must recover; then every clause that
holds for all schedules is held against all of it.

What was lived is a scenario with ``faults:`` steps. It is played once more from the beginning, and must come to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sadpath.core.units import format_seconds
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.subject import Subject
from sadpath.scenario.model import Advance, Call, CallStep, Offline, Parallel, Rule
from sadpath.strategies import calls, rules, schedules
from sadpath.subjects.known_bad.registry import all_known_bad
from sadpath.subjects.reference import create
from sadpath.verify.clauses import all_clauses
from sadpath.verify.played import Case
from sadpath.verify.trace import CallRecord
from tests.support.life import NAME, Life
from tests.support.shop import API, SHOP, SIMULATOR, TIMES, reference

OFFERED = API.for_client(reference().capabilities, reference().operations)
ALWAYS = [clause for clause in all_clauses() if clause.invariant]
"""The clauses that hold for every schedule."""

SESSION = ("auth.login", "auth.logout")
ASKED = [item.id for item in OFFERED.choose() if item.id not in SESSION]

weather = st.one_of(st.just(()), schedules(OFFERED, operations=ASKED, max_rules=2, times=TIMES))
"""What goes wrong from now on; often nothing."""

one_call = calls(OFFERED, operations=ASKED, max_size=1, parallel=False, cancels=False, times=TIMES)
cancelled = st.sampled_from(TIMES.cancels)


class LongLife(RuleBasedStateMachine):
    """The client's life. ``session`` is what the model knows: whether there is one; None where a renewal may tell."""

    client = reference()
    factory: Callable[[], Subject] = staticmethod(create)

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(self.client, self.factory, SHOP)
        self.session: bool | None = True
        self.ended: list[CallRecord] = []

    def _do(self, *steps: CallStep, under: tuple[Rule, ...] = ()) -> list[CallRecord]:
        made = self.life.do(*steps, under=under)
        self.ended += made
        if self.life.account.logouts:
            self.session = None  # the server has ended it; from now on a sign-in may be needed
        return made

    # Steps

    @rule(steps=one_call, under=weather)
    def ask(self, steps: tuple[CallStep, ...], under: tuple[Rule, ...]) -> None:
        """Ask for one thing."""
        self._do(*steps, under=under)

    @rule(steps=one_call, under=weather, times=st.integers(2, 4))
    def ask_at_once(self, steps: tuple[CallStep, ...], under: tuple[Rule, ...], times: int) -> None:
        """Ask for one thing several times at once."""
        (call,) = [step for step in steps if isinstance(step, Call)]
        self._do(Parallel(parallel=(call.model_copy(update={"times": times}),)), under=under)

    @rule(steps=one_call, under=weather, after=cancelled)
    def ask_and_cancel(self, steps: tuple[CallStep, ...], under: tuple[Rule, ...], after: float) -> None:
        """Ask for one thing, and lose interest in it."""
        (call,) = [step for step in steps if isinstance(step, Call)]
        self._do(call.model_copy(update={"cancel_after": after}), under=under)

    @rule(steps=one_call, renewal=rules(on=["auth.refresh"], times=TIMES))
    def ask_with_a_token_that_ends(self, steps: tuple[CallStep, ...], renewal: Rule) -> None:
        """Ask for one thing with a token that ends under way, while renewals meet this and that."""
        ends = Rule.model_validate({"on": "*", "plan": ["expire_token"]})
        self._do(*steps, under=(renewal, ends))

    @rule(time=st.sampled_from([format_seconds(seconds) for seconds in TIMES.advances]))
    def let_time_pass(self, time: str) -> None:
        """Let time pass; tokens and entries of the cache grow old."""
        self._do(Advance.model_validate({"advance": time}))

    @rule(hint=st.booleans())
    def hint(self, hint: bool) -> None:
        """Tell the client whether there is a network, rightly or wrongly."""
        self._do(Offline(offline=hint))

    @rule(under=st.one_of(st.just(()), st.tuples(rules(on=["auth.login"], times=TIMES))))
    def sign_in(self, under: tuple[Rule, ...]) -> None:
        """Sign in; if that succeeds, there is a session, whatever was before."""
        (call,) = self._do(Call(op="auth.login"), under=under)
        assert call.outcome is not None
        if call.outcome.outcome == "ok":
            self.session = True

    @rule(under=st.one_of(st.just(()), st.tuples(rules(on=["auth.logout"], times=TIMES))))
    def sign_out(self, under: tuple[Rule, ...]) -> None:
        """Sign out: here at once, whatever comes of telling the server."""
        self._do(Call(op="auth.logout"), under=under)
        self.session = False

    # What holds at any time

    @invariant()
    def every_call_has_ended(self) -> None:
        """Nothing hangs, and nothing but a cancel gets past the result type."""
        assert all(call.outcome is not None and not call.outcome.escaped for call in self.ended)

    @invariant()
    def the_client_knows_whether_it_is_signed_in(self) -> None:
        """Who signed in is signed in, and who signed out is not, whatever happened meanwhile."""
        if self.session is not None and self.life.account.signed_in is not None:
            assert self.life.account.signed_in == self.session

    @invariant()
    def only_the_server_ends_a_session(self) -> None:
        """A session that ended by itself was refused for good by the server."""
        assert (self.life.account.logouts or 0) <= self.life.refused

    # The end

    def teardown(self) -> None:
        """Heal, judge, and play the whole once more."""
        try:
            scenario, judged = self.life.scenario, self.life.finish(ALWAYS)
        finally:
            self.life.close()
        assert {name: judged.judgements[name].findings for name in judged.failing()} == {}
        again = SIMULATOR.play(Case(NAME, scenario, self.client, 0, "sim"))
        assert again.played.trace is not None
        assert judged.played.trace is not None
        assert [_end(call) for call in again.played.trace.calls] == [_end(call) for call in judged.played.trace.calls]


def _end(call: CallRecord) -> tuple[object, ...]:
    """Return what a call came to, and when."""
    outcome = call.outcome.model_dump(exclude={"id"}) if call.outcome is not None else None
    return call.phase, call.op, round(call.t_started, 6), round(call.t_ended or 0.0, 6), outcome


LIVES = settings(
    max_examples=50,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_a_long_life() -> None:
    """Whatever happens in whatever order, the client keeps its promises, and recovers."""
    run_state_machine_as_test(LongLife, settings=LIVES)


def test_the_life_of_a_client_with_a_defect_ends_badly() -> None:
    """A client that logs out when its refresh meets trouble does not live long."""
    bad = next(item for item in all_known_bad() if item.name == "logs-out-on-any-refresh-error")

    class ShortLife(LongLife):
        """Its life."""

        client = replace(reference(), name=bad.name, driver=InProcessDriver(bad.create, name=bad.name))
        factory = staticmethod(bad.create)

    quickly = settings(LIVES, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False, database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(ShortLife, settings=quickly)
