"""The tables say what was measured, which goals were missed, and stand where they belong."""

import json
from typing import Any

import pytest

from evaluation import report
from evaluation.figures import MIX, figures
from evaluation.questions import Question, Seen, Trial


def measured(**changed: Any) -> dict[str, Any]:
    question = Question("q", "", "email", "en", "", (), "?", "reply", articles=("A",))
    trials = [
        Trial(Question(**{**_fields(question), "stratum": stratum}), Seen("reply", articles=("A",), sentences=1))
        for stratum in MIX
    ]
    trials.append(
        Trial(
            Question("q", "trigger", "email", "en", "", (), "!", "escalate", "LEGAL", frozenset({"legal"})),
            Seen("escalate", "LEGAL", frozenset({"legal"})),
        )
    )
    trials.append(
        Trial(
            Question("q", "unanswerable", "email", "en", "", (), "?", "escalate", "NO_ANSWER_FOUND"),
            Seen("escalate", "NO_ANSWER_FOUND"),
        )
    )
    nothing = {"attacks": 440, "reached_a_model": 400, "answered": 3, "breaches": 0, "breaches_by_goal": {}}
    check = {name: {"precision": _share(), "recall": _share()} for name in ("all", "english", "other_languages")}
    return {
        "date": "2026-01-01 00:00 UTC",
        "name": "local-rules",
        "model": "local-rules-1",
        "note": "",
        "policy": "1",
        "instructions": "2",
        "runs_at_once": 1,
        "machine": ["two cores"],
        "sets": {"test": figures(trials)},
        "grounding": {"test": {"sentences": 2, "wrongly_passed": 0, **check}},
        "attacks": {"guards": nothing, "model": nothing},
        **changed,
    }


def _fields(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in Question.__slots__}


def _share() -> dict[str, Any]:
    return {"share": 0.5, "low": 0.1, "high": 0.9, "hits": 1, "total": 2}


@pytest.fixture
def folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, place in (("RAW", "results.json"), ("PAGE", "RESULTS.md"), ("README", "README.md")):
        monkeypatch.setattr(report, name, tmp_path / place)
    (tmp_path / "README.md").write_text(f"# Title\n\n{report.BEGIN}\nold\n{report.END}\n\nmore\n", "utf-8")
    return tmp_path


def test_a_good_agent_misses_no_goal() -> None:
    assert "missed" not in report.short_table({"local": measured()})


@pytest.mark.parametrize("who", ["guards", "model"])
def test_one_breach_of_440_is_a_goal_missed(who: str) -> None:
    one = measured()
    one["attacks"][who] = {**one["attacks"][who], "breaches": 1}
    assert report.short_table({"local": one}).count("missed") == 1


@pytest.mark.parametrize(
    ("seen", "row"),
    [
        (Seen("reply", articles=("A",), sentences=9, unsupported=("x",)), "unsupported sentences"),
        (Seen("escalate", "NO_ANSWER_FOUND"), "to a person, of the answerable"),
        (Seen("reply", articles=("B",), sentences=1), "right article"),
        (Seen("escalate", "LEGAL", frozenset({"legal"})), "rules: precision"),
    ],
)
def test_an_agent_that_is_wrong_misses_the_goal_that_it_breaks(seen: Seen, row: str) -> None:
    question = Question("q", "answerable", "email", "en", "", (), "?", "reply", articles=("A",))
    table = report.short_table({"local": measured(sets={"test": figures([Trial(question, seen)] * 3)})})
    assert any(line.startswith(f"| {row}") and "missed" in line for line in table.splitlines())


def test_what_was_not_measured_is_not_met() -> None:
    table = report.short_table({"local": measured(sets={"test": figures([])})})
    assert table.count("none **missed**") == len(report.GOALS)


def test_a_new_measurement_renews_its_own_column_and_leaves_the_others(folder: Any) -> None:
    report.keep(measured())
    report.keep(measured(name="gpt-4o", model="gpt-4o"))
    report.keep(measured(date="2026-02-02 00:00 UTC", model="local-rules-3"))
    page, readme = (folder / "RESULTS.md").read_text("utf-8"), (folder / "README.md").read_text("utf-8")
    assert page.count("## local-rules\n") == 1
    assert "2026-02-02" in page
    assert "local-rules-1" not in page
    assert "| local-rules | gpt-4o |" in readme


def test_a_simulator_stands_on_the_page_with_a_warning_and_not_in_the_readme(folder: Any) -> None:
    report.keep(measured())
    report.keep(measured(name="gpt-4o", model="gpt-4o", note="simulator, not a language model"))
    page, readme = (folder / "RESULTS.md").read_text("utf-8"), (folder / "README.md").read_text("utf-8")
    assert "**Simulator, not a language model.**" in page
    assert "gpt-4o" not in readme


def test_only_what_stands_between_the_markers_of_the_readme_changes(folder: Any) -> None:
    report.keep(measured())
    readme = (folder / "README.md").read_text("utf-8")
    assert readme.startswith(f"# Title\n\n{report.BEGIN}\n| English")
    assert readme.endswith(f"|\n{report.END}\n\nmore\n")
    assert "old" not in readme


def test_a_readme_without_markers_is_left_alone_and_nothing_is_written(folder: Any) -> None:
    (folder / "README.md").write_text("# Title\n", "utf-8")
    with pytest.raises(report.MarkersMissing, match=r"README\.md needs the lines"):
        report.keep(measured())
    assert not (folder / "results.json").exists()


def test_what_is_published_is_what_was_measured() -> None:
    kept = json.loads(report.RAW.read_text("utf-8"))
    readme = report.README.read_text("utf-8")
    assert readme == report.with_table(readme, report.short_table(report.shown(kept)))
    assert report.PAGE.read_text("utf-8") == report.rendered(kept)


def test_the_screen_shows_every_set_and_the_attacks() -> None:
    text = report.printed(measured())
    assert "test: 9 messages" in text
    assert "breaches, guards" in text
