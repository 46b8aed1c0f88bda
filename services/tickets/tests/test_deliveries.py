"""What channels tells of messages on their way: receipts, failures that bring in a person, and who can be reached."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from services.tickets.tests.conftest import Office, event, mail, whatsapp

from fte.channels.v1 import message_pb2
from fte.channels.v1.channels_events_pb2 import DeliveryChanged
from fte.identity.v1 import customer_pb2
from fte.tickets.v1 import ticket_pb2, tickets_events_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb
from meshkit.errors import Unavailable
from meshkit.timestamps import timestamp
from tickets import errors

S = ticket_pb2.TicketState
D = message_pb2.DeliveryState
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DELIVERY = f"deliveries/{uuid.uuid4()}"


def receipt(message: str, state: D.ValueType, reason: str = "", *, minute: int = 0, **changes: Any) -> DeliveryChanged:
    given: dict[str, Any] = {
        "delivery": DELIVERY,
        "message": message,
        "channel": message_pb2.CHANNEL_WHATSAPP,
        "state": state,
        "failure_reason": reason,
        "change_time": timestamp(NOON + timedelta(minutes=minute)),
    }
    return DeliveryChanged(**(given | changes))


async def told(office: Office, change: DeliveryChanged) -> None:
    """Channels' word arrives."""
    await office.handle(event(change, "fte.channels.deliveries"))


async def answered(office: Office) -> tuple[ticket_pb2.Ticket, ticket_pb2.Message]:
    """A ticket whose customer has a reply on its way."""
    ticket = await office.form()
    await office.triage(ticket.name)
    return ticket, await office.reply(ticket.name, 1)


async def delivery_state(office: Office, ticket: ticket_pb2.Ticket) -> str:
    return D.Name((await office.ticket(ticket.name)).messages[-1].delivery_state).removeprefix("DELIVERY_STATE_")


async def delivery_facts(office: Office, ticket: ticket_pb2.Ticket) -> list[dict[str, str]]:
    return [dict(each.facts) for each in await office.timeline(ticket.name) if "deliveryState" in each.facts]


async def escalations(office: Office) -> list[tickets_events_pb2.TicketEscalated]:
    return await office.published(tickets_events_pb2.TicketEscalated)


async def test_receipts_move_a_message_forward_only(office: Office) -> None:
    ticket, said = await answered(office)
    for state in (
        D.DELIVERY_STATE_QUEUED,
        D.DELIVERY_STATE_DELIVERED,
        D.DELIVERY_STATE_CLAIMED,
        D.DELIVERY_STATE_UNCERTAIN,
        D.DELIVERY_STATE_SENT,
        D.DELIVERY_STATE_DELIVERED,
        D.DELIVERY_STATE_FAILED,
    ):
        await told(office, receipt(said.name, state))
    assert await delivery_state(office, ticket) == "DELIVERED"
    changed = [entry for entry in await office.timeline(ticket.name) if "deliveryState" in entry.facts]
    assert [dict(entry.facts) for entry in changed] == [
        {"deliveryState": "QUEUED", "delivery": DELIVERY},
        {"deliveryState": "DELIVERED", "delivery": DELIVERY},
    ]
    assert {entry.actor for entry in changed} == {"desk"}
    assert await escalations(office) == []


async def test_a_reply_that_failed_brings_in_a_person_and_says_nothing_more_to_the_customer(office: Office) -> None:
    ticket, said = await answered(office)
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "NUMBER_UNKNOWN"))
    shown = await office.ticket(ticket.name)
    assert shown.state == S.TICKET_STATE_ESCALATED
    assert shown.escalation.reason == ticket_pb2.ESCALATION_REASON_DELIVERY_FAILED
    assert "by WhatsApp (number unknown)" in shown.escalation.summary
    assert await delivery_facts(office, ticket) == [
        {"deliveryState": "FAILED", "failureReason": "NUMBER_UNKNOWN", "delivery": DELIVERY}
    ]
    escalated = (await office.timeline(ticket.name))[-1]
    assert (escalated.actor, escalated.message, dict(escalated.facts)) == (
        "desk",
        said.name,
        {"reason": "DELIVERY_FAILED"},
    )
    (fact,) = await escalations(office)
    assert (fact.ticket, fact.reason) == (ticket.name, ticket_pb2.ESCALATION_REASON_DELIVERY_FAILED)
    assert len(await office.replies()) == 1


async def test_a_reply_that_may_not_have_left_brings_in_a_person_with_what_to_do(office: Office) -> None:
    ticket, said = await answered(office)
    await told(office, receipt(said.name, D.DELIVERY_STATE_UNCERTAIN, "NOT_FOUND_AFTER_SEND"))
    shown = await office.ticket(ticket.name)
    assert shown.state == S.TICKET_STATE_ESCALATED
    assert "confirm the delivery, or send it again" in shown.escalation.summary
    # The provider's own word, late: it has arrived after all, and a person still has the case.
    await told(office, receipt(said.name, D.DELIVERY_STATE_DELIVERED, minute=1))
    assert await delivery_state(office, ticket) == "DELIVERED"
    assert (await office.ticket(ticket.name)).state == S.TICKET_STATE_ESCALATED


