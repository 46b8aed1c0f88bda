"""What is said, escalated, taken over, handed back, resolved: through the real door, with what follows from each."""

from __future__ import annotations

import asyncio
import uuid

import grpc
import pytest
from services.tickets.tests.conftest import Office, customer_of, follow_up, mail

from fte.channels.v1 import message_pb2
from fte.tickets.v1 import ticket_pb2, tickets_events_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb
from meshkit.testing import refused

S = ticket_pb2.TicketState
RUN = f"runs/{uuid.uuid4()}"


async def test_the_agent_answers_a_triaged_ticket(office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("agent")
    triaged = await stub.TriageTicket(
        pb.TriageTicketRequest(
            ticket=ticket.name, subject="Password", category="account", priority=ticket_pb2.PRIORITY_HIGH
        )
    )
    assert (triaged.state, triaged.subject, triaged.category) == (S.TICKET_STATE_OPEN, "Password", "account")
    assert triaged.etag != ticket.etag
    citation = ticket_pb2.Citation(passage="articles/a/versions/1/passages/2", heading="Reset")
    said = await stub.CreateMessage(
        pb.CreateMessageRequest(
            ticket=ticket.name,
            text="Select Forgot password.",
            conversation_version=1,
            request_id="a-request-id",
            citations=[citation],
            run=RUN,
        )
    )
    assert (said.author, said.sequence, said.run) == (ticket_pb2.AUTHOR_AGENT, 2, RUN)
    assert list(said.citations) == [citation]
    after = await office.ticket(ticket.reference)
    assert after.state == S.TICKET_STATE_WAITING_ON_CUSTOMER
    conversation = await office.conversation(ticket.conversation)
    assert (conversation.version, conversation.answered_version) == (1, 1)
    assert await office.kinds(ticket.reference) == ["MESSAGE_FILED", "TRIAGED", "REPLIED"]


async def test_a_reply_goes_to_the_sender_and_thread_of_the_question(office: Office) -> None:
    await office.hear(mail("First", provider_thread_id="t1", message_id="<1@c>"))
    await office.hear(
        mail("Second", provider_thread_id="t1", message_id="<2@c>", in_reply_to="<1@c>", references=["<1@c>"])
    )
    (filed, _) = await office.filed()
    await office.triage(filed.ticket)
    said = await office.reply(filed.ticket, 2, "An answer")
    ((reply, key),) = await office.published_with_keys(tickets_events_pb2.ReplyRequested)
    assert key == customer_of("anna@customer.example")
    assert reply.message == said.name
    assert (reply.channel, reply.text) == (message_pb2.CHANNEL_EMAIL, "An answer")
    assert (reply.recipient.value, reply.sender_verified) == ("anna@customer.example", True)
    assert (reply.thread.message_id, list(reply.thread.references)) == ("<2@c>", ["<1@c>", "<2@c>"])
    assert reply.reference == (await office.ticket(filed.ticket)).reference


async def test_each_fence_against_the_agent_has_its_reason(office: Office) -> None:
    async def reason(reference: str, version: int) -> tuple[grpc.StatusCode, str]:
        stub = await office.stub("agent")
        request = pb.CreateMessageRequest(
            ticket=reference, text="x", conversation_version=version, request_id=str(uuid.uuid4())
        )
        failure = await refused(stub.CreateMessage(request))
        return failure.code, failure.reason

    staff = await office.stub("staff")
    reference = (await office.form()).reference
    precondition = grpc.StatusCode.FAILED_PRECONDITION
    assert await reason(reference, 1) == (precondition, "TICKET_NOT_TRIAGED")
    await office.triage(reference)
    assert await reason(reference, 2) == (grpc.StatusCode.ABORTED, "CONVERSATION_MOVED")
    await staff.TakeOverTicket(pb.TakeOverTicketRequest(ticket=reference))
    assert await reason(reference, 1) == (precondition, "TICKET_TAKEN_OVER")
    await staff.HandBackTicket(pb.HandBackTicketRequest(ticket=reference))
    await office.escalate(reference, 1)
    assert await reason(reference, 1) == (precondition, "TICKET_ESCALATED")
    await staff.ResolveTicket(pb.ResolveTicketRequest(ticket=reference))
    assert await reason(reference, 1) == (precondition, "TICKET_RESOLVED")
    await office.fetch("update tickets set state = 'CLOSED'")
    assert await reason(reference, 1) == (precondition, "TICKET_CLOSED")
    assert await reason("TKT-NONE00", 1) == (grpc.StatusCode.NOT_FOUND, "TICKET_NOT_FOUND")
    # The escalation alone has spoken.
    assert len(await office.replies()) == 1


async def test_the_agent_names_the_version_it_read(office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("agent")
    failure = await refused(
        stub.CreateMessage(pb.CreateMessageRequest(ticket=ticket.name, text="x", request_id="a-request-id"))
    )
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.violations[0].field == "conversation_version"
    failure = await refused(
        stub.EscalateTicket(pb.EscalateTicketRequest(ticket=ticket.name, reason=ticket_pb2.ESCALATION_REASON_LEGAL))
    )
    assert failure.violations[0].field == "conversation_version"


async def test_twenty_repeats_at_once_say_it_once(office: Office) -> None:
    ticket = await office.form()
    await office.triage(ticket.name)
    stub = await office.stub("agent")
    request = pb.CreateMessageRequest(
        ticket=ticket.name, text="Once", conversation_version=1, request_id="the-same-request"
    )
    said = await asyncio.gather(*(stub.CreateMessage(request) for _ in range(20)))
    assert len({message.name for message in said}) == 1
    assert len(await office.replies()) == 1


async def test_twenty_agents_at_once_answer_once(office: Office) -> None:
    ticket = await office.form()
    await office.triage(ticket.name)
    outcomes = await asyncio.gather(*(office.reply(ticket.name, 1) for _ in range(20)), return_exceptions=True)
    codes = [outcome.code() for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    # Each of the others is told why: it came second, nothing broke.
    assert codes == [grpc.StatusCode.ABORTED] * 19
    assert len(await office.replies()) == 1


async def test_a_repeat_is_answered_also_when_the_conversation_has_moved_since(office: Office) -> None:
    ticket = await office.form()
    await office.triage(ticket.name)
    stub = await office.stub("agent")
    request = pb.CreateMessageRequest(
        ticket=ticket.name, text="Once", conversation_version=1, request_id="the-same-request"
    )
    first = await stub.CreateMessage(request)
    await office.hear(follow_up("Thanks", ticket.reference))
    assert await stub.CreateMessage(request) == first


async def test_a_request_id_with_another_text_or_for_another_ticket_is_refused(office: Office) -> None:
    ticket, other = await office.form(), await office.form()
    stub = await office.stub("staff")
    request = pb.CreateMessageRequest(ticket=ticket.name, text="One", request_id="the-same-request")
    await stub.CreateMessage(request)
    request.text = "Another"
    failure = await refused(stub.CreateMessage(request))
    assert (failure.code, failure.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    request.text, request.ticket = "One", other.name
    assert (await refused(stub.CreateMessage(request))).reason == "REQUEST_ID_REUSED"


async def test_request_ids_of_two_callers_are_two(office: Office) -> None:
    ticket = await office.form()
    request = pb.CreateMessageRequest(ticket=ticket.name, text="One", request_id="the-same-request")
    one = await (await office.stub("staff", subject="ada")).CreateMessage(request)
    other = await (await office.stub("staff", subject="bob")).CreateMessage(request)
    assert one.name != other.name


async def test_a_refused_reply_does_not_use_its_request_id_up(office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("agent")
    request = pb.CreateMessageRequest(
        ticket=ticket.name, text="Once", conversation_version=1, request_id="the-same-request"
    )
    assert (await refused(stub.CreateMessage(request))).reason == "TICKET_NOT_TRIAGED"
    await office.triage(ticket.name)
    assert (await stub.CreateMessage(request)).text == "Once"


async def test_a_person_answers_what_nobody_triaged(office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("staff", subject="ada")
    said = await stub.CreateMessage(
        pb.CreateMessageRequest(ticket=ticket.reference.lower(), text="Hello", request_id="a-request-id", run=RUN)
    )
    assert (said.author, said.run) == (ticket_pb2.AUTHOR_STAFF, "")
    assert (await office.ticket(ticket.name)).state == S.TICKET_STATE_WAITING_ON_CUSTOMER
    (reply,) = await office.replies()
    assert reply.author == ticket_pb2.AUTHOR_STAFF
    assert (await office.timeline(ticket.name))[-1].actor == "staff:ada"


async def test_an_escalation_tells_the_customer_and_calls_a_person(office: Office) -> None:
    ticket = await office.form()
    escalated = await office.escalate(ticket.name, 1, run=RUN)
    assert escalated.state == S.TICKET_STATE_ESCALATED
    assert escalated.escalation.reason == ticket_pb2.ESCALATION_REASON_NO_ANSWER_FOUND
    assert escalated.escalation.summary == "Two searches found nothing."
    (reply,) = await office.replies()
    assert (reply.text, reply.author) == ("A colleague will answer you.", ticket_pb2.AUTHOR_AGENT)
    ((called, key),) = await office.published_with_keys(tickets_events_pb2.TicketEscalated)
    assert (called.ticket, called.reference, key) == (ticket.name, ticket.reference, ticket.customer)
    entry = (await office.timeline(ticket.name))[-1]
    assert (entry.actor, dict(entry.facts)) == ("agent", {"reason": "NO_ANSWER_FOUND"})
    shown = await office.ticket(ticket.name)
    assert entry.message == shown.messages[-1].name
    assert shown.messages[-1].run == RUN
    conversation = await office.conversation(ticket.conversation)
    assert conversation.answered_version == conversation.version


async def test_escalating_twice_speaks_once(office: Office) -> None:
    ticket = await office.form()
    await asyncio.gather(*(office.escalate(ticket.name, 1) for _ in range(10)))
    assert len(await office.replies()) == 1
    assert len(await office.published(tickets_events_pb2.TicketEscalated)) == 1


async def test_reply_and_escalation_at_once_give_one_ending(office: Office) -> None:
    for _ in range(5):
        ticket = await office.form()
        await office.triage(ticket.name)
        before = len(await office.replies())
        await asyncio.gather(
            *(office.reply(ticket.name, 1) for _ in range(3)),
            *(office.escalate(ticket.name, 1) for _ in range(3)),
            return_exceptions=True,
        )
        assert len(await office.replies()) == before + 1


async def test_an_escalation_without_words_uses_the_desks_own(office: Office) -> None:
    ticket = await office.form()
    await office.escalate(ticket.name, 1, message="")
    (reply,) = await office.replies()
    assert "colleague" in reply.text


async def test_an_escalation_of_what_a_person_has_is_refused(office: Office) -> None:
    ticket = await office.form()
    await (await office.stub("staff")).TakeOverTicket(pb.TakeOverTicketRequest(ticket=ticket.name))
    assert (await refused(office.escalate(ticket.name, 1))).reason == "TICKET_TAKEN_OVER"


async def test_an_escalation_of_an_old_version_is_refused(office: Office) -> None:
    ticket = await office.form()
    await office.hear(follow_up("More", ticket.reference))
    failure = await refused(office.escalate(ticket.name, 1))
    assert failure.reason == "CONVERSATION_MOVED"
    assert failure.metadata["version"] == "2"


async def test_a_ticket_is_taken_over_by_one_person(office: Office) -> None:
    ticket = await office.form()
    ada, bob = await office.stub("staff", subject="ada"), await office.stub("staff", subject="bob")
    request = pb.TakeOverTicketRequest(ticket=ticket.name)
    taken = await ada.TakeOverTicket(request)
    assert taken.assignee == "ada"
    assert await ada.TakeOverTicket(request) == taken
    assert (await refused(bob.TakeOverTicket(request))).reason == "TICKET_TAKEN_OVER"
    assert await office.kinds(ticket.name) == ["MESSAGE_FILED", "TAKEN_OVER"]


async def test_handing_back_asks_the_agent_for_what_is_owed(office: Office) -> None:
    ticket = await office.form()
    await office.escalate(ticket.name, 1)
    await office.hear(follow_up("Are you there?", ticket.reference))
    assert len(await office.filed()) == 1
    back = await (await office.stub("staff")).HandBackTicket(pb.HandBackTicketRequest(ticket=ticket.name))
    assert (back.state, back.assignee) == (S.TICKET_STATE_OPEN, "")
    owed = (await office.filed())[-1]
    assert owed.conversation_version == 3
    assert owed.message == (await office.ticket(ticket.name)).messages[-1].name
    assert (await office.reply(ticket.name, 3)).sequence == 4


async def test_handing_back_what_is_answered_asks_for_nothing(office: Office) -> None:
    ticket = await office.form()
    await office.escalate(ticket.name, 1)
    stub = await office.stub("staff")
    back = await stub.HandBackTicket(pb.HandBackTicketRequest(ticket=ticket.name))
    assert back.state == S.TICKET_STATE_WAITING_ON_CUSTOMER
    assert await stub.HandBackTicket(pb.HandBackTicketRequest(ticket=ticket.name)) == back
    assert len(await office.filed()) == 1


async def test_resolving_ends_what_was_owed(office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("staff")
    done = await stub.ResolveTicket(pb.ResolveTicketRequest(ticket=ticket.name))
    assert done.state == S.TICKET_STATE_RESOLVED
    assert await stub.ResolveTicket(pb.ResolveTicketRequest(ticket=ticket.name)) == done
    office.clock.advance(3600)
    await office.look_for_overdue()
    assert await office.replies() == []


async def test_what_had_no_ending_for_two_minutes_goes_to_a_person(office: Office) -> None:
    ticket = await office.form()
    office.clock.advance(119)
    await office.look_for_overdue()
    assert (await office.ticket(ticket.name)).state == S.TICKET_STATE_NEW
    office.clock.advance(1)
    await office.look_for_overdue()
    overdue = await office.ticket(ticket.name)
    assert overdue.state == S.TICKET_STATE_ESCALATED
    assert overdue.escalation.reason == ticket_pb2.ESCALATION_REASON_ANSWER_OVERDUE
    (reply,) = await office.replies()
    assert "colleague" in reply.text
    assert (await office.timeline(ticket.name))[-1].actor == "desk"
    await office.look_for_overdue()
    assert len(await office.replies()) == 1


async def test_a_customer_who_keeps_writing_does_not_put_the_timer_off(office: Office) -> None:
    ticket = await office.form()
    office.clock.advance(60)
    await office.hear(follow_up("Hello?", ticket.reference))
    office.clock.advance(60)
    await office.look_for_overdue()
    assert (await office.ticket(ticket.name)).state == S.TICKET_STATE_ESCALATED


async def test_nothing_is_said_automatically_where_a_person_has_the_case(office: Office) -> None:
    escalated, taken = await office.form(), await office.form()
    await office.escalate(escalated.name, 1)
    await (await office.stub("staff")).TakeOverTicket(pb.TakeOverTicketRequest(ticket=taken.name))
    for ticket in (escalated, taken):
        await office.hear(follow_up("Hello?", ticket.reference))
    office.clock.advance(3600)
    await office.look_for_overdue()
    assert len(await office.replies()) == 1
    assert (await office.ticket(taken.name)).state == S.TICKET_STATE_NEW


async def test_one_look_takes_a_batch_and_the_next_the_rest(office: Office) -> None:
    for _ in range(5):
        await office.form()
        office.clock.advance(1)
    office.clock.advance(200)
    await office.look_for_overdue()
    assert len(await office.replies()) == 3
    await office.look_for_overdue()
    assert len(await office.replies()) == 5


async def test_timers_of_several_replicas_escalate_once(office: Office) -> None:
    for _ in range(3):
        await office.form()
    office.clock.advance(200)
    await asyncio.gather(*(office.look_for_overdue() for _ in range(6)))
    assert len(await office.replies()) == 3


async def test_one_case_that_cannot_be_escalated_does_not_hold_up_the_others(office: Office) -> None:
    broken, sound = await office.form(), await office.form()
    identifier = broken.name.removeprefix("tickets/")
    await office.fetch(f"alter table timeline_entries add check (ticket_id <> '{identifier}') not valid")
    office.clock.advance(200)
    with pytest.raises(ExceptionGroup):
        await office.look_for_overdue()
    assert (await office.ticket(sound.name)).state == S.TICKET_STATE_ESCALATED
    assert (await office.ticket(broken.name)).state == S.TICKET_STATE_NEW
