"""Any bytes that a driver writes lead to a verdict, never to an exception of another kind."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sadpath.core.errors import DriverError
from sadpath.drivers.base import Driver
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.messages import DriverFault, Hello, Ok, Outcome, Pong, Result, Unsupported
from sadpath.drivers.process import Command, Lines, Tail
from sadpath.drivers.wire import KINDS, MARK, Answer, BrokenMessage, excerpt, read_answer
from tests.support.driven import a_run

QUICK = Bounds(start=10.0, answer=0.05, grace=0.0, late=0.0, line=5_000, volume=20_000, log=500)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
fields = st.fixed_dictionaries(
    {"t": st.sampled_from([*KINDS, "outcom", "run", ""])},
    optional={
        "id": st.sampled_from(["k1", "k2"]) | json_values,
        "call": st.sampled_from(["a", "b"]) | json_values,
        "i": st.integers(-1, 2) | json_values,
        "outcome": st.sampled_from(["ok", "error", "cancelled", "OK"]) | json_values,
        "error": st.fixed_dictionaries({"kind": st.sampled_from(["timeout.read", "timeout"])}) | json_values,
        "value": st.fixed_dictionaries({"status": st.just(200), "json": json_values}) | json_values,
        "client": st.fixed_dictionaries({"name": st.text(max_size=5)}) | json_values,
        "signed_in": json_values,
        "log": json_values,
        "x": json_values,
    },
)
messages = fields.map(lambda data: MARK + json.dumps(data).encode())
lines = st.one_of(messages, messages, st.binary(max_size=40), st.binary(max_size=40).map(lambda data: MARK + data))
streams = st.lists(lines, max_size=6).map(b"\n".join) | st.lists(lines, max_size=6).map(
    lambda found: b"".join(line + b"\r\n" for line in found)
)

WELL = MARK + b'{"t":"outcome","id":"k1","call":"a","outcome":"ok"}\n' + MARK + b'{"t":"result","id":"k1"}\n'


def _played(make: Any) -> str:
    """Play a run in a folder of its own and return how it ended."""

    async def main() -> str:
        folder = Path(tempfile.mkdtemp(prefix="sadpath-test-"))
        driver: Driver = make(folder)
        found: list[Outcome] = []
        try:
            end = await driver.run(a_run(deadline=0.3), found.append)
            await driver.end_case("k1")
        except DriverError as error:
            str(error).encode()
            return "driver_error"
        finally:
            await driver.close()
            shutil.rmtree(folder)
        for item in [*found, end]:
            item.model_dump_json()
        assert len(found) <= 1
        return type(end).__name__

    return asyncio.run(main())


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40, deadline=None)
@given(streams)
@example(WELL)
@example(b"")
@example(MARK)
@example(b"\xff" * 30_000)
@example(MARK + b"[" * 4_000)
def test_any_bytes_of_a_command_lead_to_a_verdict(stream: bytes) -> None:
    """What a command prints before exit 0 is a verdict of one kind or another."""

    def make(folder: Path) -> Driver:
        (folder / "stream").write_bytes(stream)
        return ExecDriver(Command(("cat", "stream"), folder), bounds=QUICK)

    assert _played(make) in ("Result", "Unsupported", "DriverFault", "driver_error")


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40, deadline=None)
@given(streams)
@example(WELL)
@example(b"\n" * 30_000)
@example(MARK + b'{"t":"pong"}\n')
@example(WELL + MARK + b'{"t":"ok"}\n')
def test_any_bytes_of_a_process_that_stays_lead_to_a_verdict(stream: bytes) -> None:
    """What a driver answers to ``run``, whatever it is, ends the case; so does its silence afterwards."""
    text = (
        'read -r line; echo \'@sadpath {"t":"hello","client":{"name":"x"}}\'\n'
        'read -r line; echo \'@sadpath {"t":"ok"}\'\n'
        "read -r line; cat stream; exec cat > /dev/null\n"
    )

    def make(folder: Path) -> Driver:
        (folder / "stream").write_bytes(stream)
        (folder / "driver.sh").write_text(text)
        return StdioDriver(Command(("bash", "driver.sh"), folder), bounds=QUICK)

    assert _played(make) in ("Result", "Unsupported", "DriverFault", "driver_error")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | messages.map(lambda line: line[len(MARK) :]))
@example(b'{"t":"result","id":"k1","log":"\\ud800"}')
@example(b'{"t":"result","id":"k1","logouts":1e999}')
@example(b'{"t":"result","id":"k1","logouts":NaN}')
@example(b'{"t":"result","id":"k1","logouts":' + b"9" * 5_000 + b"}")
@example(b'{"t":"result","x":' + b"[" * 100_000 + b"}")
@example(b'{"t":["result"]}')
def test_any_text_is_a_message_or_is_refused(raw: bytes) -> None:
    """Nothing but ``BrokenMessage`` is raised, its words can be printed, and what is taken can be stored."""
    found: Answer | BrokenMessage
    try:
        found = read_answer(raw)
    except BrokenMessage as error:
        found = error

    if isinstance(found, BrokenMessage):
        assert str(found).encode()
        assert len(str(found)) < 1_000
    else:
        assert isinstance(found, Hello | Outcome | Result | Unsupported | DriverFault | Pong | Ok)
        assert found.model_dump_json()


@given(st.binary(max_size=300), st.integers(1, 20), st.lists(st.integers(1, 50), max_size=20))
def test_lines_do_not_depend_on_how_a_stream_is_cut(stream: bytes, limit: int, sizes: list[int]) -> None:
    """However the bytes arrive, the lines are the same, none is longer than the bound, and the flag says what was cut."""

    def split(chunks: list[bytes]) -> list[tuple[bytes, bool]]:
        found: list[tuple[bytes, bool]] = []
        splitter = Lines(limit, lambda line, cut: found.append((line, cut)))
        for chunk in chunks:
            splitter.feed(chunk)
        if splitter.pending:
            splitter.end()
        return found

    chunks, rest = [], stream
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    whole = stream.split(b"\n")
    expected = [(line[:limit].removesuffix(b"\r"), len(line) > limit) for line in whole[:-1]]
    expected += [(whole[-1][:limit].removesuffix(b"\r"), len(whole[-1]) > limit)] if whole[-1] else []

    assert split([*chunks, rest]) == split([stream]) == expected


@given(st.lists(st.text(max_size=30)), st.integers(1, 60))
def test_a_tail_keeps_the_end_within_its_bound(lines_: list[str], limit: int) -> None:
    """What came last is there, what came first is given up, and a mark says that something was."""
    tail = Tail(limit)
    for line in lines_:
        tail.add(line)

    assert len(str(tail)) <= limit + 3
    if lines_:
        assert str(tail).endswith(lines_[-1][:limit])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{}", "there is no `t`"),
        (b'{"t":"outcom"}', "did you mean 'outcome'"),
        (
            b'{"t":"outcome","call":"a","outcome":"ok","atempts":1}',
            "`atempts` is no field of it, did you mean 'attempts'",
        ),
        (b'{"t":"outcome","outcome":"ok"}', "the field `call` is missing"),
        (b'{"t":"outcome","call":"a","outcome":"ok","i":"0"}', '`i`: Input should be a valid integer, not "0"'),
        (b'{"t":"outcome","call":"a","outcome":"error"}', "`error` is missing"),
        (
            b'{"t":"outcome","call":"a","outcome":"error","error":{"kind":"timeout_read"}}',
            "unknown error.kind 'timeout_read', did you mean 'timeout.read'",
        ),
        (b"[1]", "no JSON object"),
    ],
)
def test_a_message_that_is_wrong_says_what(raw: bytes, said: str) -> None:
    """A driver's author reads the field, what was found there, and the nearest known name."""
    with pytest.raises(BrokenMessage, match=r".*") as caught:
        read_answer(raw)

    assert said in str(caught.value)


def test_a_message_is_shown_short_and_printable() -> None:
    """Control characters, bytes that are no text and great length do not reach the terminal."""
    shown = excerpt(b"\x1b[31m\x00\xff" + b"x" * 5_000)

    assert shown.isprintable()
    assert len(shown) < 200
