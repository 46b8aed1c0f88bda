"""The ticket's rules, on values alone: a machine does random things to a case, and the promises hold at every step."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meshkit.errors import Failure
from tickets import errors
from tickets.model import (
    DESK,
    Actor,
    ActorKind,
    Author,
    Case,
    Channel,
    Conversation,
    DeadLetter,
    DeadLetterState,
    EscalationReason,
    IdentifierType,
    Message,
    Priority,
    Sender,
    Status,
    Thread,
    Ticket,
    TicketState,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SENDER = Sender(IdentifierType.EMAIL, "anna@customer.example")
AGENT = Actor(ActorKind.AGENT, "agent")
ADA, BOB = Actor(ActorKind.STAFF, "ada"), Actor(ActorKind.STAFF, "bob")
OTHER = EscalationReason.OTHER


def new_case(now: datetime = NOW) -> Case:
    ticket_id, conversation_id, customer_id = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    conversation = Conversation(conversation_id, customer_id, Channel.WEB_FORM, ticket_id, SENDER, Thread(), now, now)
    ticket = Ticket(ticket_id, conversation_id, customer_id, "TKT-7K3Q9V", True, Channel.WEB_FORM, False, now, now)
    return Case(conversation, ticket).heard(SENDER, Thread(), now)


def opened() -> Case:
    return new_case().triaged("", "", Priority.UNSPECIFIED, NOW)


def closed(case: Case) -> Case:
    return Case(case.conversation, _with_state(case.ticket, TicketState.CLOSED))


def _with_state(ticket: Ticket, state: TicketState) -> Ticket:
    return replace(ticket, state=state)


class DeskMachine(RuleBasedStateMachine):
    """Customer, agent, timer and two people do what they like to one case, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.case = new_case()
        self.endings_by_us: Counter[int] = Counter()
        self.with_person = False

    def _try(self, verb: Callable[..., Case], *arguments: object) -> bool:
        before = self.case
        self.now += timedelta(seconds=1)
        try:
            self.case = verb(*arguments, self.now)
        except Failure:
            assert self.case is before
            return False
        return self.case is not before

    @rule()
    def customer_writes(self) -> None:
        if self.case.ticket.state is TicketState.CLOSED:
            with pytest.raises(errors.TicketClosed):
                self.case.heard(SENDER, Thread(), self.now)
            self.case = self.case.succeeded(_with_state(new_case().ticket, TicketState.NEW))
            self.with_person = False
        version = self.case.conversation.version
        assert self._try(self.case.heard, SENDER, Thread())
        assert self.case.conversation.version > version

    @rule(subject=st.sampled_from(["", "Sign-in"]))
    def agent_triages(self, subject: str) -> None:
        was_new = self.case.ticket.state is TicketState.NEW
        assert self._try(self.case.triaged, subject, "technical", Priority.HIGH) == was_new

    @rule(behind=st.integers(min_value=0, max_value=2))
    def agent_replies(self, behind: int) -> None:
        state, assignee = self.case.ticket.state, self.case.ticket.assignee
        version = self.case.conversation.version - behind
        if self._try(self.case.said, AGENT, version):
            assert not self.with_person, "the agent spoke while a person had the case"
            assert state in (TicketState.OPEN, TicketState.WAITING_ON_CUSTOMER)
            assert not assignee
            assert behind == 0
            self.endings_by_us[version] += 1

    @rule(by=st.sampled_from([AGENT, DESK]), behind=st.integers(min_value=0, max_value=1))
    def agent_or_timer_escalates(self, by: Actor, behind: int) -> None:
        version = self.case.conversation.version - behind
        if self._try(self.case.escalated, by, OTHER, "", version):
            assert not self.with_person
            assert behind == 0
            self.endings_by_us[version] += 1
            self.with_person = True

    @rule()
    def what_was_said_does_not_arrive(self) -> None:
        answered, state = self.case.conversation.answered_version, self.case.ticket.state
        if self._try(self.case.undelivered, "why"):
            assert not self.with_person
            assert state is not TicketState.CLOSED
            assert self.case.ticket.state is TicketState.ESCALATED
            self.with_person = True
        assert self.case.conversation.answered_version == answered

    @rule(by=st.sampled_from([ADA, BOB]))
    def person_replies(self, by: Actor) -> None:
        self._try(self.case.said, by, 0)

    @rule(by=st.sampled_from([ADA, BOB]))
    def person_escalates(self, by: Actor) -> None:
        if self._try(self.case.escalated, by, EscalationReason.STAFF_DECISION, "", 0):
            self.with_person = True

    @rule(by=st.sampled_from([ADA, BOB]))
    def person_takes_over(self, by: Actor) -> None:
        if self._try(self.case.taken_over, by):
            self.with_person = True

    @rule()
    def person_hands_back(self) -> None:
        self._try(self.case.handed_back)
        if self.case.ticket.state is not TicketState.CLOSED:
            self.with_person = False

    @rule()
    def person_resolves(self) -> None:
        self._try(self.case.resolved)
        if self.case.ticket.state is TicketState.RESOLVED:
            self.with_person = False

    @precondition(lambda self: self.case.ticket.state is TicketState.RESOLVED)
    @rule()
    def time_closes(self) -> None:
        self.case = closed(self.case)

    @invariant()
    def nothing_is_answered_before_it_is_said(self) -> None:
        conversation = self.case.conversation
        assert 0 <= conversation.answered_version <= conversation.version <= conversation.last_sequence

    @invariant()
    def each_version_has_at_most_one_ending_by_us(self) -> None:
        assert all(count == 1 for count in self.endings_by_us.values())

    @invariant()
    def the_clock_runs_exactly_while_an_answer_is_owed(self) -> None:
        assert (self.case.conversation.owed_since is not None) == self.case.answer_owed

    @invariant()
    def a_person_who_has_the_case_is_not_interrupted(self) -> None:
        if self.with_person:
            assert not self.case.answer_owed
            assert self.case.ticket.assignee or self.case.ticket.state is TicketState.ESCALATED

    @invariant()
    def what_waits_on_the_customer_owes_nothing(self) -> None:
        if self.case.ticket.state in (TicketState.WAITING_ON_CUSTOMER, TicketState.RESOLVED):
            assert self.case.is_answered


