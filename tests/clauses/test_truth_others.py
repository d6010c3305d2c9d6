"""The truth about the END, HEAL, IDEM and POOL clauses: stories that hold them, and the smallest changes that do not."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import sadpath.faults  # noqa: F401 - fills the vocabulary from which the armed faults are made
from sadpath.core.events import ArmedFault, ConnectionEvent, FiredFault
from sadpath.scenario.vocabulary import FAULTS
from tests.clauses.stories import USER, Story, Telling, truth

READ = {"method": "GET", "path": "/settings"}
HEALTH = {"method": "GET", "path": "/health"}
DELAYED = [FiredFault("delay", "request")]
TWO = {**USER, "id": 2}


def _meets(call: Telling, met: int | str) -> None:
    if isinstance(met, int):
        call.meets(met)
    elif met == "cut":
        call.breaks_off()
    elif met == "silence":
        call.gives_up()
    else:
        call.breaks(met)


MET: st.SearchStrategy[int | str] = st.sampled_from([503, 401, 200, "rst", "fin", "cut", "silence"])


# END-01


@truth("END-01")
@given(st.lists(st.tuples(MET, st.booleans()), min_size=1, max_size=5), st.none() | st.integers(0, 4), st.booleans())
def test_every_call_ends(met: list[tuple[int | str, bool]], hung: int | None, silent: bool) -> None:
    """END-01 fails as soon as one call does not end, whatever it met, sent or not."""
    story = Story()
    story.call(args={"id": 99}).breaks().fails("reset")
    for index, (what, well) in enumerate(met):
        call = story.call(args={"id": index})
        if not (silent and index == hung):
            _meets(call, what)
        if index == hung:
            call.hangs()
        elif well:
            call.ok()
        else:
            call.fails("other")

    assert story.verdict("END-01") == ("fail" if hung is not None and hung < len(met) else "pass")


@truth("END-01")
@given(st.booleans(), st.booleans(), st.sampled_from([None, "1s"]), st.booleans())
def test_who_promises_no_end_is_held_to_bounded_faults(read: bool, total: bool, lasts: str | None, hangs: bool) -> None:
    """END-01 is about every client in a silence that ends, and about those that promise a limit in one that does not."""
    kind, _, _ = FAULTS.get("stall")
    limits = {name: None for name, promised in (("read", read), ("total", total)) if not promised}
    story = Story(policy={"timeouts": limits})
    call = story.call().gives_up(after=9.0)
    story.events[-1].armed = [ArmedFault("stall", None, kind.from_file(lasts))]
    (call.hangs() if hangs else call.fails("timeout.read"))
    if read or total or lasts:
        assert story.verdict("END-01") == ("fail" if hangs else "pass")
    else:
        assert story.verdict("END-01") == "not_exercised"


# HEAL-01


@truth("HEAL-01")
@given(
    st.lists(st.sampled_from([503, 500, "rst"]), max_size=4),
    st.booleans(),
    st.integers(1, 30),
    st.sampled_from([-0.2, -0.005, 0.005, 5.0]),
)
def test_it_works_again_in_time(troubles: list[int | str], at_last: bool, within: int, over: float) -> None:
    """HEAL-01 holds where a call ends well within the promised time after the faults, and fails a trifle beyond."""
    story = Story(policy={"heal": {"within": f"{within}s"}})
    story.call().breaks().fails("reset")
    start = story.t + 0.5
    for number, met in enumerate(troubles):
        call = story.call("http", READ, phase="heal", call=f"h{number}", at=start + number / 100)
        _meets(call, met)
        call.fails("server", 503)
    call = story.call("http", READ, phase="heal", call="last", at=start + (len(troubles) / 100 if troubles else 0))
    story.t = start + within + over - 0.007
    call.meets(200 if at_last else 503, takes=0.005)
    (call.ok() if at_last else call.fails("server", 503))

    assert story.verdict("HEAL-01") == ("pass" if at_last and over < 0 else "fail")


@truth("HEAL-01")
@given(
    st.sampled_from(["valid", "used", "revoked", "none"]),
    st.sampled_from([None, "refused", "renewed", "logout", "login"]),
    st.booleans(),
)
def test_nobody_is_signed_out_for_nothing(refresh_token: str, session: str | None, says_so: bool) -> None:
    """HEAL-01 lets a client say unauthorized only where its session may be over."""
    story = Story(scenario={"given": {"refresh_token": refresh_token}})
    story.call().breaks().fails("reset")
    if session in ("refused", "renewed"):
        call = story.call().meets(401)
        story.refresh(400 if session == "refused" else 200)
        call.fails("unauthorized", 401)
    elif session is not None:
        story.call(f"auth.{session}", {}).meets(204, body=b"").ok()
    if says_so:
        story.call("http", READ, phase="heal", call="h0").meets(401).fails("unauthorized", 401)
        story.call("auth.login", {}, phase="heal", call="in", token=None).meets(200).ok()
    story.call("http", READ, phase="heal", call="h1").meets(200).ok()
    over = refresh_token != "valid" or session in ("refused", "logout", "login")

    assert story.verdict("HEAL-01") == ("pass" if over or not says_so else "fail")


@truth("HEAL-01")
@given(st.lists(st.sampled_from(["fin", "rst", "open"]), max_size=4), st.lists(st.text("abc", min_size=1), max_size=2))
def test_nothing_is_left_over(connections: list[str], left: list[str]) -> None:
    """HEAL-01 fails for every connection that stays open, and for whatever outlives the client."""
    story = Story(facts={"left_over": tuple(left)})
    story.call().breaks().fails("reset")
    story.call("http", READ, phase="heal", call="h").meets(200).ok()
    for number, what in enumerate(connections, 10):
        story.connections.append(ConnectionEvent(number, "opened", "client", 0.5))
        if what != "open":
            story.connections.append(ConnectionEvent(number, "fin" if what == "fin" else "rst", "client", story.t))

    assert story.verdict("HEAL-01") == ("fail" if left or "open" in connections else "pass")
    assert len(story.sentences("HEAL-01")) == bool(left) + ("open" in connections)


# IDEM-01 and IDEM-02


@truth("IDEM-01")
@given(
    st.lists(st.lists(st.sampled_from(["own", "other", None]), min_size=1, max_size=3), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_one_key_for_each_call(calls: list[list[str | None]], shared: bool, refused: bool) -> None:
    """IDEM-01 fails where a call's attempts differ in their key, or two calls have the same."""
    story = Story(policy={"retry": {"budget": None}, "timeouts": {"total": "600s"}})
    drawn: list[list[str | None]] = []
    for number, kinds in enumerate(calls):
        names: dict[str | None, str | None] = {
            "own": "k" if shared else f"k{number}",
            "other": f"o{number}",
            None: None,
        }
        keys = [names[kind] for kind in kinds]
        order = story.create(key=None)
        for index, key in enumerate(keys):
            if refused and not index:
                order.meets(401, key=key)
            else:
                order.waits(0.3).breaks(key=key)
        order.fails("reset")
        drawn.append(keys)
    keyed = [keys for keys in drawn if any(keys)]
    if not any(len(keys) > 1 for keys in keyed) and len(keyed) < 2:
        expected = "not_exercised"
    else:
        mixed = any(len(set(keys)) > 1 for keys in keyed)
        used = [key for keys in keyed for key in set(keys) if key is not None]
        expected = "fail" if mixed or len(used) != len(set(used)) else "pass"

    assert story.verdict("IDEM-01") == expected


