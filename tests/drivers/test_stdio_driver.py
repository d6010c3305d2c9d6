"""The stdio driver: whatever the process does, the case gets its verdict and the next one is played."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sadpath.core.errors import DriverError
from sadpath.drivers.base import End
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.messages import CallStep, DriverFault, Hello, ParallelStep, Result, Unsupported
from sadpath.drivers.process import Command
from tests.support.driven import SHORT, Heard, a_run, gone, heard, with_driver

SCRIPT = Path(__file__).resolve().parents[1] / "support" / "bad_driver.py"


def _command(*, env: dict[str, str] | None = None, **hello: Any) -> Command:
    words = (sys.executable, "-S", "-E", str(SCRIPT), json.dumps(hello))
    return Command(words, env=env or {})


def _driver(bounds: Bounds = SHORT, **options: Any) -> StdioDriver:
    return StdioDriver(_command(**options), bounds=bounds)


def _call(op: str, name: str = "a", **changes: Any) -> CallStep:
    return CallStep(call=name, op=op, **changes)


def _end(op: str, deadline: float = 20.0, **options: Any) -> tuple[End | str, Heard]:
    """Return how a run with an operation ends, and what comes of the next case with the same driver."""

    async def work(driver: StdioDriver) -> tuple[End | str, Heard]:
        end: End | str
        try:
            _, end = await heard(driver, a_run(_call(op), deadline=deadline))
        except DriverError as error:
            end = str(error)
        try:
            await driver.end_case("k1")
        except DriverError as error:
            end = f"{end}; {error}"
        return end, await heard(driver, a_run(_call("well"), id="k2"))

    found: tuple[End | str, Heard] = with_driver(lambda: _driver(**options), work)
    return found


def test_a_good_driver_is_heard() -> None:
    """Hello, outcomes in order with their times, the result, and an end that leaves nothing."""

    async def work(driver: StdioDriver) -> tuple[Hello, Heard, Heard]:
        hello = await driver.hello()
        first = await heard(driver, a_run(_call("well", times=2), ParallelStep(parallel=[_call("well", "b")])))
        second = await heard(driver, a_run(_call("well", "c"), continues=True))
        assert await driver.end_case("k1") == []
        return hello, first, second

    hello, (outcomes, end), (more, _) = with_driver(lambda: _driver(max_parallel=3), work)

    assert (hello.client.name, hello.max_parallel, hello.operations) == ("bad", 3, ["http", "users.get", "well"])
    assert [(found.call, found.i, found.ended_ms) for found in outcomes] == [
        ("a", 0, 1.5),
        ("a", 1, 1.5),
        ("b", 0, 1.5),
    ]
    assert [found.call for found in more] == ["c"]
    assert isinstance(end, Result)
    assert end.signed_in is True


@pytest.mark.parametrize(
    ("op", "said"),
    [
        ("crash", r"ended with exit code 3.*about to crash"),
        ("closes-stdout", "closed its stdout"),
        ("another-case", r"answers for the case 'somebody-else'.*\(k1 is\)"),
        ("early-result", "`result` came though there is no outcome of a/0"),
        ("twice", "a second outcome came for the call a/0"),
        ("another-call", r"an outcome came for zz/0, a call that was not asked for \(a/0"),
        ("broken-json", "not JSON"),
        ("not-utf8", "not UTF-8"),
        ("long-message", "a message is longer than 100,000 bytes"),
        ("flood", "has written more than 1,000,000 bytes in one case"),
        ("hello-again", "says hello though nobody asked"),
    ],
)
def test_a_driver_that_fails_is_told_and_started_again(op: str, said: str) -> None:
    """A crash, answers for others, broken lines and floods end the case by the driver's fault, and no other."""
    end, (outcomes, after) = _end(op)

    assert isinstance(end, str)
    assert re.search(said, end), end
    assert ([found.outcome for found in outcomes], type(after)) == (["ok"], Result)


@pytest.mark.parametrize("op", ["garbage", "long-line"])
def test_what_is_no_message_is_log(op: str) -> None:
    """Lines without the mark, binary or long as they may be, go into the log and disturb nothing."""
    end, (outcomes, _) = _end(op)

    assert isinstance(end, Result)
    assert 0 < len(end.log) <= SHORT.log + 10
    assert [found.outcome for found in outcomes] == ["ok"]


def test_a_client_that_hangs_has_failed() -> None:
    """At the deadline the driver still answers pings, so the call has no outcome; the next case has a new process."""
    end, (outcomes, _) = _end("hang", deadline=0.2)

    assert isinstance(end, Result)
    assert [found.outcome for found in outcomes] == ["ok"]


