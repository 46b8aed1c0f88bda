"""What could not be handled: kept whatever it holds, shown, redriven, dropped; and the one apology."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from services.tickets.tests.conftest import Office, event, follow_up, form, mail, new_reference, status_token

from fte.channels.v1 import message_pb2
from fte.channels.v1.channels_events_pb2 import DeliveryChanged, MessageReceived
from fte.tickets.v1 import ticket_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb
from meshkit.envelope import Received
from meshkit.ids import uuid7
from meshkit.testing import refused

DLQ = "fte.tickets.dlq"
INCOMING = "fte.tickets.incoming"


def record(value: bytes, *headers: tuple[str, bytes], **changes: Any) -> Received[bytes]:
    """A record among the dead letters, whatever it holds."""
    return replace(event(MessageReceived(), DLQ, headers=headers, **changes), message=value)


def dead(
    message: Message,
    *,
    topic: str = INCOMING,
    consumer: str = "tickets",
    value: bytes | None = None,
    event_id: uuid.UUID | None = None,
    redrive: int = 0,
) -> Received[bytes]:
    """An event as it comes from the dead letters."""
    event_id = event_id or uuid7()
    return record(
        message.SerializeToString() if value is None else value,
        ("ce_id", str(event_id).encode()),
        ("ce_type", message.DESCRIPTOR.full_name.encode()),
        ("content-type", b"application/protobuf"),
        ("sequence", b"41"),
        *([("redrive", str(redrive).encode())] if redrive else []),
        ("dlq_reason", b"INVALID_IDENTIFIER"),
        ("dlq_consumer", consumer.encode()),
        ("dlq_topic", topic.encode()),
        ("dlq_partition", b"3"),
        ("dlq_offset", b"17"),
        ("dlq_attempts", b"5"),
        ("dlq_time", b"2026-01-01T12:00:00Z"),
        id=event_id,
        type=message.DESCRIPTOR.full_name,
        key="anna@customer.example",
        redrive=redrive,
    )


async def letters(office: Office, **filters: Any) -> list[ticket_pb2.DeadLetter]:
    page = await (await office.stub("staff")).ListDeadLetters(pb.ListDeadLettersRequest(**filters))
    return list(page.dead_letters)


async def test_a_dead_letter_is_kept_and_shown_without_its_content(office: Office) -> None:
    message = form("A secret of mine")
    received = dead(message)
    assert await office.handle(received)
    assert not await office.handle(received)
    (letter,) = await letters(office)
    assert letter.state == ticket_pb2.DEAD_LETTER_STATE_WAITING
    assert (letter.topic, letter.partition, letter.offset) == (INCOMING, 3, 17)
    assert (letter.consumer, letter.reason, letter.attempts) == ("tickets", "INVALID_IDENTIFIER", 5)
    assert (letter.event_type, letter.event_id) == ("fte.channels.v1.MessageReceived", str(received.id))
    assert letter.size_bytes == message.ByteSize()
    assert b"secret" not in letter.SerializeToString()
    stub = await office.stub("staff")
    assert await stub.GetDeadLetter(pb.GetDeadLetterRequest(name=letter.name)) == letter


@pytest.mark.parametrize(
    "received",
    [
        record(b""),
        record(b"\xff\x00\xfe", ("ce_type", b"\xff\x00"), ("\x00", b"\x00")),
        record(b"x", ("dlq_offset", b"9" * 40), ("dlq_topic", b"a" * 900)),
    ],
)
async def test_whatever_a_record_holds_it_is_kept(office: Office, received: Received[bytes]) -> None:
    assert await office.handle(received)
    assert len(await letters(office)) == 1


async def test_a_form_that_could_not_be_filed_gets_one_apology_on_its_status_page(office: Office) -> None:
    reference = new_reference()
    received = dead(form("Help", reference=reference))
    await office.handle(received)
    # The same message, given up once more after a redrive.
    await office.handle(dead(form("Help", reference=reference), event_id=received.id, redrive=1))
    (reply,) = await office.replies()
    assert (reply.reference, reply.recipient.value) == (reference, "anna@customer.example")
    assert "sorry" in reply.text
    stub = await office.stub("public")
    shown = await stub.GetTicket(pb.GetTicketRequest(ticket=reference), metadata=status_token(reference))
    assert shown.state == ticket_pb2.TICKET_STATE_ESCALATED
    assert [(message.author, message.text) for message in shown.messages] == [(ticket_pb2.AUTHOR_AGENT, reply.text)]
    assert {letter.redrive_count for letter in await letters(office)} == {0, 1}


async def test_an_apology_stays_beside_the_messages_that_were_filed(office: Office) -> None:
    ticket = await office.form("First")
    office.clock.advance(1)
    await office.handle(dead(follow_up("Lost", ticket.reference)))
    shown = await office.ticket(ticket.reference)
    assert [message.author for message in shown.messages] == [ticket_pb2.AUTHOR_CUSTOMER, ticket_pb2.AUTHOR_AGENT]
    apology = shown.messages[1]
    receipt = DeliveryChanged(
        message=apology.name, channel=message_pb2.CHANNEL_WEB_FORM, state=message_pb2.DELIVERY_STATE_DELIVERED
    )
    await office.handle(event(receipt, "fte.channels.deliveries"))
    stub = await office.stub("staff")
    delivered = await stub.GetMessage(pb.GetMessageRequest(name=apology.name))
    assert delivered.delivery_state == message_pb2.DELIVERY_STATE_DELIVERED
    # It ends nothing: what the customer wrote before is still owed.
    conversation = await office.conversation(ticket.conversation)
    assert conversation.answered_version == 0


async def test_a_mail_that_could_not_be_filed_is_apologised_for_in_its_thread(office: Office) -> None:
    await office.handle(dead(mail("Help", message_id="<1@c>", provider_thread_id="t1")))
    (reply,) = await office.replies()
    assert (reply.channel, reply.thread.message_id) == (message_pb2.CHANNEL_EMAIL, "<1@c>")


@pytest.mark.parametrize(
    "letter",
    [
        dead(form("Given up by another"), consumer="other"),
        dead(form("From another topic"), topic="fte.channels.deliveries"),
        dead(form("Cut off"), value=b"\x0a\xff"),
        dead(form("Of no channel", channel=0)),
        dead(DeliveryChanged(message="messages/x")),
    ],
)
async def test_what_is_no_readable_message_of_a_customer_gets_no_apology(
    office: Office, letter: Received[bytes]
) -> None:
    assert await office.handle(letter)
    assert await office.replies() == []
    assert len(await letters(office)) == 1


async def test_a_redrive_goes_to_its_one_consumer_as_it_was(office: Office) -> None:
    message = form("Again")
    received = dead(message)
    await office.handle(received)
    (letter,) = await letters(office)
    stub = await office.stub("staff")
    redriven = await stub.RedriveDeadLetter(pb.RedriveDeadLetterRequest(name=letter.name))
    assert redriven.state == ticket_pb2.DEAD_LETTER_STATE_REDRIVEN
    assert await stub.RedriveDeadLetter(pb.RedriveDeadLetterRequest(name=letter.name)) == redriven
    (row,) = await office.fetch("select key, value, header_names, header_values from outbox where topic = $1", INCOMING)
    headers = dict(zip(row["header_names"], row["header_values"], strict=True))
    assert (row["key"], row["value"]) == (b"anna@customer.example", message.SerializeToString())
    assert headers["redrive"] == b"1"
    assert headers["redrive_for"] == b"tickets"
    assert headers["ce_id"] == str(received.id).encode()
    assert not any(name.startswith("dlq_") for name in headers)
    failure = await refused(stub.DropDeadLetter(pb.DropDeadLetterRequest(name=letter.name)))
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DEAD_LETTER_SETTLED")


async def test_what_was_dropped_is_not_redriven(office: Office) -> None:
    await office.handle(dead(form("Never mind")))
    (letter,) = await letters(office)
    stub = await office.stub("staff")
    dropped = await stub.DropDeadLetter(pb.DropDeadLetterRequest(name=letter.name))
    assert dropped.state == ticket_pb2.DEAD_LETTER_STATE_DROPPED
    assert await stub.DropDeadLetter(pb.DropDeadLetterRequest(name=letter.name)) == dropped
    failure = await refused(stub.RedriveDeadLetter(pb.RedriveDeadLetterRequest(name=letter.name)))
    assert failure.reason == "DEAD_LETTER_SETTLED"
    assert failure.metadata["state"] == "DROPPED"
    assert await office.fetch("select id from outbox where topic = $1", INCOMING) == []


async def test_a_record_that_nobody_gave_up_can_only_be_dropped(office: Office) -> None:
    await office.handle(record(b"x"))
    (letter,) = await letters(office)
    stub = await office.stub("staff")
    failure = await refused(stub.RedriveDeadLetter(pb.RedriveDeadLetterRequest(name=letter.name)))
    assert failure.violations[0].field == "name"
    await stub.DropDeadLetter(pb.DropDeadLetterRequest(name=letter.name))


async def test_dead_letters_are_listed_by_state_and_topic(office: Office) -> None:
    for topic in (INCOMING, "fte.tickets.messages", "fte.tickets.messages"):
        office.clock.advance(1)
        await office.handle(dead(DeliveryChanged(), topic=topic))
    assert len(await letters(office, topic="fte.tickets.messages")) == 2
    newest = (await letters(office))[0]
    await (await office.stub("staff")).DropDeadLetter(pb.DropDeadLetterRequest(name=newest.name))
    assert len(await letters(office, state=ticket_pb2.DEAD_LETTER_STATE_WAITING)) == 2
    stub = await office.stub("staff")
    first = await stub.ListDeadLetters(pb.ListDeadLettersRequest(page_size=2))
    rest = await stub.ListDeadLetters(pb.ListDeadLettersRequest(page_size=2, page_token=first.next_page_token))
    assert [len(first.dead_letters), len(rest.dead_letters), rest.next_page_token] == [2, 1, ""]
