"""Known-bad clients at work: the defect of each is there, over real sockets, and the reference client does not have it.

What to watch stands in ``shows_retry``, ``shows_session`` and ``shows_cache``. These are the clients whose clauses are
still to come, and some others; the rest is shown to the judge in ``test_known_bad_judged``.
"""

from __future__ import annotations

import asyncio

import pytest

from sadpath.subjects.known_bad import all_known_bad
from sadpath.subjects.reference import create
from tests.subjects import shows_cache, shows_retry, shows_session
from tests.subjects.exhibits import EXHIBITS
from tests.subjects.showing import SHOWS

BAD = {bad.name: bad for bad in all_known_bad()}


def test_every_defect_is_shown() -> None:
    """Each known-bad client is shown here or to the judge, by a demonstration that says what it is about."""
    assert set(SHOWS) | set(EXHIBITS) == set(BAD)
    assert {show.watch.__module__ for show in SHOWS.values()} == {
        module.__name__ for module in (shows_cache, shows_retry, shows_session)
    }
    assert all(show.watch.__doc__ for show in SHOWS.values())
    assert all(show.good != show.bad for show in SHOWS.values())


@pytest.mark.parametrize("name", SHOWS)
def test_the_defect_is_the_bad_client_s_alone(name: str) -> None:
    """Watched in the same way, the reference client does right and the known-bad one does what it is known for."""
    show = SHOWS[name]

    async def main() -> tuple[object, object]:
        return await show.watch(create), await show.watch(BAD[name].create)

    assert asyncio.run(main()) == (show.good, show.bad)