@pytest.mark.parametrize(
    ("op", "said"), [("deaf", "does not answer `ping` within 0.4 s at the deadline"), ("no-result", "no `result` came")]
)
def test_a_driver_that_falls_silent_is_told_from_a_client_that_hangs(op: str, said: str) -> None:
    """No pong is the driver's fault, and so is an end that never comes though every call has ended."""
    end, (outcomes, _) = _end(op, deadline=0.2)

    assert isinstance(end, str)
    assert said in end
    assert [found.outcome for found in outcomes] == ["ok"]


def test_what_a_driver_says_of_itself_is_passed_on() -> None:
    """``unsupported`` and ``driver_error`` end a case as they are, and the process goes on."""
    unsupported, _ = _end("unsupported")
    fault, _ = _end("own-fault")

    assert isinstance(unsupported, Unsupported)
    assert unsupported.why == "because"
    assert isinstance(fault, DriverFault)
    assert fault.message == "the adapter failed"


def test_a_driver_that_ends_between_two_cases_is_told_once() -> None:
    """The case that finds it gone says so; the one after that has a new process."""

    async def work(driver: StdioDriver) -> Heard:
        await heard(driver, a_run(_call("well")))
        life = driver._life
        await driver.end_case("k1")
        assert life is not None
        assert await life.process.ended(10)
        with pytest.raises(DriverError, match=r"exit code 6.*\(between two cases\)"):
            await heard(driver, a_run(_call("well"), id="k2"))
        assert await driver.end_case("k2") == []
        return await heard(driver, a_run(_call("well"), id="k3"))

    outcomes, _ = with_driver(lambda: _driver(env={"ENDS_AFTER_RESET": "2"}), work)

    assert [found.outcome for found in outcomes] == ["ok"]


def test_a_driver_that_ends_after_its_result_is_told_at_the_end_of_the_case() -> None:
    """What has been answered by then does not hide that it died."""

    async def work(driver: StdioDriver) -> Heard:
        _, end = await heard(driver, a_run(_call("crash-afterwards")))
        assert isinstance(end, Result)
        assert driver._life is not None
        assert await driver._life.process.ended(10)
        with pytest.raises(DriverError, match="exit code 4"):
            await driver.end_case("k1")
        return await heard(driver, a_run(_call("well"), id="k2"))

    outcomes, _ = with_driver(_driver, work)

    assert [found.outcome for found in outcomes] == ["ok"]


def test_a_crash_ends_every_case_that_is_under_way_and_no_more() -> None:
    """Two cases at a time in one process share its fate; afterwards both can be played again."""

    async def work(driver: StdioDriver) -> list[Any]:
        hang = a_run(_call("hang"), id="k1")
        both = await asyncio.gather(
            heard(driver, hang), heard(driver, a_run(_call("crash"), id="k2")), return_exceptions=True
        )
        for case in ("k1", "k2"):
            await driver.end_case(case)
        return [*both, await heard(driver, a_run(_call("well"), id="k3"))]

    first, second, (outcomes, _) = with_driver(lambda: _driver(max_parallel=2), work)

    assert "exit code 3" in str(first)
    assert "exit code 3" in str(second)
    assert [found.outcome for found in outcomes] == ["ok"]


def test_the_neighbour_of_a_client_that_hangs_is_left_alone() -> None:
    """A process whose one client hangs takes no new case, and lives until its others have ended."""

    async def work(driver: StdioDriver) -> tuple[Any, Any, Any]:
        await heard(driver, a_run(_call("well"), id="k2"))
        await heard(driver, a_run(_call("hang"), id="k1", deadline=0.1))
        await driver.end_case("k1")
        after = await heard(driver, a_run(_call("well", "b"), id="k2", continues=True))
        other = await heard(driver, a_run(_call("well"), id="k3"))
        return after, other, len(driver._lives)

    (after, _), (other, _), lives_ = with_driver(lambda: _driver(max_parallel=2), work)

    assert [found.call for found in [*after, *other]] == ["b", "a"]
    assert lives_ == 2


