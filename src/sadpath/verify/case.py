"""Running one case in its place on a server.

Nothing here judges. What the client does wrong stands in the trace; what its driver, an author or sadpath did wrong
ends the case with that party named.
"""

from __future__ import annotations

from sadpath.core.errors import AuthorError, DriverError, SadpathError
from sadpath.drivers.by_exec import ExecDriver
from sadpath.verify.needs import lacking, lacking_for_one_call
from sadpath.verify.played import Case, Client, Ending, Played
from sadpath.verify.playing import CaseOver, Playing
from sadpath.verify.segments import endpoints
from sadpath.verify.stage import Stage

__all__ = ["Case", "Client", "Played", "play"]


async def play(case: Case, place: Stage, *, playing: Playing | None = None) -> Played:
    """Run a case in its place and return what came of it; only cancellation is raised.

    ``playing`` is the case's own, for a caller who may have to break it off.
    """
    client = case.client
    started = place.session.clock.elapsed()
    why = lacking(
        case.scenario,
        capabilities=client.capabilities,
        operations=client.operations,
        world=case.world,
        roles=place.roles,
    )
    if client.one_call:
        why = why or lacking_for_one_call(case.scenario)
    if why is not None:
        return Played(case, "unsupported", why)
    if isinstance(client.driver, ExecDriver):
        client.driver.endpoints = endpoints(place.roles)
    playing = playing or Playing(case, place)
    try:
        played = await playing.run()
    except CaseOver as over:
        played = Played(case, over.ending, over.why)
    except DriverError as error:
        played = Played(case, "driver_error", str(error))
    except AuthorError as error:
        played = Played(case, "author_error", str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is sadpath's own fault and must not end the campaign
        played = Played(case, "harness_error", f"{type(error).__name__}: {error}")
    finally:
        left = await playing.end()
    played.left_over += [sentence for sentence in left if sentence not in played.left_over]
    played.duration = place.session.clock.elapsed() - started
    return _blamed(played, place.session.problems)


def _blamed(played: Played, problems: list[SadpathError]) -> Played:
    """Take back a trace in which something went wrong that is not the client's doing."""
    for problem in problems:
        ending: Ending = "author_error" if isinstance(problem, AuthorError) else "harness_error"
        return Played(played.case, ending, str(problem), duration=played.duration)
    return played