@truth("IDEM-02")
@given(
    st.lists(
        st.tuples(st.sampled_from(["e1", "e2", None]), st.sampled_from([503, "rst", "silence", 201])),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["e1", "e3", None]),
    st.booleans(),
    st.booleans(),
)
def test_one_effect_for_one_order(
    before: list[tuple[str | None, int | str]], last: str | None, well: bool, made_up: bool
) -> None:
    """IDEM-02 holds for one effect, or none where the call fails; a second, or a success without any, breaks it."""
    story = Story(policy={"retry": {"budget": None}, "timeouts": {"total": "600s"}})
    order = story.create()
    for effect, met in before:
        facts: dict[str, Any] = {"effect": effect, "effect_id": effect}
        if isinstance(met, int):
            order.waits(0.3).meets(met, **facts)
        else:
            (order.breaks(**facts) if met == "rst" else order.gives_up(**facts))
    fault = [FiredFault("status", "request")] if made_up else []
    order.waits(0.3).meets(201, effect=last, effect_id=last, fired=fault)
    (order.ok() if well else order.fails("reset"))
    effects = {effect for effect, _ in before} | {last}
    number = len(effects - {None})
    good = number == 1 or (number == 0 and (not well or made_up))

    assert story.verdict("IDEM-02") == ("pass" if good else "fail")


