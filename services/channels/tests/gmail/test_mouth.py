"""Mails go out once: what Gmail has is found again, what it cannot have is told apart from what nobody knows."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import socket
import time
import uuid
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from services.channels.tests.gmail.conftest import MakeClient, StartGoogle, gmail_over
from services.channels.tests.gmail.google import Google
from services.channels.tests.gmail.mails import OUR_ADDRESS

from channels.model import (
    Channel,
    Condition,
    Content,
    DeliveryKind,
    DeliveryState,
    Reachability,
    Sender,
    SenderType,
    Thread,
)
from channels.providers.base import Letter, Parcel, Refused, Throttled, Unclear, Unreachable
from channels.providers.gmail.client import Rejected
from channels.providers.gmail.mouth import Gmail, refusal_of


def recipient(address: str = "ada@customer.example") -> Sender:
    return Sender(SenderType.EMAIL, address, "Ada Lovelace", verified=True)


def parcel(gmail: Gmail, *, thread: Thread | None = None, to: str = "ada@customer.example", **fields: Any) -> Parcel:
    """The one mail of a short reply."""
    delivery_id = uuid.uuid4()
    letter = Letter(
        delivery_id=delivery_id,
        kind=DeliveryKind.REPLY,
        reference="TKT-7K3Q9V",
        recipient=recipient(to),
        subject="Export",
        text="Open Board menu, then Export. Grüße!",
        now=datetime.now(UTC),
        thread=thread or Thread(),
    )
    (content,) = gmail.compose(letter)
    made = Parcel(delivery_id, 1, 1, letter.recipient, content, datetime.now(UTC), letter.thread)
    return dataclasses.replace(made, **fields)


def header(sent: dict[str, object], name: str) -> str:
    headers = sent["headers"]
    assert isinstance(headers, list | dict)
    pairs = headers.items() if isinstance(headers, dict) else [(each["name"], each["value"]) for each in headers]
    return next((str(value) for known, value in pairs if known.lower() == name.lower()), "")


async def test_a_reply_is_sent_in_its_thread_from_our_address(gmail: Gmail, google: Google) -> None:
    asked = await google.arrive()
    thread = Thread(asked["threadId"], asked["messageId"])
    made = parcel(gmail, thread=thread)
    accepted = await gmail.send(made)
    (sent,) = await google.sent()
    assert accepted.provider_message_id == sent["id"]
    assert accepted.state is DeliveryState.SENT
    assert sent["threadId"] == accepted.thread.provider_thread_id == asked["threadId"]
    assert sent["to"] in ("ada@customer.example", ["ada@customer.example"])
    assert sent["subject"] == "Re: Export"
    assert "Open Board menu, then Export. Grüße!" in sent["text"]
    assert header(sent, "From") == f"Planwright support <{OUR_ADDRESS}>"
    assert header(sent, "In-Reply-To") == asked["messageId"]
    assert header(sent, "X-FTE-Delivery") == made.key
    assert header(sent, "Auto-Submitted") == "auto-replied"


async def test_the_message_id_that_gmail_gave_is_read_back(gmail: Gmail, google: Google) -> None:
    accepted = await gmail.send(parcel(gmail))
    (sent,) = await google.sent()
    assert accepted.thread.message_id == header(sent, "Message-ID") != ""


async def test_a_mail_whose_name_cannot_be_read_back_is_sent_all_the_same(gmail: Gmail, google: Google) -> None:
    await google.fault("messages.get", "status", status=503, times=0)
    accepted = await gmail.send(parcel(gmail))
    assert accepted.provider_message_id
    assert accepted.thread.message_id == ""
    assert len(await google.sent()) == 1


async def test_long_message_ids_are_written_as_they_are(gmail: Gmail, google: Google) -> None:
    long_id = f"<{'x' * 150}@mail.customer.example>"
    await gmail.send(parcel(gmail, thread=Thread("", long_id, references=(long_id.replace("x", "y"),))))
    (sent,) = await google.sent()
    assert header(sent, "In-Reply-To") == long_id
    assert header(sent, "References").split() == [long_id.replace("x", "y"), long_id]


async def test_a_thread_that_was_deleted_does_not_keep_the_answer_back(gmail: Gmail, google: Google) -> None:
    await gmail.send(parcel(gmail, thread=Thread("00000000deadbeef", "<gone@customer.example>")))
    (sent,) = await google.sent()
    assert header(sent, "In-Reply-To") == "<gone@customer.example>"


# What becomes of a send.


@pytest.mark.parametrize(
    ("fault", "raised", "sent"),
    [
        ({"kind": "status", "status": 429}, Throttled, 0),
        ({"kind": "status", "status": 403, "code": "rateLimitExceeded"}, Throttled, 0),
        ({"kind": "status", "status": 403, "code": "userRateLimitExceeded"}, Throttled, 0),
        ({"kind": "status", "status": 403, "code": "insufficientPermissions"}, Unreachable, 0),
        ({"kind": "status", "status": 401, "times": 0}, Unreachable, 0),
        ({"kind": "status", "status": 400}, Refused, 0),
        ({"kind": "status", "status": 413}, Refused, 0),
        ({"kind": "status", "status": 500}, Unclear, 0),
        ({"kind": "status", "status": 503}, Unclear, 0),
        ({"kind": "status_after", "status": 503}, Unclear, 1),
        ({"kind": "reset_before"}, Unclear, 0),
        ({"kind": "reset_after"}, Unclear, 1),
        ({"kind": "malformed"}, Unclear, 1),
    ],
    ids=str,
)
async def test_a_send_ends_as_what_gmail_answered_says(
    gmail: Gmail, google: Google, fault: dict[str, object], raised: type[Exception], sent: int
) -> None:
    await google.control("faults", {"on": "messages.send", **fault})
    with pytest.raises(raised):
        await gmail.send(parcel(gmail))
    # Once, whatever broke: nothing below us sends again by itself.
    assert len(await google.sent()) == sent


async def test_a_send_on_a_connection_that_was_kept_is_not_repeated_either(gmail: Gmail, google: Google) -> None:
    await gmail.send(parcel(gmail))
    for kind in ("reset_after", "reset_before"):
        await google.fault("messages.send", kind)
        with pytest.raises(Unclear):
            await gmail.send(parcel(gmail))
    assert len(await google.sent()) == 2


async def test_a_connection_that_is_closed_in_place_of_an_answer_is_one_attempt(make_client: MakeClient) -> None:
    """The case in which Google's client library, left to itself, sends a mail twice."""
    attempts = 0

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        request = await reader.readuntil(b"\r\n\r\n")
        attempts += request.startswith(b"POST")
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        gmail = gmail_over(await make_client(api_url=url))
        with pytest.raises(Unclear):
            await gmail.send(parcel(gmail))
    assert attempts == 1


