"""The local model by itself: what it answers from, what it leaves to people, and how it follows a conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from services.agent.tests.quick_neighbours import QuickDesk, QuickKnowledge, quick_case

from agent.model import Author, Ending, Escalation, Findings, Message, Passage, Reason, Reply
from agent.thinking import rules
from agent.thinking.case import Case
from agent.thinking.instructions import instructions
from agent.thinking.local_rules import NAME, LocalRulesModel, Thresholds
from agent.thinking.models import Models
from agent.thinking.question import read_question
from agent.thinking.thinker import Budget, Thinker

POLICY = rules.load()
SESSIONS = Passage(
    "articles/product-docs/versions/1/passages/9",
    "Planwright > Sessions and signing out of other devices",
    "A Planwright session in a browser ends after 30 days without activity.\n"
    "A session in the mobile app ends after 90 days without activity.\n\n"
    "To sign out of other devices, follow these steps.\n\n"
    "1. Open Profile settings and select the Security tab.\n2. Select Sign out everywhere.",
    0.75,
)
INVITE = Passage(
    "articles/product-docs/versions/1/passages/12",
    "Planwright > Invite members",
    "Owners and admins can invite members by email address.\nAn invitation is valid for 7 days.",
    0.7,
)
EXPORT = Passage(
    "articles/product-docs/versions/1/passages/40",
    "Planwright > Export a workspace",
    "An export of the whole workspace is made by an owner.\nThe download link is valid for 7 days.",
    0.7,
)
OTHER = Passage("articles/product-docs/versions/1/passages/50", "Planwright > Dark mode", "Dark mode is there.", 0.3)


def _document(text: str, *earlier: tuple[str, str], subject: str = "") -> dict[str, object]:
    messages = [{"author": author, "text": said} for author, said in earlier]
    return {"subject": subject, "messages": [*messages, {"author": "customer", "text": text}]}


class KnownQuestions:
    """Finds what it is told to, search after search."""

    def __init__(self, *searches: Findings) -> None:
        self._searches = list(searches)

    async def search(self, _query: str, /) -> Findings:
        return self._searches.pop(0)


async def answered(
    text: str,
    passages: dict[str, Passage],
    *,
    channel: str = "WEB_FORM",
    earlier: tuple[Message, ...] = (),
    instead: KnownQuestions | None = None,
) -> tuple[Case, QuickDesk, QuickKnowledge]:
    case, desk, knowledge = quick_case(POLICY, passages, [text], channel=channel, verified=False, earlier=earlier)
    case.knowledge = instead or knowledge
    words = instructions(categories=case.limits.categories, words_max=case.limits.reply_words_max)
    models = Models([(NAME, LocalRulesModel(Thresholds()))], call_seconds=10)
    await Thinker(models, Budget(10, 10.0), runs_max=1, instructions=words).think(case)
    return case, desk, knowledge


def said(desk: QuickDesk) -> str:
    [ended] = desk.endings
    assert isinstance(ended, Reply)
    return ended.text


async def test_the_sentence_with_the_wanted_figure_is_the_answer() -> None:
    _, desk, _ = await answered("How long does a session in the mobile app last?", {"session": SESSIONS, "app": OTHER})
    assert said(desk).startswith("A session in the mobile app ends after 90 days without activity.")


async def test_whatsapp_is_answered_in_one_short_line() -> None:
    _, desk, _ = await answered("how long do i stay in the app session", {"session": SESSIONS}, channel="WHATSAPP")
    text = said(desk)
    assert len(text) <= 280
    assert "\n" not in text


async def test_a_follow_up_is_searched_with_what_it_goes_on_from() -> None:
    earlier = (
        Message(Author.CUSTOMER, "how long is my session in a browser"),
        Message(Author.AGENT, "A Planwright session in a browser ends after 30 days without activity."),
    )
    _, desk, knowledge = await answered("ok and in the mobile app", {"session": SESSIONS}, earlier=earlier)
    assert "session" in knowledge.queries[0]
    assert "90 days" in said(desk)


async def test_two_questions_of_two_articles_are_both_answered() -> None:
    question = "How long is an invitation valid, and how long is an export download link valid?"
    case, desk, _ = await answered(question, {"invitation": INVITE, "export": EXPORT, "valid": OTHER})
    assert "An invitation is valid for 7 days." in said(desk)
    assert "The download link is valid for 7 days." in said(desk)
    assert {each.passage for each in case.sentences} == {INVITE.name, EXPORT.name}


async def test_a_question_without_an_answer_beside_one_that_has_is_named_as_open() -> None:
    question = "How long is an invitation valid, and who paints your office walls?"
    _, desk, _ = await answered(question, {"invitation": INVITE})
    assert "An invitation is valid for 7 days." in said(desk)
    assert "I found no reliable answer to the rest" in said(desk)


@pytest.mark.parametrize("text", ["Can I invite members from Bitbucket?", "can i invite members from bitbucket"])
async def test_a_question_about_what_no_passage_names_goes_to_a_person(text: str) -> None:
    case, desk, _ = await answered(text, {"invite": INVITE})
    assert case.progress.reason is Reason.NO_ANSWER_FOUND
    [ended] = desk.endings
    assert isinstance(ended, Escalation)
    assert "names what no passage names" in ended.summary


def known(similarity: float, open_similarity: float, documented: float) -> Findings:
    passage = replace(INVITE, score=0.95, question_similarity=similarity)
    return Findings((passage,), documented, open_similarity)


async def test_a_name_that_no_passage_has_is_passed_over_where_the_passage_is_nearly_certain() -> None:
    text = "My dog Bella walks over the keys: how long is an invitation valid?"
    _, desk, _ = await answered(text, {}, instead=KnownQuestions(known(0.97, 0.3, 0.999)))
    assert said(desk) == "An invitation is valid for 7 days."
    doubtful = known(0.62, 0.65, 0.3)
    case, desk, _ = await answered(text, {}, instead=KnownQuestions(doubtful, doubtful))
    assert case.progress.reason is Reason.NO_ANSWER_FOUND


async def test_what_is_nearest_to_an_open_question_goes_to_a_person_however_well_it_fits() -> None:
    text = "Is an invitation valid for two people?"
    near_open = known(0.7, 0.97, 0.01)
    case, _, _ = await answered(text, {}, instead=KnownQuestions(near_open, near_open))
    assert case.progress.reason is Reason.NO_ANSWER_FOUND


async def test_what_stood_out_at_once_is_not_made_doubtful_by_the_search_for_the_rest() -> None:
    text = "How long is an invitation valid, and who paints your office walls?"
    rest = Findings((replace(EXPORT, score=0.94), replace(OTHER, score=0.93)), 0.001, 0.99)
    _, desk, _ = await answered(text, {}, instead=KnownQuestions(known(0.75, 0.6, 0.8), rest))
    assert "An invitation is valid for 7 days." in said(desk)
    assert "I found no reliable answer to the rest" in said(desk)


async def test_a_doubtful_answer_goes_to_a_person_as_a_draft() -> None:
    near = Passage(EXPORT.name, EXPORT.heading, EXPORT.text, 0.68)
    also = Passage(INVITE.name, INVITE.heading, INVITE.text, 0.56)
    case, desk, _ = await answered("Is the download of an export encrypted?", {"export": near, "download": also})
    assert case.progress.ending is Ending.ESCALATED
    [ended] = desk.endings
    assert isinstance(ended, Escalation)
    assert "Suggested reply:\n" in ended.summary


async def test_the_same_conversation_is_answered_the_same() -> None:
    texts = [said((await answered("How long is an invitation valid?", {"invitation": INVITE}))[1]) for _ in range(3)]
    assert len(set(texts)) == 1


def test_a_question_is_read_without_greeting_and_signature() -> None:
    question = read_question(
        _document("Hello,\n\nhow do I export?\n\nKind regards\nAda Vance, Brook & Co", subject="Re: Export")
    )
    assert (question.text, question.subject) == ("how do I export?", "Export")


def test_questions_are_read_one_by_one() -> None:
    question = read_question(_document("We move next week. Does it cost anything, and how long does it take? Thanks!"))
    assert question.asks == ("Does it cost anything", "how long does it take?")


def test_what_follows_something_else_is_also_asked_for_by_itself() -> None:
    earlier = (("customer", "Is there a connector for Power BI?"), ("agent", "A colleague will answer you."))
    question = read_question(_document("How long is a link valid?", *earlier, subject="Power BI"))
    assert question.whole.startswith("Is there a connector for Power BI?")
    assert "Power BI" not in question.pointed
    assert "Power BI" in read_question(_document("Is there a connector? We need one.", subject="Power BI")).pointed


def test_abbreviations_of_chats_are_written_out() -> None:
    assert read_question(_document("can u reset my pw pls")).text == "can you reset my password please"


def test_a_name_that_is_known_is_no_stranger() -> None:
    question = read_question(_document("How do I connect it to Slack and Bitbucket on Monday? I use SSO."))
    assert question.strangers(frozenset({"slack", "sso"})) == ("bitbucket", "bitbucket")
