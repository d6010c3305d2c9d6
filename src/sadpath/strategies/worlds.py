"""The world before the first call: tokens, cache, data, network."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import strategies as st

from sadpath.core.units import format_seconds
from sadpath.drivers.messages import CAPABILITIES
from sadpath.scenario.model import Given
from sadpath.strategies.settings import Written
from sadpath.strategies.times import Times

__all__ = ["worlds", "written_worlds"]

_ACCESS = ("expired", "revoked", "none")
_REFRESH = ("expired", "revoked", "used", "none")
_AGED = ("stale", "too_old")
_SPOILT = ("corrupt", "unwritable")


def worlds(
    *, capabilities: Collection[str] = CAPABILITIES, data_sets: Collection[str] = (), times: Times | None = None
) -> st.SearchStrategy[Given]:
    """Draw the world that a case begins in; most often it is the usual one.

    >>> from hypothesis import find
    >>> find(worlds(), lambda world: world.cache != "empty").to_file()
    {'cache': 'fresh'}

    Args:
        capabilities: what the client declares: without a cache, none is filled.
        data_sets: the data sets, the usual one first.
        times: how slow the network may be; default: by the limits of a quick client.
    """
    drawn = written_worlds(capabilities=capabilities, data_sets=data_sets, times=times)
    return drawn.map(Given.model_validate)


def written_worlds(
    *,
    capabilities: Collection[str] = CAPABILITIES,
    data_sets: Collection[str] = (),
    times: Times | None = None,
) -> st.SearchStrategy[Written]:
    """Draw a world as a file writes it."""
    latencies = [format_seconds(item) for item in (times or Times.of()).latencies if item > 0]
    parts: dict[str, st.SearchStrategy[Written]] = {}
    if "token_refresh" in capabilities:
        parts["access_token"] = _rarely("valid", _ACCESS, times=3)
        parts["refresh_token"] = _rarely("valid", _REFRESH, times=7)
    if states := _cache_states(capabilities):
        parts["cache"] = _rarely("empty", states, times=2)
    if len(data_sets) > 1:
        parts["data"] = _rarely(None, tuple({"fixture": name} for name in list(data_sets)[1:]), times=15)
    parts["network"] = _rarely(None, tuple({"latency": item} for item in latencies), times=7)
    usual = {"access_token": "valid", "refresh_token": "valid", "cache": "empty", "data": None, "network": None}
    drawn = st.fixed_dictionaries(parts).map(
        lambda found: {key: value for key, value in found.items() if value != usual[key]}
    )
    # A filled cache and bad tokens at once need a client whose session can be replaced while it lives on.
    calm = st.sampled_from([True, True, True, False])
    return st.builds(lambda world, calm: _calmed(world) if calm and "cache" in world else world, drawn, calm)


def _calmed(world: dict[str, Written]) -> dict[str, Written]:
    return {key: value for key, value in world.items() if not key.endswith("_token")}


def _rarely(usual: Written, others: Collection[Written], *, times: int) -> st.SearchStrategy[Written]:
    """Draw what is usual ``times`` times as often as everything else together."""
    return st.sampled_from([*[usual] * (times * len(others)), *others])


def _cache_states(capabilities: Collection[str]) -> tuple[str, ...]:
    if not {"cache_fallback", "http_cache"} & set(capabilities):
        return ()
    controlled = "cache_control" in capabilities
    aged = _AGED if controlled or "fake_clock" in capabilities else ()
    return ("fresh", "fresh", "fresh", *aged, "other_user", *(_SPOILT if controlled else ()))
