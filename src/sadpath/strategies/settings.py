"""How the settings of each fault are drawn, as a scenario file writes them, the gentlest first.

A fault that is added to the catalogue is drawn without being named here: by its name alone, if that means something.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from sadpath.core.errors import UsageError
from sadpath.core.names import nearest
from sadpath.core.units import format_seconds
from sadpath.scenario.vocabulary import FAULTS, Phase
from sadpath.strategies.catalogue import WRITTEN_AS
from sadpath.strategies.times import Times

__all__ = ["DRAWN_IN_SCENARIOS", "FaultDrawing", "Written", "any_of", "drawn_faults", "one_from"]

DRAWN_IN_SCENARIOS = (
    "status", "unauthorized", "expire_token", "invalid_grant", "delay", "truncate", "html", "malformed_json", "close",
    "reset", "stall",
    "request_close", "request_reset", "request_stall", "early_response", "half_close", "bad_status_line",
    "broken_chunk", "broken_gzip", "garbage", "oversized_header", "slice", "wrong_length", "close_after",
    "duplicate_delivery", "idle_close",
    "bad_utf8", "deep_json", "empty", "error_in_200", "wrong_content_type", "wrong_shape", "reject_login",
    "revoke_tokens", "omit_refresh_token", "bursts", "outage", "rate_limit", "etag_mismatch", "no_store",
    "not_modified_without_entry", "stale_while_error",
)  # fmt: skip
"""The faults that whole drawn cases may contain, and with them every search of ``sadpath verify``.

A fault is added here once whoever judges drawn cases can foresee what it does: the clauses, and the oracle that tests
compare them with. Until then scenario files and ``faults()`` know it, and no drawn case does. The tuple keeps seeds
meaningful as well: a case that was drawn from a seed is drawn again, whatever is added to the catalogue.

