"""The desk's door: who sees what, who may call what, how lists go on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from services.tickets.tests.conftest import Office, customer_of, follow_up, mail, new_reference, status_token, whatsapp

from fte.access import ACCESS
from fte.channels.v1 import message_pb2
from fte.tickets.v1 import error_reason_pb2, ticket_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb
from meshkit.testing import refused
from tickets import errors

METHODS = {name: callers for name, callers in ACCESS.items() if "TicketsService" in name}
SOMEWHERE = str(uuid.UUID(int=7))
REQUESTS: dict[str, Message] = {
    "GetTicket": pb.GetTicketRequest(ticket=SOMEWHERE),
    "ListTickets": pb.ListTicketsRequest(),
    "GetConversation": pb.GetConversationRequest(name=f"conversations/{SOMEWHERE}"),
    "ListConversations": pb.ListConversationsRequest(),
    "GetMessage": pb.GetMessageRequest(name=f"messages/{SOMEWHERE}"),
    "ListMessages": pb.ListMessagesRequest(ticket=SOMEWHERE),
    "ListTimelineEntries": pb.ListTimelineEntriesRequest(ticket=SOMEWHERE),
    "ListCustomerHistory": pb.ListCustomerHistoryRequest(ticket=SOMEWHERE),
    "TriageTicket": pb.TriageTicketRequest(ticket=SOMEWHERE),
    "CreateMessage": pb.CreateMessageRequest(
        ticket=SOMEWHERE, text="x", request_id="a-request-id", conversation_version=1
    ),
    "EscalateTicket": pb.EscalateTicketRequest(
        ticket=SOMEWHERE, reason=ticket_pb2.ESCALATION_REASON_LEGAL, conversation_version=1
    ),
    "TakeOverTicket": pb.TakeOverTicketRequest(ticket=SOMEWHERE),
    "HandBackTicket": pb.HandBackTicketRequest(ticket=SOMEWHERE),
    "ResolveTicket": pb.ResolveTicketRequest(ticket=SOMEWHERE),
    "GetDeadLetter": pb.GetDeadLetterRequest(name=f"deadLetters/{SOMEWHERE}"),
    "ListDeadLetters": pb.ListDeadLettersRequest(),
    "RedriveDeadLetter": pb.RedriveDeadLetterRequest(name=f"deadLetters/{SOMEWHERE}"),
    "DropDeadLetter": pb.DropDeadLetterRequest(name=f"deadLetters/{SOMEWHERE}"),
}


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_every_method_takes_its_callers_and_refuses_all_others(office: Office) -> None:
    stubs = {caller: await office.stub(caller) for caller in ("public", "staff", "agent", "channels", "knowledge")}
    assert {name.rpartition("/")[2] for name in METHODS} == set(REQUESTS)
    for path, allowed in METHODS.items():
        name = path.rpartition("/")[2]
        for caller, stub in stubs.items():
            code = await code_of(getattr(stub, name)(REQUESTS[name]))
            if caller in allowed or "public" in allowed:
                assert code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND), (name, caller)
            elif caller == "public":
                assert code is grpc.StatusCode.UNAUTHENTICATED, name
            else:
                assert code is grpc.StatusCode.PERMISSION_DENIED, (name, caller)


async def test_what_is_not_there_is_named_by_its_kind(office: Office) -> None:
    stub = await office.stub("staff")
    reasons = {
        "GetTicket": "TICKET_NOT_FOUND",
        "ListMessages": "TICKET_NOT_FOUND",
        "ListTimelineEntries": "TICKET_NOT_FOUND",
        "ListCustomerHistory": "TICKET_NOT_FOUND",
        "CreateMessage": "TICKET_NOT_FOUND",
        "GetConversation": "CONVERSATION_NOT_FOUND",
        "GetMessage": "MESSAGE_NOT_FOUND",
        "GetDeadLetter": "DEAD_LETTER_NOT_FOUND",
        "RedriveDeadLetter": "DEAD_LETTER_NOT_FOUND",
        "DropDeadLetter": "DEAD_LETTER_NOT_FOUND",
    }
    for name, reason in reasons.items():
        failure = await refused(getattr(stub, name)(REQUESTS[name]))
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, reason), name
        assert failure.domain == "tickets.fte"


def test_every_reason_of_the_contract_is_raised_somewhere() -> None:
    raised = {getattr(error, "reason", "") for error in vars(errors).values()}
    declared = {name.removeprefix("ERROR_REASON_") for name, _ in error_reason_pb2.ErrorReason.items()}
    assert declared - {"UNSPECIFIED"} <= raised


async def test_the_customer_sees_eight_fields_and_three_of_each_message(office: Office) -> None:
    ticket = await office.form("How do I reset my password?")
    await office.triage(ticket.name)
    await office.reply(ticket.name, 1, "Select Forgot password.")
    stub = await office.stub("public")
    shown = await stub.GetTicket(pb.GetTicketRequest(ticket=ticket.reference), metadata=status_token(ticket.reference))
    fields = {descriptor.name for descriptor, _ in shown.ListFields()}
    assert fields == {
        "reference", "subject", "state", "category", "priority", "create_time", "update_time", "messages"
    }  # fmt: skip
    assert [(message.author, message.text) for message in shown.messages] == [
        (ticket_pb2.AUTHOR_CUSTOMER, "How do I reset my password?"),
        (ticket_pb2.AUTHOR_AGENT, "Select Forgot password."),
    ]
    for message in shown.messages:
        assert {descriptor.name for descriptor, _ in message.ListFields()} == {"author", "text", "create_time"}


async def test_a_good_token_before_the_message_arrives_shows_that_it_was_promised(office: Office) -> None:
    reference = new_reference()
    stub = await office.stub("public")
    shown = await stub.GetTicket(pb.GetTicketRequest(ticket=reference.lower()), metadata=status_token(reference))
    assert shown == ticket_pb2.Ticket(reference=reference, state=ticket_pb2.TICKET_STATE_NEW)


async def test_unknown_and_forbidden_are_one_and_the_same(office: Office) -> None:
    ticket = await office.form("A secret")
    stub = await office.stub("public")
    other = status_token(new_reference())
    tries: list[tuple[str, Any]] = [
        ("TKT-NONE00", ()),
        ("TKT-NONE00", other),
        (ticket.reference, ()),
        (ticket.reference, other),
        (ticket.reference, (("x-status-token", ""),)),
        (ticket.name, status_token(ticket.reference)),
        (ticket.name, status_token(ticket.name)),
        (ticket.name.removeprefix("tickets/"), status_token(ticket.reference)),
    ]
    answers = []
    for name, metadata in tries:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetTicket(pb.GetTicketRequest(ticket=name), metadata=metadata)
        answers.append((caught.value.code(), caught.value.details()))
    assert len(set(answers)) == 1
    assert answers[0][0] is grpc.StatusCode.NOT_FOUND


async def test_a_token_never_opens_a_ticket_whose_reference_was_drawn_here(office: Office) -> None:
    await office.hear(mail("A stranger's mail"))
    ((reference,),) = await office.fetch("select reference from tickets")
    stub = await office.stub("public")
    # Channels may come to promise the same reference to somebody else; its token is good, and opens nothing.
    shown = await stub.GetTicket(pb.GetTicketRequest(ticket=reference), metadata=status_token(reference))
    assert shown == ticket_pb2.Ticket(reference=reference, state=ticket_pb2.TICKET_STATE_NEW)


async def test_another_service_needs_the_token_as_anyone_does(office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("channels")
    failure = await refused(stub.GetTicket(pb.GetTicketRequest(ticket=ticket.reference)))
    assert failure.reason == "TICKET_NOT_FOUND"


@pytest.mark.parametrize("caller", ["staff", "agent"])
async def test_staff_and_the_agent_see_all_by_any_name(office: Office, caller: str) -> None:
    ticket = await office.form()
    stub = await office.stub(caller)
    for name in (ticket.reference, ticket.reference.lower(), ticket.name, ticket.name.removeprefix("tickets/")):
        assert await stub.GetTicket(pb.GetTicketRequest(ticket=name)) == ticket
    assert ticket.name
    assert ticket.etag


async def test_the_newest_hundred_messages_are_shown_oldest_first(office: Office) -> None:
    ticket = await office.form("0")
    for number in range(1, 103):
        await office.hear(follow_up(str(number), ticket.reference))
    for messages in (
        (await office.ticket(ticket.name)).messages,
        (await office.conversation(ticket.conversation)).messages,
    ):
        assert [message.text for message in messages] == [str(number) for number in range(3, 103)]


async def test_a_message_is_shown_by_its_name(office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("agent")
    assert await stub.GetMessage(pb.GetMessageRequest(name=ticket.messages[0].name)) == ticket.messages[0]


Page = Callable[[Any, str], Awaitable[tuple[list[str], str]]]


async def _tickets(stub: Any, token: str) -> tuple[list[str], str]:
    page = await stub.ListTickets(pb.ListTicketsRequest(page_size=2, page_token=token))
    return [ticket.name for ticket in page.tickets], page.next_page_token


async def _conversations(stub: Any, token: str) -> tuple[list[str], str]:
    page = await stub.ListConversations(pb.ListConversationsRequest(page_size=2, page_token=token))
    return [conversation.ticket.name for conversation in page.conversations], page.next_page_token


@pytest.mark.parametrize("page_of", [_tickets, _conversations])
async def test_pages_hold_everything_once_newest_first(office: Office, page_of: Page) -> None:
    # Three of them in the same moment: the id decides where the time does not.
    names = []
    for step in (0, 0, 0, 1, 1):
        office.clock.advance(step)
        names.append((await office.form()).name)
    stub = await office.stub("staff")
    found, token = await page_of(stub, "")
    while token:
        assert len(found) % 2 == 0
        more, token = await page_of(stub, token)
        found += more
    assert found == names[::-1]


async def test_lists_are_narrowed_by_what_is_asked(office: Office) -> None:
    ticket = await office.form()
    await office.hear(whatsapp("Hello"))
    stub = await office.stub("staff")
    await office.triage(ticket.name)
    opened = await stub.ListTickets(pb.ListTicketsRequest(state=ticket_pb2.TICKET_STATE_OPEN))
    assert [each.name for each in opened.tickets] == [ticket.name]
    anna = await stub.ListTickets(pb.ListTicketsRequest(customer=customer_of("anna@customer.example")))
    assert [each.name for each in anna.tickets] == [ticket.name]
    mobile = await stub.ListConversations(pb.ListConversationsRequest(channel=message_pb2.CHANNEL_WHATSAPP))
    assert [each.channel for each in mobile.conversations] == [message_pb2.CHANNEL_WHATSAPP]
    hers = await stub.ListConversations(pb.ListConversationsRequest(customer=customer_of("anna@customer.example")))
    assert [each.name for each in hers.conversations] == [ticket.conversation]
    assert not hers.conversations[0].messages


async def test_messages_and_timeline_go_on_where_the_page_ended(office: Office) -> None:
    ticket = await office.form("0")
    for number in range(1, 4):
        await office.hear(follow_up(str(number), ticket.reference))
    stub = await office.stub("staff")
    texts: list[str] = []
    token = ""
    while True:
        page = await stub.ListMessages(pb.ListMessagesRequest(ticket=ticket.reference, page_size=3, page_token=token))
        texts += [message.text for message in page.messages]
        token = page.next_page_token
        if not token:
            break
    assert texts == ["0", "1", "2", "3"]
    whole = await office.timeline(ticket.name)
    first = await stub.ListTimelineEntries(pb.ListTimelineEntriesRequest(ticket=ticket.name, page_size=3))
    rest = await stub.ListTimelineEntries(
        pb.ListTimelineEntriesRequest(ticket=ticket.name, page_size=3, page_token=first.next_page_token)
    )
    assert [*first.timeline_entries, *rest.timeline_entries] == whole
    assert not rest.next_page_token


async def test_a_page_token_of_another_query_is_refused(office: Office) -> None:
    for _ in range(3):
        await office.form()
    stub = await office.stub("staff")
    token = (await stub.ListTickets(pb.ListTicketsRequest(page_size=1))).next_page_token
    calls: list[Awaitable[object]] = [
        stub.ListTickets(pb.ListTicketsRequest(page_token=token, state=ticket_pb2.TICKET_STATE_NEW)),
        stub.ListConversations(pb.ListConversationsRequest(page_token=token)),
        stub.ListDeadLetters(pb.ListDeadLettersRequest(page_token=token)),
        stub.ListTickets(pb.ListTicketsRequest(page_token="made-up")),
    ]
    for call in calls:
        failure = await refused(call)
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.violations[0].field == "page_token"


async def test_history_is_shown_only_from_verified_to_verified(office: Office) -> None:
    await office.form("Typed, so only claimed")
    await office.hear(mail("Vouched for, earlier", message_id="<1@c>"))
    await office.hear(mail("Forged", verified=False))
    await office.hear(mail("Vouched for, now", message_id="<2@c>"))
    await office.hear(mail("Somebody else", sender="eve@spy.example"))
    stub = await office.stub("agent")
    rows = await office.fetch(
        "select t.id, m.text from tickets t join messages m on m.ticket_id = t.id order by t.create_time, t.id"
    )
    tickets = {row["text"]: f"tickets/{row['id']}" for row in rows}

    async def history(text: str) -> pb.ListCustomerHistoryResponse:
        return await stub.ListCustomerHistory(pb.ListCustomerHistoryRequest(ticket=tickets[text]))

    shown = await history("Vouched for, now")
    assert [ticket.name for ticket in shown.tickets] == [tickets["Vouched for, earlier"]]
    assert not shown.withheld
    for text in ("Forged", "Typed, so only claimed"):
        assert await history(text) == pb.ListCustomerHistoryResponse(withheld=True)
    assert await history("Somebody else") == pb.ListCustomerHistoryResponse()


async def test_a_broken_request_names_its_fields(office: Office) -> None:
    stub = await office.stub("staff")
    failure = await refused(stub.CreateMessage(pb.CreateMessageRequest(ticket="TKT-1", text="", request_id="short")))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert {violation.field for violation in failure.violations} == {"ticket", "text", "request_id"}


@pytest.mark.parametrize("blank", ["   ", "\n\t", "\u200b\u2060"])
async def test_nothing_that_nobody_could_see_is_said_to_a_customer(blank: str, office: Office) -> None:
    ticket = await office.form()
    stub = await office.stub("staff")
    reply = pb.CreateMessageRequest(ticket=ticket.name, text=blank, request_id="a-request-id")
    handover = pb.EscalateTicketRequest(
        ticket=ticket.name, reason=ticket_pb2.ESCALATION_REASON_STAFF_DECISION, message=blank
    )
    for call, field in ((stub.CreateMessage(reply), "text"), (stub.EscalateTicket(handover), "message")):
        failure = await refused(call)
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
        assert [violation.field for violation in failure.violations] == [field]
    assert (await office.ticket(ticket.reference)).state == ticket_pb2.TICKET_STATE_NEW


async def test_the_log_holds_no_words_of_a_customer(office: Office) -> None:
    ticket = await office.form("My password is hunter2")
    await office.triage(ticket.name)
    await office.reply(ticket.name, 1, "Please replace hunter2.")
    await refused(
        (await office.stub("public")).GetTicket(
            pb.GetTicketRequest(ticket=ticket.reference), metadata=(("x-status-token", "hunter2"),)
        )
    )
    log = json.dumps(await office.server.log(4))
    assert "hunter2" not in log
    assert "customer.example" not in log