TestDesk = DeskMachine.TestCase
TestDesk.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_the_agent_may_not_reply_to_an_untriaged_ticket() -> None:
    with pytest.raises(errors.TicketNotTriaged):
        new_case().said(AGENT, 1, NOW)


def test_the_agent_stays_silent_after_escalation_until_it_is_handed_back() -> None:
    case = opened().escalated(AGENT, OTHER, "", 1, NOW).heard(SENDER, Thread(), NOW)
    with pytest.raises(errors.TicketEscalated):
        case.said(AGENT, case.conversation.version, NOW)
    case = case.handed_back(NOW)
    assert case.ticket.state is TicketState.OPEN
    assert case.said(AGENT, case.conversation.version, NOW).ticket.state is TicketState.WAITING_ON_CUSTOMER


def test_a_person_who_answers_an_escalated_ticket_keeps_it() -> None:
    case = opened().escalated(AGENT, OTHER, "", 1, NOW).said(ADA, 0, NOW)
    assert (case.ticket.state, case.ticket.assignee) == (TicketState.WAITING_ON_CUSTOMER, "ada")
    case = case.heard(SENDER, Thread(), NOW)
    with pytest.raises(errors.TicketTakenOver):
        case.said(AGENT, case.conversation.version, NOW)


def test_a_colleague_may_answer_a_ticket_that_a_person_has() -> None:
    case = opened().taken_over(ADA, NOW).said(BOB, 0, NOW)
    assert case.ticket.assignee == "ada"


@pytest.mark.parametrize("version", [0, 2, 3])
def test_a_reply_to_another_version_is_refused(version: int) -> None:
    case = opened()
    with pytest.raises(errors.ConversationMoved) as refused:
        case.said(AGENT, version, NOW)
    assert refused.value.facts == {"version": "1", "answeredVersion": "0"}


def test_a_version_is_answered_once() -> None:
    case = opened().said(AGENT, 1, NOW)
    with pytest.raises(errors.ConversationMoved):
        case.said(AGENT, 1, NOW)
    with pytest.raises(errors.ConversationMoved):
        case.escalated(AGENT, OTHER, "", 1, NOW)


def test_the_version_is_the_place_of_the_newest_customer_message() -> None:
    case = opened().said(AGENT, 1, NOW).heard(SENDER, Thread(), NOW)
    assert (case.conversation.version, case.conversation.last_sequence) == (3, 3)


def test_a_ticket_may_be_escalated_before_triage() -> None:
    assert new_case().escalated(AGENT, OTHER, "", 1, NOW).ticket.state is TicketState.ESCALATED


def test_escalating_twice_changes_nothing() -> None:
    case = opened().escalated(AGENT, OTHER, "", 1, NOW)
    assert case.escalated(AGENT, EscalationReason.LEGAL, "", 7, NOW) is case


def test_the_agent_may_not_escalate_what_a_person_has() -> None:
    with pytest.raises(errors.TicketTakenOver):
        opened().taken_over(ADA, NOW).escalated(AGENT, OTHER, "", 1, NOW)
    with pytest.raises(errors.TicketTakenOver):
        opened().taken_over(ADA, NOW).escalated(BOB, OTHER, "", 0, NOW)


