"""A stored case as the text of a pytest module."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from textwrap import shorten, wrap
from typing import TYPE_CHECKING

from sadpath.core.errors import UsageError
from sadpath.verify.clauses import all_clauses

if TYPE_CHECKING:
    from sadpath.verify.stored import StoredCase

__all__ = ["pytest_text"]

_KNOWN_BAD_CONTRACT = "reference"
_WIDTH = 100


def pytest_text(stored: StoredCase) -> str:
    """Return a test that fails until the client keeps what it breaks in this case.

    Raises:
        UsageError: for a client outside this process: such a test plays its case in simulated time.
    """
    if {"exec", "stdio", "http", "shipped"} & stored.client.contract.driver.given.keys():
        raise UsageError(
            f"{stored.client.name} does not live in this process, and a test plays its case in simulated time: "
            "let `sadpath replay` run the case, whose exit code says the same"
        )
    word, contract, root = _client_of(stored)
    arguments = {
        "client": word,
        "contract": contract,
        "profile": stored.client.profile if stored.client.profile != "published" else None,
        "name": stored.name,
        "seed": stored.seed or None,
        "clauses": stored.broken or None,
        "root": root or stored.root,
    }
    given = [f"        {name}={_literal(value)},\n" for name, value in arguments.items() if value is not None]
    titles = {clause.id: clause.title for clause in all_clauses()}
    promise = [f"{name}: the client {titles[name]}" for name in stored.broken if name in titles][:1]
    return (
        f'"""{_safe(_intro(stored))}\n"""\n\n'
        "from __future__ import annotations\n\n"
        "from sadpath.verify.pinned import assert_holds\n\n"
        f'SCENARIO = """\\\n{_safe(stored.scenario.to_yaml())}"""\n\n\n'
        f"def test_{_slug(stored)}() -> None:\n"
        f'    """{_safe(shorten(" ".join(promise) or "The client keeps its promises in this case", _WIDTH))}."""\n'
        f"    assert_holds(\n        SCENARIO,\n{''.join(given)}    )\n"
    )


def _intro(stored: StoredCase) -> str:
    lines = [f"Found by sadpath {stored.sadpath} with the client {stored.client.name}.", ""]
    for name in stored.broken:
        lines += [line for sentence in stored.said[name].findings[:1] for line in wrap(f"{name}: {sentence}", _WIDTH)]
    return "\n".join(lines).rstrip()


def _client_of(stored: StoredCase) -> tuple[str | None, str | None, str | None]:
    """Return by which name the client is found again, by which contract it is judged, and in which workspace.

    A client that was named by its contract's file has no other name.
    """
    words = shlex.split(stored.client.command)
    options = dict(pairwise(words))
    driver = stored.client.contract.driver.python or stored.client.name
    if "--known-bad" in options:
        return driver, _KNOWN_BAD_CONTRACT, options.get("--root")
    contract = options.get("--contract")
    word = words[0] if words and not words[0].startswith("-") else None if contract is not None else driver
    return word, contract, options.get("--root")


def _slug(stored: StoredCase) -> str:
    topic = re.sub(r"[^a-z0-9]+", "_", f"{stored.client.name} {stored.name}".lower()).strip("_")
    return f"{topic}_{stored.digest[:6]}"


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | list) else repr(value)


def _safe(text: str) -> str:
    """Return text that may stand between three quotation marks."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return escaped[:-1] + '\\"' if escaped.endswith('"') else escaped