async def test_a_connection_that_went_stale_costs_no_doubt(make_client: MakeClient) -> None:
    """A server that says keep-alive and closes all the same: each send has a connection of its own."""
    sends = 0

    async def answer_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sends
        request = await reader.readuntil(b"\r\n\r\n")
        sends += request.startswith(b"POST")
        if length := re.search(rb"content-length: (\d+)", request.lower()):
            await reader.readexactly(int(length[1]))
        answer = b'{"id": "1", "threadId": "2"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        writer.write(head.encode() + answer)
        writer.close()

    async with await asyncio.start_server(answer_and_close, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        gmail = gmail_over(await make_client(api_url=url))
        for _ in range(3):
            assert (await gmail.send(parcel(gmail))).provider_message_id == "1"
    assert sends == 3


async def test_answers_without_end_keep_no_thread(make_client: MakeClient) -> None:
    endless = True

    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = 1_000_000 if endless else 2
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        writer.write(head.encode() + (b"" if endless else b"{}"))
        # Always in time for the next read: no single wait on the socket is ever too long.
        with contextlib.suppress(ConnectionError):
            while length > 2:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()

    async with await asyncio.start_server(dribble, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = await make_client(deadline_seconds=1.0, api_url=url)

        async def ask() -> dict[str, Any]:
            return await client.call(lambda users: users.getProfile(userId="me"), units=1)

        # As many as there are threads.
        outcomes = await asyncio.gather(*(ask() for _ in range(4)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unclear] * 4
        endless = False
        assert await ask() == {}


async def test_an_answer_that_does_not_come_in_time_is_unclear(make_client: MakeClient, google: Google) -> None:
    gmail = gmail_over(await make_client(deadline_seconds=2.0))
    await gmail.send(parcel(gmail))
    await google.fault("messages.send", "latency_after", seconds=30)
    began = time.monotonic()
    with pytest.raises(Unclear):
        await gmail.send(parcel(gmail))
    assert time.monotonic() - began < 10
    # Whoever waited has let go of its thread: as many sends as there are threads get through.
    await asyncio.gather(*(gmail.send(parcel(gmail)) for _ in range(8)))


async def test_a_token_that_expired_is_renewed_and_the_mail_goes_out_once(gmail: Gmail, google: Google) -> None:
    await gmail.send(parcel(gmail))
    await google.control("tokens:expire", {})
    await gmail.send(parcel(gmail))
    assert len(await google.sent()) == 2


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "reset_before"}, {"kind": "malformed"}])
async def test_without_a_token_nothing_was_sent(
    make_client: MakeClient, google: Google, fault: dict[str, object]
) -> None:
    gmail = gmail_over(await make_client())
    await google.control("faults", {"on": "token", **fault, "times": 0})
    with pytest.raises(Unreachable):
        await gmail.send(parcel(gmail))
    assert await google.sent() == []


