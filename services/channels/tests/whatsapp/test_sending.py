"""Twilio has a message, or has not, or nobody knows: the real library against the simulated Twilio."""

from __future__ import annotations

import dataclasses
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from services.channels.tests.whatsapp.conftest import TEMPLATE, Twilio
from services.channels.tests.whatsapp.sending import CONTENT_SID, MARCO, parcel, whatsapp
from services.channels.tests.whatsapp.signing import CUSTOMER, OWN_NUMBER, STATUS_PATH, ear

from channels.model import Condition, Content, DeliveryState, Reachability
from channels.providers.base import Accepted, Parcel, Refused, Throttled, Unclear, Unreachable
from channels.providers.whatsapp import WhatsApp

VARIABLES = {"1": "TKT-7K3Q9V", "2": "Select Export."}


async def found(mouth: WhatsApp, sought: Parcel) -> str:
    """The SID that Twilio gave the message, whatever became of it since; empty when Twilio has not got it."""
    accepted = await mouth.find(sought)
    return accepted.provider_message_id if accepted else ""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port


async def test_a_message_is_sent_as_it_is_composed(mouth: WhatsApp, simulated: Twilio) -> None:
    accepted = await mouth.send(parcel("Grüße 👩‍👩‍👧 & so on\n\nRef. TKT-7K3Q9V"))

    [taken] = await simulated.taken()
    assert accepted == Accepted(taken["sid"], DeliveryState.SENT)
    assert taken["body"] == "Grüße 👩‍👩‍👧 & so on\n\nRef. TKT-7K3Q9V"
    assert (taken["from"], taken["to"]) == (OWN_NUMBER, CUSTOMER)


async def test_a_template_is_sent_with_its_variables(mouth: WhatsApp, simulated: Twilio) -> None:
    await mouth.send(parcel(Content("", template=CONTENT_SID, variables=VARIABLES)))

    [taken] = await simulated.taken()
    assert taken["contentSid"] == CONTENT_SID
    assert taken["body"] == TEMPLATE.replace("{{1}}", "TKT-7K3Q9V").replace("{{2}}", "Select Export.")


async def test_receipts_come_back_to_their_own_path_and_are_believed(mouth: WhatsApp, simulated: Twilio) -> None:
    await simulated.hear("How do I export?")

    accepted = await mouth.send(parcel())

    calls = await simulated.mesh.wait_for(accepted.provider_message_id, 4)
    # The connection overrides are for Twilio alone: they are neither sent nor signed.
    assert [path for _, _, path, _ in calls] == [STATUS_PATH] * 4
    receipts = [ear().receipt(*call) for call in calls]
    assert [receipt.state for receipt in receipts] == [
        DeliveryState.SENT,
        DeliveryState.SENT,
        DeliveryState.DELIVERED,
        DeliveryState.READ,
    ]


async def test_a_receipt_says_that_the_window_was_over(mouth: WhatsApp, simulated: Twilio) -> None:
    sent = await mouth.send(parcel())

    failed = ear().receipt(*(await simulated.mesh.wait_for(sent.provider_message_id, 2))[-1])

    assert (failed.state, failed.failure_reason) == (DeliveryState.FAILED, "OUTSIDE_WINDOW")


async def test_what_a_customer_says_to_twilio_is_heard(simulated: Twilio) -> None:
    said = await simulated.hear("Grüße & so", profileName="Marco 👋", mediaUrls=["https://media.example/a.png"])

    heard = ear().heard(*(await simulated.mesh.wait_for(said["sid"], 1))[0])

    assert heard.provider_message_id == said["sid"]
    assert heard.sender == dataclasses.replace(MARCO, display_name="Marco 👋")
    assert heard.text == "Grüße & so\n\n[The customer sent 1 image]"


@pytest.mark.parametrize(
    ("status", "code", "reason", "reachability"),
    [
        (400, 21610, "OPTED_OUT", Reachability.OPTED_OUT),
        (400, 21211, "INVALID_NUMBER", Reachability.UNDELIVERABLE),
        (400, 63003, "INVALID_NUMBER", Reachability.UNDELIVERABLE),
        (400, 21617, "TOO_LONG", None),
        (400, 63007, "SENDER_REFUSED", None),
        (400, 21656, "TEMPLATE_REFUSED", None),
        (400, 63099, "TWILIO_63099", None),
        (422, 7, "REFUSED", None),
        (403, 21610, "OPTED_OUT", Reachability.OPTED_OUT),
    ],
)
async def test_a_refusal_says_why_and_what_it_tells_of_the_number(
    mouth: WhatsApp, simulated: Twilio, status: int, code: int, reason: str, reachability: Reachability | None
) -> None:
    await simulated.fault("messages.create", "status", status=status, code=code)

    with pytest.raises(Refused) as refused:
        await mouth.send(parcel())

    assert (refused.value.reason, refused.value.reachability, refused.value.instead) == (reason, reachability, None)
    assert await simulated.taken() == []


