"""The customers' door: the form, the status page, and who may call what."""

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from services.channels.tests.conftest import STATUS_TOKEN_KEY, Running, StartChannels, form

from channels import store
from channels.errors import (
    BadSignature,
    BadToken,
    ChannelDisabled,
    DeliveryNotFound,
    DeliverySettled,
    IdempotencyKeyReused,
    InboundMessageNotFound,
    TicketNotFound,
    TooManyMessages,
    UnknownCategory,
    WebhookUnreadable,
    WrongAccount,
)
from fte.access import ACCESS
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1 import error_reason_pb2, message_pb2
from fte.channels.v1.channels_events_pb2 import MessageReceived
from fte.identity.v1.customer_pb2 import IDENTIFIER_TYPE_EMAIL
from meshkit.envelope import Event
from meshkit.outbox import Outbox
from meshkit.promises import StatusTokens
from meshkit.testing import eventually, refused
from meshkit.timestamps import moment

TOKENS = StatusTokens(STATUS_TOKEN_KEY)
INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def test_a_form_is_answered_with_its_reference_token_and_page(channels: Running) -> None:
    promise = await (await channels.stub()).SubmitForm(form())
    assert re.fullmatch(r"TKT-[0-9A-HJKMNP-TV-Z]{6}", promise.reference)
    assert TOKENS.proves(promise.reference, promise.status_token)
    assert promise.status_url == f"http://127.0.0.1:8080/status/{promise.reference}#{promise.status_token}"


async def test_a_form_is_filed_once_and_told_to_the_desk_in_full(channels: Running) -> None:
    promise = await (await channels.stub()).SubmitForm(
        form(priority=message_pb2.PRIORITY_HIGH, email="Ada@TechCorp.example")
    )
    (fact,) = await channels.received()
    assert (fact.reference, fact.opens_conversation) == (promise.reference, True)
    assert (fact.subject, fact.text) == ("Export", "How do I export a board?")
    assert (fact.category, fact.priority) == ("technical", message_pb2.PRIORITY_HIGH)
    assert (fact.sender.type, fact.sender.value) == (IDENTIFIER_TYPE_EMAIL, "Ada@TechCorp.example")
    assert (fact.sender.display_name, fact.sender.verified) == ("Ada Lovelace", False)
    assert fact.channel == message_pb2.CHANNEL_WEB_FORM
    assert moment(fact.receive_time) == channels.clock.now()
    async with channels.database.connection() as connection:
        row = await connection.fetchrow("select key, header_names, header_values from outbox")
    assert row is not None
    headers = dict(zip(row["header_names"], row["header_values"], strict=True))
    assert row["key"] == b"ada@techcorp.example"
    assert headers["ce_type"] == b"fte.channels.v1.MessageReceived"
    assert (headers["ce_source"], headers["ce_subject"]) == (b"/fte/channels", fact.inbound_message.encode())
    staff = await channels.stub("staff")
    message = await staff.GetInboundMessage(pb.GetInboundMessageRequest(name=fact.inbound_message))
    assert (message.reference, message.provider_message_id) == (promise.reference, fact.provider_message_id)
    assert not message.sender_verified


async def test_a_form_without_a_priority_is_of_medium_priority(channels: Running) -> None:
    await (await channels.stub()).SubmitForm(form())
    assert [fact.priority for fact in await channels.received()] == [message_pb2.PRIORITY_MEDIUM]


async def test_the_same_form_without_a_key_is_a_second_form(channels: Running) -> None:
    customer = await channels.stub()
    promises = [await customer.SubmitForm(form()) for _ in range(2)]
    assert promises[0].reference != promises[1].reference
    assert await channels.count("inbound") == 2


async def test_the_relay_is_woken_by_a_form(channels: Running) -> None:
    woken = asyncio.Event()
    channels.database.subscribe(woken.set)
    await (await channels.stub()).SubmitForm(form())
    assert woken.is_set()


