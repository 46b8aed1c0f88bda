"""The labelled sets: complete, true to the documents, alike in both splits, and nothing in both."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from evaluation import labels
from evaluation.labels import NEGATIVE_BELOW, Grounded, Labelled, LabelsError, Trigger

CONTEXT = Path(__file__).parents[2] / "context"
MESSAGES = labels.messages()
SENTENCES = labels.sentences()
PASSAGES = labels.passages(CONTEXT)
RANK: tuple[Trigger, ...] = (
    "legal",
    "refund_request",
    "pricing_negotiation",
    "human_requested",
    "profanity",
    "angry",
    "negative_sentiment",
)
RULES = RANK
NUMBER = re.compile(r"\d[\d,.]*")


def plain(text: str) -> str:
    """A text as it is compared with others: its words alone."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def alike(one: str, other: str) -> float:
    """How much two texts share, from 0 to 1, by runs of three words."""
    first, second = (
        {tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in (plain(one).split(), plain(other).split())
    )
    return len(first & second) / len(first | second) if first and second else 0.0


def test_every_id_is_used_once() -> None:
    for rows in (MESSAGES, SENTENCES):
        assert [name for name, count in Counter(row.id for row in rows).items() if count > 1] == []


def test_there_are_enough_messages_of_every_sort() -> None:
    strata = Counter(row.stratum for row in MESSAGES)
    assert len(MESSAGES) >= 320
    assert sum(row.label.ending == "reply" for row in MESSAGES) >= 130
    assert strata["answerable"] >= 130
    assert strata["unanswerable"] >= 50
    assert strata["thanks"] >= 10
    assert strata["follow_up"] >= 10
    assert strata["several_questions"] >= 10


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_messages_that_meet_it_and_messages_that_only_resemble_it(rule: Trigger) -> None:
    met = [row for row in MESSAGES if row.stratum == "trigger" and row.about == rule]
    assert len(met) >= 15
    assert {row.language for row in met} == {"en", "es", "de", "fr", "pt"}
    assert all(rule in row.label.triggers for row in met)
    resembling = [row for row in MESSAGES if row.stratum == "near_miss" and row.about == rule]
    assert len(resembling) >= 10
    assert all(not row.label.triggers for row in resembling)


def test_every_language_and_channel_is_there() -> None:
    languages = Counter(row.language for row in MESSAGES)
    assert all(languages[name] >= 15 for name in ("es", "de", "fr", "pt"))
    assert min(Counter(row.channel for row in MESSAGES).values()) >= 100


def test_every_heading_of_the_documents_is_asked_about_and_no_other() -> None:
    asked = {heading for row in MESSAGES for heading in row.label.articles}
    assert asked == set(PASSAGES)


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row.id)
def test_a_label_is_consistent(row: Labelled) -> None:
    label = row.label
    assert (label.reason is not None) == (label.ending == "escalate")
    assert bool(label.articles) == bool(label.facts) == (label.ending == "reply")
    assert ("negative_sentiment" in label.triggers) == (label.sentiment < NEGATIVE_BELOW)
    if label.triggers:
        assert label.ending == "escalate"
        assert label.reason == label.triggers[0].upper()
        assert label.triggers == sorted(label.triggers, key=lambda each: [*RANK, "other"].index(each))
    for fact in label.facts:
        assert any(fact.casefold() in PASSAGES[heading].casefold() for heading in label.articles), fact
    assert row.channel != "whatsapp" or not row.subject
    assert not row.earlier or row.earlier[0].author == "customer"


def test_the_splits_are_halves_of_every_stratum() -> None:
    for rows in (MESSAGES, SENTENCES):
        strata = Counter((row.stratum, row.about) if isinstance(row, Labelled) else (row.kind,) for row in rows)
        for stratum, count in strata.items():
            tuned = sum(
                row.split == "tune"
                for row in rows
                if ((row.stratum, row.about) if isinstance(row, Labelled) else (row.kind,)) == stratum
            )
            assert abs(2 * tuned - count) <= 4, stratum


def test_no_text_stands_in_both_splits_or_in_the_samples() -> None:
    samples = json.loads((CONTEXT / "sample-tickets.json").read_text("utf-8"))
    elsewhere = [sample["message"] for sample in samples]
    tune = [row.text for row in MESSAGES if row.split == "tune"]
    test = [row.text for row in MESSAGES if row.split == "test"]
    assert [
        (one, other) for one in tune for other in test if plain(one) == plain(other) or alike(one, other) > 0.5
    ] == []
    assert [one for one in tune + test for other in elsewhere if plain(one) == plain(other)] == []


def test_no_text_is_there_twice() -> None:
    seen = Counter((plain(row.text), tuple(plain(each.text) for each in row.earlier)) for row in MESSAGES)
    assert [text for text, count in seen.items() if count > 1] == []
    assert max(Counter(plain(row.sentence) for row in SENTENCES).values()) == 1


def test_there_are_enough_sentences_of_every_sort() -> None:
    kinds = Counter(row.kind for row in SENTENCES)
    assert len(SENTENCES) >= 220
    assert sum(row.supported for row in SENTENCES) >= 90
    assert sum(not row.supported for row in SENTENCES) >= 110
    for kind in ("wrong_number", "wrong_unit", "wrong_plan", "negation", "wrong_relation", "invented_link", "promise"):
        assert kinds[kind] >= 10, kind
    assert kinds["blend"] >= 10
    assert {row.language for row in SENTENCES if row.kind == "translated"} == {"es", "de", "fr", "pt"}


@pytest.mark.parametrize("row", SENTENCES, ids=lambda row: row.id)
def test_a_sentence_is_labelled_as_its_passage_says(row: Grounded) -> None:
    said = " ".join(PASSAGES[heading] for heading in row.passages)
    assert bool(row.quotes) == (row.language != "en")
    for quote in row.quotes:
        assert (quote in said) == (row.kind != "translated_misquoted")
    if row.supported and row.kind != "step":
        assert all(number.rstrip(".,") in said for number in NUMBER.findall(row.sentence))
    if row.kind in ("verbatim", "combined"):
        assert row.supported


@pytest.mark.parametrize(("field", "value"), [("ending", "shrug"), ("mood", "grim"), ("sentiment", 1.5)])
def test_a_line_that_does_not_fit_is_named(
    field: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "messages.jsonl"
    row = MESSAGES[0].model_dump()
    row["label"][field] = value
    broken.write_text(MESSAGES[0].model_dump_json() + "\n" + json.dumps(row) + "\n", "utf-8")
    monkeypatch.setattr(labels, "MESSAGES", broken)
    with pytest.raises(LabelsError, match=rf"messages.jsonl, line 2: label\.{field}"):
        labels.messages()
