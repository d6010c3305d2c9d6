"""Writing YAML."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.scenario.loader import intro_of
from sadpath.scenario.yamlfile import YamlFile
from sadpath.scenario.yamltext import to_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t01.<~\x85\u2028="
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(
        ["on", "yes", "null", "~", "1_000", "0x1F", "1e5", ".5", "2020-01-01", "<<", "=", "*", "pass", "60s"]
    )
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


@settings(deadline=None)
@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4), st.none() | TEXT)
def test_what_is_written_is_read_back(data: dict[str, object], comment: str | None) -> None:
    """Any data that a file may hold survive, whatever their texts look like, and a comment never disturbs them."""
    assert YamlFile.parse(to_yaml(data, comment), "f.yaml").data == data


def test_it_reads_as_if_a_person_had_written_it() -> None:
    """Short mappings stand on one line, lists of mappings below each other, and the comment comes first."""
    data = {
        "title": "Busy twice, then fine",
        "faults": [
            {"on": {"role": "read"}, "plan": [{"status": 503}, {"status": {"code": 503, "retry_after": "1s"}}, "pass"]}
        ],
        "calls": [{"users.get": {"id": 1}}, {"parallel": [{"users.get": {"id": 1}, "times": 5}, {"auth.logout": {}}]}],
        "expect": {"for": "reference", "outcome": ["ok", "server"]},
    }

    assert to_yaml(data, "Two 503s.\n\nSource: RFC 9110 §10.2.3.") == (
        "# Two 503s.\n"
        "#\n"
        "# Source: RFC 9110 §10.2.3.\n"
        "title: Busy twice, then fine\n"
        "faults:\n"
        "  - on: {role: read}\n"
        "    plan:\n"
        "      - status: 503\n"
        "      - status: {code: 503, retry_after: 1s}\n"
        "      - pass\n"
        "calls:\n"
        "  - users.get: {id: 1}\n"
        "  - parallel:\n"
        "      - {users.get: {id: 1}, times: 5}\n"
        "      - auth.logout: {}\n"
        "expect: {for: reference, outcome: [ok, server]}\n"
    )


@settings(deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_comment_comes_back_as_the_introduction(comment: str) -> None:
    """What stands above a file's first key is what was written there."""
    assert intro_of(to_yaml({"a": 1}, comment)) == comment.rstrip()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, "\ud800"])
def test_what_no_file_can_hold_is_refused(wrong: object) -> None:
    """NaN, infinity and half a surrogate pair are errors here, and not in a file that nobody can read."""
    with pytest.raises(ValueError, match=r"cannot stand in a file|surrogates not allowed"):
        to_yaml({"a": [wrong]})
