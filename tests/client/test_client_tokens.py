"""Where a session is kept: in a file, in the system's key store; and that both keep it as it was."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.client import FileTokens, KeyringTokens, SavedSession, Tokens, TokenStore
from sadpath.client.session_text import dump_session, read_session
from tests.client.scripted import serving
from tests.client.shopside import SESSION, Gate, guarded, shop, success_of

OTHER = SavedSession("grace@example.com", Tokens("access-7", None, 1.5, 3600))
SESSIONS = st.builds(
    SavedSession,
    st.text(),
    st.builds(Tokens, st.none() | st.text(), st.none() | st.text(), st.none() | st.floats(0, 1e12), st.none() | st.floats(0, 1e9)),
)  # fmt: skip


class Backend:
    """A key store in memory, which like many others raises for what is not there and knows no second thread's hurry."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False
        self.threads: set[int] = set()

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return what is kept."""
        self._touch()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep it."""
        self._touch()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str, /) -> None:
        """Forget it."""
        self._touch()
        del self.kept[service, username]

    def _touch(self) -> None:
        self.threads.add(threading.get_ident())
        if self.locked:
            raise PermissionError("the key store is locked")


def through_the_package() -> KeyringTokens:
    """Return a store that goes through keyring itself, with a backend that was registered there."""
    keyring: Any = importlib.import_module("keyring")

    class Registered(Backend, keyring.backend.KeyringBackend):  # type: ignore[misc] # keyring may not be installed
        priority = 1

    keyring.set_keyring(Registered())
    return KeyringTokens()


def in_a_file(folder: Path) -> TokenStore:
    """Return a store in a file."""
    return FileTokens(folder / "tokens.json")


def in_a_key_store(folder: Path) -> TokenStore:
    """Return a store in a key store, with a backend that is handed in."""
    del folder
    return KeyringTokens(keyring=Backend())


STORES: list[Callable[[Path], TokenStore]] = [in_a_file, in_a_key_store]
if importlib.util.find_spec("keyring") is not None:
    STORES.append(lambda _: through_the_package())


@pytest.mark.parametrize("make", STORES)
def test_what_is_saved_is_loaded(tmp_path: Path, make: Callable[[Path], TokenStore]) -> None:
    """A store holds the session saved last, nothing at first and after clearing, and clearing twice does no harm."""

    async def run() -> None:
        store = make(tmp_path)
        assert await store.load() is None
        await store.clear()
        for session in (SESSION, OTHER):
            await store.save(session)
            assert await store.load() == session
        await store.clear()
        await store.clear()
        assert await store.load() is None

    asyncio.run(run())


@pytest.mark.parametrize("make", STORES)
def test_a_session_outlives_the_client(tmp_path: Path, make: Callable[[Path], TokenStore]) -> None:
    """What a client renewed is what the next client begins with; a logout leaves nothing."""

    async def run() -> None:
        gate, store = Gate(), make(tmp_path)
        async with serving(guarded(gate)) as server:
            gate.expire()
            async with shop(server, tokens=store) as client:
                success_of(await client.users.get(1))
            async with shop(server, tokens=store, signed_in=False) as client:
                assert client.signed_in
                success_of(await client.users.get(1))
                await client.logout()
        assert (gate.generation, await store.load()) == (2, None)

    asyncio.run(run())


@given(session=SESSIONS)
def test_any_session_survives_being_text(session: SavedSession) -> None:
    """Writing a session down and reading it gives the same session."""
    assert read_session(dump_session(session)) == session


@given(
    text=st.text()
    | st.sampled_from(["[]", "{}", '{"user": 1}', '{"user": "a", "access": 1}', '{"user": "a", "lifetime": true}'])
)
def test_any_other_text_is_refused(text: str) -> None:
    """What is no session is a ``ValueError``, never a session of somebody."""
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's own message, or ours
        read_session(text)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody but the owner may read the file, whatever was there before, and no draft is left."""

    path = tmp_path / "tokens.json"
    path.touch(0o644)

    async def run() -> None:
        mask = os.umask(0)
        try:
            await FileTokens(path).save(SESSION)
        finally:
            os.umask(mask)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    asyncio.run(run())

    assert list(tmp_path.iterdir()) == [path]


def test_two_that_save_at_once_leave_one_whole_session(tmp_path: Path) -> None:
    """However many stores write to one file, it holds one of their sessions, whole, and no draft is left."""

    path = tmp_path / "tokens.json"
    sessions = [SavedSession(f"user-{number}", Tokens("a" * 50_000 + str(number))) for number in range(8)]

    async def run() -> None:
        for _ in range(5):
            await asyncio.gather(*(FileTokens(path).save(session) for session in sessions))
            assert await FileTokens(path).load() in sessions

    asyncio.run(run())

    assert list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_leaves_the_old_session(tmp_path: Path) -> None:
    """Where the new session cannot be put in place, what was there stays, and no draft is left."""

    path = tmp_path / "tokens.json"
    path.mkdir()

    async def run() -> None:
        with pytest.raises(OSError, match=r"tokens\.json"):
            await FileTokens(path).save(SESSION)

    asyncio.run(run())

    assert list(tmp_path.iterdir()) == [path]


def test_the_key_store_is_asked_beside_the_event_loop() -> None:
    """A key store that waits for its user holds up no other call: it is asked in another thread."""

    async def run() -> None:
        backend = Backend()
        store = KeyringTokens(keyring=backend)
        await store.save(SESSION)
        await store.load()
        assert threading.get_ident() not in backend.threads

    asyncio.run(run())


def test_services_and_accounts_are_kept_apart() -> None:
    """Two accounts of a service, and two services, have a session each."""

    async def run() -> None:
        backend = Backend()
        stores = [KeyringTokens(service, account, keyring=backend) for service in "ab" for account in "xy"]
        for number, store in enumerate(stores):
            await store.save(SavedSession(str(number), Tokens("t")))
        loaded = [await store.load() for store in stores]
        assert [session.user for session in loaded if session] == ["0", "1", "2", "3"]

    asyncio.run(run())


def test_a_locked_key_store_stops_nobody() -> None:
    """The client goes on in memory when its key store fails, and says so."""

    async def run() -> None:
        gate, backend = Gate(), Backend()
        backend.locked = True
        store = KeyringTokens(keyring=backend)
        async with serving(guarded(gate)) as server, shop(server, tokens=store) as client:
            success_of(await client.users.get(1))
            assert [str(error.failure) for error in client.background_errors] == [
                "cache: the stored session could not be read: the key store is locked",
                "cache: the session could not be stored: the key store is locked",
            ]

    asyncio.run(run())


def test_a_missing_package_is_named() -> None:
    """Without keyring the class says what to install, and everything else of the client works."""
    code = """
import sys
sys.modules["keyring"] = None  # as where it is not installed
from sadpath.client import KeyringTokens, MissingKeyringError
try:
    KeyringTokens()
except MissingKeyringError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout == ("KeyringTokens needs the package keyring, which is not installed: pip install keyring\n"), (
        done.stderr
    )