async def test_the_same_failure_twice_is_one_escalation(office: Office) -> None:
    ticket, said = await answered(office)
    for _ in range(2):
        await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "NUMBER_UNKNOWN"))
    assert len(await escalations(office)) == 1
    assert (await office.kinds(ticket.name)).count("ESCALATED") == 1


async def test_a_person_who_has_the_case_keeps_it_when_a_delivery_fails(office: Office) -> None:
    ticket, said = await answered(office)
    staff = await office.stub("staff")
    await staff.TakeOverTicket(pb.TakeOverTicketRequest(ticket=ticket.name))
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "NUMBER_UNKNOWN"))
    shown = await office.ticket(ticket.name)
    assert (shown.state, shown.assignee) == (S.TICKET_STATE_WAITING_ON_CUSTOMER, "ada")
    assert (await delivery_facts(office, ticket))[-1]["deliveryState"] == "FAILED"
    assert await escalations(office) == []


async def test_kind_words_that_do_not_arrive_leave_the_escalation_as_it_was(office: Office) -> None:
    ticket = await office.form()
    await office.escalate(ticket.name, 1)
    words = (await office.ticket(ticket.name)).messages[-1]
    await told(office, receipt(words.name, D.DELIVERY_STATE_FAILED, "NUMBER_UNKNOWN"))
    assert (await office.ticket(ticket.name)).escalation.reason == ticket_pb2.ESCALATION_REASON_NO_ANSWER_FOUND
    assert len(await escalations(office)) == 1


async def test_a_resolved_ticket_whose_last_words_did_not_arrive_is_a_persons_again(office: Office) -> None:
    ticket, said = await answered(office)
    staff = await office.stub("staff")
    await staff.ResolveTicket(pb.ResolveTicketRequest(ticket=ticket.name))
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "MAILBOX_FULL"))
    assert (await office.ticket(ticket.name)).state == S.TICKET_STATE_ESCALATED


async def test_a_closed_ticket_only_shows_that_a_delivery_failed(office: Office) -> None:
    ticket, said = await answered(office)
    await office.fetch("update tickets set state = 'CLOSED'")
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "MAILBOX_FULL"))
    assert (await office.ticket(ticket.name)).state == S.TICKET_STATE_CLOSED
    assert await delivery_state(office, ticket) == "FAILED"
    assert await escalations(office) == []


async def test_what_is_owed_is_owed_again_once_the_case_is_handed_back(office: Office) -> None:
    await office.hear(whatsapp("How do I reset my password?"))
    (first,) = await office.filed()
    await office.triage(first.ticket)
    said = await office.reply(first.ticket, 1)
    await office.hear(whatsapp("Hello?"))
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "NUMBER_UNKNOWN"))
    # While a person has the case, the desk's timer leaves it alone.
    office.clock.advance(1000)
    await office.look_for_overdue()
    assert len(await escalations(office)) == 1
    staff = await office.stub("staff")
    handed_back = await staff.HandBackTicket(pb.HandBackTicketRequest(ticket=first.ticket))
    assert handed_back.state == S.TICKET_STATE_OPEN
    assert (await office.filed())[-1].conversation_version == 3


async def test_what_a_person_sends_again_goes_its_way_afresh(office: Office) -> None:
    ticket, said = await answered(office)
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "NUMBER_UNKNOWN", minute=1))
    # Words of the first attempt that come late change nothing.
    await told(office, receipt(said.name, D.DELIVERY_STATE_SENT))
    assert await delivery_state(office, ticket) == "FAILED"
    for minute, state in ((2, D.DELIVERY_STATE_QUEUED), (3, D.DELIVERY_STATE_SENT), (4, D.DELIVERY_STATE_DELIVERED)):
        await told(office, receipt(said.name, state, minute=minute))
    assert await delivery_state(office, ticket) == "DELIVERED"


async def test_what_is_uncertain_can_be_queued_again_and_fail(office: Office) -> None:
    ticket, said = await answered(office)
    await told(office, receipt(said.name, D.DELIVERY_STATE_UNCERTAIN, minute=1))
    await told(office, receipt(said.name, D.DELIVERY_STATE_QUEUED))
    assert await delivery_state(office, ticket) == "UNCERTAIN"
    await told(office, receipt(said.name, D.DELIVERY_STATE_QUEUED, minute=2))
    assert await delivery_state(office, ticket) == "QUEUED"
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, "NUMBER_UNKNOWN", minute=3))
    assert await delivery_state(office, ticket) == "FAILED"
    assert len(await escalations(office)) == 1


