"""The results model: exit codes, the file, its schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.errors import UsageError
from sadpath.verify.results import (
    ClauseResult,
    ClientResult,
    ErrorEntry,
    KilledClause,
    KillRate,
    Results,
    Survivor,
    exit_code,
    prepare_folder,
    write_results,
)


def _results(*verdicts: str, parties: tuple[str, ...] = (), **more: Any) -> Results:
    clauses = [
        ClauseResult.model_validate(
            {"id": f"X-{n:02}", "family": "X", "level": "must", "title": "x", "verdict": verdict}
        )
        for n, verdict in enumerate(verdicts)
    ]
    errors = [ErrorEntry.model_validate({"party": party, "where": "x", "message": "y"}) for party in parties]
    return Results(clients=[ClientResult(name="c", clauses=clauses)], errors=errors, **more)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        (_results("pass"), 0),
        (_results("pass", "xfail", "not_exercised", "unsupported", "flaky"), 0),
        (_results("xfail"), 0),
        (_results("pass", "fail"), 1),
        (_results("pass", "xpass"), 1),
        (_results("fail", parties=("sadpath", "driver")), 1),
        (_results("pass", parties=("driver",)), 2),
        (_results("pass", parties=("author",)), 2),
        (_results("pass", parties=("client",)), 2),
        (_results("pass", parties=("sadpath", "driver")), 3),
        (_results("not_exercised", "unsupported"), 3),
        (_results(), 3),
        (Results(), 3),
        (_results("fail", interrupted=True), 130),
        (_results("fail", kill_rate=KillRate(bad=1, killed=1)), 0),
        (_results("fail", kill_rate=KillRate(bad=0, killed=0)), 3),
        (
            _results(
                "fail", kill_rate=KillRate(bad=1, killed=0, survivors=[Survivor(name="b", clause="X-01", why="w")])
            ),
            1,
        ),
    ],
)
def test_exit_codes(results: Results, code: int) -> None:
    """0 holds, 1 falls short or stale, 2 something to mend, 3 nothing proved or our own fault, 130 interrupted."""
    assert exit_code(results) == code


@given(
    st.lists(st.sampled_from(["pass", "fail", "xfail", "xpass", "flaky", "not_exercised", "unsupported"]), max_size=5),
    st.lists(st.sampled_from(["client", "author", "driver", "sadpath"]), max_size=2),
)
def test_only_proof_without_a_doubt_exits_with_zero(verdicts: list[str], parties: list[str]) -> None:
    """Whatever comes together, 0 means: something held, nothing failed, nothing is stale, nothing went wrong."""
    code = exit_code(_results(*verdicts, parties=tuple(parties)))
    fine = not {"fail", "xpass"} & set(verdicts) and not parties

    assert (code == 0) == (fine and bool({"pass", "xfail", "flaky"} & set(verdicts)))
    assert (code == 1) == bool({"fail", "xpass"} & set(verdicts))


def test_the_file_is_what_was_found(tmp_path: Path) -> None:
    """``results.json`` reads back as the same results and fits the model's own JSON Schema."""
    results = _results(
        "fail", "pass", kill_rate=KillRate(bad=2, killed=1, clauses=[KilledClause(id="X-01", bad=2, killed=1)])
    )
    path = write_results(results, tmp_path / "deep" / "out")
    data = json.loads(path.read_text())

    assert path.name == "results.json"
    assert Results.model_validate(data) == results
    assert data["schema"] == 1
    jsonschema.Draft202012Validator(Results.model_json_schema(by_alias=True)).validate(data)
    assert [item.name for item in path.parent.iterdir()] == ["results.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_fields_that_others_rely_on_are_there() -> None:
    """The names of schema 1 stay."""
    data = json.loads(_results("fail", "pass").to_json())

    assert {"sadpath", "schema", "seed", "world", "profile", "shard", "started", "duration_s", "noise_ms", "command",
            "clients", "cases", "errors"} <= data.keys()  # fmt: skip
    assert {"name", "version", "contract", "clauses", "totals"} <= data["clients"][0].keys()
    assert {"id", "family", "level", "title", "source", "verdict", "cases", "exercised", "findings"} <= (
        data["clients"][0]["clauses"][0].keys()
    )


def test_an_old_report_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Writing again leaves one file, the new one."""
    write_results(_results("pass"), tmp_path)
    write_results(_results("fail"), tmp_path)

    assert exit_code(Results.model_validate_json((tmp_path / "results.json").read_text())) == 1
    assert os.listdir(tmp_path) == ["results.json"]  # noqa: PTH208 - names are what counts


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    """A file in the way is one clear message."""
    (tmp_path / "taken").write_text("")

    with pytest.raises(UsageError, match=r"--report .*taken"):
        prepare_folder(tmp_path / "taken")