async def test_where_nobody_listens_nothing_was_sent(make_client: MakeClient, google: Google) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        gmail = gmail_over(await make_client(api_url=url))
        with pytest.raises(Unreachable):
            await gmail.send(parcel(gmail))
    assert gmail.condition() is Condition.DEGRADED


async def test_an_address_that_cannot_be_is_refused_without_asking(gmail: Gmail, google: Google) -> None:
    for address in ("ada@customer.example\r\nBcc: all@victim.example", "no address", ""):
        with pytest.raises(Refused):
            await gmail.send(parcel(gmail, recipient=recipient(address)))
    assert await google.sent() == []


async def test_a_header_that_would_be_two_isrefusal_of(gmail: Gmail, google: Google) -> None:
    content = Content("text", subject="x\r\nBcc: all@victim.example")
    with pytest.raises(Refused):
        await gmail.send(parcel(gmail, content=content))
    assert await google.sent() == []


def test_an_address_that_gmail_will_not_write_to_is_undeliverable() -> None:
    refused = refusal_of(Rejected(400, "invalidArgument", "Invalid To header"))
    assert refused.reachability is Reachability.UNDELIVERABLE
    assert refusal_of(Rejected(400, "invalidArgument", "Invalid subject")).reachability is None


async def test_a_pause_is_as_long_as_gmail_asks_for(gmail: Gmail, google: Google) -> None:
    await google.fault("messages.send", "status", status=429)
    with pytest.raises(Throttled) as throttled:
        await gmail.send(parcel(gmail))
    assert 1 <= throttled.value.retry_after_seconds <= 3600


async def test_the_quota_is_kept_without_being_told(start_google: StartGoogle, make_client: MakeClient) -> None:
    strict = start_google(units_per_second=1000.0)
    gmail = gmail_over(await make_client(credentials=strict.key_file(), api_url=strict.url, units_per_second=900.0))
    await asyncio.gather(*(gmail.send(parcel(gmail)) for _ in range(14)))
    assert len(await strict.sent()) == 14


async def test_a_quota_smaller_than_one_mail_lets_mails_through(make_client: MakeClient) -> None:
    gmail = gmail_over(await make_client(units_per_second=60.0))
    await gmail.send(parcel(gmail))


# What was sent is found.


