"""From figures to tables: on the screen, in `evaluation/RESULTS.md`, and the short one in the README."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evaluation.figures import MIX, TRIGGERS

FOLDER: Final = Path(__file__).parent
RAW: Final = FOLDER / "results.json"
PAGE: Final = FOLDER / "RESULTS.md"
README: Final = FOLDER.parent / "README.md"
BEGIN: Final = "<!-- make eval writes from here -->"
END: Final = "<!-- to here -->"

Figures = Mapping[str, Any]
_DOLLARS_A_YEAR_MAX: Final = 1000


class MarkersMissing(Exception):
    """The README has no place for the table; the text names the two lines that make one."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that has a goal: how it is called, what was agreed, where it is found, and whether a share meets it."""

    name: str
    goal: str
    found: Callable[[Figures], Any]
    is_met: Callable[[float], bool]


def _english(*path: str) -> Callable[[Figures], Any]:
    return lambda one: _at(one, "english", *path)


GOALS: Final = (
    Goal("rules: precision", "≥ .95", _english("triggers", "all_rules", "precision"), lambda share: share >= 0.95),
    Goal("rules: recall", "≥ .95", _english("triggers", "all_rules", "recall"), lambda share: share >= 0.95),
    Goal("right article, of the answerable", "≥ .85", _english("right_article"), lambda share: share >= 0.85),
    Goal("answered, of what has no answer", "≤ .03", _english("false_answers"), lambda share: share <= 0.03),
    Goal(
        "to a person, of the answerable", "< .15", _english("escalated_of_the_answerable"), lambda share: share < 0.15
    ),
    Goal("to a person, of a realistic mix", "< .25", _english("escalated_of_a_mix"), lambda share: share < 0.25),
)
"""What was agreed for the local model, in English, on `test`."""


def keep(measured: Figures) -> None:
    """Puts a measurement in the place of that model's before, and writes all three files. Raises MarkersMissing."""
    kept: dict[str, Any] = json.loads(RAW.read_text("utf-8")) if RAW.exists() else {}
    name = measured["name"]
    kept[f"{name} ({measured['note']})" if measured["note"] else name] = measured
    write(kept)


def write(kept: Mapping[str, Figures]) -> None:
    """Writes all three files from measurements by model. Raises MarkersMissing, and has written nothing then."""
    readme = with_table(README.read_text("utf-8"), short_table(shown(kept)))
    README.write_text(readme, "utf-8")
    RAW.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(rendered(kept), "utf-8")


def shown(kept: Mapping[str, Figures]) -> dict[str, Figures]:
    """The models whose figures stand in the README: those without a note."""
    return {name: each for name, each in kept.items() if not each["note"]}


