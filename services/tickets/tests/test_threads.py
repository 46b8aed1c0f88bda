"""Mail and WhatsApp: which conversation a message joins, and what a reply needs to stand in the customer's thread."""

from __future__ import annotations

from typing import Any

from services.tickets.tests.conftest import Office, mail, whatsapp

from fte.channels.v1 import message_pb2
from fte.tickets.v1 import ticket_pb2, tickets_events_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb


async def only_ticket(office: Office) -> ticket_pb2.Ticket:
    (ticket,) = (await (await office.stub("staff")).ListTickets(pb.ListTicketsRequest())).tickets
    return ticket


async def reply_to(office: Office, filed: tickets_events_pb2.MessageFiled) -> tickets_events_pb2.ReplyRequested:
    """What is asked of channels once the agent has replied."""
    await office.triage(filed.ticket)
    await office.reply(filed.ticket, filed.conversation_version)
    return (await office.replies())[-1]


async def test_a_reply_carries_the_whole_chain_of_the_mail_that_it_answers(office: Office) -> None:
    thread: dict[str, Any] = {
        "provider_thread_id": "t1",
        "message_id": "<3@c>",
        "in_reply_to": "<2@c>",
        "references": ["<1@c>", "<2@c>"],
    }
    await office.hear(mail("And then?", **thread))
    (filed,) = await office.filed()
    reply = await reply_to(office, filed)
    assert reply.thread == message_pb2.Thread(**(thread | {"references": ["<1@c>", "<2@c>", "<3@c>"]}))


async def test_a_reply_stands_under_the_subject_of_the_customers_newest_mail(office: Office) -> None:
    await office.hear(mail("How do I reset my password?", provider_thread_id="t1"))
    (filed,) = await office.filed()
    stub = await office.stub("agent")
    # Whoever sorts the ticket may call it otherwise: the thread keeps its name.
    await stub.TriageTicket(pb.TriageTicketRequest(ticket=filed.ticket, subject="Password reset"))
    assert (await reply_to(office, filed)).subject == "Question"
    newer = mail("Thanks, and then?", provider_thread_id="t1")
    newer.subject = "Re: Question"
    await office.hear(newer)
    assert (await only_ticket(office)).subject == "Password reset"
    assert (await reply_to(office, (await office.filed())[-1])).subject == "Re: Question"


async def test_mail_of_another_address_in_the_thread_has_a_conversation_and_a_customer_of_its_own(
    office: Office,
) -> None:
    await office.hear(mail("My account number is 1234", provider_thread_id="t1", message_id="<1@c>"))
    await office.hear(
        mail(
            "I was in copy",
            sender="eve@spy.example",
            provider_thread_id="t1",
            message_id="<2@s>",
            references=["<1@c>"],
        )
    )
    first, second = await office.filed()
    assert first.conversation != second.conversation
    assert first.customer != second.customer
    texts = [message.text for message in (await office.conversation(second.conversation)).messages]
    assert texts == ["I was in copy"]
    reply = await reply_to(office, second)
    assert (reply.recipient.value, reply.thread.message_id) == ("eve@spy.example", "<2@s>")
    # And the first customer goes on where they were.
    await office.hear(mail("And then?", provider_thread_id="t1"))
    assert (await office.filed())[-1].conversation == first.conversation


async def test_an_address_is_the_same_in_any_case(office: Office) -> None:
    await office.hear(mail("First", provider_thread_id="t1"))
    await office.hear(mail("Second", sender="Anna@Customer.Example", provider_thread_id="t1"))
    assert len({filed.conversation for filed in await office.filed()}) == 1


async def test_the_same_subject_alone_joins_nothing(office: Office) -> None:
    await office.hear(mail("First", provider_thread_id="t1", message_id="<1@c>"))
    answer = mail("Re: First", provider_thread_id="t2", message_id="<2@c>")
    answer.subject = "Re: Question"
    await office.hear(answer)
    assert len({filed.conversation for filed in await office.filed()}) == 2


async def test_a_mail_without_a_subject_is_called_by_its_first_words(office: Office) -> None:
    message = mail("How do I reset my password?")
    message.subject = ""
    await office.hear(message)
    assert (await only_ticket(office)).subject == "How do I reset my password?"


async def test_a_whatsapp_ticket_is_called_by_the_first_words_of_its_burst(office: Office) -> None:
    for text in ("Hi", "I have a question", "how do I export all of my projects at once, please?"):
        await office.hear(whatsapp(text))
    ticket = await only_ticket(office)
    assert ticket.subject == "Hi I have a question how do I export all of my projects at…"
    await office.triage(ticket.name)
    await office.hear(whatsapp("Hello?"))
    assert (await only_ticket(office)).subject == ticket.subject


async def test_a_picture_alone_is_called_one(office: Office) -> None:
    message = whatsapp("")
    message.attachments.add(media_type="image/jpeg")
    await office.hear(message)
    assert (await only_ticket(office)).subject == "Image"


async def test_a_whatsapp_reply_keeps_the_tickets_subject(office: Office) -> None:
    await office.hear(whatsapp("How do I reset my password?"))
    (filed,) = await office.filed()
    assert (await reply_to(office, filed)).subject == "How do I reset my password?"
