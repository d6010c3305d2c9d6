"""Hypothesis strategies: what can go wrong, and what a client can be asked to do meanwhile.

    from hypothesis import given
    from sadpath.strategies import scenarios

    @given(scenarios())
    def test_my_client(scenario):
        ...                                # run it, look at what came of it

The strategies speak of an API by its roles and operations (``Api``), and ask a client for nothing that it does not
declare. They draw a whole case before it is run, and are ordered so that shrinking goes towards "nothing goes wrong":
pass, a status, a delay, a body that is cut or lies, close, reset, silence; fewer calls; reading before writing; one
after another before at the same time; the usual world. What is drawn is a scenario that a file can hold.
"""

from sadpath.strategies.api import Api
from sadpath.strategies.calls import calls
from sadpath.strategies.faulty import faults, plans, rules, steps
from sadpath.strategies.policies import policies
from sadpath.strategies.scenarios import scenarios, schedules
from sadpath.strategies.settings import DRAWN_IN_SCENARIOS
from sadpath.strategies.times import Times
from sadpath.strategies.worlds import worlds

__all__ = [
    "DRAWN_IN_SCENARIOS",
    "Api",
    "Times",
    "calls",
    "faults",
    "plans",
    "policies",
    "rules",
    "scenarios",
    "schedules",
    "steps",
    "worlds",
]
