"""``sadpath serve`` as its users meet it: a process, its lines, and curl."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., AbstractContextManager[Any]]
Fails = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("story", "exit_code", "line"),
    [
        ("truncated", 18, r"GET /health -> 200, then server closed after \d+ bytes  truncate@body/5$"),
        ("reset", 56, r"GET /health -> server reset  reset@response$"),
        ("cut-by-reset", 56, r"GET /health -> 200, then server reset after \d+ bytes  truncate@body/5$"),
        ("closed", 52, r"GET /health -> server closed  close@response$"),
        ("stalled", 28, r"GET /health -> client closed  stall@response$"),
        ("busy", 0, r"GET /health -> 503  status@\w+$"),
    ],
)
def test_curl_sees_the_fault_and_the_terminal_says_it(
    served: Start, workspace: Path, story: str, exit_code: int, line: str
) -> None:
    """curl ends with the exit code of each fault, the line names the fault, and the next exchange is well."""
    with served("--root", str(workspace), "--scenario", f"health/{story}") as running:
        assert running.curl("/health", "-m", "1").returncode == exit_code
        running.expect(r"^\d\d:\d\d:\d\d  " + line)
        well = running.curl("/health")
        assert (well.returncode, well.stderr) == (0, "")
        running.expect(r"GET /health -> 200$")
        assert running.stop() == 0
        assert running.lines[-1] == "Stopped: 2 exchanges in 1 session, 1 met a fault."
        assert running.process.stderr.read() == ""


def test_the_greeting_can_be_followed(served: Start, workspace: Path) -> None:
    """The login and the command that the greeting prints work as they stand."""
    with served("--root", str(workspace), "--scenario", "health/busy") as running:
        text = "\n".join(running.lines)
        assert "  scenario  health/busy: It is busy once" in text
        login = re.search(r"  login     (\S+) / (\S+)", text)
        assert login is not None
        body = {"email": login[1], "password": login[2]}
        assert "access_token" in json.loads(running.send("POST", "/auth/login", body))
        switch = re.search(r"to switch: (curl .*)$", text, re.MULTILINE)
        assert switch is not None
        answer = running.curl(*shlex.split(switch[1])[1:])
        assert json.loads(answer.stdout)["scenario"] == "health/closed"
        assert running.curl("/health").returncode == 52


def test_sessions_show_in_their_lines(served: Start, workspace: Path) -> None:
    """An exchange of another session than the default one says which; so does the last line count them."""
    with served("--root", str(workspace)) as running:
        assert "  scenario  none: everything goes well" in running.lines
        running.send("POST", "/__admin/sessions", {"name": "shop", "scenario": "health/busy"})
        assert '"message"' in running.curl("/s/shop/health").stdout
        running.expect(r"GET /health -> 503  status@\w+  \[shop\]$")
        running.curl("/health?x=%1b%5b2J%0a")
        assert running.expect(r"GET /health(.*)$")[1] == "?x=%1b%5b2J%0a -> 200"
        running.curl("/%1b%5b2J%0aGET")
        assert running.expect(r"  GET /\S+ ->")[0] == r"  GET /\x1b[2J\nGET ->"
        running.stop()
        assert running.lines[-1].startswith("Stopped: 3 exchanges in 2 sessions, 1 met a fault.")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_in_the_middle_of_a_stall(served: Start, workspace: Path, by: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end a stalled exchange within a second, with exit code 0 and no traceback."""
    with served("--root", str(workspace), "--scenario", "health/stalled") as running:
        with running.curl_meanwhile("/health") as curl:
            deadline = time.monotonic() + 5
            while "stall" not in running.curl("/__admin/sessions/default/journal").stdout:
                assert time.monotonic() < deadline
            start = time.monotonic()
            assert running.stop(by) == 0
            assert time.monotonic() - start < 1.0
            assert curl.wait(timeout=5) in (52, 56)
        assert running.lines[-1] == "Stopped: 1 exchange in 1 session, 1 met a fault."
        assert running.process.stderr.read() == ""


def test_it_ends_when_nobody_reads_its_lines(served: Start, workspace: Path) -> None:
    """Once its output is closed the next line ends it, without a traceback."""
    with served("--root", str(workspace), through="head -n 6") as running:
        assert running.curl("/health").returncode == 0
        assert running.process.wait(timeout=5) in (0, 141)
        assert running.process.stderr.read() == ""


