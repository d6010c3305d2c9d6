"""Faults, the steps of plans, and the rules that say which exchange meets which step.

Everything is ordered so that shrinking goes towards "nothing goes wrong": pass, then a status, a delay, a body that is
cut or lies, then close, reset, and silence at last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hypothesis import strategies as st
from pydantic import TypeAdapter

from sadpath.scenario.model import Fault, Match, Rule, Step
from sadpath.scenario.rules import ROLES
from sadpath.scenario.vocabulary import Phase
from sadpath.strategies.settings import FaultDrawing, any_of
from sadpath.strategies.times import Times

__all__ = ["faults", "plans", "rules", "steps"]

_USUAL = Times.of()
_STEP: TypeAdapter[Step] = TypeAdapter(Step)


def faults(
    phases: Collection[Phase] | None = None,
    names: Collection[str] | None = None,
    *,
    times: Times = _USUAL,
    payloads: Sequence[str] = (),
) -> st.SearchStrategy[Fault]:
    """Draw one fault with its settings.

    >>> from hypothesis import find
    >>> find(faults(names=["reset", "status"]), lambda fault: True).to_file()
    {'status': 503}
    >>> find(faults(phases=["body"]), lambda fault: fault.name == "truncate").to_file()
    'truncate'

    Args:
        phases: only faults that act at one of these; default: at any.
        names: only these; default: all of the catalogue but those that come before HTTP.
        times: what durations to draw; default: around the limits that a quick client has.
        payloads: names of ``fixtures/`` that may stand in for a body.

    Raises:
        UsageError: for an unknown name, or where no fault is left.
    """
    return FaultDrawing(times, tuple(payloads)).faults(phases, names).map(Fault.model_validate)


def steps(
    fault: st.SearchStrategy[Fault] | None = None, *, names: Collection[str] | None = None, times: Times = _USUAL
) -> st.SearchStrategy[Step]:
    """Draw what one exchange meets: no fault, one, or two that act together.

    Args:
        fault: what to draw the one from; default: the catalogue.
        names: only these of the catalogue, such as ``DRAWN_IN_SCENARIOS``.
        times: what durations to draw.

    >>> from hypothesis import find
    >>> find(steps(), lambda step: True)
    ()
    >>> find(steps(faults(names=["stall"])), lambda step: bool(step))[0].name
    'stall'
    """
    if fault is not None:
        none: st.SearchStrategy[Step] = st.just(())
        return any_of([none, *[fault.map(lambda found: (found,))] * 3])
    return FaultDrawing(times).steps(names).map(_STEP.validate_python)


def plans(
    step: st.SearchStrategy[Step] | None = None, *, max_size: int = 3, times: Times = _USUAL
) -> st.SearchStrategy[tuple[Step, ...]]:
    """Draw what one exchange after another meets; what comes behind the plan meets nothing.

    >>> from hypothesis import find
    >>> find(plans(), lambda plan: True)
    ((),)
    """
    inner = steps(times=times) if step is None else step
    return st.lists(inner, min_size=1, max_size=max_size).map(tuple)


def rules(
    on: Sequence[Match | Mapping[str, str] | str] | None = None,
    *,
    plan: st.SearchStrategy[tuple[Step, ...]] | None = None,
    times: Times = _USUAL,
) -> st.SearchStrategy[Rule]:
    """Draw which exchanges meet which faults.

    >>> from hypothesis import find
    >>> find(rules(on=["users.get"]), lambda rule: bool(rule.plan and rule.plan[0])).to_file()
    {'on': 'users.get', 'plan': [{'status': 503}]}

    Args:
        on: whose exchanges; an operation, ``{"role": …}``, or a ``Match``. Default: any role, or every exchange.
        plan: what they meet, one after another.
        times: what durations to draw.
    """
    whose = [*({"role": role} for role in ROLES), "*"] if on is None else list(on)
    matches = st.sampled_from([item if isinstance(item, Match) else Match.model_validate(item) for item in whose])
    met = plans(times=times) if plan is None else plan
    then = st.sampled_from(("pass", "pass", "pass", "last", "repeat"))
    return st.builds(lambda on, plan, then: Rule(on=on, plan=plan, then=then), matches, met, then)