async def test_a_reference_that_is_taken_is_not_promised_again(
    channels: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter(["TKT-AAAAAA", "TKT-AAAAAA", "TKT-AAAAAA", "TKT-BBBBBB"])
    monkeypatch.setattr("meshkit.promises.promised_reference", lambda: next(draws))
    customer = await channels.stub()
    promises = [await customer.SubmitForm(form(), metadata=(("idempotency-key", key),)) for key in "ab"]
    assert [promise.reference for promise in promises] == ["TKT-AAAAAA", "TKT-BBBBBB"]
    assert len(await channels.received()) == 2


async def test_when_no_reference_comes_free_the_form_may_be_sent_again(
    channels: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshkit.promises.promised_reference", lambda: "TKT-AAAAAA")
    customer = await channels.stub()
    await customer.SubmitForm(form())
    failure = await refused(customer.SubmitForm(form()))
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert await channels.count("inbound") == len(await channels.received()) == 1


async def test_the_customers_next_message_joins_under_the_forms_sender(channels: Running) -> None:
    customer = await channels.stub()
    promise = await customer.SubmitForm(form())
    channels.clock.advance(60)
    answer = await customer.SubmitMessage(
        pb.SubmitMessageRequest(reference=promise.reference.lower(), text="And how often?"),
        metadata=(("x-status-token", promise.status_token),),
    )
    first, second = await channels.received()
    assert (second.reference, second.opens_conversation) == (promise.reference, False)
    assert second.sender == first.sender
    assert (second.text, second.subject, second.category) == ("And how often?", "", "")
    assert second.priority == message_pb2.PRIORITY_UNSPECIFIED
    assert (answer.reference, moment(answer.receive_time)) == (promise.reference, channels.clock.now())


async def test_a_message_is_filed_after_the_one_before_it_has_committed(channels: Running) -> None:
    customer = await channels.stub()
    promise = await customer.SubmitForm(form())
    async with channels.database.transaction() as connection:
        assert await store.lock_promise(connection, promise.reference)
        call = customer.SubmitMessage(
            pb.SubmitMessageRequest(reference=promise.reference, text="second"),
            metadata=(("x-status-token", promise.status_token),),
        )

        async def waits() -> bool:
            async with channels.database.connection() as other:
                waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like $1"
                return bool(await other.fetchval(waiting, "%for no key update%"))

        await eventually(waits)
        first = Event("fte.tickets.incoming", "ada@techcorp.example", MessageReceived(text="first"))
        await Outbox("/fte/channels").publish(connection, first)
    await call
    assert [fact.text for fact in await channels.received()][1:] == ["first", "second"]


@pytest.mark.parametrize(
    "told",
    [
        lambda promise: (promise.reference, TOKENS.issue("TKT-000000")),
        lambda promise: (promise.reference, ""),
        lambda promise: (promise.reference, promise.status_token[:-1]),
        lambda promise: (promise.reference, promise.status_token + "="),
        lambda promise: (promise.reference, "x" * 5000),
        lambda promise: ("TKT-000000", promise.status_token),
        # Proved by its token, and promised to nobody: what a dropped form was answered.
        lambda promise: ("TKT-000000", TOKENS.issue("TKT-000000")),
    ],
)
async def test_an_unknown_reference_and_a_wrong_token_are_answered_alike(
    channels: Running, told: Callable[[pb.SubmitFormResponse], tuple[str, str]]
) -> None:
    customer = await channels.stub()
    reference, token = told(await customer.SubmitForm(form()))
    request = pb.SubmitMessageRequest(reference=reference, text="Let me in")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await customer.SubmitMessage(request, metadata=(("x-status-token", token),))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND
    assert error.value.details() == TicketNotFound().message
    assert await channels.count("inbound") == 1


async def test_without_a_token_there_is_no_ticket(channels: Running) -> None:
    customer = await channels.stub()
    promise = await customer.SubmitForm(form())
    failure = await refused(customer.SubmitMessage(pb.SubmitMessageRequest(reference=promise.reference, text="Hello")))
    assert failure.reason == TicketNotFound.reason


async def test_two_tokens_in_one_call_are_refused(channels: Running) -> None:
    customer = await channels.stub()
    promise = await customer.SubmitForm(form())
    failure = await refused(
        customer.SubmitMessage(
            pb.SubmitMessageRequest(reference=promise.reference, text="Hello"),
            metadata=(("x-status-token", "guess"), ("x-status-token", promise.status_token)),
        )
    )
    assert (failure.code, failure.violations[0].field) == (INVALID, "x-status-token")


async def test_a_category_that_is_not_configured_is_refused_with_the_list(start_channels: StartChannels) -> None:
    channels = await start_channels(categories=("orders", "returns"))
    failure = await refused((await channels.stub()).SubmitForm(form(category="technical")))
    assert (failure.code, failure.reason) == (INVALID, UnknownCategory.reason)
    assert [(v.field, v.description) for v in failure.violations] == [("category", "must be one of: orders, returns")]
    await (await channels.stub()).SubmitForm(form(category="orders"))


async def test_a_channel_that_is_switched_off_takes_nothing(start_channels: StartChannels) -> None:
    channels = await start_channels(enabled_channels=())
    customer = await channels.stub()
    token = (("x-status-token", TOKENS.issue("TKT-7K3Q9V")),)
    next_message = pb.SubmitMessageRequest(reference="TKT-7K3Q9V", text="Hello")
    for call in (customer.SubmitForm(form()), customer.SubmitMessage(next_message, metadata=token)):
        failure = await refused(call)
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, ChannelDisabled.reason)
    assert await channels.count("inbound") == 0


UNKNOWN = str(uuid.uuid4())
CALLS: dict[str, Any] = {
    "SubmitForm": form(),
    "SubmitMessage": pb.SubmitMessageRequest(reference="TKT-7K3Q9V", text="Hello"),
    "ReceiveWhatsappMessage": pb.ReceiveWhatsappMessageRequest(),
    "ReceiveWhatsappStatus": pb.ReceiveWhatsappStatusRequest(),
    "ReceiveGmailPush": pb.ReceiveGmailPushRequest(),
    "GetHealth": pb.GetHealthRequest(),
    "GetChannelMetrics": pb.GetChannelMetricsRequest(window=Duration(seconds=60)),
    "GetInboundMessage": pb.GetInboundMessageRequest(name=f"inboundMessages/{UNKNOWN}"),
    "ListInboundMessages": pb.ListInboundMessagesRequest(),
    "GetDelivery": pb.GetDeliveryRequest(name=f"deliveries/{UNKNOWN}"),
    "ListDeliveries": pb.ListDeliveriesRequest(),
    "RetryDelivery": pb.RetryDeliveryRequest(name=f"deliveries/{UNKNOWN}"),
    "ConfirmDelivery": pb.ConfirmDeliveryRequest(name=f"deliveries/{UNKNOWN}"),
}


async def test_each_caller_reaches_what_the_access_table_grants_and_no_more(channels: Running) -> None:
    kept_out = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
    for caller in ("public", "staff", "agent", "tickets"):
        stub = await channels.stub(caller)
        for method, request in CALLS.items():
            allowed = ACCESS[f"/fte.channels.v1.ChannelsService/{method}"]
            try:
                await getattr(stub, method)(request)
                code = grpc.StatusCode.OK
            except grpc.aio.AioRpcError as error:
                code = error.code()
            assert (code in kept_out) == (not allowed & {caller, "public"}), f"{caller} calls {method}: {code}"


def test_every_method_of_the_contract_is_tried() -> None:
    assert set(CALLS) == set(pb.DESCRIPTOR.services_by_name["ChannelsService"].methods_by_name)


def test_every_reason_of_the_contract_has_its_error() -> None:
    errors = (
        IdempotencyKeyReused,
        TicketNotFound,
        TooManyMessages,
        InboundMessageNotFound,
        DeliveryNotFound,
        UnknownCategory,
        ChannelDisabled,
        BadSignature,
        BadToken,
        WrongAccount,
        WebhookUnreadable,
        DeliverySettled,
    )
    named = {f"ERROR_REASON_{error.reason}" for error in errors}
    assert named == set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}


async def test_no_word_of_a_customer_reaches_the_log(channels: Running) -> None:
    customer = await channels.stub()
    promise = await customer.SubmitForm(form(), metadata=(("idempotency-key", "telltale-key"),))
    token = (("x-status-token", promise.status_token),)
    await customer.SubmitMessage(pb.SubmitMessageRequest(reference=promise.reference, text="telltale"), metadata=token)
    await refused(customer.SubmitForm(form(category="telltale", message="telltale")))
    log = str(await channels.server.log(3))
    for word in ("telltale", "Ada", "techcorp", "Export", promise.status_token, promise.reference):
        assert word not in log
