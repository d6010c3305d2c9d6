"""The reference client: an API client that keeps its promises when the network and the server do not.

```python
import asyncio
from sadpath.client import Err, ShopClient, Success

async def main() -> None:
    async with ShopClient.create("http://127.0.0.1:8080") as client:
        await client.login("ada@example.com", "correct-horse")
        match await client.users.get(1):
            case Success(user):
                print(user.name)
            case Err(failure):
                print("sorry:", failure)

asyncio.run(main())
```

From the outside in: repository and cache, one deadline, retry, redirects, the session (renewal and one replay), and the
exchange, which includes reading the body. It imports nothing else of this project and knows of no test: time, chance,
storage and logging are handed in (``ports``), and each layer can be replaced (``parts``). Around it stand the
configuration (``config``), cancelling (``cancel``), the client for threads (``blocking``), and the states of a screen
(``presentation``). ``docs/client.md`` shows how an app puts them together.
"""

from __future__ import annotations

from .background import BackgroundError, Refreshed
from .blocking import BlockingPager, BlockingShopClient
from .cancel import CallCancelled, CancelToken
from .client import ShopClient
from .config import AppConfig, ConfigError, Environment
from .domain import CursorPage, HttpAnswer, Order, OrderLine, PaginatedResult, Settings, SignedIn, User
from .envelope import ApiMeta, ApiResponse
from .failures import (
    Bug,
    CacheFailure,
    Conflict,
    ConnectionFailure,
    Decode,
    Failure,
    Forbidden,
    NotFound,
    Offline,
    RateLimited,
    Redirect,
    Server,
    StatusFailure,
    Timeout,
    TooLarge,
    Unauthorized,
    UnexpectedStatus,
    Validation,
)
from .http import InvalidUrlError
from .library import LibraryName, MissingLibraryError
from .local import MemoryLocal, MemoryTokens
from .local_sqlite import SqliteLocal
from .paging import Pager
from .parts import Parts
from .policy import Policy, PolicyError
from .ports import (
    Chance,
    Clock,
    Entry,
    EntryKey,
    LeveledLogger,
    LocalDataSource,
    Logger,
    LogLevel,
    MovableClock,
    SavedSession,
    StandardLogger,
    SystemChance,
    SystemClock,
    Tokens,
    TokenStore,
)
from .result import Err, Result, Success
from .tokens_file import FileTokens
from .tokens_keyring import KeyringTokens, MissingKeyringError

__all__ = [
    "ApiMeta",
    "ApiResponse",
    "AppConfig",
    "BackgroundError",
    "BlockingPager",
    "BlockingShopClient",
    "Bug",
    "CacheFailure",
    "CallCancelled",
    "CancelToken",
    "Chance",
    "Clock",
    "ConfigError",
    "Conflict",
    "ConnectionFailure",
    "CursorPage",
    "Decode",
    "Entry",
    "EntryKey",
    "Environment",
    "Err",
    "Failure",
    "FileTokens",
    "Forbidden",
    "HttpAnswer",
    "InvalidUrlError",
    "KeyringTokens",
    "LeveledLogger",
    "LibraryName",
    "LocalDataSource",
    "LogLevel",
    "Logger",
    "MemoryLocal",
    "MemoryTokens",
    "MissingKeyringError",
    "MissingLibraryError",
    "MovableClock",
    "NotFound",
    "Offline",
    "Order",
    "OrderLine",
    "Pager",
    "PaginatedResult",
    "Parts",
    "Policy",
    "PolicyError",
    "RateLimited",
    "Redirect",
    "Refreshed",
    "Result",
    "SavedSession",
    "Server",
    "Settings",
    "ShopClient",
    "SignedIn",
    "SqliteLocal",
    "StandardLogger",
    "StatusFailure",
    "Success",
    "SystemChance",
    "SystemClock",
    "Timeout",
    "TokenStore",
    "Tokens",
    "TooLarge",
    "Unauthorized",
    "UnexpectedStatus",
    "User",
    "Validation",
]
