"""The messages that the model of meaning is trained on are sound, and it helps the rules on others."""

from collections import Counter

from agent.model import Reason
from agent.thinking.meaning import READ, Meaning
from agent.thinking.rules import load
from agent.thinking.words import words
from evaluation.labels import messages
from evaluation.meaning.examples import held_out, trained_on


def test_every_reason_has_messages_that_mean_it_and_most_mean_nothing() -> None:
    examples = trained_on()
    counts = Counter(reason for example in examples for reason in example.means)
    assert counts.keys() == set(READ)
    assert min(counts.values()) > 100
    assert sum(not example.means for example in examples) > len(examples) / 2


def test_no_message_that_means_something_is_one_that_is_measured() -> None:
    told = [frozenset(words(example.said)) for example in trained_on() if example.means]
    measured = [frozenset(words(f"{row.subject} {row.text}")) for row in messages("test") if row.language == "en"]
    measured += [frozenset(words(example.said)) for example in held_out()]
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
            read = await meaning.read(example.texts) if name == "both" else {}
            met: set[Reason] = {each.reason for each in policy.findings(example.texts, read)} & set(READ)
            right += len(met & example.means)
            wrong += len(met - example.means)
        found[name] = right, wrong
    assert found["both"][0] > found["patterns"][0] + 5
    assert found["both"][1] <= found["patterns"][1]
