"""Reading YAML 1.2 files into plain data that remembers its lines.

The parser is ruamel.yaml's; what its events mean is decided here, by the core schema of YAML 1.2.2 (§10.3): ``on``,
``yes``, ``1_000`` and dates are text. What a file of ours never needs is refused with one clear message:
keys given twice, tags, several documents, numbers that no JSON can hold. Sizes are bounded, so that no file can make
the reader slow: neither by nesting nor by aliases that multiply.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from sadpath.core.errors import FileProblem, FileProblems
from sadpath.core.names import shown
from sadpath.scenario.filemodel import FileContext, Trouble, explain, field_path

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "YamlFile", "load_model", "shown_path"]

MAX_BYTES = 1 << 18
"""The largest file, in bytes."""

MAX_DEPTH = 64
"""The deepest nesting of lists and mappings."""

MAX_VALUES = 50_000
"""The most values that a file may hold, each alias counted as all that it stands for."""

MAX_PROBLEMS = 50
"""The most problems that are told of one file."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class _Node:
    """A value, its line (from 1), how many values it holds, and the nodes inside it."""

    value: Any
    line: int
    size: int = 1
    depth: int = 0
    inside: dict[str | int, _Node] | None = None


class YamlFile:
    """A YAML file as plain data, with the line of each value.

    ``data`` consists of dict, list, str, int, float, bool and None. ``name`` is the file as messages show it.
    """

    def __init__(self, name: str, text: str, root: _Node, path: Path | None = None) -> None:
        self.name = name
        self.text = text
        self.path = path
        self._root = root

    @classmethod
    def load(cls, path: Path, root: Path | None = None) -> YamlFile:
        """Read a file; messages show it relative to the current folder or to ``root``.

        Raises:
            FileProblems: if it cannot be read or is not the YAML that is meant here.
        """
        name = shown_path(path, root)
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except OSError as error:
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            raise FileProblems([FileProblem(name, f"cannot be read: {reason}")]) from error
        return cls.parse(raw, name, path)

    @classmethod
    def parse(cls, raw: bytes | str, name: str, path: Path | None = None) -> YamlFile:
        """Read YAML that is at hand already.

        Raises:
            FileProblems: if it is not the YAML that is meant here.
        """
        if len(raw) > MAX_BYTES:
            raise FileProblems([FileProblem(name, f"the file is too large: at most {MAX_BYTES} bytes")])
        text = raw if isinstance(raw, str) else _decode(raw, name)
        reader = _Reader(name)
        root = reader.read(text)
        if reader.problems:
            raise FileProblems(reader.problems)
        return cls(name, text, root, path)

    @property
    def data(self) -> Any:
        """The whole file as plain data."""
        return self._root.value

    def line(self, *place: str | int) -> int:
        """Return the line of the key or entry at ``place``; of the nearest one around it where there is none."""
        node = self._root
        for part in place:
            inner = (node.inside or {}).get(part)
            if inner is None:
                break
            node = inner
        return node.line

    def problem(self, message: str, *place: str | int, near: str | None = None) -> FileProblem:
        """Return a problem at a place in this file."""
        return FileProblem(self.name, message, self.line(*place), field_path(place, self.data), near)

    def problems(self, troubles: list[Trouble]) -> FileProblems:
        """Return troubles as the error to raise, in the order of their lines."""
        found = [self.problem(trouble.message, *trouble.place, near=trouble.nearest) for trouble in troubles]
        found.sort(key=lambda problem: problem.line or 0)
        if len(found) > MAX_PROBLEMS:
            found[MAX_PROBLEMS:] = [FileProblem(self.name, f"and {len(found) - MAX_PROBLEMS} more problems")]
        return FileProblems(found)

    def to_model(self, model: type[Model], context: FileContext | None = None) -> Model:
        """Return the file as a model; ``context`` is Pydantic's, for models that need one.

        Raises:
            FileProblems: with everything that the model has against it.
        """
        if not isinstance(self.data, dict):
            message = f"the file must hold a mapping (`key: value`), not {shown(self.data)}"
            raise FileProblems([self.problem(message)])
        try:
            return model.model_validate(self.data, context=context or FileContext())
        except ValidationError as error:
            raise self.problems(explain(error, self.data, model)) from error


def load_model(
    model: type[Model], path: Path, *, root: Path | None = None, context: FileContext | None = None
) -> Model:
    """Return a YAML file as a model: ``YamlFile.load`` and ``to_model`` in one.

    Raises:
        FileProblems: with everything that is wrong with the file.
    """
    return YamlFile.load(path, root).to_model(model, context)


def shown_path(path: Path, root: Path | None = None) -> str:
    """Return a path as messages show it: relative to the current folder, else to ``root``, else in full."""
    full = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and the author named the link
    for base in (Path.cwd(), root):
        if base is not None and full.is_relative_to(os.path.abspath(base)):  # noqa: PTH100 - as above
            return full.relative_to(os.path.abspath(base)).as_posix()  # noqa: PTH100 - as above
    return str(full)