async def test_a_refusal_outside_the_window_offers_the_template(mouth: WhatsApp, simulated: Twilio) -> None:
    await simulated.fault("messages.create", "status", status=400, code=63016, times=2)

    with pytest.raises(Refused, match="OUTSIDE_WINDOW") as refused:
        await mouth.send(parcel(Content("Select Export.", variables=VARIABLES)))
    assert refused.value.instead == Content("", template=CONTENT_SID, variables=VARIABLES)

    with pytest.raises(Refused, match="OUTSIDE_WINDOW") as refused_again:
        await mouth.send(parcel(refused.value.instead or ""))
    assert refused_again.value.instead is None


async def test_a_customer_who_said_stop_is_not_written_to(mouth: WhatsApp, simulated: Twilio) -> None:
    await simulated.hear("STOP")

    with pytest.raises(Refused, match="OPTED_OUT"):
        await mouth.send(parcel())


@pytest.mark.parametrize(("status", "code"), [(429, 20429), (429, 63018), (400, 63018), (400, 14107), (429, None)])
async def test_a_busy_twilio_has_not_taken_the_message(
    mouth: WhatsApp, simulated: Twilio, status: int, code: int | None
) -> None:
    await simulated.fault("messages.create", "status", status=status, code=code)

    with pytest.raises(Throttled) as throttled:
        await mouth.send(parcel())

    assert 0 < throttled.value.retry_after_seconds < 60
    assert await simulated.taken() == []


@pytest.mark.parametrize("kind", ["status_after", "reset_after", "malformed"])
async def test_what_went_wrong_after_the_message_went_out_is_unclear_and_it_is_found(
    mouth: WhatsApp, simulated: Twilio, kind: str
) -> None:
    claimed = parcel()
    await simulated.fault("messages.create", kind, status=503)

    with pytest.raises(Unclear):
        await mouth.send(claimed)

    [taken] = await simulated.taken()
    assert await found(mouth, claimed) == taken["sid"]


@pytest.mark.parametrize("kind", ["status", "reset_before"])
async def test_what_went_wrong_before_it_is_unclear_too_and_nothing_is_found(
    mouth: WhatsApp, simulated: Twilio, kind: str
) -> None:
    claimed = parcel()
    await simulated.fault("messages.create", kind, status=500)

    with pytest.raises(Unclear):
        await mouth.send(claimed)

    assert await mouth.find(claimed) is None


async def test_an_answer_that_does_not_come_is_unclear_once_the_deadline_is_over(simulated: Twilio) -> None:
    await simulated.fault("messages.create", "latency", seconds=1)

    async with whatsapp(api_url=simulated.address, deadline_seconds=0.2) as hasty:
        with pytest.raises(Unclear):
            await hasty.send(parcel())


async def test_without_a_connection_nothing_was_sent() -> None:
    async with whatsapp(api_url=f"http://127.0.0.1:{free_port()}") as cut_off:
        with pytest.raises(Unreachable):
            await cut_off.send(parcel())
        with pytest.raises(Unreachable):
            await cut_off.find(parcel())


async def test_a_token_that_twilio_does_not_accept_is_our_own_matter(simulated: Twilio) -> None:
    async with whatsapp(api_url=simulated.address, auth_token="another") as stranger:
        with pytest.raises(Unreachable):
            await stranger.send(parcel())
        assert stranger.condition() is Condition.DOWN
        with pytest.raises(Unreachable):
            await stranger.find(parcel())


async def test_the_channel_is_well_again_after_the_next_message(mouth: WhatsApp, simulated: Twilio) -> None:
    await simulated.fault("messages.create", "status", status=401, code=20003)
    with pytest.raises(Unreachable):
        await mouth.send(parcel())

    await mouth.send(parcel())

    assert mouth.condition() is Condition.OK


