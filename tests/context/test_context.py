"""What the company's texts promise their readers: knowledge imports two of them, the evaluation asks the tickets."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    EmailStr,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

CONTEXT = Path(__file__).parents[2] / "context"
KNOWLEDGE = ("product-docs.md", "company-profile.md")
QUESTIONS = ("customer-questions.md", "open-questions.md")
ALL_FILES = (*KNOWLEDGE, *QUESTIONS, "escalation-rules.md", "brand-voice.md", "sample-tickets.json")

Reason = Literal[
    "LEGAL",
    "REFUND_REQUEST",
    "PRICING_NEGOTIATION",
    "HUMAN_REQUESTED",
    "PROFANITY",
    "ANGRY",
    "NEGATIVE_SENTIMENT",
    "OTHER",
    "NO_ANSWER_FOUND",
]
REASONS_OF_MESSAGES = frozenset(get_args(Reason))
# What no wording of a message calls for, or none of the five languages of the sample tickets.
REASONS = REASONS_OF_MESSAGES | {"LANGUAGE", "AGENT_FAILED", "ANSWER_OVERDUE", "DELIVERY_FAILED"}

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^\S[\s\S]*\S$")]
# Numbers 555-0100 to 555-0199 of a North American area are kept free for fiction.
FictionalPhone = Annotated[str, StringConstraints(pattern=r"^\+1[2-9]\d{2}55501\d{2}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Customer(Strict):
    name: Text
    email: EmailStr | None = None
    phone: FictionalPhone | None = None


class Expected(Strict):
    ending: Literal["reply", "escalate"]
    reason: Reason | None
    category: Literal["general", "technical", "billing", "feedback", "bug_report"]
    section: Text | None

    @model_validator(mode="after")
    def ending_fits_the_rest(self) -> Expected:
        if (self.ending == "escalate") != (self.reason is not None):
            raise ValueError("reason: required for an escalation, and null for a reply")
        if self.ending == "escalate" and self.section is not None:
            raise ValueError("section: an escalated ticket is answered by a person, so it must be null")
        if self.ending == "reply" and self.section is None and self.category != "feedback":
            raise ValueError("section: only a thank-you (category feedback) is answered without one")
        return self


class Ticket(Strict):
    id: Annotated[str, StringConstraints(pattern=r"^sample-\d{3}$")]
    channel: Literal["email", "whatsapp", "web_form"]
    customer: Customer
    subject: Text | None
    message: Text
    expected: Expected

    @model_validator(mode="after")
    def channel_fits_the_rest(self) -> Ticket:
        if self.channel == "whatsapp":
            if self.subject is not None or self.customer.phone is None or self.customer.email is not None:
                raise ValueError("whatsapp: a phone and neither email nor subject")
        elif self.subject is None or self.customer.email is None or self.customer.phone is not None:
            raise ValueError(f"{self.channel}: a subject and an email, and no phone")
        return self


def read(name: str) -> str:
    return (CONTEXT / name).read_text(encoding="utf-8")


def sections(name: str) -> list[tuple[str, str]]:
    """Heading and body of each section, in order; a heading may occur twice, so this is no dict."""
    parts = re.split(r"^#{2,3} (.+)\n", read(name), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def tickets() -> list[Ticket]:
    return TypeAdapter(list[Ticket]).validate_json(read("sample-tickets.json"))


def table_rows(name: str, heading: str) -> list[list[str]]:
    """The cells of each row in the table beneath a heading, without its head."""
    lines = [line for line in dict(sections(name))[heading].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def named_reasons(name: str, heading: str, column: int) -> list[str]:
    return [row[column].strip("`") for row in table_rows(name, heading)]


KNOWLEDGE_SECTIONS = [
    pytest.param(heading, body, id=f"{name}:{heading}") for name in KNOWLEDGE for heading, body in sections(name)
]


def test_there_are_at_least_fifty_product_sections() -> None:
    assert len(sections("product-docs.md")) >= 50


def test_no_heading_is_used_twice_across_the_knowledge() -> None:
    counts = Counter(heading.casefold() for name in KNOWLEDGE for heading, _ in sections(name))
    assert [heading for heading, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(("heading", "body"), KNOWLEDGE_SECTIONS)
def test_section_is_short_enough_for_one_passage_and_long_enough_to_answer(heading: str, body: str) -> None:
    assert 60 <= len(f"{heading} {body}".split()) <= 180


@pytest.mark.parametrize(("heading", "body"), KNOWLEDGE_SECTIONS)
def test_each_line_of_a_section_is_whole_sentences_that_can_be_quoted(heading: str, body: str) -> None:
    broken = [line for line in body.splitlines() if line and not re.fullmatch(r"(?:\d+\. )?[A-Z].{8,210}[.!?:]", line)]
    assert broken == [], f"{heading}: one sentence a line, from a capital letter to its full stop"


@pytest.mark.parametrize(("heading", "body"), KNOWLEDGE_SECTIONS)
def test_no_sentence_leans_on_the_one_before_it(heading: str, body: str) -> None:
    leaning = [line for line in body.splitlines() if re.match(r"(?:It|They|This|These|That|Those|He|She) ", line)]
    assert leaning == [], f"{heading}: name the thing, so that the sentence can be quoted alone"


@pytest.mark.parametrize(("heading", "body"), KNOWLEDGE_SECTIONS)
def test_steps_are_numbered_from_one_without_gaps(heading: str, body: str) -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", body, flags=re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)), heading


def test_no_sentence_stands_in_two_sections() -> None:
    # Steps such as "Select Save." repeat on purpose; a fact has one home, or its copies drift apart.
    facts = Counter(
        line for name in KNOWLEDGE for _, body in sections(name) for line in body.splitlines() if line[:1].isalpha()
    )
    repeated = [fact for fact, count in facts.items() if count > 1 and not fact.endswith(":")]
    assert [fact for fact in repeated if not fact.startswith("To ")] == []


def test_rates_of_the_published_plans_are_stated_once() -> None:
    prices = re.findall(r"\$(\d+) (?:for each member|with monthly)", "".join(map(read, KNOWLEDGE)))
    assert prices == ["9", "11", "17", "21"]


def test_tickets_have_the_agreed_shape_and_there_are_at_least_eighty() -> None:
    assert len(tickets()) >= 80


def test_no_two_tickets_are_the_same() -> None:
    ids = Counter(ticket.id for ticket in tickets())
    words = Counter(" ".join(re.findall(r"\w+", ticket.message.casefold())) for ticket in tickets())
    senders = Counter(ticket.customer.email or ticket.customer.phone for ticket in tickets())
    assert [key for count in (ids, words, senders) for key, seen in count.items() if seen > 1] == []


def test_each_named_section_exists_in_the_knowledge() -> None:
    headings = {heading for name in KNOWLEDGE for heading, _ in sections(name)}
    assert {ticket.expected.section for ticket in tickets()} - {None} - headings == set()


def test_about_six_in_ten_tickets_can_be_answered() -> None:
    answered = sum(ticket.expected.ending == "reply" for ticket in tickets()) / len(tickets())
    assert 0.55 <= answered <= 0.68


def test_each_channel_has_a_fair_share_of_both_endings() -> None:
    shares = Counter((ticket.channel, ticket.expected.ending) for ticket in tickets())
    assert {key: count for key, count in shares.items() if count >= 8}.keys() == {
        (channel, ending) for channel in ("email", "whatsapp", "web_form") for ending in ("reply", "escalate")
    }


def test_each_category_and_each_reason_has_tickets() -> None:
    assert {ticket.expected.category for ticket in tickets()} == {
        "general",
        "technical",
        "billing",
        "feedback",
        "bug_report",
    }
    assert {ticket.expected.reason for ticket in tickets()} - {None} == REASONS_OF_MESSAGES


def test_rules_give_each_reason_a_trigger_and_kind_words() -> None:
    assert sorted(named_reasons("escalation-rules.md", "Triggers", 1)) == sorted(REASONS)
    # What cannot be delivered is not followed by more that cannot be.
    heard = REASONS - {"DELIVERY_FAILED"}
    assert sorted(named_reasons("escalation-rules.md", "What the customer hears", 0)) == sorted(heard)


def test_near_misses_speak_of_reasons_that_exist() -> None:
    assert set(named_reasons("escalation-rules.md", "Near misses: these are answered", 0)) <= REASONS


def test_kind_words_promise_nothing_and_name_no_rule() -> None:
    forbidden = re.compile(r"refund|discount|lawyer|legal|promise|guarantee|soon|minute|hour|today|\d", re.IGNORECASE)
    words = [row[1] for row in table_rows("escalation-rules.md", "What the customer hears")]
    assert [text for text in words if forbidden.search(text)] == []
    # The words must fit one short WhatsApp message together with the greeting and the reference.
    assert max(map(len, words)) <= 240


def test_voice_names_each_channel_and_its_limit() -> None:
    voice = dict(sections("brand-voice.md"))
    assert "500 words" in voice["Email"]
    assert "300 characters" in voice["WhatsApp"]
    assert "250 words" in voice["Web form"]


def asked(body: str) -> list[str]:
    return [line.removeprefix("- ") for line in body.splitlines() if line.startswith("- ")]


def questions(name: str) -> list[str]:
    return [question for _, body in sections(name) for question in asked(body)]


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_section_has_questions_that_customers_ask_near_it(name: str) -> None:
    known = {heading for document in KNOWLEDGE for heading, _ in sections(document)}
    by_heading = {heading: asked(body) for heading, body in sections(name)}
    assert by_heading.keys() == known
    assert len(sections(name)) == len(by_heading)
    assert [heading for heading, said in by_heading.items() if len(said) < 5] == []


def test_no_question_stands_twice_whether_it_is_answered_or_open() -> None:
    said = [question.casefold() for name in QUESTIONS for question in questions(name)]
    assert [question for question, count in Counter(said).items() if count > 1] == []


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_that_customers_ask_is_a_sample_ticket(name: str) -> None:
    """Else the figures over the sample tickets would be those of a search that knows its questions."""
    messages = {ticket.message.strip().casefold() for ticket in tickets()}
    assert [question for question in questions(name) if question.casefold() in messages] == []


@pytest.mark.parametrize("name", ALL_FILES)
def test_all_hosts_and_phone_numbers_are_fictional(name: str) -> None:
    text = read(name)
    hosts = re.findall(r"(?:@|https?://)([\w-]+(?:\.[\w-]+)+)|\b((?:[\w-]+\.)+(?:com|net|org|io|example))\b", text)
    assert [host for pair in hosts for host in pair if host and not host.endswith(".example")] == []
    numbers = [re.sub(r"\D", "", number) for number in re.findall(r"\+\d[\d ()-]{6,}\d", text)]
    assert [number for number in numbers if not re.fullmatch(r"1[2-9]\d{2}55501\d{2}", number)] == []
