"""How replies read on each channel, and what their guard turns away."""

from __future__ import annotations

import pytest
from services.agent.tests.quick_neighbours import QuickDesk, quick_case

from agent.model import Author, Ending, Escalation, Message, Passage, Priority, Reason, Reply, Triage
from agent.thinking import rules
from agent.thinking.case import Case, Rejected
from agent.thinking.sentences import hosts
from agent.thinking.voice import in_voice, voice_of

PASSAGE = Passage(
    "articles/product-docs/versions/1/passages/2",
    "Reset a forgotten password",
    "You can reset a forgotten password yourself from the sign-in page.\n\n"
    "1. Open the sign-in page and select Forgot password.\n2. Enter your email address.\n\n"
    "A password reset link is valid for 60 minutes and works once.\n"
    "Write to help@techcorp.example or visit https://evil.example/reset.",
    0.8,
)
POLICY = rules.load()


async def ready(texts: list[str], channel: str = "WEB_FORM") -> tuple[Case, QuickDesk]:
    case, desk, _ = quick_case(POLICY, {"password": PASSAGE}, texts, channel=channel, verified=False)
    desk.triaged = case.progress.triaged = True
    await case.search("password")
    return case, desk


def test_whatsapp_gets_plain_sentences_in_one_line_without_marks() -> None:
    text = "**Reset it** yourself:\n\n1. Open the `sign-in` page\n2. Select [Forgot password](https://a.example/x)\n"
    assert in_voice(text, voice_of("WHATSAPP")) == (
        "Reset it yourself: Open the sign-in page. Select Forgot password https://a.example/x."
    )


def test_mail_and_web_keep_numbered_steps_and_lose_markdown() -> None:
    text = "## How\n\n1. **Open** the page.\n2. Select _task_created_."
    assert in_voice(text, voice_of("EMAIL")) == "How\n\n1. Open the page.\n2. Select _task_created_."


@pytest.mark.parametrize(("channel", "words_max"), [("EMAIL", 500), ("WEB_FORM", 250), ("WHATSAPP", 150)])
def test_each_channel_has_its_length(channel: str, words_max: int) -> None:
    assert voice_of(channel).words == words_max
    assert voice_of("WHATSAPP").characters_wanted <= 280


@pytest.mark.parametrize(
    "text",
    [
        "Visit https://evil.example/reset.",
        "Visit HTTPS://user@EVIL.example:8080/reset",
        "Write to help@evil.example",
        "Visit www.evil.example",
        "Visit techcorp.example.evil.example",
        "Visit ev\u200bil.example",
    ],
)
def test_addresses_are_seen_however_they_are_written(text: str) -> None:
    assert any(host.endswith("evil.example") for host in hosts(text))


@pytest.mark.parametrize("text", ["Choose task.created or comment.created.", "It costs $1.50, e.g. for a file.js."])
def test_names_of_events_and_files_are_no_addresses(text: str) -> None:
    assert hosts(text) == set()


async def test_an_address_of_another_house_is_not_said_even_when_an_article_says_it() -> None:
    case, desk = await ready(["How do I reset my password?"])
    with pytest.raises(Rejected, match="another house"):
        await case.reply("Write to help@techcorp.example or visit https://evil.example/reset.", [PASSAGE.name])
    assert desk.endings == []


async def test_an_english_reply_to_a_german_question_is_turned_away() -> None:
    case, _ = await ready(["Wie kann ich mein Passwort zurücksetzen?"])
    with pytest.raises(Rejected, match="customer's language"):
        await case.reply("A password reset link is valid for 60 minutes and works once.", [PASSAGE.name])