@pytest.mark.parametrize(
    ("word", "type_", "value"),
    [
        (
            customer_pb2.REACHABILITY_UNDELIVERABLE,
            customer_pb2.IDENTIFIER_TYPE_EMAIL,
            "anna@customer.example",
        ),
        (customer_pb2.REACHABILITY_OPTED_OUT, customer_pb2.IDENTIFIER_TYPE_PHONE, "+14155550123"),
        (customer_pb2.REACHABILITY_REACHABLE, customer_pb2.IDENTIFIER_TYPE_PHONE, "+14155550123"),
    ],
)
async def test_who_can_be_reached_is_told_to_identity_also_without_a_delivery(
    word: customer_pb2.Reachability.ValueType,
    type_: customer_pb2.IdentifierType.ValueType,
    value: str,
    office: Office,
) -> None:
    await told(
        office,
        DeliveryChanged(
            channel=message_pb2.CHANNEL_WHATSAPP,
            change_time=timestamp(NOON),
            recipient=message_pb2.Sender(type=type_, value=value),
            reachability=word,
        ),
    )
    (marked,) = office.neighbour.marked
    assert (marked.identifier.type, marked.identifier.value) == (type_, value)
    assert (marked.reachability, marked.change_time) == (word, timestamp(NOON))
    assert await office.fetch("select id from timeline_entries") == []


async def test_a_bounce_is_both_a_failure_and_a_word_about_the_address(office: Office) -> None:
    ticket, said = await answered(office)
    await told(
        office,
        receipt(
            said.name,
            D.DELIVERY_STATE_FAILED,
            "BOUNCED",
            channel=message_pb2.CHANNEL_EMAIL,
            recipient=message_pb2.Sender(type=customer_pb2.IDENTIFIER_TYPE_EMAIL, value="anna@customer.example"),
            reachability=customer_pb2.REACHABILITY_UNDELIVERABLE,
        ),
    )
    assert len(office.neighbour.marked) == 1
    assert "by e-mail (bounced)" in (await office.ticket(ticket.name)).escalation.summary


async def test_nothing_is_noted_while_identity_is_away(office: Office) -> None:
    ticket, said = await answered(office)
    change = receipt(
        said.name,
        D.DELIVERY_STATE_FAILED,
        recipient=message_pb2.Sender(type=customer_pb2.IDENTIFIER_TYPE_EMAIL, value="anna@customer.example"),
        reachability=customer_pb2.REACHABILITY_UNDELIVERABLE,
    )
    office.neighbour.away = True
    with pytest.raises(Unavailable):
        await told(office, change)
    assert await delivery_state(office, ticket) == "UNSPECIFIED"
    office.neighbour.away = False
    await told(office, change)
    assert await delivery_state(office, ticket) == "FAILED"


async def test_an_address_that_identity_takes_for_none_does_not_hold_up_the_delivery(office: Office) -> None:
    ticket, said = await answered(office)
    nobody = message_pb2.Sender(type=customer_pb2.IDENTIFIER_TYPE_EMAIL, value="nobody")
    unreachable = customer_pb2.REACHABILITY_UNDELIVERABLE
    await told(office, receipt(said.name, D.DELIVERY_STATE_FAILED, recipient=nobody, reachability=unreachable))
    assert await delivery_state(office, ticket) == "FAILED"


async def test_a_delivery_that_is_no_message_of_the_desk_changes_nothing_here(office: Office) -> None:
    await office.form()
    await told(office, receipt("", D.DELIVERY_STATE_FAILED, "BOUNCED"))
    assert await escalations(office) == []
    assert len(await office.fetch("select id from timeline_entries")) == 1


@pytest.mark.parametrize(
    "change",
    [
        DeliveryChanged.FromString(b"\x20\x03" + b"\x28\x63"),
        DeliveryChanged(state=D.DELIVERY_STATE_SENT),
        DeliveryChanged(channel=message_pb2.CHANNEL_EMAIL, reachability=customer_pb2.REACHABILITY_OPTED_OUT),
    ],
    ids=["a state of the future", "no channel", "reachability of nobody"],
)
async def test_a_word_that_this_version_does_not_know_is_refused_by_name(
    change: DeliveryChanged, office: Office
) -> None:
    with pytest.raises(errors.EventUnreadable):
        await told(office, change)


async def test_a_receipt_for_what_nobody_said_is_refused(office: Office) -> None:
    with pytest.raises(errors.MessageNotFound):
        await told(office, receipt(f"messages/{uuid.uuid4()}", D.DELIVERY_STATE_SENT))


async def test_a_mail_that_answers_ours_joins_by_the_message_id_that_the_provider_gave(office: Office) -> None:
    await office.hear(mail("How do I reset my password?", message_id="<1@customer.example>"))
    (filed,) = await office.filed()
    await office.triage(filed.ticket)
    said = await office.reply(filed.ticket, 1)
    await told(
        office,
        receipt(
            said.name,
            D.DELIVERY_STATE_SENT,
            channel=message_pb2.CHANNEL_EMAIL,
            thread=message_pb2.Thread(message_id="<given@provider.example>"),
        ),
    )
    # A receipt that knows no thread takes the id from nobody.
    await told(office, receipt(said.name, D.DELIVERY_STATE_DELIVERED, minute=1))
    await office.hear(mail("Thanks, and then?", in_reply_to="<given@provider.example>"))
    assert [each.conversation_version for each in await office.filed()] == [1, 3]
    # From another address the same header opens no door.
    await office.hear(mail("Me too", sender="eve@spy.example", in_reply_to="<given@provider.example>"))
    assert (await office.filed())[-1].conversation != filed.conversation
