"""The client on httpx and on httpx2: the same behaviour, and no word of a library that is not there."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from sadpath.client import MissingLibraryError, ShopClient
from sadpath.client.library import load_library
from tests.client.scripted import Server, raw, reply, reset, serving
from tests.client.shopside import QUICK, USER, failure_of, success_of
from tests.client.test_client_tls import pem, secure

Name = Literal["httpx", "httpx2"]
ROOT = Path(__file__).resolve().parents[2]
NAMES: tuple[Name, ...] = ("httpx", "httpx2")
GZIPPED = gzip.compress(json.dumps(USER).encode())


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_is_the_one_asked_for(name: Name) -> None:
    """The pool and its exceptions are the chosen library's, and a read goes through it."""

    async def run() -> None:
        async with (
            serving(Server().on("*", reply(200, USER))) as server,
            ShopClient.create(server.url, policy=QUICK, library=name) as client,
        ):
            assert success_of(await client.users.get(1)).value.name == "Ada"
            assert client.stack.http.connections == 1
            pool = client.stack.http._pool
            assert type(pool).__module__.partition(".")[0] == load_library(name).engine.__name__

    asyncio.run(run())


@pytest.mark.parametrize("name", NAMES)
def test_what_goes_wrong_has_the_same_name_on_both(name: Name) -> None:
    """A reset, half a body and nonsense are the same failures whichever library meets them."""

    async def run() -> list[str]:
        half = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        server = Server().on("GET /a", reset).on("GET /b", half).on("GET /c", raw(b"SMTP hello\r\n\r\n"))
        async with serving(server), ShopClient.create(server.url, policy=QUICK, library=name) as client:
            failures = [failure_of(await client.http("GET", path)) for path in ("/a", "/b", "/c")]
            # Two more attempts for each of them, as the policy says.
            assert [failure.attempts for failure in failures] == [3, 3, 3]
            return [failure.kind for failure in failures]

    assert asyncio.run(run()) == ["reset", "truncated", "protocol"]


@pytest.mark.parametrize("name", NAMES)
def test_content_codings_are_undone_on_both(name: Name) -> None:
    """A gzipped answer is read, and one that is no gzip is a decoding failure."""

    async def run() -> None:
        server = Server()
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        server.on("GET /users/1", raw(head % len(GZIPPED) + GZIPPED)).on("GET /users/2", raw(head % 4 + b"oops"))
        async with serving(server), ShopClient.create(server.url, policy=QUICK, library=name) as client:
            assert success_of(await client.users.get(1)).value.name == "Ada"
            assert failure_of(await client.users.get(2)).kind == "decode"

    asyncio.run(run())


@pytest.mark.parametrize("name", NAMES)
def test_trust_is_the_same_on_both(name: Name) -> None:
    """The authority that was handed in is trusted, and without it the certificate is refused."""

    async def run() -> None:
        async with secure(Server().on("*", reply(200, USER))) as url:
            async with ShopClient.create(url, policy=QUICK, ca_pem=pem(), library=name) as trusting:
                success_of(await trusting.users.get(1))
            async with ShopClient.create(url, policy=QUICK, library=name) as careful:
                assert failure_of(await careful.users.get(1)).kind == "tls"

    asyncio.run(run())


def test_a_library_that_nobody_knows_is_refused() -> None:
    """Another name is a mistake of the caller, and the message lists the names there are."""
    with pytest.raises(ValueError, match="known: httpx, httpx2"):
        ShopClient.create("http://localhost", library="aiohttp")  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("name", NAMES)
def test_one_library_is_enough(name: Name) -> None:
    """With the other library missing the client works on the one there is; asking for the other one says so."""
    other = "httpx2" if name == "httpx" else "httpx"
    code = f"""
import asyncio, sys
sys.modules[{other!r}] = None  # as where it is not installed
from sadpath.client import MissingLibraryError, ShopClient
async def main():
    async with ShopClient.create("http://127.0.0.1:9", library={name!r} if {name == "httpx"} else None) as client:
        print((await client.http("POST", "/orders", json={{}})).failure.kind)
asyncio.run(main())
try:
    ShopClient.create("http://127.0.0.1:9", library={other!r})
except MissingLibraryError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.splitlines() == [
        "refused",
        f"the client was told to use {other}, which is not installed: pip install {other}",
    ], done.stderr


def test_a_missing_library_is_an_import_error() -> None:
    """Whoever guards imports with ``ImportError`` catches this one too."""
    assert issubclass(MissingLibraryError, ImportError)
    assert isinstance(load_library("httpx2").http.create_ssl_context(trust_env=False), ssl.SSLContext)


def test_the_judge_finds_nothing_on_httpx2() -> None:
    """``sadpath verify httpx2`` judges the client on that library by the same promises, and it keeps them."""
    command = [
        sys.executable,
        "-m",
        "sadpath",
        "verify",
        "httpx2",
        "--scenario",
        "re*/*",
        "--examples",
        "10",
        "--jobs",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stdout
    assert "httpx2" in done.stdout
