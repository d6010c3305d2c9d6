"""Reading YAML files: what they hold, where it stands, and what is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from sadpath.core.errors import FileProblem, FileProblems
from sadpath.scenario.filemodel import FileModel, Several
from sadpath.scenario.yamlfile import MAX_BYTES, MAX_DEPTH, MAX_PROBLEMS, MAX_VALUES, YamlFile, load_model, shown_path


def problems(text: str | bytes) -> list[str]:
    """Return what is said of a text that must be refused."""
    with pytest.raises(FileProblems) as caught:
        YamlFile.parse(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("on", "on"), ("yes", "yes"), ("No", "No"), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("12", 12), ("-0", 0), ("010", 10), ("0o10", 8), ("0x1F", 31), ("0b11", "0b11"), ("1_000", "1_000"), ("1:30", "1:30"),
        ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("2020-01-01", "2020-01-01"), ("=", "="), ("'12'", "12"), ('"on"', "on"),
        ("!!str 12", "12"), ("! 12", "12"), ("300ms", "300ms"), ("9223372036854775807", 2**63 - 1),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_yaml_1_2_says(scalar: str, value: object) -> None:
    """The core schema of YAML 1.2 decides: ``on`` is text, and so are dates and digits with underscores."""
    data = YamlFile.parse(f"a: {scalar}\n", "f.yaml").data

    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_on_is_a_key_like_any_other() -> None:
    """The key ``on`` of a rule is text, not true."""
    assert YamlFile.parse("on: read\n", "f.yaml").data == {"on": "read"}


SAMPLE = """# A comment.
title: x

faults:
  - on: "*"
    plan:
      - status: 503
      - {reset: {at: body}}
  - fault: reset
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 2), (("title",), 2), (("faults",), 4), (("faults", 0), 5), (("faults", 0, "on"), 5), (("faults", 0, "plan", 1), 8),
        (("faults", 0, "plan", 1, "reset", "at"), 8), (("faults", 1, "fault"), 9), (("faults", 1, "on"), 9), (("nothing", 3), 2),
        (("faults", 0, "plan", 0, "status", "code"), 7),
    ],
)  # fmt: skip
def test_each_place_has_its_line(place: tuple[str | int, ...], line: int) -> None:
    """A key or entry stands in its line; a place that is not there has the line of what is around it."""
    assert YamlFile.parse(SAMPLE, "f.yaml").line(*place) == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1: the file is empty"),
        ("# only a comment\n", "f.yaml:1: the file is empty"),
        ("---\n", "f.yaml:1: the file is empty"),
        ("a: 1\na: 2\n", "f.yaml:2: the key 'a' is given twice (first in line 1)"),
        ("a: {b: 1,\n b: 2}\n", "f.yaml:2: the key 'b' is given twice (first in line 1)"),
        ("a:\n\t- b\n", "f.yaml:2: a tab stands where YAML wants spaces"),
        ("a: b: c\n", "f.yaml:1: not valid YAML: mapping values are not allowed here"),
        ("a: 'x\n", "f.yaml:2: not valid YAML: found unexpected end of stream while scanning a quoted scalar"),
        ("a: \x00\n", "f.yaml:1: the character U+0000 is not allowed in YAML"),
        (b"a: 1\nb: \xff\n", "f.yaml:2: the file is not UTF-8 text"),
        ("a: 1\n".encode("utf-16"), "f.yaml:1: the file is not UTF-8 text"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: the file holds more than one document (`---`)"),
        ("%YAML 1.1\n---\na: on\n", "f.yaml:2: the file must be YAML 1.2: leave the %YAML directive out"),
        ("a: !!python/object x\n", "f.yaml:1: tags such as '!!python/object' are not used here"),
        ("a: !secret x\n", "f.yaml:1: tags such as '!secret' are not used here"),
        ("a: *b\n", "f.yaml:1: the alias *b stands for nothing, or for what it stands in"),
        ("a: &a [*a]\n", "f.yaml:1: the alias *a stands for nothing, or for what it stands in"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "f.yaml:2: merge keys (`<<`) are not part of YAML 1.2: write the keys out"),
        ("a: .nan\n", "f.yaml:1: the number '.nan' is not finite"),
        ("a: -.inf\n", "f.yaml:1: the number '-.inf' is not finite"),
        ("a: 1e999\n", "f.yaml:1: the number '1e999' is not finite"),
        ("a: 9223372036854775808\n", "f.yaml:1: the number is too large: whole numbers have at most 63 bits"),
        (f"a: {'9' * 5000}\n", "f.yaml:1: the number is too large: whole numbers have at most 63 bits"),
        (f"a: 0x{'f' * 5000}\n", "f.yaml:1: the number is too large: whole numbers have at most 63 bits"),
        ("1.5: a\n", "f.yaml:1: a key must be text or a whole number, not 1.5"),
        ("? [a]\n: b\n", "f.yaml:1: a key must be text or a whole number, not a list"),
        ("true: b\n", "f.yaml:1: a key must be text or a whole number, not true"),
        ('a: "\\ud800"\n', "f.yaml:1: the text holds half of a surrogate pair, which UTF-8 cannot hold"),
        ("a: " + "[" * 5000, f"f.yaml:1: the nesting is too deep: at most {MAX_DEPTH} levels"),
        ("a: [" + "1," * (MAX_VALUES + 1) + "]", f"f.yaml:1: the file holds too many values: at most {MAX_VALUES}, aliases written out"),
        ("#" * (MAX_BYTES + 1), f"f.yaml: the file is too large: at most {MAX_BYTES} bytes"),
    ],
)  # fmt: skip
def test_what_a_file_must_not_hold_is_told_in_one_line(text: str | bytes, message: str) -> None:
    """Hostile and mistaken files give one clear message, with the line."""
    assert problems(text) == [message]


