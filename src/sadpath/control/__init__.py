"""A client of the control API, by which tests in any process make sessions and tell a server what goes wrong."""

from __future__ import annotations

from sadpath.control.asks import ControlError, SessionInfo
from sadpath.control.async_client import AsyncControl
from sadpath.control.sync_client import Control

__all__ = ["AsyncControl", "Control", "ControlError", "SessionInfo"]
