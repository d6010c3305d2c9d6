"""A small app in a terminal that survives an outage: ``python -m sadpath.client.demo URL``.

It signs in, shows a user, and fetches that user again every second. While the server is away it shows what it has, and
how old that is; when the server is back, so is the app. To see it, in two terminals:

```sh
sadpath serve --scenario cache/outage-that-passes
python -m sadpath.client.demo http://127.0.0.1:8080
```
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from .client import ShopClient
from .config import AppConfig, ConfigError
from .domain import SignedIn, User
from .local import MemoryLocal, MemoryTokens
from .local_sqlite import SqliteLocal
from .ports import Clock, SystemClock
from .presentation import Failed, Loaded, Loading, Stale, State, States, UserCubit
from .result import Err, Result, Success
from .tokens_file import FileTokens

__all__ = ["Screen", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app until it was refreshed as often as it was told, or until Ctrl-C. Returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.verbose:
        logging.basicConfig(level=logging.DEBUG, format="         %(message)s", stream=sys.stderr)
    try:
        level = "debug" if options.verbose else "off"
        config = AppConfig.load("dev", overrides={"base_url": options.url, "log_level": level})
        asyncio.run(_run(config, options))
    except ConfigError as error:
        _parser().error(str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__spec__.name if __spec__ else 'demo'}",
        description="A small app in a terminal that survives an outage.",
    )
    parser.add_argument("url", help="the API's base URL, such as the one that `sadpath serve` prints")
    parser.add_argument("--email", default="ada@example.com", help="who signs in (default: %(default)s)")
    parser.add_argument("--password", default="correct-horse", help="(default: that of the reference backend)")
    parser.add_argument("--user", type=int, default=1, metavar="ID", help="whose page is shown (default: %(default)s)")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="when to look again (default: 1)")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="how often (default: until Ctrl-C)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep session and cache there for the next start")
    parser.add_argument("--verbose", action="store_true", help="show the client's log as well")
    return parser


async def _run(config: AppConfig, options: argparse.Namespace) -> None:
    folder: Path | None = options.keep
    async with contextlib.AsyncExitStack() as stack:
        local = SqliteLocal(folder / "cache.sqlite") if folder else MemoryLocal()
        stack.push_async_callback(local.close)
        tokens = FileTokens(folder / "session.json") if folder else MemoryTokens()
        client = await stack.enter_async_context(ShopClient.from_config(config, tokens=tokens, local=local))
        cubit = await stack.enter_async_context(UserCubit(client.users, client.listen))
        clock = SystemClock()
        screen = Screen(clock)
        showing: asyncio.Task[None] | None = None
        rounds = 0
        while True:
            if not client.signed_in:
                screen.signed_in(await client.login(options.email, options.password))
            showing = showing or asyncio.create_task(screen.follow(cubit.states()))
            await (cubit.refresh() if rounds else cubit.load(options.user))
            rounds += 1
            if rounds == options.rounds:
                break
            await clock.sleep(options.every)
        await cubit.close()
        await showing


class Screen:
    """Shows each state in a line of its own, with the seconds since the start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.now()

    async def follow(self, states: States[State[User]]) -> None:
        """Show what comes until there is no more."""
        async for state in states:
            self.show(state)

    def signed_in(self, result: Result[SignedIn]) -> None:
        """Show what came of signing in."""
        match result:
            case Success(who):
                self.line(f"signed in as {who.user}")
            case Err(failure):
                self.line(f"not signed in: {failure}")

    def show(self, state: State[User]) -> None:
        """Show a state."""
        match state:
            case Loading(None):
                self.line("loading ...")
            case Loading():
                pass  # what was shown stays there meanwhile
            case Loaded(user):
                self.line(f"{user.name} <{user.email}>")
            case Stale(user, age, because):
                why = f"; {because.message or because.kind}" if because is not None else ""
                self.line(f"{user.name} <{user.email}>   [as of {age:.1f} s ago{why}]")
            case Failed(failure, User() as user):
                self.line(f"{user.name} <{user.email}>   [not up to date; {failure}]")
            case Failed(failure):
                self.line(f"nothing to show: {failure}")

    def line(self, text: str) -> None:
        """Write a line at once, also into a pipe."""
        sys.stdout.write(f"{self._clock.now() - self._start:6.1f} s  {text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
