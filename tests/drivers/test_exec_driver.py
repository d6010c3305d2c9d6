"""The exec driver: what a command is told, what its exit and its lines mean, and that nothing of it is left over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sadpath.core.errors import DriverError, UsageError
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.endpoints import Endpoint, plain_request
from sadpath.drivers.messages import AdvanceStep, AuthGrant, CallStep, ParallelStep, Result, Run, Unsupported
from sadpath.drivers.process import Command
from tests.support.driven import SHORT, Heard, a_run, bash, gone, heard, python, with_driver

ENDPOINTS = {
    "users.get": Endpoint("GET", "/users/{id}"),
    "users.list": Endpoint("GET", "/users"),
    "users.update": Endpoint("PUT", "/users/{id}"),
    "users.delete": Endpoint("DELETE", "/users/{id}"),
    "auth.login": Endpoint("POST", "/auth/login", login=True),
}
GRANT = AuthGrant(email="ada@example.com", password="pass")


def _play(command: Command, run: Run | None = None, bounds: Bounds = SHORT) -> Heard:
    def make() -> ExecDriver:
        driver = ExecDriver(command, bounds=bounds)
        driver.endpoints = ENDPOINTS
        return driver

    found: Heard = with_driver(make, lambda driver: heard(driver, run or a_run()))
    return found


@pytest.mark.parametrize(
    ("op", "args", "request_"),
    [
        ("users.get", {"id": 1}, ("GET", "/users/1", "")),
        ("users.get", {"id": "a/b c"}, ("GET", "/users/a%2Fb%20c", "")),
        ("users.list", {"page": 2, "limit": None}, ("GET", "/users?page=2", "")),
        ("users.list", {}, ("GET", "/users", "")),
        ("users.update", {"id": 7, "data": {"user_name": "é"}}, ("PUT", "/users/7", '{"user_name":"\\u00e9"}')),
        ("users.delete", {"id": 7}, ("DELETE", "/users/7", "")),
        ("auth.login", {}, ("POST", "/auth/login", '{"email":"ada@example.com","password":"pass"}')),
        ("http", {"method": "PATCH", "path": "/x?y=1", "json": [1]}, ("PATCH", "/x?y=1", "[1]")),
        ("http", {"method": "GET", "path": "/x", "json": None}, ("GET", "/x", "")),
    ],
)
def test_a_call_comes_to_a_plain_request(op: str, args: dict[str, Any], request_: tuple[str, str, str]) -> None:
    """Method, path with query, and body are told from the API's roles, so a client in a shell need not know them."""
    found = plain_request(op, args, ENDPOINTS, GRANT)

    assert found is not None
    assert (found.method, found.path, found.body) == request_
    assert found.url("http://x/s/1/") == f"http://x/s/1{found.path}"


def test_a_path_may_be_a_url_of_another_origin() -> None:
    """Then it stands for itself: a client is tried with its tokens abroad."""
    found = plain_request("http", {"method": "GET", "path": "http://other/x"}, ENDPOINTS)

    assert found is not None
    assert found.url("http://x/s/1") == "http://other/x"


def test_an_operation_that_nobody_knows_has_no_request() -> None:
    """Then method and path are empty, by which a client sees that it cannot do what is asked."""
    assert plain_request("no.such.operation", {}, ENDPOINTS) is None


def test_everything_that_is_asked_stands_in_the_environment(tmp_path: Path) -> None:
    """Base URL, operation, request, token, case, the certificate's file and the whole message are there."""
    command = bash(tmp_path, 'env -0 > told; cp "$SADPATH_CA_FILE" ca.pem\n')
    _play(command, a_run(tls_ca="-----BEGIN"))
    pairs = (tmp_path / "told").read_text().split("\0")
    told = dict(pair.split("=", 1) for pair in pairs if pair.startswith("SADPATH_"))

    assert json.loads(told.pop("SADPATH_RUN"))["calls"][0]["args"] == {"id": 1}
    assert not Path(told.pop("SADPATH_CA_FILE")).exists()
    assert (tmp_path / "ca.pem").read_text() == "-----BEGIN"
    assert told == {
        "SADPATH_BASE_URL": "http://127.0.0.1:9/s/k1",
        "SADPATH_CASE": "topic/case",
        "SADPATH_OP": "users.get",
        "SADPATH_METHOD": "GET",
        "SADPATH_PATH": "/users/1",
        "SADPATH_URL": "http://127.0.0.1:9/s/k1/users/1",
        "SADPATH_BODY": "",
        "SADPATH_TOKEN": "secret-token",
    }


@pytest.mark.parametrize(("code", "outcome"), [(0, "ok"), (1, "error")])
def test_the_exit_code_says_how_the_call_ended(tmp_path: Path, code: int, outcome: str) -> None:
    """0 is well and 1 an error; what was printed is the log, and an error's message."""
    outcomes, end = _play(bash(tmp_path, f"echo to out; echo to err >&2; exit {code}\n"))

    assert [(found.call, found.i, found.outcome) for found in outcomes] == [("a", 0, outcome)]
    assert (outcomes[0].ended_ms or 0) > 0
    assert isinstance(end, Result)
    assert sorted(end.log.splitlines()) == ["to err", "to out"]