async def test_no_error_names_the_customer_or_the_words(mouth: WhatsApp, simulated: Twilio) -> None:
    faults: list[dict[str, Any]] = [
        {"kind": "status", "status": 400, "code": 21211},
        {"kind": "malformed"},
        {"kind": "reset_after"},
    ]
    for fault in faults:
        await simulated.fault("messages.create", **fault)
        with pytest.raises((Refused, Unclear)) as raised:
            await mouth.send(parcel())
        shown = "".join(_chain(raised.value))
        # Twilio's own words name the number.
        assert "Unable to create record" not in shown
        assert CUSTOMER[1:] not in shown
        assert "Export" not in shown


def _chain(error: BaseException | None) -> list[str]:
    return [] if error is None else [f"{error!r} {error}", *_chain(error.__cause__)]


async def test_words_that_were_said_before_are_told_apart_by_the_ids_that_are_known(
    mouth: WhatsApp, simulated: Twilio
) -> None:
    first = await mouth.send(parcel())
    again = parcel(known_ids=frozenset({first.provider_message_id}))

    assert await mouth.find(again) is None
    second = await mouth.send(again)
    assert await found(mouth, again) == second.provider_message_id


async def test_other_words_and_other_numbers_are_not_ours(mouth: WhatsApp) -> None:
    await mouth.send(parcel("Something else"))
    await mouth.send(parcel(recipient=dataclasses.replace(MARCO, value="+12125550199")))

    assert await mouth.find(parcel()) is None


async def test_words_are_found_whatever_twilio_does_to_blanks_and_accents(mouth: WhatsApp) -> None:
    sent = await mouth.send(parcel("Cafe\u0301 au  lait\n\nRef. 1"))

    assert await found(mouth, parcel("Café au lait\nRef. 1 ")) == sent.provider_message_id


async def test_a_template_is_found_by_its_variables(mouth: WhatsApp) -> None:
    await mouth.send(parcel(Content("", template=CONTENT_SID, variables={**VARIABLES, "2": "Something else."})))
    content = Content("", template=CONTENT_SID, variables=VARIABLES)
    assert await mouth.find(parcel(content)) is None

    sent = await mouth.send(parcel(content))

    assert await found(mouth, parcel(content)) == sent.provider_message_id


async def test_a_message_that_came_to_nothing_is_found_as_failed(mouth: WhatsApp, simulated: Twilio) -> None:
    sent = await mouth.send(parcel())
    # Twilio heard nothing of this customer: it fails at once.
    await simulated.mesh.wait_for(sent.provider_message_id, 2)

    assert await mouth.find(parcel()) == Accepted(sent.provider_message_id, DeliveryState.FAILED, "OUTSIDE_WINDOW")


async def test_what_is_older_than_the_claim_is_not_it_and_clocks_may_differ(mouth: WhatsApp) -> None:
    sent = await mouth.send(parcel())

    assert await found(mouth, parcel(claimed_time=datetime.now(UTC) + timedelta(hours=25))) == sent.provider_message_id
    assert await mouth.find(parcel(claimed_time=datetime.now(UTC) + timedelta(hours=30))) is None


async def test_a_message_is_found_pages_behind_others(mouth: WhatsApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.providers.whatsapp.mouth._PAGE_SIZE", 3)
    sent = await mouth.send(parcel())
    for number in range(7):
        await mouth.send(parcel(f"Message {number}"))

    assert await found(mouth, parcel()) == sent.provider_message_id


async def test_more_messages_than_are_looked_through_leave_it_open(
    mouth: WhatsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.providers.whatsapp.mouth._PAGE_SIZE", 3)
    monkeypatch.setattr("channels.providers.whatsapp.mouth._PAGES_MAX", 2)
    for number in range(7):
        await mouth.send(parcel(f"Message {number}"))

    with pytest.raises(Unclear):
        await mouth.find(parcel())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "status", "status": 429}, Throttled),
        ({"kind": "status", "status": 503}, Unreachable),
        ({"kind": "status", "status": 404}, Unreachable),
        # Once more is asked by the HTTP library, as it may: nothing changes by that.
        ({"kind": "reset_after", "times": 2}, Unreachable),
        ({"kind": "malformed"}, Unclear),
    ],
)
async def test_a_twilio_that_cannot_be_asked_says_nothing_about_a_message(
    mouth: WhatsApp, simulated: Twilio, fault: dict[str, Any], expected: type[Exception]
) -> None:
    await simulated.fault("messages.list", **fault)

    with pytest.raises(expected):
        await mouth.find(parcel())


def test_the_real_twilio_is_asked_where_no_other_is_named() -> None:
    assert whatsapp()._http._origin == "https://api.twilio.com"
