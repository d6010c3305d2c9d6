"""The http driver: the same messages over POST, and every way in which a reply can be none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sadpath.core.errors import DriverError
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_http import HttpDriver
from sadpath.drivers.messages import CallStep, DriverFault, Hello, Result, Unsupported
from tests.support.driven import SHORT, Heard, a_run, heard, with_driver

OUTCOME = {"t": "outcome", "id": "k1", "call": "a", "outcome": "ok"}
RESULT = {"t": "result", "id": "k1", "signed_in": True}


class Device:
    """A driver behind a URL. ``says`` holds what it replies in the place of the usual; ``holds`` what it never ends."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.says: dict[str, tuple[int, bytes]] = {}
        self.holds: set[str] = set()
        self.over = threading.Event()
        device = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                device.heard.append(asked)
                kind = asked["t"]
                status, body = device.says.get(kind) or (200, device.usual(kind))
                self.send_response(status)
                self.send_header("Content-Type", "application/x-ndjson")
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()
                if kind in device.holds:
                    device.over.wait(20)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's word
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/driver"

    def usual(self, kind: str) -> bytes:
        """Return what a good driver replies."""
        said: dict[str, list[dict[str, Any]]] = {
            "hello": [{"t": "hello", "protocol": 1, "client": {"name": "phone"}, "operations": ["http"]}],
            "ping": [{"t": "pong"}],
            "reset": [{"t": "ok"}],
            "run": [OUTCOME, RESULT],
            "bye": [{"t": "ok"}],
        }
        return _lines(*said[kind])

    def close(self) -> None:
        """End it."""
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in messages)


@pytest.fixture
def device() -> Iterator[Device]:
    """Return a device that behaves well until a test says otherwise."""
    found = Device()
    yield found
    found.close()


def _play(device: Device, deadline: float = 20.0, bounds: Bounds = SHORT) -> Heard:
    run = a_run(CallStep(call="a", op="http"), deadline=deadline)
    found: Heard = with_driver(lambda: HttpDriver(device.url, bounds=bounds), lambda driver: heard(driver, run))
    return found


def test_a_good_driver_is_heard(device: Device) -> None:
    """Each message is one POST: hello, a reset before the case and after it, the run, and bye."""

    async def work(driver: HttpDriver) -> tuple[Hello, Heard, list[str]]:
        hello = await driver.hello()
        played = await heard(driver, a_run(CallStep(call="a", op="http")))
        await heard(driver, a_run(CallStep(call="a", op="http"), continues=True))
        return hello, played, await driver.end_case("k1")

    hello, (outcomes, end), left = with_driver(lambda: HttpDriver(device.url, bounds=SHORT), work)

    assert hello.client.name == "phone"
    assert [found.outcome for found in outcomes] == ["ok"]
    assert isinstance(end, Result)
    assert end.signed_in is True
    assert left == []
    assert [item["t"] for item in device.heard] == ["hello", "reset", "run", "run", "reset", "bye"]
    assert device.heard[2]["calls"][0]["op"] == "http"


@pytest.mark.parametrize(("answer", "kind"), [("unsupported", Unsupported), ("driver_error", DriverFault)])
def test_other_ends_are_passed_on(device: Device, answer: str, kind: type[object]) -> None:
    """A driver may say that it cannot, or that it failed itself."""
    device.says["run"] = 200, _lines({"t": answer, "id": "k1"})

    assert isinstance(_play(device)[1], kind)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((500, b""), "replies with status 500"),
        ((200, b""), "ended its reply to `run` with neither result"),
        ((200, _lines(OUTCOME)), "ended its reply to `run` with neither result"),
        ((200, _lines(RESULT)), "there is no outcome of a/0"),
        ((200, _lines({**RESULT, "id": "k2"})), "answers with 'k2' in a reply to the run 'k1'"),
        ((200, _lines({"t": "pong"})), "answers with 'pong'"),
        ((200, _lines(OUTCOME, OUTCOME)), "a second outcome"),
        ((200, b"<html>"), "not JSON"),
        ((200, bytes(range(128, 256)) + b"\n"), "not UTF-8"),
        ((200, b"x" * 200_000), "a message is longer than 100,000 bytes"),
        ((200, b"\n" * 2_000_000), "more than 1,000,000 bytes"),
    ],
)
def test_a_reply_that_is_none_is_the_drivers_fault(device: Device, reply: tuple[int, bytes], said: str) -> None:
    """Whatever the reply holds, the case has a verdict that says what was wrong."""
    device.says["run"] = reply

    with pytest.raises(DriverError, match=said):
        _play(device)


def test_a_client_that_hangs_has_failed(device: Device) -> None:
    """At the deadline the driver still answers pings, so the call has no outcome; the next run is played."""
    device.says["run"] = 200, b""
    device.holds.add("run")

    outcomes, end = _play(device, deadline=0.2)

    assert outcomes == []
    assert isinstance(end, Result)
    assert [item["t"] for item in device.heard][-2:] == ["ping", "bye"]


def test_a_driver_that_falls_silent_is_told_from_a_client_that_hangs(device: Device) -> None:
    """No pong, or no end though every call has ended, is the driver's fault."""
    device.says["run"] = 200, _lines(OUTCOME)
    device.holds.add("run")
    with pytest.raises(DriverError, match="no `result` came by the deadline"):
        _play(device, deadline=0.2)

    device.says |= {"run": (200, b""), "ping": (200, b"")}
    device.holds.add("ping")
    with pytest.raises(DriverError, match=r'does not answer \{"t":"ping"\} within 0\.4 s'):
        _play(device, deadline=0.2)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((200, _lines({"t": "hello", "protocol": 2, "client": {"name": "x"}})), "speaks version 2"),
        ((200, _lines({"t": "pong"})), "with pong and not with one hello"),
        ((200, b""), "with nothing and not with one hello"),
        ((404, b""), "status 404"),
    ],
)
def test_a_hello_that_is_none_is_refused(device: Device, reply: tuple[int, bytes], said: str) -> None:
    """A driver that speaks otherwise is refused before the first case."""
    device.says["hello"] = reply

    with pytest.raises(DriverError, match=said):
        with_driver(lambda: HttpDriver(device.url, bounds=SHORT), lambda driver: driver.hello())


def test_a_driver_that_is_not_there_is_named(device: Device) -> None:
    """The message holds its URL, and what went wrong on the way there."""
    url = device.url
    device.close()

    with pytest.raises(DriverError, match=rf"{url} cannot be reached"):
        with_driver(lambda: HttpDriver(url, bounds=SHORT), lambda driver: driver.hello())


def test_a_slow_hello_ends_in_time(device: Device) -> None:
    """The start has its bound too."""
    device.says["hello"] = 200, b""
    device.holds.add("hello")

    with pytest.raises(DriverError, match=r"within 0\.2 s"):
        with_driver(lambda: HttpDriver(device.url, bounds=replace(SHORT, start=0.2)), lambda driver: driver.hello())