Left out is ``redirect``: it leads to the answer of another operation, which clauses know not to hold against anybody,
but of which the oracle cannot say what a client makes. ``dribble`` and ``throttle`` are not drawn yet: the oracle does
not know how long a body takes at a rate.
"""

Written = Any
"""Plain data, as a scenario file writes it."""

_Variant = tuple[Phase, Written]
"""A fault as a file writes it, and the phase at which it acts."""

_SEVERITY = ("status", "unauthorized", "expire_token", "invalid_grant", "delay", "truncate", "html", "malformed_json")
"""Faults in the order of how much they take away; what is not named here stands behind, and before ``_WORST``."""

_WORST = ("close", "half_close", "reset", "stall")
_FAMILIES = ("auth", "load", "caching", "lying bodies", "in the response", "after it", "request side")

_WEIGHTS = {
    "status": 12, "reset": 6, "stall": 6, "unauthorized": 6, "expire_token": 6,
    **dict.fromkeys(("invalid_grant", "delay", "truncate", "html", "malformed_json", "close"), 3),
}  # fmt: skip
"""How often faults are drawn, as against 1 for the others: what clients meet every day stays common among the rest."""

_NEEDS_SETTINGS = ("delay", "status", *WRITTEN_AS)
_CODES = (503, 500, 404, 429, 502, 504, 408, 403, 422, 409, 410, 400, 501, 425)
_TELLING = (503, 429)
_COMMITTED = (503, 500, 504)
_OFFSETS = (0, 1, 20, 60, 400)
_RAW = ("-1", "1.5", "soon", "")
_FORMS = ("imf", "rfc850", "asctime")
_ODD_BODIES: tuple[Written, ...] = ("", "no JSON", {"json": []}, {"json": "text"}, {"json": 7}, {"json": None})
_PLACES: tuple[Phase, ...] = ("response", "request", "head", "body")


def any_of(ways: Sequence[st.SearchStrategy[Written]]) -> st.SearchStrategy[Written]:
    """Draw by one of several ways, each equally likely; ``one_of`` would look inside them and count what it finds."""
    return ways[0] if len(ways) == 1 else st.integers(0, len(ways) - 1).flatmap(lambda index: ways[index])


def one_from(values: Sequence[Written]) -> st.SearchStrategy[Written]:
    """Draw one of several values by exactly one choice, even where there is only one value.

    Shrinking prefers fewer choices to smaller ones, so what is to be compared by severity has to cost the same.
    """
    return st.sampled_from([*values, *values] if len(values) == 1 else list(values))


def drawn_faults() -> list[str]:
    """Return the faults that can be drawn, the gentlest first: all but those before HTTP and of HTTP/2 alone."""
    importlib.import_module("sadpath.faults")
    known = [kind for kind in FAULTS if kind.phase != "connection" and "HTTP/1" in kind.protocols]
    names = [kind.name for kind in known if kind.bare or kind.name in _NEEDS_SETTINGS]
    return sorted(names, key=lambda name: (_rank(name), name))


def _rank(name: str) -> tuple[int, int]:
    if name in _SEVERITY:
        return 0, _SEVERITY.index(name)
    if name in _WORST:
        return 2, _WORST.index(name)
    family = FAULTS.get(name)[0].family
    return 1, _FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES)


@dataclass(frozen=True)
class FaultDrawing:
    """Draws faults; ``times`` are the durations, ``payloads`` the names of ``fixtures/`` that may be bodies."""

    times: Times
    payloads: tuple[str, ...] = ()

    def faults(
        self, phases: Collection[Phase] | None = None, names: Collection[str] | None = None
    ) -> st.SearchStrategy[Written]:
        """Draw one fault: one of these names, acting at one of these phases.

        Raises:
            UsageError: for an unknown name, or where no fault is left.
        """
        known = drawn_faults()
        for name in names or ():
            if name not in known:
                near = nearest(name, known)
                raise UsageError(f"there is no fault {name!r} to draw" + (f" (did you mean {near!r}?)" if near else ""))
        ways: list[st.SearchStrategy[Written]] = []
        for name in known:
            variants = self._variants(name) if names is None or name in names else []
            left = [written for phase, written in variants if phases is None or phase in phases]
            if left:
                ways += [one_from(left)] * _WEIGHTS.get(name, 1)
        if not ways:
            raise UsageError("no fault is left to draw: the phases and names that are asked for exclude each other")
        return any_of(ways)

    def steps(self, names: Collection[str] | None = None) -> st.SearchStrategy[Written]:
        """Draw one step: nothing, a fault, a late one, or an error whose body breaks off."""
        one = self.faults(names=names)
        ways: list[st.SearchStrategy[Written]] = [st.just("pass"), *[one] * 8]
        ends = [name for name in drawn_faults() if name != "delay" and (names is None or name in names)]
        if ends and (names is None or "delay" in names):
            ways.append(st.tuples(one_from(self._delays("request")), self.faults(names=ends)).map(list))
        if names is None or {"status", "truncate"} <= set(names):
            ways.append(st.tuples(one_from(self._statuses()), one_from(self._truncations())).map(list))
        return any_of(ways)

    def plans(self, step: st.SearchStrategy[Written], max_size: int = 3) -> st.SearchStrategy[dict[str, Written]]:
        """Draw a rule without its ``on``: a plan, or a fault each time."""
        alone = step.map(lambda found: [found])
        steps = any_of([alone, alone, alone, st.lists(step, min_size=1, max_size=max_size)])
        plan = steps.map(lambda found: {"plan": found})
        for_good = plan.map(lambda found: {**found, "then": "last"})
        again = plan.map(lambda found: {**found, "then": "repeat"})
        each = step.map(lambda found: {"plan": ["pass"]} if found == "pass" else {"fault": found})
        return any_of([plan, plan, plan, plan, for_good, again, each])

    # The faults one by one

    def _variants(self, name: str) -> list[_Variant]:
        """Return what can be drawn of one fault, the gentlest first."""
        match name:
            case "status":
                committed = [{"status": {"code": code, "committed": True}} for code in _COMMITTED]
                return [*_at("request", self._statuses()), *_at("response", committed)]
            case "unauthorized":
                bodies = ["", "no JSON", *({"fixture": name} for name in self.payloads)]
                odd = [{"unauthorized": {"body": body}} for body in bodies]
                return _at("request", ["unauthorized"] * len(bodies) + odd)
            case "delay":
                return [variant for place in _PLACES for variant in _at(place, self._delays(place))]
            case "truncate":
                return _at("body", self._truncations())
            case "html":
                return _at("response", ["html", {"html": 503}])
            case "malformed_json":
                ways = [{"malformed_json": how} for how in ("trailing", "unquoted", "comma")]
                return _at("response", ["malformed_json", *ways])
            case "close" | "reset" | "half_close":
                return self._ends(name)
            case "stall":
                return self._stalls()
            case _:
                written = WRITTEN_AS[name](self._seconds()) if name in WRITTEN_AS else [name]
                return _at(FAULTS.get(name)[0].phase, written)

    def _statuses(self) -> list[Written]:
        """Return statuses: plain, with a Retry-After, or with an odd body; the backend does not run."""
        plain: list[Written] = [{"status": code} for code in _CODES]
        asked: list[Written] = [format_seconds(item) for item in self.times.told]
        dates = [{"date": wait, "form": form} for wait in asked[1:3] for form in _FORMS]
        asked += [*asked, *dates, *({"raw": text} for text in _RAW)]
        told = [{"status": {"code": code, "retry_after": wait}} for wait in asked for code in _TELLING]
        bodies = [*_ODD_BODIES, *({"fixture": name} for name in self.payloads)]
        codes = _CODES * (1 + len(bodies) // len(_CODES))
        odd = [{"status": {"code": code, "body": body}} for code, body in zip(codes, bodies, strict=False)]
        odd += [{"status": {"code": code, "body": body}} for code, body in zip(codes[5:], bodies, strict=False)]
        return [*plain, *plain, *plain, *told, *odd]

    def _delays(self, at: str) -> list[Written]:
        times = self._seconds()
        return [{"delay": time if at == "response" else {"time": time, "at": at}} for time in times]

    def _truncations(self) -> list[Written]:
        plain: list[Written] = ["truncate", *({"truncate": after} for after in _OFFSETS)]
        ends = [{"truncate": {"after": after, "ending": end}} for end in ("reset", "stall") for after in _OFFSETS]
        return [*plain, *plain, *ends]

    def _ends(self, name: str) -> list[_Variant]:
        """Return a fault that ends a connection somewhere, at once or after a silence."""
        plain: list[_Variant] = [(at, name if at == "response" else {name: at}) for at in _PLACES[:3]]
        cut = _at("body", [{name: {"at": "body", "after": after}} for after in _OFFSETS])
        late = _at("response", [{name: {"time": time}} for time in self._seconds()])
        return [*plain, *plain, *plain, *cut, *late]

    def _stalls(self) -> list[_Variant]:
        for_a_time = [{"stall": time} for time in self._seconds()]
        ended = [{"stall": {"time": time, "then": then}} for then in ("close", "reset") for time in self._seconds()]
        for_good: list[_Variant] = [(at, "stall" if at == "response" else {"stall": {"at": at}}) for at in _PLACES]
        return [*_at("response", for_a_time), *_at("response", ended), *for_good * 3]

    def _seconds(self) -> list[str]:
        return [format_seconds(item) for item in self.times.delays if item > 0]


def _at(phase: Phase, written: Sequence[Written]) -> list[_Variant]:
    return [(phase, item) for item in written]
