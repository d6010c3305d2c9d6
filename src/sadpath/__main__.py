"""``python -m sadpath``."""

from __future__ import annotations

from sadpath.cli import main

if __name__ == "__main__":
    main()