def test_aliases_that_multiply_are_stopped() -> None:
    """Nine aliases of nine aliases of nine … (a billion laughs) are refused before anything is made of them."""
    names = "abcdefghij"
    layers = [f"{name}: &{name} [{', '.join(['*' + before] * 9)}]" for before, name in itertools.pairwise(names)]
    text = "\n".join(["a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]", *layers])

    assert problems(text) == [f"f.yaml:5: the file holds too many values: at most {MAX_VALUES}, aliases written out"]


def test_aliases_that_nest_are_stopped() -> None:
    """Aliases cannot nest deeper than the text itself may."""
    text = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))])

    assert problems(text) == [f"f.yaml:64: the nesting is too deep: at most {MAX_DEPTH} levels"]


def test_an_honest_alias_is_the_same_value_again() -> None:
    """An alias repeats what its anchor marks, and stands in a line of its own."""
    file = YamlFile.parse("a: &x {b: 1}\nc: *x\n", "f.yaml")

    assert file.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert (file.line("c"), file.line("c", "b")) == (2, 1)


def test_several_mistakes_are_told_at_once_and_not_without_end() -> None:
    """What does not stop the reading is collected, up to a bound."""
    assert problems("a: .nan\nb: !x 1\na: 2\n") == [
        "f.yaml:1: the number '.nan' is not finite",
        "f.yaml:2: tags such as '!x' are not used here",
        "f.yaml:3: the key 'a' is given twice (first in line 1)",
    ]
    assert len(problems("a: {" + "a: 1, " * 1000 + "}")) == MAX_PROBLEMS


def test_a_byte_order_mark_is_no_mistake() -> None:
    """Editors of one system put a mark before UTF-8."""
    assert YamlFile.parse(b"\xef\xbb\xbfa: 1\n", "f.yaml").data == {"a": 1}


def _read_or_refused(raw: bytes | str) -> list[FileProblem]:
    """Return the problems of a text, after checking that what was read without any is data that JSON can hold."""
    try:
        file = YamlFile.parse(raw, "f.yaml")
    except FileProblems as error:
        return list(error.problems) or [FileProblem("f.yaml", "refused without a reason\n")]
    json.dumps(file.data, allow_nan=False)
    return []


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """No input makes the reader fail in any other way; what it reads is plain data that JSON can hold."""
    assert all("\n" not in str(problem) for problem in _read_or_refused(raw))


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t01.<~", max_size=60))
def test_any_text_of_yaml_s_own_characters_is_read_or_refused(text: str) -> None:
    """The characters that mean something to YAML do not break the reader either."""
    assert all("\n" not in str(problem) for problem in _read_or_refused(text))


class Inner(FileModel):
    """A part of the model below."""

    code: int
    names: Several[str] = ()


class Outer(FileModel):
    """A model to read files into."""

    title: str
    ratio: float = Field(default=1, ge=0, le=1)
    inner: Inner | None = None
    table: dict[str, Inner] = Field(default_factory=dict)
    either: int | bool | Several[Inner] | None = None