def test_a_person_who_escalates_hands_on_to_colleagues() -> None:
    case = opened().taken_over(ADA, NOW).escalated(ADA, OTHER, "", 0, NOW)
    assert case.ticket.assignee == ""
    assert case.taken_over(BOB, NOW).ticket.assignee == "bob"


def test_a_ticket_has_one_person() -> None:
    case = opened().taken_over(ADA, NOW)
    assert case.taken_over(ADA, NOW) is case
    with pytest.raises(errors.TicketTakenOver):
        case.taken_over(BOB, NOW)


def test_a_new_ticket_that_is_handed_back_is_still_owed() -> None:
    case = new_case().taken_over(ADA, NOW)
    assert case.conversation.owed_since is None
    later = NOW + timedelta(minutes=10)
    case = case.handed_back(later)
    # From now, not from the filing: the agent gets its time, too.
    assert case.conversation.owed_since == later


def test_handing_back_what_nobody_has_changes_nothing() -> None:
    case = opened()
    assert case.handed_back(NOW) is case


def test_an_answered_case_waits_for_the_customer_when_handed_back() -> None:
    case = opened().escalated(AGENT, OTHER, "", 1, NOW).handed_back(NOW)
    assert case.ticket.state is TicketState.WAITING_ON_CUSTOMER
    assert not case.answer_owed


def test_a_resolved_ticket_owes_no_answer_and_opens_again_for_the_agent() -> None:
    case = opened().taken_over(ADA, NOW).resolved(NOW)
    assert case.resolved(NOW) is case
    with pytest.raises(errors.TicketResolved):
        case.said(AGENT, 1, NOW)
    case = case.heard(SENDER, Thread(), NOW)
    assert (case.ticket.state, case.ticket.assignee) == (TicketState.OPEN, "")
    assert case.answer_owed


def test_the_clock_starts_at_the_oldest_message_without_an_ending() -> None:
    case = opened().heard(SENDER, Thread(), NOW + timedelta(minutes=1))
    assert case.conversation.owed_since == NOW


@pytest.mark.parametrize(
    "verb",
    [
        lambda case: case.said(ADA, 0, NOW),
        lambda case: case.said(AGENT, 1, NOW),
        lambda case: case.escalated(ADA, OTHER, "", 0, NOW),
        lambda case: case.taken_over(ADA, NOW),
        lambda case: case.handed_back(NOW),
        lambda case: case.resolved(NOW),
        lambda case: case.heard(SENDER, Thread(), NOW),
    ],
)
def test_nothing_can_be_done_to_a_closed_ticket(verb: Callable[[Case], Case]) -> None:
    with pytest.raises(errors.TicketClosed):
        verb(closed(opened()))


def test_a_person_who_names_a_version_is_told_when_the_customer_wrote_since() -> None:
    case = opened().heard(SENDER, Thread(), NOW)
    with pytest.raises(errors.ConversationMoved):
        case.said(ADA, 1, NOW)
    with pytest.raises(errors.ConversationMoved):
        case.escalated(ADA, OTHER, "", 1, NOW)


def test_triage_keeps_what_the_customer_said_where_it_finds_nothing() -> None:
    case = new_case()
    found = case.triaged("Sign-in", "", Priority.UNSPECIFIED, NOW).ticket
    assert (found.subject, found.category, found.priority) == ("Sign-in", "", Priority.UNSPECIFIED)
    assert found.revision == case.ticket.revision + 1


def test_a_dead_letter_is_settled_once() -> None:
    letter = DeadLetter(uuid.uuid4(), DeadLetterState.WAITING, "t", 0, 0, "tickets", "R", 5, "", "", 0, 0, NOW, NOW)
    redriven = letter.redriven(NOW)
    assert redriven.redriven(NOW) is redriven
    with pytest.raises(errors.DeadLetterSettled):
        redriven.dropped(NOW)
    with pytest.raises(errors.DeadLetterSettled):
        letter.dropped(NOW).redriven(NOW)


def test_the_actor_is_shown_without_doubt_about_who_is_staff() -> None:
    assert [actor.label for actor in (ADA, AGENT, DESK)] == ["staff:ada", "agent", "desk"]


def test_a_status_without_a_ticket_says_whether_it_failed() -> None:
    apology = Message(uuid.uuid4(), Author.AGENT, "sorry", NOW)
    assert Status("TKT-000000", None, ()).state is TicketState.NEW
    assert Status("TKT-000000", None, (apology,)).state is TicketState.ESCALATED
