"""sadpath: a mock backend that misbehaves on purpose, and a judge of API clients."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