def test_exit_code_77_means_not_supported(tmp_path: Path) -> None:
    """As test harnesses have it; what it printed last says why."""
    outcomes, end = _play(bash(tmp_path, "echo 'no such thing here'; exit 77\n"))

    assert outcomes == []
    assert isinstance(end, Unsupported)
    assert end.why == "no such thing here"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 3", "ended with exit code 3, which means nothing"),
        ("kill -SEGV $$", "was ended by SIGSEGV"),
        ("echo '@sadpath {'", "not JSON"),
        ('echo \'@sadpath {"t":"outcome","outcome":"maybe"}\'', "`outcome`"),
        ('echo \'@sadpath {"t":"result","id":"another"}\'', "another case"),
        ('for n in 1 2; do echo \'@sadpath {"t":"outcome","outcome":"ok"}\'; done', "more than once"),
        ("head -c 200000 /dev/zero | tr '\\0' x | sed 's/^/@sadpath /'", "longer than 100,000 bytes"),
        ("head -c 5000000 /dev/zero", "more than 1,000,000 bytes"),
        ("exec cat /dev/zero", "more than 1,000,000 bytes"),
    ],
)
def test_what_a_command_must_not_do_is_the_drivers_fault(tmp_path: Path, text: str, said: str) -> None:
    """Strange exits, broken lines, answers for another case and floods are told from what the client does wrong."""
    with pytest.raises(DriverError, match=said):
        _play(bash(tmp_path, f"{text}\n"))


def test_a_line_counts_more_than_the_exit_code(tmp_path: Path) -> None:
    """A client that knows more than well or not says it in messages; id and call may be left out."""
    text = """
        echo 'a word before'
        echo '@sadpath {"t":"outcome","outcome":"error","error":{"kind":"timeout.read"},"attempts":3}'
        echo '@sadpath {"t":"result","signed_in":false}'
        exit 9
    """
    outcomes, end = _play(bash(tmp_path, text))

    assert outcomes[0].error is not None
    assert (outcomes[0].id, outcomes[0].call, outcomes[0].error.kind) == ("k1", "a", "timeout.read")
    assert isinstance(end, Result)
    assert (end.id, end.signed_in, end.log) == ("k1", False, "a word before")


def test_the_last_line_may_lack_its_line_feed(tmp_path: Path) -> None:
    """Not every language prints one, and the message is the same."""
    outcomes, _ = _play(bash(tmp_path, 'printf \'@sadpath {"t":"outcome","outcome":"ok"}\''))

    assert [found.outcome for found in outcomes] == ["ok"]


def test_a_command_that_hangs_is_a_client_that_hangs(tmp_path: Path) -> None:
    """It has no outcome at the deadline, and nothing of it is left over, its children included."""
    text = "sleep 600 & echo $! > child; echo $$ > own; wait\n"
    outcomes, end = _play(bash(tmp_path, text), a_run(deadline=0.5))

    assert outcomes == []
    assert isinstance(end, Result)
    assert gone(*(int((tmp_path / name).read_text()) for name in ("own", "child")))


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """A process in the background that holds stdout open neither delays the verdict nor outlives it."""
    outcomes, _ = _play(bash(tmp_path, "sleep 600 & echo $! > child\n"))

    assert [found.outcome for found in outcomes] == ["ok"]
    assert (outcomes[0].ended_ms or 0) < 10_000
    assert gone(int((tmp_path / "child").read_text()))


@pytest.mark.parametrize(
    "changes",
    [
        {"calls": [CallStep(call="a", op="http", times=2)]},
        {"calls": [CallStep(call="a", op="http"), CallStep(call="b", op="http")]},
        {"calls": [ParallelStep(parallel=[CallStep(call="a", op="http")])]},
        {"calls": [AdvanceStep(advance_ms=1)]},
        {"continues": True},
        {"calls": [CallStep(call="a", op="http", args={"method": "POST", "path": "/", "json": "x" * 200_000})]},
    ],
)
def test_more_than_one_call_is_not_supported(tmp_path: Path, changes: dict[str, Any]) -> None:
    """One process makes one call; what does not fit into an environment cannot be asked either."""
    outcomes, end = _play(bash(tmp_path, "exit 0\n"), a_run(**changes))

    assert outcomes == []
    assert isinstance(end, Unsupported)


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message holds the command and the system's reason."""
    with pytest.raises(DriverError, match=r"`no-such-program --x` cannot be started: No such file"):
        _play(Command(("no-such-program", "--x"), tmp_path))


@pytest.mark.parametrize(("given", "said"), [("", "empty"), ('a "b', "No closing quotation"), (["a\0b"], "NUL")])
def test_a_command_that_cannot_be_read_is_refused(given: str | list[str], said: str) -> None:
    """Before anything is run, in words of the author's."""
    with pytest.raises(UsageError, match=said):
        Command.of(given)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A command cannot run nowhere."""
    with pytest.raises(UsageError, match="nowhere"):
        Command.of("true", tmp_path / "nowhere")


def test_a_command_has_the_name_of_its_own_file() -> None:
    """``bash client.sh`` is called ``client.sh``, and a program alone by its own name."""
    assert Command.of("bash -e ./tools/client.sh").name == "client.sh"
    assert Command.of("/usr/bin/shop-client").name == "shop-client"


def test_environment_and_folder_of_the_contract_hold(tmp_path: Path) -> None:
    """The command runs in its folder, with its own variables besides."""
    (tmp_path / "below").mkdir()
    command = Command.of("bash -c 'echo $WHO in $PWD'", tmp_path / "below", {"WHO": "me"})
    _, end = _play(command)

    assert isinstance(end, Result)
    assert end.log == f"me in {tmp_path / 'below'}"


def test_several_cases_at_a_time_do_not_meet(tmp_path: Path) -> None:
    """Each has a process, and hears its own."""
    import asyncio

    command = python(tmp_path, "import json,os\nprint(json.loads(os.environ['SADPATH_RUN'])['id'])\n")

    async def work(driver: ExecDriver) -> list[Heard]:
        return await asyncio.gather(*(heard(driver, a_run(id=f"k{n}")) for n in range(4)))

    found = with_driver(lambda: ExecDriver(command, bounds=SHORT), work)

    assert [getattr(end, "log", None) for _, end in found] == ["k0", "k1", "k2", "k3"]
