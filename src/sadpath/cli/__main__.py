"""``python -m sadpath.cli``: the same as ``sadpath``."""

from sadpath.cli import main

if __name__ == "__main__":
    main()