def test_a_port_in_use_is_said_in_one_line(serve_fails: Fails, workspace: Path) -> None:
    """A taken port is exit code 2 with one line that names it and says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve_fails("--root", str(workspace), "--port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: port {port} of 127.0.0.1 is in use: end what listens there, or choose another with --port "
        "(--port 0 takes any free one)"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenario", "health/bussy"], r"no scenario 'health/bussy' \(did you mean 'health/busy'\?\)"),
        (["--scenario", "health/broken"], r"scenarios/health/broken\.yaml:3: fautls: unknown key"),
        (["--scenario", "health/no-data"], r"no-data\.yaml: given\.data\.fixture: there is no data set 'smal-shop'"),
        (["--host", "192.0.2.1"], r"cannot listen at 192\.0\.2\.1"),
        (["--admin-token", " "], r"--admin-token must not be empty"),
        (["--port", "70000"], r"--port"),
        (["--root", "no-such-folder"], r"no such folder"),
    ],
)
def test_what_cannot_be_served_is_exit_code_2(
    serve_fails: Fails, workspace: Path, arguments: list[str], message: str
) -> None:
    """Each mistake ends with code 2 and a message that names it, before anything listens."""
    (workspace / "scenarios" / "health" / "broken.yaml").write_text("# Broken.\ntitle: Broken\nfautls: []\n")
    text = "# No data.\ntitle: No data\ngiven: {data: {fixture: smal-shop}}\n"
    (workspace / "scenarios" / "health" / "no-data.yaml").write_text(text)
    done = serve_fails("--port", "0", *(() if "--root" in arguments else ("--root", str(workspace))), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr


def test_the_admin_token_may_come_from_the_environment(served: Start, serve_fails: Fails, workspace: Path) -> None:
    """With a token, from an option or the environment, the control API wants it, and the greeting says how."""
    with served("--root", str(workspace), "--admin-token", "open-sesame") as running:
        assert "-H 'Authorization: Bearer …'" in "\n".join(running.lines)
        assert "admin token" in running.curl("/__admin/sessions").stdout
        asked = running.curl("/__admin/sessions", "-H", "Authorization: Bearer open-sesame")
        assert '"default"' in asked.stdout
    assert serve_fails("--root", str(workspace), "--port", "0", SADPATH_ADMIN_TOKEN=" ").returncode == 2


def test_beyond_loopback_the_greeting_says_that_control_is_off(served: Start, workspace: Path) -> None:
    """A server for other machines says that its control API is off, and shows no command that would fail."""
    with served("--root", str(workspace), "--host", "0.0.0.0") as running:  # noqa: S104 - that is the test
        text = "\n".join(running.lines)
        assert "control   off: beyond loopback it needs --admin-token" in text
        assert "curl" not in text
        assert running.curl("/health").returncode == 0


def test_switching_scenarios_leaves_the_client_signed_in(served: Start, workspace: Path) -> None:
    """A scenario with another seed takes effect without signing the client out or changing its data."""
    story = workspace / "scenarios" / "health" / "seeded.yaml"
    story.write_text("# Seeded.\ntitle: Seeded\nseed: 7\nfaults:\n  - on: health\n    plan: [{status: 503}]\n")
    with served("--root", str(workspace)) as running:
        body = {"email": "ada@example.com", "password": "correct-horse"}
        token = json.loads(running.send("POST", "/auth/login", body))["access_token"]
        before = running.curl("/users/2", "-H", f"Authorization: Bearer {token}").stdout
        running.send("PUT", "/__admin/sessions/default/scenario", {"name": "health/seeded"})
        assert running.curl("/users/2", "-H", f"Authorization: Bearer {token}").stdout == before
        assert '"user_name"' in before
        assert '"status":503' in running.curl("/health").stdout.replace(" ", "")


def test_the_seed_is_that_of_scenarios_without_one(served: Start, workspace: Path) -> None:
    """``--seed`` is the seed of sessions, unless a scenario or a session has its own."""
    with served("--root", str(workspace), "--seed", "9") as running:
        assert json.loads(running.curl("/__admin/sessions/default").stdout)["seed"] == 9
        assert json.loads(running.send("POST", "/__admin/sessions", {}))["seed"] == 9
        assert json.loads(running.send("POST", "/__admin/sessions", {"seed": 3}))["seed"] == 3


def test_it_answers_within_a_second_of_its_start(served: Start, workspace: Path) -> None:
    """From start to end, one answer included, it needs less than a second of processor time."""
    with served("--root", str(workspace)) as running:
        assert running.curl("/health").returncode == 0
        running.process.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(running.process.pid, 0)
        running.process.returncode = os.waitstatus_to_exitcode(status)
        assert running.process.returncode == 0
        assert usage.ru_utime + usage.ru_stime < 1.0


def test_starting_imports_nothing_that_is_not_needed(python: Callable[[str], str]) -> None:
    """Neither Hypothesis nor Faker, nor a client's library, nor the judge is imported for serving."""
    code = (
        "import sys, sadpath.cli, sadpath.server.serving\n"
        "print([name for name in ('hypothesis', 'faker', 'httpx', 'sadpath.verify') if name in sys.modules])"
    )
    assert python(code).strip() == "[]"


