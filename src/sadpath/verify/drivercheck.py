"""``sadpath driver check``: a fixed set of conversations with a driver, and what is wrong with its answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from sadpath.core.chance import draw_int
from sadpath.core.errors import DriverError
from sadpath.core.names import nearest
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.messages import (
    CAPABILITIES,
    RESTART,
    AdvanceStep,
    CallStep,
    OfflineStep,
    ParallelStep,
    Unsupported,
)
from sadpath.scenario.travel import carries_access
from sadpath.server.runner import LiveServer
from sadpath.verify.drivertalk import Check, Checked, OutsideDriver, Skipped, Talk, Transcript
from sadpath.workspace import Workspace

__all__ = ["CHECKS", "check_driver"]

_STALL = {"on": "*", "fault": "stall"}
_SLOW = {"on": "*", "fault": {"delay": {"time": "400ms", "at": "request"}}}


async def check_driver(
    driver: OutsideDriver, workspace: Workspace, told: Callable[[Checked], None] | None = None
) -> list[Checked]:
    """Play every conversation that fits a driver, and return what came of each, in order; ``told`` hears of each.

    Raises:
        DriverError: where the driver cannot be started or says no hello.
        AuthorError: where the workspace cannot be used.
    """
    found: list[Checked] = []
    driver.tap = transcript = Transcript()
    try:
        hello = await driver.hello()
        async with LiveServer(workspace, other_origin=True) as server:
            talk = Talk(driver, hello, server, workspace.roles(), transcript)
            for check in CHECKS:
                found.append(await _made(check, talk))
                if told is not None:
                    told(found[-1])
    finally:
        await driver.close()
    return found


async def _made(check: Check, talk: Talk) -> Checked:
    talk.begin(check)
    checked = Checked(check.name)
    lacking = [name for name in check.needs if not talk.declares(name)]
    try:
        if isinstance(talk.driver, ExecDriver) and not check.by_command:
            raise Skipped("a driver that is run for each call is not asked this")
        if lacking:
            raise Skipped(f"it does not declare {', '.join(lacking)}")
        await check.talk(talk)
    except Skipped as why:
        checked.skipped = str(why)
    except DriverError as error:
        talk.wrong(str(error), check.expects)
    checked.findings = talk.findings
    checked.verdict = "wrong" if talk.findings else "skipped" if checked.skipped else "ok"
    return checked


async def _hello(talk: Talk) -> None:
    hello = talk.hello
    for name in hello.capabilities:
        if name not in CAPABILITIES:
            near = nearest(name, CAPABILITIES)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(CAPABILITIES)}"
            talk.wrong(f"the capability {name!r} is unknown; {hint}", "names of the table of capabilities")
    known = [*(item.id for item in talk.roles), "http", RESTART]
    for name in hello.operations:
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            talk.wrong(f"the API has no operation {name!r}{hint}", f"operations of roles.yaml, or `http`: {known}")
    if not hello.operations:
        talk.wrong("`operations` is empty, so it is taken to know all", "the names of what the client can do")


async def _unknown(talk: Talk) -> None:
    operation = f"no.such.operation.{draw_int(1_000_000, 'check')}"
    async with talk.place() as place:
        end = await place.play(CallStep(call="a", op=operation))
    if not isinstance(end, Unsupported):
        said = "; exit with 77 where SADPATH_METHOD is empty" if isinstance(talk.driver, ExecDriver) else ""
        talk.wrong(f"it takes the operation {operation!r}, which nobody has", f"`unsupported`, and nothing else{said}")


async def _call(talk: Talk) -> None:
    async with talk.place() as place:
        outcome = await place.plays(talk.reading())
        if outcome is None:
            return
        seen = place.exchanges()
        if seen and seen[-1].token_generation is None:
            talk.wrong("the request carried no access token of this case", "the `access_token` of `auth`")
        if outcome.outcome != "ok":
            kind = outcome.error.kind if outcome.error else outcome.outcome
            message = f": {outcome.error.message}" if outcome.error and outcome.error.message else ""
            talk.wrong(f"the call ended as {kind}{message}, and nothing was in its way", "an outcome `ok`")
            return
        if not seen:
            talk.wrong("it says `ok`, and no request reached the base URL", "requests below `base_url`, path included")
            return
        last = seen[-1]
        if outcome.value is not None and outcome.value.status not in (None, last.status):
            talk.wrong(
                f"`value.status` is {outcome.value.status}, and the answer had {last.status}", "the answer's status"
            )
        if outcome.attempts not in (None, len(seen)):
            talk.wrong(f"`attempts` is {outcome.attempts}, and {len(seen)} requests came", "what was really sent")
        if talk.declares("call_tag") and last.call != "a/0":
            talk.wrong(f"X-Sadpath-Call is {last.call!r}", "`a/0`: the call's name and number (capability call_tag)")
        started, ended = outcome.started_ms, outcome.ended_ms
        if started is not None and ended is not None and not 0 <= started <= ended <= place.stage.now() * 1000 + 50:
            talk.wrong(f"the times {started} and {ended} are not those of the call", "milliseconds since `run` came")


async def _several(talk: Talk) -> None:
    async with talk.place() as place:
        await place.plays(talk.reading(times=2), talk.reading("b"))
        if missing := [key for key in (("a", 0), ("a", 1), ("b", 0)) if key not in place.outcomes]:
            talk.wrong(f"there is no outcome of {missing}", "one outcome for each of the `times`, with i = 0, 1, …")


async def _parallel(talk: Talk) -> None:
    async with talk.place([_SLOW]) as place:
        await place.plays(ParallelStep(parallel=[talk.reading(times=2), talk.reading("b")]), deadline=15)
        times = sorted((item.t_arrived, item.t_ended or item.t_arrived) for item in place.exchanges())
        if len(times) >= 2 and not any(one[1] > other[0] for one, other in pairwise(times)):
            talk.wrong("calls of one `parallel` are made one after another", "all of them at the same time")


async def _continues(talk: Talk) -> None:
    async with talk.place() as place:
        await place.plays(talk.reading())
        before = len(place.exchanges())
        outcome = await place.plays(talk.reading("b"))
        more = place.exchanges()[before:]
        if outcome is not None and outcome.outcome == "ok" and more and more[-1].token_generation is None:
            talk.wrong("with `continues` the session was lost", "the client goes on as it is, signed in as before")


async def _forgets(talk: Talk) -> None:
    async with talk.place() as place:
        await place.plays(talk.reading())
    async with talk.place() as place:
        outcome = await place.plays(talk.reading(), signed_in=False)
        held = [item for item in place.exchanges() if carries_access(talk.roles.tokens, item.request_headers)]
        if held:
            talk.wrong("with `auth: null` a token was sent all the same", "a client that is signed out")
        if outcome is not None and outcome.outcome == "ok":
            talk.wrong("signed out, the call ended well", "an outcome `error`: nothing of the case before is left")


async def _error(talk: Talk) -> None:
    async with talk.place([{"on": "*", "fault": {"status": 500}}]) as place:
        outcome = await place.plays(talk.reading(), deadline=20)
        if outcome is None or outcome.outcome == "error":
            kind = outcome.error.kind if outcome is not None and outcome.error is not None else "server"
            if talk.declares("error_kinds") and kind != "server":
                talk.wrong(f"a 500 is reported as {kind!r}", "the kind `server` (capability error_kinds)")
            return
        talk.wrong(f"every answer was a 500, and the outcome is `{outcome.outcome}`", "an outcome `error`")


async def _ping(talk: Talk) -> None:
    async with talk.place([_STALL]) as place:
        await place.play(talk.reading(), deadline=0.5)  # the driver is pinged at the deadline, while the call hangs


async def _cancel(talk: Talk) -> None:
    for after in (200.0, 0.0):
        async with talk.place([_STALL]) as place:
            outcome = await place.plays(talk.reading(cancel_after_ms=after), deadline=3)
            if outcome is None:
                continue
            if outcome.outcome != "cancelled":
                talk.wrong(f"cancelled after {after:g} ms, the call ended as `{outcome.outcome}`", "`cancelled`")
            elif outcome.cancelled_ms is None:
                talk.wrong("`cancelled_ms` is missing", "when the cancel was asked for, in ms since `run` came")


async def _pages(talk: Talk) -> None:
    paging = talk.roles.paging
    operation = next((name for name in paging.operations() if talk.knows(name)), None)
    way = paging.of(operation)
    if operation is None or way is None:
        raise Skipped("it knows no operation that has pages")
    async with talk.place() as place:
        outcome = await place.plays(CallStep(call="a", op=operation, args={way.limit: 2}, pages=True), deadline=20)
        if outcome is not None and outcome.value is not None and not isinstance(outcome.value.data, list):
            talk.wrong("`value.json` of a call with `pages` is no list", "the items of every page, as one list")


async def _advance(talk: Talk) -> None:
    async with talk.place() as place:
        await place.plays(AdvanceStep(advance_ms=60_000), talk.reading(), deadline=10)


async def _offline(talk: Talk) -> None:
    async with talk.place() as place:
        await place.plays(OfflineStep(offline=True), OfflineStep(offline=False), talk.reading())


async def _policy(talk: Talk) -> None:
    policy: dict[str, Any] = {"timeouts": {"read_ms": 300, "total_ms": 1000}, "retry": {"max_retries": 0}}
    async with talk.place([_STALL]) as place:
        outcome = await place.plays(talk.reading(), policy=policy, deadline=4)
        if outcome is not None and outcome.outcome == "ok":
            talk.wrong("a server that never answers is an outcome `ok`", "`error`, after the 300 ms of the policy")


async def _bye(talk: Talk) -> None:
    await talk.driver.close()
    if isinstance(talk.driver, StdioDriver) and talk.driver.stayed:
        talk.wrong("after `bye` the process did not end by itself within 1 s", "it ends, with all that it has started")


CHECKS = (
    Check("hello", "Hello", "a `hello`", _hello),
    Check("unknown operation", "What it cannot do", "`unsupported`", _unknown, by_command=True),
    Check("one call", "Outcomes", "an outcome `ok`, then `result`", _call, by_command=True),
    Check("several calls", "Outcomes", "an outcome for each call, then `result`", _several),
    Check("calls at the same time", "Runs", "an outcome for each call, then `result`", _parallel),
    Check("the same client again", "Runs", "outcomes and `result`, with the client as it is", _continues),
    Check("a new case", "Reset", "`ok`, and a client that knows nothing of the case before", _forgets),
    Check("an error", "Outcomes", "an outcome `error`, then `result`", _error, by_command=True),
    Check("ping while a call hangs", "Ping", "`pong` at any time", _ping),
    Check("cancel", "Capabilities", "an outcome `cancelled`", _cancel, ("cancel",)),
    Check("pages", "Capabilities", "an outcome with the items of every page", _pages, ("pagination",)),
    Check("fake clock", "Capabilities", "the client's clock moves at once", _advance, ("fake_clock",)),
    Check("connectivity", "Capabilities", "the hint is given to the client", _offline, ("connectivity",)),
    Check("policy", "Capabilities", "the client takes the numbers", _policy, ("policy_override",)),
    Check("bye", "The end", "the process ends by itself", _bye),
)
"""The conversations, in the order in which they are played."""
