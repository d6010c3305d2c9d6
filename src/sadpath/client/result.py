"""How a call ends: ``Success`` or ``Err``, made to be matched on.

```python
match await client.users.get(1):
    case Success(user, stale=True, age=age):
        show(user, note=f"as of {age:.0f} s ago")
    case Success(user):
        show(user)
    case Err(Unauthorized()):
        ask_to_sign_in()
    case Err(failure):
        show_problem(failure.message)
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from .failures import Failure

__all__ = ["Err", "Result", "Source", "Success"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Source = Literal["network", "cache"]


@dataclass(frozen=True)
class Success(Generic[T_co]):
    """The call ended well.

    ``json`` is the decoded body behind ``value``, ``status`` the HTTP status it came with. ``source`` says where it
    comes from, ``stale`` that the server may know better, ``age`` how many seconds old it is. ``attempts`` counts the
    requests begun for the call, and ``because`` is the failure that made the client look into its cache.
    """

    value: T_co
    json: Any = None
    status: int = 200
    source: Source = "network"
    stale: bool = False
    age: float = 0.0
    attempts: int = 0
    because: Failure | None = None


@dataclass(frozen=True)
class Err:
    """The call did not end well. ``partial`` holds the items so far, where several pages were asked for."""

    failure: Failure
    partial: Any = None


Result: TypeAlias = Success[T] | Err