def test_help_says_what_it_does(serve_fails: Fails) -> None:
    """The help names every option."""
    done = serve_fails("--help", COLUMNS="120", NO_COLOR="1", TERM="dumb")
    assert done.returncode == 0
    for option in ("--scenario", "--port", "--host", "--seed", "--watch", "--admin-token", "--root"):
        assert option in done.stdout


def test_what_is_given_of_tokens_befalls_those_of_the_next_login(served: Start, workspace: Path) -> None:
    """A scenario whose ``given`` names token states treats the tokens of the next login so."""
    story = workspace / "scenarios" / "health" / "expired.yaml"
    story.write_text("# Expired.\ntitle: The token has expired\ngiven: {access_token: expired}\n")
    with served("--root", str(workspace), "--scenario", "health/expired") as running:
        body = {"email": "ada@example.com", "password": "correct-horse"}
        for status in ("401", "200"):
            token = json.loads(running.send("POST", "/auth/login", body))["access_token"]
            answer = running.curl(
                "/users/1", "-H", f"Authorization: Bearer {token}", "-w", "%{http_code}", "-o", "/dev/null"
            )
            assert answer.stdout == status


def test_tls_by_an_authority_of_its_own(served: Start, tmp_path: Path) -> None:
    """With ``--tls`` whoever trusts the written authority gets in, nobody else; it can be fetched as well."""
    authority = tmp_path / "ca.pem"
    with served("--tls", "--ca-file", str(authority)) as running:
        assert running.url.startswith("https://")
        trusting = ("--cacert", os.path.relpath(authority))
        assert json.loads(running.curl(*trusting, "/health").stdout)["status"] == "ok"
        assert running.curl("/health").returncode == 60
        port = running.url.rpartition(":")[2]
        assert running.curl(*trusting, f"https://localhost:{port}/health").returncode == 0
        fetched = running.curl(*trusting, "/__admin/ca.pem").stdout
        assert fetched == authority.read_text()
        assert running.stop() == 0


def test_an_authority_needs_tls_and_a_place(serve_fails: Fails, tmp_path: Path) -> None:
    """``--ca-file`` alone, or where nothing can be written, is the user's mistake."""
    alone = serve_fails("--ca-file", str(tmp_path / "ca.pem"), "--port", "0")
    nowhere = serve_fails("--tls", "--ca-file", str(tmp_path / "none" / "ca.pem"), "--port", "0")

    assert (alone.returncode, nowhere.returncode) == (2, 2)
    assert "--ca-file needs --tls" in alone.stderr
    assert "No such file or directory" in nowhere.stderr
    assert "Traceback" not in alone.stderr + nowhere.stderr


@pytest.mark.parametrize("tls", [False, True])
def test_it_speaks_http2(served: Start, workspace: Path, tls: bool) -> None:
    """With ``--http2`` curl speaks it, by ALPN or by prior knowledge, and its faults are told; HTTP/1.1 goes on."""
    story = "# Streams end. Source: RFC 9113.\ntitle: Streams end\nfaults: [{on: health, plan: [rst_stream, goaway]}]\n"
    (workspace / "scenarios" / "health" / "ends.yaml").write_text(story)
    words, trust = (["--tls"], ["--insecure"]) if tls else ([], [])
    speak = [*trust, "--http2" if tls else "--http2-prior-knowledge"]
    show = ["--silent", "--write-out", "%{http_version}"]
    with served("--root", str(workspace), "--http2", *words, "--scenario", "health/ends") as running:
        how = "by ALPN" if tls else "by prior knowledge"
        assert f"  HTTP/2    {how}, as well as HTTP/1.1" in running.lines
        assert running.curl("/health", *speak).returncode == 92
        running.expect(r"GET /health -> server reset the stream  rst_stream@response$")
        assert json.loads(running.curl("/health", *speak).stdout)
        running.expect(r"GET /health -> 200  goaway@request$")
        assert running.curl("/health", *speak, *show).stdout.endswith("}2")
        assert running.curl("/health", *trust, "--http1.1", *show).stdout.endswith("}1.1")
        assert running.stop() == 0


def test_faults_of_http2_are_announced_where_it_is_not_spoken(served: Start, workspace: Path) -> None:
    """The greeting says that a scenario's fault needs ``--http2``, and the answer does."""
    story = "# It goes away. Source: RFC 9113.\ntitle: It goes away\nfaults: [{on: health, fault: goaway}]\n"
    (workspace / "scenarios" / "health" / "away.yaml").write_text(story)
    with served("--root", str(workspace), "--scenario", "health/away") as running:
        text = "\n".join(running.lines)
        assert "it needs HTTP/2, which this server does not speak without --http2: goaway answers 500" in text
        assert "--http2" in running.curl("/health").stdout