def test_a_client_that_hung_may_answer_late() -> None:
    """What comes for a case that was given up disturbs no other that the process is still at."""

    async def work(driver: StdioDriver) -> Any:
        await heard(driver, a_run(_call("well"), id="k2"))
        await heard(driver, a_run(_call("hang"), id="k1", deadline=0.1))
        await driver.end_case("k1")
        return await heard(driver, a_run(_call("late-for-k1", "b"), id="k2", continues=True))

    outcomes, end = with_driver(lambda: _driver(max_parallel=2), work)

    assert [(found.call, found.outcome) for found in outcomes] == [("b", "ok")]
    assert isinstance(end, Result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"protocol": 2}, "speaks version 2 of the protocol"),
        ({"client": {"name": ""}}, "client.name"),
        ({"client": {"name": "x\n" * 100}}, "client.name"),
        ({"max_parallel": 0}, "max_parallel"),
        ({"capabilities": "all"}, "capabilities"),
        ({"capabilitys": []}, "did you mean 'capabilities'"),
        ({"env": {"MUTE": "hello"}}, "has not said hello within 0.3 s"),
    ],
)
def test_a_hello_that_is_none_is_refused(options: dict[str, Any], said: str) -> None:
    """A driver that speaks otherwise, or not in time, cannot be started; the message says what is wrong."""
    bounds = replace(SHORT, start=0.3) if "env" in options else SHORT

    with pytest.raises(DriverError, match=said):
        with_driver(lambda: _driver(bounds, **options), lambda driver: driver.hello())


def test_a_driver_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    """A typing error in a driver is found in its own message."""
    command = Command((sys.executable, "-c", "import no_such_module_at_all"), tmp_path)

    with pytest.raises(DriverError, match=r"ended with exit code 1\. Its last lines: .*no_such_module_at_all"):
        with_driver(lambda: StdioDriver(command, bounds=SHORT), lambda driver: driver.hello())


def test_a_reset_that_is_not_answered_is_told() -> None:
    """Before a case it is the driver's fault; after it the client's that cannot be closed, if pings are answered."""

    async def work(driver: StdioDriver) -> list[str]:
        await heard(driver, a_run(_call("well")))
        return await driver.end_case("k1")

    left = with_driver(lambda: _driver(env={"DEAF_FROM_RESET": "2"}), work)
    assert left == ["closing the client did not end in 0.4 s"]
    with pytest.raises(DriverError, match=r"does not answer `reset` within 0\.4 s"):
        with_driver(lambda: _driver(env={"MUTE": "reset"}), work)
    with pytest.raises(DriverError, match=r"does not answer `ping` within 0\.4 s after `reset`"):
        with_driver(lambda: _driver(env={"DEAF_FROM_RESET": "2", "MUTE": "ping"}), work)


@pytest.mark.parametrize("env", [{}, {"STAYS": "1"}])
def test_nothing_is_left_over(env: dict[str, str]) -> None:
    """After bye the process and what it has started are gone, whether it ends by itself or not."""

    async def work(driver: StdioDriver) -> tuple[int, int]:
        _, end = await heard(driver, a_run(_call("leaves-a-child")))
        assert isinstance(end, Result)
        life = driver._life
        assert life is not None
        assert life.process._group is not None
        return life.process._group, int(end.log)

    own, child = with_driver(lambda: _driver(env=env), work)

    assert gone(own, child)


def test_a_closed_driver_starts_again() -> None:
    """A case may be replayed in another loop than the one in which the driver said hello."""
    driver = _driver()

    async def once() -> Heard:
        try:
            await driver.hello()
            return await heard(driver, a_run(_call("well")))
        finally:
            await driver.close()

    assert [[found.outcome for found in asyncio.run(once())[0]] for _ in range(2)] == [["ok"], ["ok"]]


def test_another_hello_after_a_restart_is_refused(tmp_path: Path) -> None:
    """A client that is another one after a crash would be judged by the wrong promise."""
    script = tmp_path / "fickle.py"
    text = (
        "import json, os, sys\n"
        "names = ['one', 'two', 'two']\n"
        "count = len(os.listdir('.'))\n"
        "open(f'started-{count}', 'w').close()\n"
        "for line in sys.stdin:\n"
        "    kind = json.loads(line)['t']\n"
        "    if kind == 'run': os._exit(5)\n"
        "    out = {'t': 'hello', 'client': {'name': names[min(count - 1, 2)]}} if kind == 'hello' else {'t': 'ok'}\n"
        "    print('@sadpath ' + json.dumps(out), flush=True)\n"
    )
    script.write_text(text)

    async def work(driver: StdioDriver) -> None:
        with pytest.raises(DriverError, match="exit code 5"):
            await heard(driver, a_run(_call("well")))
        await driver.end_case("k1")
        with pytest.raises(DriverError, match="says another hello"):
            await heard(driver, a_run(_call("well"), id="k2"))

    with_driver(lambda: StdioDriver(Command((sys.executable, str(script)), tmp_path), bounds=SHORT), work)
