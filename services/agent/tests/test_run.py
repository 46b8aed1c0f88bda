"""One run with the local model, between real servers of the neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.model import Ending, Outcome, Reason
from agent.thinking.local_rules import NAME
from fte.tickets.v1 import ticket_pb2
from meshkit.errors import DeadlineExceeded, Failure, Kind, Unavailable

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours


async def test_a_question_that_knowledge_answers_is_answered_with_its_own_words_and_cited(
    neighbours: Neighbours,
) -> None:
    question = "Hello,\n\nhow do I reset my password?\n\nKind regards"
    filed = neighbours.desk.file(question, subject="Password", verified=True)
    run = await neighbours.answers().answer(filed)
    assert run.ending is Ending.REPLIED
    assert run.model == NAME
    [told] = neighbours.desk.endings(filed)
    assert "1. Open the sign-in page and select Forgot password." in told.request.text
    assert [citation.passage for citation in told.request.citations] == ["articles/product-docs/versions/1/passages/2"]
    assert told.request.run == f"runs/{filed.run_id}"
    assert [(step.name, step.outcome) for step in run.steps] == [
        ("rules", Outcome.OK),
        ("create_ticket", Outcome.OK),
        ("get_customer_history", Outcome.OK),
        ("search_knowledge_base", Outcome.OK),
        ("grounding", Outcome.OK),
        ("send_response", Outcome.OK),
    ]


async def test_a_question_that_two_searches_do_not_answer_goes_to_a_person_with_kind_words(
    neighbours: Neighbours,
) -> None:
    filed = neighbours.desk.file("Do you sponsor the design week in Lisbon again?")
    run = await neighbours.answers().answer(filed)
    assert (run.ending, run.reason) == (Ending.ESCALATED, Reason.NO_ANSWER_FOUND)
    assert len(neighbours.knowledge.queries) == 2
    assert neighbours.knowledge.queries[0] != neighbours.knowledge.queries[1]
    [told] = neighbours.desk.endings(filed)
    assert "I could not find a reliable answer" in told.request.message
    assert "Monday to Friday, 08:00 to 20:00 UTC" in told.request.message
    assert "Searched for" in told.request.summary


async def test_a_rule_sends_the_case_to_a_person_before_any_model_is_asked(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("How do I reset my password? And I want my money back.")
    run = await neighbours.answers().answer(filed)
    assert (run.ending, run.reason, run.model) == (Ending.ESCALATED, Reason.REFUND_REQUEST, "")
    assert neighbours.knowledge.queries == []
    triage, escalation = neighbours.desk.told[1:]
    assert triage.request.priority == ticket_pb2.PRIORITY_HIGH
    assert escalation.request.reason == ticket_pb2.ESCALATION_REASON_REFUND_REQUEST


async def test_a_message_in_another_language_gets_its_kind_words_in_that_language(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("Guten Tag, wie kann ich mein Passwort zurücksetzen? Ich habe es vergessen.")
    run = await neighbours.answers().answer(filed)
    assert (run.ending, run.reason) == (Ending.ESCALATED, Reason.LANGUAGE)
    assert "Vielen Dank" in neighbours.desk.endings(filed)[0].request.message


async def test_the_history_of_an_unverified_sender_is_not_even_asked_for(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    run = await neighbours.answers().answer(filed)
    assert run.ending is Ending.REPLIED
    assert [told.method for told in neighbours.desk.told] == ["GetConversation", "TriageTicket", "CreateMessage"]


async def test_the_history_of_a_verified_sender_is_read_before_the_search(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("How do I reset my password?", verified=True)
    run = await neighbours.answers().answer(filed)
    tools = [step.name for step in run.steps]
    assert tools.index("get_customer_history") < tools.index("search_knowledge_base")


@pytest.mark.parametrize("state", ["ESCALATED", "RESOLVED", "CLOSED"])
async def test_nothing_is_said_on_a_ticket_that_owes_nothing(neighbours: Neighbours, state: str) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    neighbours.desk.conversation_of(filed).ticket.state = ticket_pb2.TicketState.Value(f"TICKET_STATE_{state}")
    run = await neighbours.answers().answer(filed)
    assert run.ending is Ending.SKIPPED
    assert run.steps[0].facts == {"skipped": state.lower()}
    assert [told.method for told in neighbours.desk.told] == ["GetConversation"]


async def test_nothing_is_said_once_a_person_has_taken_over(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    neighbours.desk.conversation_of(filed).ticket.assignee = "ada"
    run = await neighbours.answers().answer(filed)
    assert run.ending is Ending.SKIPPED
    assert neighbours.desk.endings(filed) == []


async def test_an_older_message_leaves_the_answer_to_the_newest_ones_run(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    conversation = neighbours.desk.conversation_of(filed)
    conversation.version = 2
    run = await neighbours.answers().answer(filed)
    assert run.ending is Ending.SKIPPED
    assert run.steps[0].facts == {"skipped": "moved"}


@pytest.mark.parametrize(
    "reason", ["CONVERSATION_MOVED", "TICKET_ESCALATED", "TICKET_TAKEN_OVER", "TICKET_RESOLVED", "TICKET_CLOSED"]
)
async def test_a_draft_that_the_desk_refuses_as_overtaken_ends_the_run_in_silence(
    neighbours: Neighbours, reason: str
) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    refused = type("Refused", (Failure,), {"kind": Kind.CONFLICT, "reason": reason})
    neighbours.desk.refuse["CreateMessage"] = refused("no")
    run = await neighbours.answers().answer(filed)
    assert run.ending is Ending.SKIPPED
    assert [told.method for told in neighbours.desk.endings(filed)] == ["CreateMessage"]


async def test_a_run_that_is_repeated_says_nothing_twice_and_is_recorded_as_what_it_was(
    neighbours: Neighbours,
) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    answers = neighbours.answers()
    await answers.answer(filed)
    again = await answers.answer(filed)
    assert again.ending is Ending.REPLIED
    assert len(neighbours.desk.endings(filed)) == 1


async def test_an_escalation_that_is_repeated_keeps_its_reason(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("can i talk to a real person please")
    answers = neighbours.answers()
    await answers.answer(filed)
    again = await answers.answer(filed)
    assert (again.ending, again.reason) == (Ending.ESCALATED, Reason.HUMAN_REQUESTED)
    assert len(neighbours.desk.endings(filed)) == 1


async def test_an_escalation_that_came_too_late_is_recorded_with_the_reason_that_stands(
    neighbours: Neighbours,
) -> None:
    filed = neighbours.desk.file("Do you sponsor the design week in Lisbon again?")
    neighbours.desk.escalated_meanwhile = ticket_pb2.ESCALATION_REASON_ANSWER_OVERDUE
    run = await neighbours.answers().answer(filed)
    assert (run.ending, run.reason) == (Ending.ESCALATED, Reason.ANSWER_OVERDUE)
    assert len(neighbours.desk.conversation_of(filed).messages) == 1


async def test_a_reply_whose_answer_was_lost_is_found_out_and_not_said_again(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    neighbours.desk.refuse_after["CreateMessage"] = DeadlineExceeded("late")
    answers = neighbours.answers()
    with pytest.raises(DeadlineExceeded):
        await answers.answer(filed)
    run = await answers.answer(filed)
    assert run.ending is Ending.REPLIED
    assert len(neighbours.desk.endings(filed)) == 1


@pytest.mark.parametrize("method", ["GetConversation", "TriageTicket", "ListCustomerHistory", "CreateMessage"])
async def test_a_desk_that_is_away_makes_the_event_wait_and_not_the_customer_hear_of_it(
    neighbours: Neighbours, method: str
) -> None:
    filed = neighbours.desk.file("How do I reset my password?", verified=True)
    neighbours.desk.refuse[method] = Unavailable("away")
    answers = neighbours.answers()
    with pytest.raises(Unavailable):
        await answers.answer(filed)
    assert all(told.method != "EscalateTicket" for told in neighbours.desk.told)
    neighbours.desk.refuse.clear()
    assert (await answers.answer(filed)).ending is Ending.REPLIED


async def test_knowledge_that_is_away_makes_the_event_wait(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    neighbours.knowledge.away = True
    with pytest.raises(Unavailable):
        await neighbours.answers().answer(filed)
    assert neighbours.desk.endings(filed) == []


async def test_the_request_id_of_a_reply_is_the_same_for_the_same_message(neighbours: Neighbours) -> None:
    ids = []
    for _ in range(2):
        filed = neighbours.desk.file("How do I reset my password?")
        await neighbours.answers().answer(filed)
        neighbours.desk.conversation_of(filed).answered_version = 0
        del neighbours.desk.conversation_of(filed).messages[1:]
        await neighbours.answers().answer(filed)
        first, second = (told.request.request_id for told in neighbours.desk.endings(filed))
        assert first == second
        ids.append(first)
    assert ids[0] != ids[1]


async def test_steps_and_records_hold_no_word_of_the_customer(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("Zebrafish: how do I reset my password?", subject="Zebrafish", verified=True)
    run = await neighbours.answers().answer(filed)
    assert "zebrafish" not in repr(run).casefold()