def test_a_model_tells_all_mistakes_of_a_file_with_line_and_field(tmp_path: Path) -> None:
    """Every mistake is a line of its own, in the file's order, and speaks as the author wrote."""
    path = tmp_path / "f.yaml"
    path.write_text(
        "titel: x\nratio: 2\ninner:\n  code: five\n  names: [a, 1]\ntable:\n  a: {code: 1}\n  b: {cod: 1}\neither: [{code: x}]\n"
    )
    with pytest.raises(FileProblems) as caught:
        load_model(Outer, path, root=tmp_path)

    assert str(caught.value).splitlines() == [
        "f.yaml:1: titel: unknown key (did you mean 'title'?)",
        "f.yaml:2: ratio: must be at most 1, not 2",
        "f.yaml:4: inner.code: must be a whole number, not 'five'",
        "f.yaml:5: inner.names[1]: must be text, not 1",
        "f.yaml:8: table.b.cod: unknown key (did you mean 'code'?)",
        "f.yaml:9: either[0].code: must be a whole number, not 'x'",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("either: x", "either: must be a whole number or true or false or a list, not 'x'"),
        ("either: {code: 1}", "either: must be a whole number or true or false or a list, not a mapping"),
        ("ratio: .5s", "ratio: must be a number, not '.5s'"),
        ("ratio:", "ratio: must be a number, not null"),
        ("inner:", "inner: is empty: give it a value or leave it out"),
        ("inner: 5", "inner: must be a mapping (`key: value`), not 5"),
        ("inner: {code: 1.0}", "inner.code: must be a whole number, not 1.0"),
        ("inner: {code: true}", "inner.code: must be a whole number, not true"),
        ("inner: {}", "inner.code: this key is missing"),
        ("401: x", "401: unknown key"),
    ],
)
def test_a_mistake_is_told_once_and_without_jargon(line: str, message: str) -> None:
    """A union gives one message, and nothing that is almost right is taken for right."""
    with pytest.raises(FileProblems) as caught:
        YamlFile.parse(f"title: x\n{line}\n", "f.yaml").to_model(Outer)

    assert str(caught.value) == f"f.yaml:2: {message}"


def test_a_file_that_is_no_mapping_is_refused() -> None:
    """A model is read from a mapping."""
    with pytest.raises(FileProblems, match=r"f.yaml:1: the file must hold a mapping \(`key: value`\), not a list"):
        YamlFile.parse("- a\n", "f.yaml").to_model(Outer)


def test_the_number_of_told_mistakes_is_bounded() -> None:
    """A file that is wrong throughout does not fill the screen."""
    text = "title: x\neither: [" + "{code: x}, " * 500 + "]"
    with pytest.raises(FileProblems) as caught:
        YamlFile.parse(text, "f.yaml").to_model(Outer)

    assert len(caught.value.problems) == MAX_PROBLEMS + 1
    assert str(caught.value.problems[-1]) == f"f.yaml: and {500 - MAX_PROBLEMS} more problems"


@pytest.mark.parametrize(
    ("case", "reason"),
    [("missing", "there is no such file"), ("folder", "Is a directory"), ("loop", "Too many levels of symbolic links")],
)
def test_a_file_that_cannot_be_opened_is_its_author_s_problem(tmp_path: Path, case: str, reason: str) -> None:
    """A missing file, a folder, and whatever else the system has against it give one clear message."""
    path = tmp_path / "f.yaml"
    if case == "folder":
        path.mkdir()
    if case == "loop":
        path.symlink_to(path)
    with pytest.raises(FileProblems, match=f"^f.yaml: cannot be read: {reason}$"):
        YamlFile.load(path, tmp_path)


def test_files_are_shown_relative_to_the_current_folder_then_to_the_root(tmp_path: Path) -> None:
    """A message's path can be clicked from where the command was given."""
    root = Path.cwd()

    assert shown_path(root / "a" / "b.yaml") == "a/b.yaml"
    assert shown_path(Path("a/../b.yaml")) == "b.yaml"
    assert shown_path(tmp_path / "a.yaml", tmp_path) == "a.yaml"
    assert shown_path(tmp_path / "a.yaml") == str(tmp_path / "a.yaml")


def test_a_problem_can_be_made_for_a_place(tmp_path: Path) -> None:
    """Other checks of a file speak of its places in the same way."""
    file = YamlFile.parse(SAMPLE, "f.yaml", tmp_path / "f.yaml")
    wanted: Any = FileProblem("f.yaml", "is odd", 8, "faults[0].plan[1].reset.at", "head")

    assert file.problem("is odd", "faults", 0, "plan", 1, "reset", "at", near="head") == wanted
