"""The demo app, run as a user runs it: beside a server that has an outage, beside none, and with a slip in its words."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADA = "Ada Lovelace <ada@example.com>"
OUTAGE = "cache/outage-that-passes"


@contextmanager
def served(scenario: str) -> Iterator[str]:
    """Run ``sadpath serve`` and yield the address that it prints."""
    command = [sys.executable, "-m", "sadpath.cli", "serve", "--port", "0", "--scenario", scenario]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        lines = iter(server.stdout)
        try:
            yield next(found[0] for found in (re.search(r"http://127\.0\.0\.1:\d+", line) for line in lines) if found)
        finally:
            # Whoever reads on keeps the server from waiting for a full pipe.
            reader = threading.Thread(target=list, args=(lines,))
            reader.start()
            server.terminate()
            reader.join()


def demo(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the app to its end."""
    command = [sys.executable, "-m", "sadpath.client.demo", url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def texts(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was shown, without the time in front of it."""
    return [re.sub(r"^ *\d+\.\d s  ", "", line) for line in done.stdout.splitlines()]


def test_the_app_survives_an_outage() -> None:
    """It signs in, shows the user, shows the same with a growing age while the server is away, and recovers by itself."""
    with served(OUTAGE) as url:
        done = demo(url, "--rounds", "6", "--every", "0.1")

    shown = texts(done)
    ages = [
        float(found[1])
        for found in (re.search(r"as of (\d+\.\d) s ago; Service Unavailable", line) for line in shown)
        if found
    ]
    assert (done.returncode, done.stderr) == (0, "")
    assert shown[:4] == ["signed in as ada@example.com", "loading ...", ADA, ADA]
    assert [line.startswith(f"{ADA}   [as of ") for line in shown[4:7]] == [True] * 3
    assert len(ages) == 3
    assert ages == sorted(ages)
    assert shown[7:] == [ADA]


def test_a_restart_while_the_server_is_away_shows_what_was_kept(tmp_path: Path) -> None:
    """With a folder to keep things in, the next start needs neither a login nor the network to show something."""
    with served(OUTAGE) as url:
        first = demo(url, "--rounds", "1", "--keep", str(tmp_path))
        second = demo(url, "--rounds", "3", "--every", "0.01", "--keep", str(tmp_path))
    offline = demo(url, "--rounds", "1", "--keep", str(tmp_path))

    assert texts(first)[-1] == ADA
    assert "signed in" not in second.stdout
    assert offline.returncode == 0
    assert texts(offline)[0] == "loading ..."
    assert re.fullmatch(re.escape(ADA) + r"   \[as of \d+\.\d s ago; .*\]", texts(offline)[1])
    assert {path.name for path in tmp_path.iterdir()} >= {"session.json", "cache.sqlite"}


def test_without_a_server_it_says_so_and_goes_on() -> None:
    """No server, no cache: each round says that there is nothing to show, and why."""
    done = demo("http://127.0.0.1:9", "--rounds", "2", "--every", "0.01")

    shown = texts(done)
    assert done.returncode == 0
    assert [line.split(":")[0] for line in shown if line != "loading ..."] == ["not signed in", "nothing to show"] * 2
    assert "Traceback" not in done.stderr


def test_a_slip_is_one_message() -> None:
    """An address that is none ends in a usage message that quotes it, not in a traceback."""
    done = demo("ftp://example.com")

    assert done.returncode == 2
    assert "expected a URL such as 'https://api.example.com', got 'ftp://example.com'" in done.stderr
    assert "Traceback" not in done.stderr