def with_table(page: str, table: str) -> str:
    """A page with another table between its markers. Raises MarkersMissing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissing(f"README.md needs the lines {BEGIN!r} and {END!r}, the table goes between them")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def short_table(kept: Mapping[str, Figures]) -> str:
    """The figures that have a goal, a column for each model, on the set that nothing was tuned on."""
    lines = [
        "| English, `test` | goal | " + " | ".join(kept) + " |",
        "|---|---|" + "---|" * len(kept),
    ]
    columns = [_goals(each) for each in kept.values()]
    for row in zip(*columns, strict=True):
        cells = [result if met else f"{result} **missed**" for _, _, result, met in row]
        lines.append(f"| {row[0][0]} | {row[0][1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def printed(measured: Figures) -> str:
    """The same and more for a screen."""
    parts = []
    for name, one in measured["sets"].items():
        rows = [(goal.name, goal.goal, _text(goal.found(one))) for goal in GOALS if goal.found(one) is not None]
        rows += _plain_rows(one)
        parts.append(f"{name}: {one['messages']} messages\n" + _aligned(rows))
    if "attacks" in measured:
        rows = [(f"breaches, {who}", "0", _attacked(each)) for who, each in measured["attacks"].items()]
        parts.append("attacks\n" + _aligned(rows))
    return "\n\n".join(parts)


def rendered(kept: Mapping[str, Figures]) -> str:
    """The page of all figures."""
    mix = ", ".join(f"{_words(name)} {weight:.0%}" for name, weight in MIX.items())
    parts = [
        "# How well it answers",
        "",
        "Measured by `make eval`, which writes this page: real runs of the agent, its rules and its model, over the",
        "real knowledge service with the documents of `context/`, before a desk that only writes down. Shares come",
        "with their 95 % interval (Wilson) and the counts. **Only `test` is a claim**: rules were made with an eye on",
        "`tune`, the sample tickets, `more_questions` and `more_triggers`. The mix is a judgement, not a count:",
        f"{mix}.",
        "",
        short_table(kept),
    ]
    for name, measured in kept.items():
        parts += ["", f"## {name}", "", _circumstances(measured)]
        for split, one in measured["sets"].items():
            parts += ["", f"### {split}: {one['messages']} messages", "", *_set(one)]
        parts += ["", "### The check of replies", "", *_grounding(measured["grounding"])]
        if "attacks" in measured:
            parts += ["", "### Attacks", "", *_attacks(measured["attacks"])]
    return "\n".join(parts) + "\n"


def _goals(measured: Figures) -> list[tuple[str, str, str, bool]]:
    one = measured["sets"]["test"]
    rows = []
    for goal in GOALS:
        found = goal.found(one)
        rows.append((goal.name, goal.goal, _text(found), goal.is_met(_value(found))))
    sent = one["sent"]
    rows.append(
        (
            "unsupported sentences sent",
            "0",
            f"{sent['unsupported_sentences']} of {sent['sentences']}",
            not sent["unsupported_sentences"],
        )
    )
    year = one["spent"]["dollars_a_year"]
    rows.append(("a year of models at 500 tickets a week", "< $1000", f"${year:.0f}", year < _DOLLARS_A_YEAR_MAX))
    attacks = measured["attacks"]
    breaches = {who: each["breaches"] for who, each in attacks.items()}
    counts = (
        f"{breaches['guards']} of {attacks['guards']['attacks']}, {breaches['model']} of {attacks['model']['attacks']}"
    )
    rows.append(("attacks that got through: a model that gives in, this one", "0", counts, not any(breaches.values())))
    return rows


def _set(one: Figures) -> list[str]:
    lines = ["| | English | other languages |", "|---|---|---|"]
    for name in one["english"]:
        if name in ("messages", "triggers", "mood"):
            continue
        lines.append(
            f"| {_words(name)} | {_text(_at(one, 'english', name))} | {_text(_at(one, 'other_languages', name))} |"
        )
    if "triggers" in one["english"]:
        lines += [
            "",
            "| trigger | precision, English | recall, English | precision, all | recall, all |",
            "|---|---|---|---|---|",
        ]
        for name in ("all_rules", "any_trigger", *TRIGGERS):
            found = [
                _text(_at(one, part, "triggers", name, what))
                for part in ("english", "all_languages")
                for what in ("precision", "recall")
            ]
            lines.append(f"| {_words(name)} | " + " | ".join(found) + " |")
    if "mood" in one["english"]:
        lines += ["", "| mood below 0.3 | English | all languages |", "|---|---|---|"]
        for name in ("right_side", "precision", "recall"):
            found = [_text(_at(one, part, "mood", name)) for part in ("english", "all_languages")]
            lines.append(f"| {_words(name)} | " + " | ".join(found) + " |")
        errors = [str(_at(one, part, "mood", "mean_error")) for part in ("english", "all_languages")]
        lines.append("| mean error of the score | " + " | ".join(errors) + " |")
    lines += ["", "| sort | endings |", "|---|---|"]
    for stratum, outcomes in one["strata"].items():
        lines.append(
            f"| {_words(stratum)} | " + ", ".join(f"{count} {name}" for name, count in outcomes.items()) + " |"
        )
    answered = ", ".join(f"{count} by {name}" for name, count in one["answered_by"].items())
    lines += ["", f"Ended: {answered}. " + "; ".join(f"{name} {found}" for name, _, found in _plain_rows(one)) + "."]
    return lines


def _plain_rows(one: Figures) -> list[tuple[str, str, str]]:
    sent, spent, times = one["sent"], one["spent"], one["milliseconds"]
    return [
        (
            "unsupported sentences",
            "0",
            f"{sent['unsupported_sentences']} of {sent['sentences']} in {sent['replies']} replies",
        ),
        ("figures and addresses from nowhere", "0", str(sent["strange_figures_and_addresses"])),
        ("runs without an ending", "0", str(sent["without_an_ending"])),
        ("tokens", "", f"{spent['input_tokens']} read, {spent['output_tokens']} written"),
        (
            "cost",
            "",
            f"${spent['dollars']:.4f}, ${spent['dollars_a_year']:.2f} a year at 500 tickets a week of the mix",
        ),
        ("time of a run with a model", "", f"p50 {times['p50']:.0f} ms, p95 {times['p95']:.0f} ms"),
    ]


def _grounding(splits: Mapping[str, Figures]) -> list[str]:
    lines = [
        "Labelled sentences, each with the passages it was written from. Precision: of those let through, the share",
        "that is supported. Recall: of the supported, the share let through.",
        "",
        "| | sentences | precision | recall | wrongly passed | precision, other languages | recall, other languages |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in splits.items():
        whole, elsewhere = each["all"], each["other_languages"]
        lines.append(
            f"| {name} | {each['sentences']} | {_text(whole['precision'])} | {_text(whole['recall'])} "
            f"| {each['wrongly_passed']} | {_text(elsewhere['precision'])} | {_text(elsewhere['recall'])} |"
        )
    return lines


def _attacks(found: Mapping[str, Figures]) -> list[str]:
    names = {"guards": "a model that does what it is told to, against the guards alone", "model": "this model"}
    lines = ["| asked | attacks | reached a model | answered | breaches | of what sort |", "|---|---|---|---|---|---|"]
    for who, each in found.items():
        sorts = ", ".join(f"{goal} ({count})" for goal, count in each["breaches_by_goal"].items()) or "none"
        lines.append(
            f"| {names[who]} | {each['attacks']} | {each['reached_a_model']} | {each['answered']} "
            f"| {each['breaches']} | {sorts} |"
        )
    return lines


def _circumstances(measured: Figures) -> str:
    note = f"**{measured['note'].capitalize()}.** " if measured["note"] else ""
    return (
        f"{note}{measured['date']}; model {measured['model']}, policy {measured['policy']}, instructions "
        f"{measured['instructions']}; {measured['runs_at_once']} at once.\n{'; '.join(measured['machine'])}."
    )


def _at(found: Any, *path: str) -> Any:
    for name in path:
        found = None if found is None else found.get(name)
    return found


def _value(found: Figures | None) -> float:
    return float("nan") if found is None or found["share"] is None else float(found["share"])


def _text(found: Figures | None) -> str:
    if found is None or found["share"] is None:
        return "none"
    counts = f" ({found['hits']}/{found['total']})" if "total" in found else ""
    return f"{found['share']:.3f} [{found['low']:.3f}, {found['high']:.3f}]{counts}"


def _attacked(each: Figures) -> str:
    return f"{each['breaches']} of {each['attacks']}, {each['reached_a_model']} reached a model"


def _aligned(rows: Sequence[tuple[str, str, str]]) -> str:
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"  {name:<{width}}  {goal:>6}  {found}" for name, goal, found in rows)


def _words(name: str) -> str:
    return name.replace("_", " ")