@truth("IDEM-02")
@given(st.lists(st.sampled_from(["k1", "k2", None]), min_size=2, max_size=4), st.booleans())
def test_where_the_backend_does_not_speak_of_effects(keys: list[str | None], same_answer: bool) -> None:
    """IDEM-02 then takes each success for an effect, save the repetition of one with its key and its answer."""
    story = Story(policy={"retry": {"budget": None}})
    order = story.create()
    for number, key in enumerate(keys):
        body = b'{"id": 1}' if same_answer else json.dumps({"id": number}).encode()
        order.waits(0.3).meets(201, key=key, body=body, effect=True, effect_id=f"x{number}", fired=DELAYED)
    order.ok()
    once = same_answer and None not in keys and len(set(keys)) == 1

    assert story.verdict("IDEM-02") == ("pass" if once else "fail")


# POOL-01 and POOL-04


@truth("POOL-01")
@given(
    st.integers(1, 6),
    st.integers(0, 2),
    st.integers(0, 5),
    st.sampled_from(["well", "fails", "hangs", "late", "early"]),
)
def test_all_places_are_free_again(size: int, more: int, who: int, how: str) -> None:
    """POOL-01 holds where as many calls as there are places are open together; one that is not breaks it."""
    story = Story(policy={"pool": {"size": size}})
    story.call().breaks().fails("reset")
    start = story.t + 1.0
    for number in range(size + more):
        odd = number == who % size
        at = start + (0.2 if (odd and how == "late") or (not odd and how == "early") else 0.0)
        call = story.call("http", HEALTH, at=start, phase="pool", parallel=True, call="p", i=number)
        story.t = at
        if odd and how in ("fails", "hangs"):
            (call.fails("timeout.pool") if how == "fails" else call.hangs())
        else:
            call.meets(200, takes=0.15, fired=DELAYED, token=None).ok()
    together = max(1, size + more - 1)
    good = how == "well" or (how in ("late", "early") and together >= size)

    assert story.verdict("POOL-01") == ("pass" if good else "fail")
    if how in ("fails", "hangs"):
        assert f"1 of {size + more} call" in story.sentences("POOL-01")[0]


@truth("POOL-01")
@given(st.sampled_from([0.00005, 0.0001, 0.001, 0.1]), st.booleans())
def test_a_place_is_taken_from_connecting_to_the_first_byte(off: float, opened_late: bool) -> None:
    """POOL-01 counts a place from the connection's beginning, a round trip before it is open, until the answer begins."""
    story = Story(policy={"pool": {"size": 2}})
    story.call().breaks().fails("reset")
    start = story.t + 1.0
    for number, (arrived, first) in enumerate([(start, start + 0.5), (start + 0.6, start + 1.2)]):
        call = story.call("http", HEALTH, at=start, phase="pool", parallel=True, call="p", i=number)
        story.exchange(arrived, method="GET", path="/health", status=200, first=first, last=first + 0.4,
                       ended=first + 0.4, connection=50 + number, call=call.tag)  # fmt: skip
        story.t = start + 2.0
        call.ok()
    opened = start + 0.5 + (0.0002 + off if opened_late else 0.0002 - off)
    story.connections = [ConnectionEvent(51, "opened", "client", opened)]

    assert story.verdict("POOL-01") == ("fail" if opened_late else "pass")


@truth("POOL-04")
@given(
    st.sampled_from(["cancelled", "timed out", "ended"]),
    st.floats(0.01, 2.0),
    st.sampled_from(["own", "late", "another"]),
    st.booleans(),
)
def test_a_late_answer_is_nobody_s(why: str, late: float, value: str, reused: bool) -> None:
    """POOL-04 fails where the connection of an exchange that was given up is used again, or its answer handed out."""
    story = Story(policy={"timeouts": {"read": "100ms", "total": "600s"}})
    call = story.call("users.get", {"id": 1}, **({"cancel_after": 0.1} if why == "cancelled" else {}))
    call.meets(200, takes=0.2 + late, fired=DELAYED, connection=1)
    story.t = call.started + 0.1
    if why == "cancelled":
        call.cancelled()
    elif why == "timed out":
        story.t += 0.05
        call.meets(404, connection=3, takes=0.01).fails("not_found", 404)
    else:
        call.fails("timeout.read")
    story.t = call.started + 0.18
    other = story.call("users.get", {"id": 2})
    other.meets(200, takes=0.01, body=json.dumps(TWO).encode(), connection=1 if reused else 9)
    other.ok(value={"own": TWO, "late": USER, "another": {"id": 7}}[value])

    assert story.verdict("POOL-04") == ("fail" if reused or value == "late" else "pass")
