"""A customer writes: where the message is filed, and what is told of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import pytest
from services.tickets.tests.conftest import Office, customer_of, event, follow_up, form, mail, new_reference, whatsapp

from fte.channels.v1 import channels_events_pb2, message_pb2
from fte.identity.v1 import customer_pb2
from fte.tickets.v1 import ticket_pb2, tickets_events_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb
from tickets import errors

INCOMING = "fte.tickets.incoming"
S = ticket_pb2.TicketState


async def close(office: Office, reference: str) -> None:
    """What only time does to a ticket."""
    await office.fetch("update tickets set state = 'CLOSED' where reference = $1", reference)
    await office.fetch("update conversations set answered_version = version, owed_since = null")


async def conversations(office: Office) -> list[ticket_pb2.Conversation]:
    page = await (await office.stub("staff")).ListConversations(pb.ListConversationsRequest())
    return list(page.conversations)


async def test_a_form_opens_a_ticket_under_its_promised_reference(office: Office) -> None:
    reference = new_reference()
    ticket = await office.form("How do I reset my password?", reference=reference)
    assert ticket.reference == reference
    assert ticket.state == S.TICKET_STATE_NEW
    assert (ticket.subject, ticket.category, ticket.priority) == ("Sign-in", "technical", ticket_pb2.PRIORITY_MEDIUM)
    assert ticket.customer == customer_of("anna@customer.example")
    assert not ticket.sender_verified
    assert [message.text for message in ticket.messages] == ["How do I reset my password?"]
    (filed,) = await office.filed()
    assert filed.ticket == ticket.name
    assert (filed.conversation, filed.conversation_version) == (ticket.conversation, 1)
    assert filed.message == ticket.messages[0].name
    assert await office.kinds(reference) == ["MESSAGE_FILED"]


async def test_what_is_filed_is_keyed_by_customer_and_holds_no_words(office: Office) -> None:
    await office.form("A secret of mine")
    ((filed, key),) = await office.published_with_keys(tickets_events_pb2.MessageFiled)
    assert key == customer_of("anna@customer.example")
    assert b"secret" not in filed.SerializeToString()


async def test_identity_is_asked_with_what_the_channel_saw(office: Office) -> None:
    await office.form()
    (asked,) = office.neighbour.asked
    assert asked.identifier.value == "anna@customer.example"
    assert asked.identifier.type == customer_pb2.IDENTIFIER_TYPE_EMAIL
    assert (asked.display_name, asked.verified) == ("Anna", False)


async def test_the_same_event_five_times_at_once_is_filed_once(office: Office) -> None:
    received = event(form("Hello"), INCOMING)
    handled = await asyncio.gather(*(office.handle(received) for _ in range(5)))
    assert sorted(handled) == [False, False, False, False, True]
    assert len(await office.filed()) == 1
    assert len(await office.fetch("select id from messages")) == 1


async def test_each_form_opens_a_conversation_of_its_own(office: Office) -> None:
    one, other = await office.form("First"), await office.form("Second")
    assert one.conversation != other.conversation
    assert one.customer == other.customer


async def test_a_promised_reference_is_never_given_to_two(office: Office) -> None:
    ticket = await office.form("First")
    with pytest.raises(errors.ReferenceTaken):
        await office.form("Second", reference=ticket.reference)
    assert len(await office.fetch("select id from conversations")) == 1


async def test_a_follow_up_joins_the_conversation_of_its_reference(office: Office) -> None:
    ticket = await office.form("First")
    await office.hear(follow_up("And another thing", ticket.reference))
    joined = await office.ticket(ticket.reference)
    assert [message.text for message in joined.messages] == ["First", "And another thing"]
    assert [message.sequence for message in joined.messages] == [1, 2]
    assert [filed.conversation_version for filed in await office.filed()] == [1, 2]


async def test_a_follow_up_whose_ticket_is_not_here_yet_is_tried_again_later(office: Office) -> None:
    with pytest.raises(errors.TicketNotFound):
        await office.hear(follow_up("Too early", "TKT-NONE00"))
    assert await office.fetch("select id from messages") == []


async def test_a_follow_up_never_joins_a_reference_that_was_not_promised(office: Office) -> None:
    await office.hear(mail("A mail, whose reference nobody was given a token for"))
    (reference,) = [row["reference"] for row in await office.fetch("select reference from tickets")]
    with pytest.raises(errors.TicketNotFound):
        await office.hear(follow_up("Let me in", reference))


async def test_a_message_on_an_answered_ticket_opens_it(office: Office) -> None:
    ticket = await office.form()
    await office.triage(ticket.reference)
    await office.reply(ticket.reference, 1)
    await office.hear(follow_up("It did not work", ticket.reference))
    assert (await office.ticket(ticket.reference)).state == S.TICKET_STATE_OPEN
    assert [filed.conversation_version for filed in await office.filed()] == [1, 3]


async def test_a_message_on_a_resolved_ticket_reopens_it(office: Office) -> None:
    ticket = await office.form()
    await (await office.stub("staff")).ResolveTicket(pb.ResolveTicketRequest(ticket=ticket.reference))
    await office.hear(follow_up("Not done", ticket.reference))
    assert (await office.ticket(ticket.reference)).state == S.TICKET_STATE_OPEN
    assert await office.kinds(ticket.reference) == ["MESSAGE_FILED", "RESOLVED", "MESSAGE_FILED", "REOPENED"]


async def test_a_message_on_an_escalated_ticket_is_filed_and_left_to_the_person(office: Office) -> None:
    ticket = await office.form()
    await office.escalate(ticket.reference, 1)
    await office.hear(follow_up("Hello?", ticket.reference))
    left = await office.ticket(ticket.reference)
    assert left.state == S.TICKET_STATE_ESCALATED
    assert left.messages[-1].text == "Hello?"
    assert len(await office.filed()) == 1


async def test_a_message_on_a_closed_ticket_opens_a_new_one_in_the_same_conversation(office: Office) -> None:
    ticket = await office.form("First")
    await close(office, ticket.reference)
    await office.hear(follow_up("A new concern", ticket.reference))
    (conversation,) = await conversations(office)
    assert conversation.name == ticket.conversation
    assert conversation.ticket.reference != ticket.reference
    assert conversation.ticket.state == S.TICKET_STATE_NEW
    assert conversation.ticket.subject == "Sign-in"
    # The customer still holds the old reference, and sees the whole conversation under it.
    assert [message.text for message in (await office.ticket(ticket.reference)).messages] == ["First", "A new concern"]
    assert (await office.filed())[-1].ticket == conversation.ticket.name


async def test_mail_joins_by_the_provider_s_thread(office: Office) -> None:
    await office.hear(mail("First", provider_thread_id="t1", message_id="<1@c>"))
    await office.hear(mail("Second", provider_thread_id="t1", message_id="<2@c>"))
    (conversation,) = await conversations(office)
    assert conversation.version == 2


@pytest.mark.parametrize("header", [{"in_reply_to": "<1@c>"}, {"references": ["<0@c>", "<1@c>"]}])
async def test_mail_joins_by_the_messages_it_answers(office: Office, header: dict[str, Any]) -> None:
    await office.hear(mail("First", message_id="<1@c>"))
    await office.hear(mail("Second", message_id="<2@c>", **header))
    assert len(await conversations(office)) == 1


async def test_mail_of_another_sender_never_joins(office: Office) -> None:
    await office.hear(mail("First", provider_thread_id="t1", message_id="<1@c>"))
    await office.hear(mail("Spy", sender="eve@spy.example", provider_thread_id="t1", in_reply_to="<1@c>"))
    assert len(await conversations(office)) == 2


async def test_mail_that_nobody_vouched_for_never_joins_what_was_vouched_for(office: Office) -> None:
    await office.hear(mail("First", provider_thread_id="t1"))
    await office.hear(mail("Forged", verified=False, provider_thread_id="t1"))
    assert len(await conversations(office)) == 2


async def test_mail_without_headers_opens_a_conversation(office: Office) -> None:
    await office.hear(mail("First"))
    await office.hear(mail("Second"))
    assert len(await conversations(office)) == 2


async def test_whatsapp_joins_the_senders_open_conversation(office: Office) -> None:
    await office.hear(whatsapp("One"))
    await office.hear(whatsapp("Two"))
    await office.hear(whatsapp("Another person", sender="+14155550199"))
    assert [conversation.version for conversation in await conversations(office)] == [1, 2]


async def test_whatsapp_after_the_end_opens_a_new_conversation(office: Office) -> None:
    await office.hear(whatsapp("One"))
    (first,) = await conversations(office)
    await close(office, first.ticket.reference)
    await office.hear(whatsapp("Two"))
    assert len(await conversations(office)) == 2


async def test_two_whatsapp_messages_at_once_share_one_conversation(office: Office) -> None:
    await asyncio.gather(*(office.hear(whatsapp(f"Message {number}")) for number in range(8)))
    (conversation,) = await conversations(office)
    assert conversation.version == 8
    assert sorted(filed.conversation_version for filed in await office.filed()) == list(range(1, 9))


async def test_a_sender_whom_identity_refuses_is_named_as_the_reason(office: Office) -> None:
    message = form("Hello")
    message.sender.value = "nobody"
    with pytest.raises(errors.SenderRefused) as refused:
        await office.hear(message)
    assert refused.value.reason == "INVALID_IDENTIFIER"


async def test_an_event_with_a_channel_of_the_future_is_refused_by_name(office: Office) -> None:
    with pytest.raises(errors.EventUnreadable):
        await office.hear(form("Hello", channel=message_pb2.CHANNEL_UNSPECIFIED))


async def test_a_nul_in_a_mail_does_not_stop_it(office: Office) -> None:
    await office.hear(mail("before\x00after", message_id="<\x00@c>"))
    ((text,),) = await office.fetch("select text from messages")
    assert text == "before\N{REPLACEMENT CHARACTER}after"


async def test_facts_of_files_are_kept(office: Office) -> None:
    attachment = message_pb2.Attachment(file_name="log.txt", media_type="text/plain", size_bytes=12, sha256="ab" * 32)
    ticket = await office.form("See the file", attachments=[attachment])
    assert list(ticket.messages[0].attachments) == [attachment]


async def test_messages_and_agent_at_once_lose_nothing_and_answer_nothing_twice(office: Office) -> None:
    ticket = await office.form("First")
    await office.triage(ticket.reference)

    async def agent() -> int:
        said = 0
        for version in range(1, 12):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await office.reply(ticket.reference, version)
                said += 1
        return said

    follow_ups: list[channels_events_pb2.MessageReceived] = [
        follow_up(f"Word {number}", ticket.reference) for number in range(6)
    ]
    replying = asyncio.create_task(agent())
    await asyncio.gather(*(office.hear(message) for message in follow_ups))
    said = await replying
    shown = await office.ticket(ticket.reference)
    assert len(shown.messages) == 7 + said
    assert [message.sequence for message in shown.messages] == list(range(1, 8 + said))
    assert len(await office.replies()) == said
    conversation = await office.conversation(ticket.conversation)
    assert conversation.answered_version <= conversation.version