async def test_a_german_reply_stands_on_the_words_that_it_quotes() -> None:
    case, _ = await ready(["Wie lange ist der Link für mein Passwort gültig?"])
    body = "Der Link ist 60 Minuten gültig und funktioniert einmal."
    quote = "A password reset link is valid for 60 minutes and works once."
    await case.reply(body, [PASSAGE.name], [quote])
    assert case.progress.ending is Ending.REPLIED
    [sentence] = case.sentences
    assert (sentence.text, sentence.passage, sentence.quote) == (body, PASSAGE.name, quote)


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        ("Der Link ist 90 Minuten gültig.", "A password reset link is valid for 60 minutes"),
        ("Der Link ist 60 Stunden gültig.", "A password reset link is valid for 60 minutes"),
        ("Der Link ist nicht 60 Minuten gültig.", "A password reset link is valid for 60 minutes"),
        ("Der Link ist 60 Minuten gültig.", "The reset link is valid for 60 minutes"),
        ("Der Link ist 60 Minuten gültig.", ""),
        ("Der Link ist gültig, und wir erstatten Ihnen alles.", "A password reset link is valid for 60 minutes"),
    ],
)
async def test_a_german_reply_with_a_wrong_quote_is_turned_away(body: str, quote: str) -> None:
    case, desk = await ready(["Wie lange ist der Link für mein Passwort gültig?"])
    with pytest.raises(Rejected):
        await case.reply(body, [PASSAGE.name], [quote])
    assert desk.endings == []


async def test_a_part_without_an_answer_is_named_as_open() -> None:
    case, desk = await ready(["How long is my password link valid, and who is your barber?"])
    text = "A password reset link is valid for 60 minutes and works once."
    await case.reply(text, [PASSAGE.name], leaves_open=True)
    [ended] = desk.endings
    assert isinstance(ended, Reply)
    assert ended.text.startswith(f"{text}\n\nI found no reliable answer to the rest")
    assert [bool(each.passage) for each in case.sentences] == [True, False]


async def test_a_person_is_handed_the_question_the_search_and_what_of_a_draft_is_supported() -> None:
    case, desk = await ready(["Can I reset my password by fax?"])
    unsupported = "Your refund is approved. A password reset link is valid for 60 minutes and works once. Send a fax."
    await case.escalate(Reason.NO_ANSWER_FOUND, "Nothing about fax.", unsupported)
    [ended] = desk.endings
    assert isinstance(ended, Escalation)
    for part in (
        "Nothing about fax.",
        "Asked: “Can I reset my password by fax?”",
        "by web form, not verified",
        "Searched for: “password”",
        "Found: Reset a forgotten password (0.80)",
        "Suggested reply:\nA password reset link is valid for 60 minutes and works once.",
    ):
        assert part in ended.summary
    assert "refund" not in ended.summary
    assert "Monday to Friday" in ended.message


async def test_a_person_is_told_the_mood_and_the_record_keeps_it() -> None:
    case, desk, _ = quick_case(POLICY, {}, ["I want my money back. I am so disappointed by all this."], verified=False)
    await case.judge_by_rules()
    [ended] = desk.endings
    assert isinstance(ended, Escalation)
    assert "Rules: refund" in ended.summary
    assert "Mood: 0." in ended.summary
    [step] = [step for step in case.steps if step.name == "rules"]
    assert 0 <= float(step.facts["sentiment"]) <= 1


async def test_who_has_written_three_times_waits_with_a_higher_priority() -> None:
    case, desk, _ = quick_case(POLICY, {}, ["My password.", "Is anybody there", "I wait since an hour"], verified=False)
    await case.create_ticket(Triage(priority=Priority.LOW))
    assert [command for _, command in desk.told] == [Triage("", "", Priority.MEDIUM)]


async def test_a_reply_of_a_whole_mail_is_too_long_for_whatsapp() -> None:
    case, _ = await ready(["How do I reset my password?"], channel="WHATSAPP")
    with pytest.raises(Rejected, match="shorten it"):
        await case.reply("A password reset link is valid for 60 minutes and works once. " * 16, [PASSAGE.name])


async def test_what_was_said_before_is_never_judged_as_unanswered() -> None:
    earlier = [Message(Author.CUSTOMER, "Wie geht das?"), Message(Author.AGENT, "So.")]
    case, _, _ = quick_case(POLICY, {"password": PASSAGE}, ["And my password?"], earlier=earlier)
    assert case.conversation.unanswered() == ("And my password?",)
