"""The messages that the model of meaning is trained on are sound, and it helps the rules on others."""

from collections import Counter

from agent.model import Reason
from agent.thinking.courtesy import courtesy
from agent.thinking.meaning import READ, Meaning
from agent.thinking.rules import load
from agent.thinking.words import words
from evaluation.labels import messages
from evaluation.meaning.examples import held_out, thanks, trained_on


def test_every_reason_has_messages_that_mean_it_and_most_mean_nothing() -> None:
    examples = trained_on()
    counts = Counter(reason for example in examples for reason in example.means)
    assert counts.keys() == set(READ)
    assert min(counts.values()) > 100
    assert sum(not example.means for example in examples) > len(examples) / 2


def test_no_message_that_means_something_is_one_that_is_measured() -> None:
    told = [frozenset(words(example.said)) for example in trained_on() if example.means or example.closes]
    measured = [frozenset(words(f"{row.subject} {row.text}")) for row in messages("test") if row.language == "en"]
    measured += [frozenset(words(example.said)) for example in [*held_out(), *thanks()]]
    alike = [
        text
        for text in measured
        for other in told
        if len(text & other) > 3 and len(text & other) / len(text | other) > 0.7
    ]
    assert alike == []


async def test_with_meaning_the_rules_find_more_of_what_nobody_trained_them_on_and_no_more_else() -> None:
    policy, meaning = load(), Meaning()
    found: dict[str, tuple[int, int]] = {}
    for name in ("patterns", "both"):
        right = wrong = 0
        for example in held_out():
            read = (await meaning.read(example.texts)).reasons if name == "both" else {}
            met: set[Reason] = {each.reason for each in policy.findings(example.texts, read)} & set(READ)
            right += len(met & example.means)
            wrong += len(met - example.means)
        found[name] = right, wrong
    assert found["both"][0] > found["patterns"][0] + 5
    assert found["both"][1] <= found["patterns"][1]


async def test_with_meaning_more_thanks_are_closed_and_nothing_that_still_asks() -> None:
    meaning = Meaning()
    closed: dict[str, list[str]] = {"patterns": [], "both": []}
    for example in thanks():
        read = await meaning.read(example.texts)
        for name, likelihood in (("patterns", 0.0), ("both", read.closes)):
            if courtesy(example.texts[-1:], likelihood) is not None:
                closed[name].append(example.said)
    wrong = {example.said for example in thanks() if not example.closes}
    assert [said for said in closed["both"] if said in wrong] == []
    assert len(closed["both"]) > 2 * len(closed["patterns"])