def _decode(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileProblems([FileProblem(name, "the file is not UTF-8 text", line)]) from error


class _Fatal(Exception):
    """A problem after which nothing more of the file can be read."""


class _Reader:
    """Builds nodes from the parser's events; keeps the problems that do not stop the reading."""

    def __init__(self, name: str) -> None:
        self.problems: list[FileProblem] = []
        self._name = name
        self._anchors: dict[str, _Node] = {}
        self._values = 0

    def read(self, text: str) -> _Node:
        """Return the root of the one document in ``text``.

        Raises:
            FileProblems: for syntax errors and bounds exceeded, after which there is nothing to return.
        """
        parser = YAML(typ="safe", pure=True)
        root: _Node | None = None
        try:
            events: Iterator[Any] = iter(parser.parse(text))
            for event in events:
                if isinstance(event, DocumentStartEvent):
                    if root is not None:
                        self._stop("the file holds more than one document (`---`)", event)
                    if event.version is not None and event.version != (1, 2):
                        self._stop("the file must be YAML 1.2: leave the %YAML directive out", event)
                elif isinstance(event, NodeEvent):
                    root = self._node(event, events, 0)
        except YAMLError as error:
            self._syntax(error, text)
        except (_Fatal, RecursionError, ValueError) as error:
            if not isinstance(error, _Fatal):  # what the parser itself could not bear
                self.problems.append(FileProblem(self._name, f"cannot be read as YAML: {shown(str(error))}"))
        else:
            if root is not None and not (root.value is None and root.size == 1):
                return root
            self.problems.append(FileProblem(self._name, "the file is empty", 1))
        raise FileProblems(self.problems)

    def _node(self, event: NodeEvent, events: Iterator[Any], depth: int) -> _Node:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            return self._alias(event, line, depth)
        self._count(1, event)
        if depth > MAX_DEPTH:
            self._stop(f"the nesting is too deep: at most {MAX_DEPTH} levels", event)
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", "tag:yaml.org,2002:str"):
            name = str(tag).replace("tag:yaml.org,2002:", "!!")
            self._note(f"tags such as {shown(name)} are not used here", event)
        node = _Node(None, line)
        if isinstance(event, SequenceStartEvent):
            self._sequence(node, events, depth)
        elif isinstance(event, MappingStartEvent):
            self._mapping(node, events, depth)
        elif isinstance(event, ScalarEvent):
            node.value = self._scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent, line: int, depth: int) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            self._stop(f"the alias *{event.anchor} stands for nothing, or for what it stands in", event)
        self._count(node.size, event)
        if depth + node.depth > MAX_DEPTH:
            self._stop(f"the nesting is too deep: at most {MAX_DEPTH} levels", event)
        return _Node(node.value, line, node.size, node.depth, node.inside)

    def _sequence(self, node: _Node, events: Iterator[Any], depth: int) -> None:
        node.value, node.inside = [], {}
        for event in events:
            if isinstance(event, SequenceEndEvent):
                return
            item = self._node(event, events, depth + 1)
            node.inside[len(node.value)] = item
            node.value.append(item.value)
            _grow(node, item)

    def _mapping(self, node: _Node, events: Iterator[Any], depth: int) -> None:
        node.value, node.inside = {}, {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                return
            key = self._key(event, events, depth)
            item = self._node(next(events), events, depth + 1)
            _grow(node, item)
            if key is None:
                continue
            if key in node.value:
                self._note(f"the key {shown(key)} is given twice (first in line {node.inside[key].line})", event)
                continue
            node.value[key] = item.value
            node.inside[key] = _Node(item.value, event.start_mark.line + 1, item.size, item.depth, item.inside)

    def _key(self, event: NodeEvent, events: Iterator[Any], depth: int) -> str | int | None:
        key = self._node(event, events, depth + 1).value
        if isinstance(event, ScalarEvent) and event.implicit[0] and event.value == "<<":
            self._note("merge keys (`<<`) are not part of YAML 1.2: write the keys out", event)
            return None
        if isinstance(key, str | int) and not isinstance(key, bool):
            return key
        self._note(f"a key must be text or a whole number, not {shown(key)}", event)
        return None

    def _scalar(self, event: ScalarEvent) -> Any:
        plain = event.implicit[0] and event.tag is None
        value = _core_schema(event.value) if plain else event.value
        if isinstance(value, int) and value.bit_length() > 63:
            self._note("the number is too large: whole numbers have at most 63 bits", event)
            return 0
        if isinstance(value, float) and not math.isfinite(value):
            self._note(f"the number {shown(event.value)} is not finite", event)
            return 0.0
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            self._note("the text holds half of a surrogate pair, which UTF-8 cannot hold", event)
            return ""
        return value

    def _count(self, size: int, event: NodeEvent) -> None:
        self._values += size
        if self._values > MAX_VALUES:
            self._stop(f"the file holds too many values: at most {MAX_VALUES}, aliases written out", event)

    def _note(self, message: str, event: Any) -> None:
        self.problems.append(FileProblem(self._name, message, event.start_mark.line + 1))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Fatal

    def _stop(self, message: str, event: Any) -> NoReturn:
        self._note(message, event)
        raise _Fatal

    def _syntax(self, error: YAMLError, text: str) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = None if mark is None else mark.line + 1
        position = getattr(error, "position", None)
        if line is None and isinstance(position, int):
            line = text.count("\n", 0, position) + 1
        self.problems.append(FileProblem(self._name, _syntax_message(error), line))


def _grow(node: _Node, item: _Node) -> None:
    node.size += item.size
    node.depth = max(node.depth, item.depth + 1)


_INT = re.compile(r"[-+]?[0-9]+")
_BASED_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LONGEST_NUMBER = 400


def _core_schema(text: str) -> Any:
    """Return what a plain scalar stands for (YAML 1.2.2 §10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    if _INT.fullmatch(text):
        return int(text) if len(text) <= _LONGEST_NUMBER else 1 << 64
    if _BASED_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _syntax_message(error: YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
    context = getattr(error, "context", None)
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces"
    if "special characters are not allowed" in problem:
        return f"the character U+{getattr(error, 'character', 0):04X} is not allowed in YAML"
    return f"not valid YAML: {problem}" + (f" {context}" if context else "")
