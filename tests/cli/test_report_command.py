"""``sadpath report`` as people run it: results in, files out, and one message where that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sadpath.cli import app
from sadpath.verify.results import Results
from tests.report.made import a_clause, every_verdict

FILES = ["annotations.txt", "badge.svg", "junit.xml", "report.html", "report.md", "results.json"]


def _write(folder: Path, results: Results) -> Path:
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(results.to_json())
    return folder


def _report(*words: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_one_folder_gets_its_reports_beside_the_results(tmp_path: Path) -> None:
    """All formats are written, the results stay as they are, and it exits with 0 though the client fails."""
    folder = _write(tmp_path / "out", every_verdict())
    before = (folder / "results.json").read_bytes()
    done = _report(folder)

    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert (folder / "results.json").read_bytes() == before
    assert done.output.endswith("2 of 5 clauses fail: the client falls short of what it promises.\n")


def test_clients_are_put_together_and_the_exit_code_can_be_that_of_verify(tmp_path: Path) -> None:
    """Files and folders may be given; the merged results are written too; --format chooses."""
    one, two = _write(tmp_path / "a", every_verdict()), _write(tmp_path / "b", every_verdict("other"))
    done = _report(one, two / "results.json", "--out", tmp_path / "all", "--format", "badge,junit", "--exit-code")
    merged = Results.model_validate_json((tmp_path / "all" / "results.json").read_text())

    assert done.exit_code == 1, done.output
    assert [client.name for client in merged.clients] == ["shop", "other"]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["badge.svg", "junit.xml", "results.json"]


def test_former_results_tell_what_is_new_and_what_is_mended(tmp_path: Path) -> None:
    """It is said on the terminal, and in the reports."""
    before, now = every_verdict(), every_verdict()
    now.clients[0].clauses[0].verdict = "pass"
    now.clients[0].clauses[4] = a_clause("CACHE-01", "fail")
    done = _report(_write(tmp_path / "now", now), "--against", _write(tmp_path / "before", before))

    assert "shop: new: CACHE-01; mended: RETRY-01; 2 fail as before." in done.output
    assert "new: CACHE\\-01; mended: RETRY\\-01" in (tmp_path / "now" / "report.md").read_text()
    assert "new: CACHE-01; mended: RETRY-01" in (tmp_path / "now" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "say with --out where"),
        (["a", "b", "--out", "c"], "a has seed 0 and b has 7: they are not one run"),
        (["a", "a", "--out", "c"], "both hold shop, and are not shards of one run"),
        (["a", "--format", "pdf"], "'pdf' is no format; there are html, junit, markdown, badge, github"),
        (["nowhere"], "nowhere cannot be read: No such file or directory"),
        (["a", "--against", "c"], "c cannot be read"),
        (["old"], "has schema 0, and this version of sadpath reads schema 1"),
        (["s"], "shard 2/2 is missing; with --partial"),
    ],
)
def test_what_cannot_be_reported_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    """Exit 2, one line, nothing written."""
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "a", every_verdict())
    _write(tmp_path / "b", every_verdict("other", seed=7))
    _write(tmp_path / "s", every_verdict(shard="1/2"))
    _write(tmp_path / "old", every_verdict())
    (tmp_path / "old" / "results.json").write_text(json.dumps({"schema": 0}))
    done = _report(*words)

    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.splitlines()) == 1
    assert not (tmp_path / "c").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["results.json"]


def test_a_part_of_a_run_writes_no_baseline(tmp_path: Path) -> None:
    """What a shard does not see fail may fail in another."""
    words = ["verify", "--shard", "1/2", "--write-baseline", str(tmp_path / "b.yaml")]
    done = CliRunner().invoke(app, words)

    assert done.exit_code == 2
    assert "--write-baseline takes a whole run" in done.output