@pytest.mark.parametrize("kind", ["status_after", "reset_after", "malformed"])
@pytest.mark.parametrize("in_thread", [True, False])
async def test_a_mail_that_went_out_unnoticed_is_found(
    gmail: Gmail, google: Google, kind: str, in_thread: bool
) -> None:
    asked = await google.arrive()
    thread = Thread(asked["threadId"], asked["messageId"]) if in_thread else Thread()
    for _ in range(3):
        await gmail.send(parcel(gmail, thread=thread))
    made = parcel(gmail, thread=thread)
    await google.fault("messages.send", kind)
    with pytest.raises(Unclear):
        await gmail.send(made)
    found = await gmail.find(made)
    sent = next(each for each in await google.sent() if header(each, "X-FTE-Delivery") == made.key)
    assert found is not None
    assert (found.provider_message_id, found.thread.message_id) == (sent["id"], header(sent, "Message-ID"))
    assert found.thread.provider_thread_id == sent["threadId"]


async def test_a_mail_that_did_not_go_out_is_not_found(gmail: Gmail, google: Google) -> None:
    asked = await google.arrive()
    await gmail.send(parcel(gmail))
    made = parcel(gmail, thread=Thread(asked["threadId"], asked["messageId"]))
    await google.fault("messages.send", "reset_before")
    with pytest.raises(Unclear):
        await gmail.send(made)
    assert await gmail.find(made) is None


async def test_another_part_of_the_same_delivery_is_not_taken_for_it(gmail: Gmail) -> None:
    first = parcel(gmail)
    await gmail.send(first)
    assert await gmail.find(dataclasses.replace(first, number=2)) is None
    assert await gmail.find(dataclasses.replace(first, number=11)) is None


async def test_only_what_was_sent_since_the_claim_is_looked_through(gmail: Gmail, google: Google) -> None:
    made = parcel(gmail)
    await gmail.send(made)
    late = dataclasses.replace(made, claimed_time=datetime.now(UTC) + timedelta(days=1))
    others = [await gmail.send(parcel(gmail)) for _ in range(3)]
    assert others
    assert await gmail.find(late) is None
    assert await gmail.find(made) is not None


async def test_what_is_on_record_is_passed_over_unread(gmail: Gmail, google: Google) -> None:
    known = [(await gmail.send(parcel(gmail))).provider_message_id for _ in range(3)]
    lost = parcel(gmail)
    await google.fault("messages.get", "status", status=500, times=0)
    assert await gmail.find(dataclasses.replace(lost, known_ids=frozenset(known))) is None
    with pytest.raises(Unclear):
        await gmail.find(dataclasses.replace(lost, known_ids=frozenset(known[1:])))


@pytest.mark.parametrize("operation", ["messages.list", "messages.get", "threads.get"])
async def test_while_gmail_cannot_be_asked_nothing_is_certain(gmail: Gmail, google: Google, operation: str) -> None:
    asked = await google.arrive()
    await gmail.send(parcel(gmail))
    await google.fault(operation, "status", status=500, times=0)
    with pytest.raises(Unclear):
        await gmail.find(parcel(gmail, thread=Thread(asked["threadId"])))


async def test_a_deleted_thread_is_no_reason_not_to_look_further(gmail: Gmail, google: Google) -> None:
    made = parcel(gmail)
    await gmail.send(made)
    assert await gmail.find(dataclasses.replace(made, thread=Thread("00000000deadbeef"))) is not None


# Itself.


def test_the_channel_and_its_rate(gmail: Gmail) -> None:
    assert gmail.channel is Channel.EMAIL
    assert gmail.messages_per_second == 2.5


async def test_the_condition_is_what_the_last_request_met(gmail: Gmail, google: Google) -> None:
    assert gmail.condition() is Condition.OK
    await google.fault("messages.send", "status", status=503)
    with pytest.raises(Unclear):
        await gmail.send(parcel(gmail))
    assert gmail.condition() is Condition.DEGRADED
    await gmail.send(parcel(gmail))
    assert gmail.condition() is Condition.OK


async def test_a_mail_is_plain_text_and_html(gmail: Gmail) -> None:
    mail: Message = message_from_bytes(gmail._mail(parcel(gmail)))
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.walk()][1:] == ["text/plain", "text/html"]
