"""The command as a person types it."""

import json
from pathlib import Path

import pytest

from evaluation import report
from evaluation.__main__ import main


def published() -> list[bytes]:
    """What stands on the published pages."""
    return [path.read_bytes() for path in (report.RAW, report.PAGE, report.README)]


def test_a_part_is_printed_and_kept_where_it_is_asked_for_and_publishes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = published()
    assert main(["--split", "tune", "--limit", "7", "--model", "local-rules", "--json", str(tmp_path / "f.json")]) == 0
    found = json.loads((tmp_path / "f.json").read_text("utf-8"))
    # One of each sort.
    assert found["sets"]["tune"]["messages"] == len(found["sets"]["tune"]["strata"]) == 7
    assert found["attacks"]["guards"]["attacks"] == 7
    assert found["name"] == "local-rules"
    assert "tune: 7 messages" in capsys.readouterr().out
    assert published() == before


def test_the_lines_of_the_test_set_are_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--split", "test", "--limit", "7", "--no-attacks", "--answers"]) == 0
    shown = capsys.readouterr().out
    assert "test: 7 messages" in shown
    assert "asked:" not in shown


def test_a_simulator_is_measured_under_its_own_name(tmp_path: Path) -> None:
    arguments = [
        "--simulator",
        "--split",
        "samples",
        "--limit",
        "4",
        "--no-attacks",
        "--json",
        str(tmp_path / "f.json"),
    ]
    assert main(arguments) == 0
    found = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert found["note"] == "simulator, not a language model"
    assert found["sets"]["samples"]["spent"]["input_tokens"] > 0


def test_a_model_that_is_not_configured_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "made-up"]) == 1
    assert "--model made-up: no model of this name is configured; there are: local-rules-" in capsys.readouterr().err


def test_a_set_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--split", "all-of-it"])
    assert "invalid choice: 'all-of-it'" in capsys.readouterr().err
