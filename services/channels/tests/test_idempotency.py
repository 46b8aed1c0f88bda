"""The same key and the same words are one message, however often and however at once they come."""

import asyncio
from typing import Any

import grpc
import pytest
from services.channels.tests.conftest import Running, StartChannels, form

from channels import operations
from channels.errors import IdempotencyKeyReused
from fte.channels.v1 import channels_service_pb2 as pb
from meshkit.testing import refused

HOURS = 3600


def key(text: str) -> tuple[tuple[str, str], ...]:
    return (("idempotency-key", text),)


async def test_the_same_key_and_form_have_the_same_answer(channels: Running) -> None:
    customer = await channels.stub()
    first = await customer.SubmitForm(form(), metadata=key("k"))
    channels.clock.advance(24 * HOURS)
    assert await customer.SubmitForm(form(), metadata=key("k")) == first
    assert await channels.count("inbound") == len(await channels.received()) == 1


async def test_a_form_that_only_looks_different_is_the_same_form(channels: Running) -> None:
    customer = await channels.stub()
    first = await customer.SubmitForm(form(name="Zo\u00eb", message="a\nb"), metadata=key("k"))
    again = await customer.SubmitForm(form(name="Zoe\u0308 ", message="a\r\nb"), metadata=key("k"))
    assert again == first


async def test_a_thousand_at_once_with_one_key_are_one_row_and_one_answer(channels: Running) -> None:
    customer = await channels.stub()

    async def submit() -> pb.SubmitFormResponse:
        # Who is not answered in time asks again: that is what the key is for.
        for _ in range(5):
            try:
                return await customer.SubmitForm(form(), metadata=key("k"))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
        raise AssertionError("never answered in time")

    answers = await asyncio.gather(*(submit() for _ in range(1000)))
    assert len({answer.reference for answer in answers}) == 1
    assert await channels.count("inbound") == len(await channels.received()) == await channels.count("submissions") == 1


@pytest.mark.parametrize(
    "changed",
    [{"message": "Another question"}, {"email": "eve@techcorp.example"}, {"website": "http://spam.example"}],
)
async def test_the_same_key_with_another_form_is_refused_and_changes_nothing(
    channels: Running, changed: dict[str, str]
) -> None:
    customer = await channels.stub()
    first = await customer.SubmitForm(form(), metadata=key("k"))
    if "website" not in changed:
        failure = await refused(customer.SubmitForm(form(**changed), metadata=key("k")))
        assert (failure.code, failure.reason) == (grpc.StatusCode.ALREADY_EXISTS, IdempotencyKeyReused.reason)
    else:
        # What a program filled in is answered as any other form, and leaves no trace to compare with.
        await customer.SubmitForm(form(**changed), metadata=key("k"))
    assert await channels.count("inbound") == 1
    assert await customer.SubmitForm(form(), metadata=key("k")) == first


async def test_of_two_forms_with_one_key_at_once_one_is_taken(channels: Running) -> None:
    customer = await channels.stub()

    async def send(number: int) -> str:
        try:
            return (await customer.SubmitForm(form(message=f"{number % 2}"), metadata=key("k"))).reference
        except grpc.aio.AioRpcError as error:
            return error.code().name

    answers = await asyncio.gather(*(send(number) for number in range(60)))
    assert len(set(answers)) == 2
    assert answers.count("ALREADY_EXISTS") == 30
    assert await channels.count("inbound") == 1


async def test_a_key_is_free_again_after_a_day(channels: Running) -> None:
    customer = await channels.stub()
    first = await customer.SubmitForm(form(), metadata=key("k"))
    channels.clock.advance(24 * HOURS + 1)
    second = await customer.SubmitForm(form(message="Another question"), metadata=key("k"))
    assert second.reference != first.reference
    assert await customer.SubmitForm(form(message="Another question"), metadata=key("k")) == second
    assert await channels.count("submissions") == 1


async def test_keys_are_forgotten_once_they_are_free(channels: Running) -> None:
    customer = await channels.stub()
    await customer.SubmitForm(form(), metadata=key("old"))
    channels.clock.advance(23 * HOURS)
    await customer.SubmitForm(form(), metadata=key("new"))
    (forget,) = [timer for timer in channels.service.timers if timer.name == "forget"]
    await forget.run()
    assert await channels.count("submissions") == 2
    channels.clock.advance(2 * HOURS)
    await forget.run()
    assert await channels.count("submissions") == 1
    assert await channels.count("inbound") == 2


async def test_the_same_message_to_a_ticket_is_taken_once(channels: Running) -> None:
    customer = await channels.stub()
    promise = await customer.SubmitForm(form(), metadata=key("k"))
    request = pb.SubmitMessageRequest(reference=promise.reference, text="And how often?")
    metadata = (*key("k"), ("x-status-token", promise.status_token))
    first = await customer.SubmitMessage(request, metadata=metadata)
    channels.clock.advance(60)
    answers = await asyncio.gather(*(customer.SubmitMessage(request, metadata=metadata) for _ in range(50)))
    assert all(answer == first for answer in answers)
    assert len(await channels.received()) == 2
    other = pb.SubmitMessageRequest(reference=promise.reference, text="And how long?")
    failure = await refused(customer.SubmitMessage(other, metadata=metadata))
    assert failure.reason == IdempotencyKeyReused.reason


@pytest.mark.parametrize("bad", ["", "x" * 129])
async def test_a_key_that_is_none_is_refused_by_name(channels: Running, bad: str) -> None:
    failure = await refused((await channels.stub()).SubmitForm(form(), metadata=key(bad)))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in failure.violations] == ["idempotency-key"]


async def test_two_keys_in_one_call_are_refused(channels: Running) -> None:
    failure = await refused((await channels.stub()).SubmitForm(form(), metadata=(*key("a"), *key("b"))))
    assert [violation.field for violation in failure.violations] == ["idempotency-key"]


async def test_keys_are_kept_as_hashes_only(channels: Running) -> None:
    await (await channels.stub()).SubmitForm(form(), metadata=key("ada@techcorp.example"))
    async with channels.database.connection() as connection:
        row = await connection.fetchrow("select key_hash, body_hash from submissions")
    assert row is not None
    assert (len(row["key_hash"]), len(row["body_hash"])) == (32, 32)


async def test_a_form_that_a_program_filled_in_is_answered_and_dropped(channels: Running) -> None:
    customer = await channels.stub()
    before = operations.submit.FORMS_DROPPED._value.get()
    trap: dict[str, Any] = {"website": "http://spam.example"}
    first = await customer.SubmitForm(form(**trap), metadata=key("k"))
    assert await customer.SubmitForm(form(**trap), metadata=key("k")) == first
    free = [await customer.SubmitForm(form(**trap)) for _ in range(2)]
    assert len({first.reference, *(answer.reference for answer in free)}) == 3
    assert len(first.status_token) == 43
    for table in ("inbound", "submissions", "outbox", "sender_counts"):
        assert await channels.count(table) == 0
    assert operations.submit.FORMS_DROPPED._value.get() == before + 4


async def test_a_program_is_told_of_its_mistakes_like_a_person(start_channels: StartChannels) -> None:
    channels = await start_channels()
    failure = await refused((await channels.stub()).SubmitForm(form(website="x", category="sales")))
    assert failure.violations[0].field == "category"
