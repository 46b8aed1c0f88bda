"""A customer on a telephone: short messages, one answer to a burst, and silence after STOP."""

import asyncpg
from tests.correspondents import Phones, found, some_number
from tests.customers import ANSWERED, Json, Staff
from tests.journeys.test_mail import ticket_of, timeline

from local.asyncs import run_blocking
from local.mesh import Mesh


def test_a_message_is_answered_and_its_receipts_stand_on_the_timeline(phones: Phones, staff: Staff) -> None:
    number = some_number()
    assert phones.write(number, ANSWERED, profileName="Ada")["status"] == 200
    (answer,) = found(lambda: phones.sent_to(number))
    assert "60 minutes" in answer["body"]
    assert len(answer["body"]) <= 300
    ticket = ticket_of(staff, number)
    assert ticket is not None
    assert (ticket["channel"], ticket["senderVerified"]) == ("CHANNEL_WHATSAPP", True)

    def read() -> list[Json]:
        return [entry for entry in timeline(staff, ticket) if entry.get("facts", {}).get("deliveryState") == "READ"]

    found(read)
    states = [
        entry.get("facts", {}).get("deliveryState")
        for entry in timeline(staff, ticket)
        if entry["kind"] == "TIMELINE_KIND_DELIVERY_CHANGED"
    ]
    order = ["QUEUED", "CLAIMED", "SENT", "DELIVERED", "READ"]
    assert sorted(states, key=order.index) in (states, states[::-1])


def test_a_burst_is_one_question_with_one_answer(phones: Phones, staff: Staff) -> None:
    number = some_number()
    for part in ("Hi there", "quick question", ANSWERED):
        phones.write(number, part)
    (answer,) = found(lambda: phones.sent_to(number))
    assert "60 minutes" in answer["body"]
    ticket = ticket_of(staff, number)
    assert ticket is not None
    assert [message["author"] for message in ticket["messages"]].count("AUTHOR_AGENT") == 1


def test_the_same_webhook_a_thousand_times_at_once_is_one_row_and_one_reply(phones: Phones, staff: Staff) -> None:
    number = some_number()
    told = phones.write(number, ANSWERED, times=1000)
    # On a busy machine Twilio's patience, or the gateway's, may end before some are answered: those would be repeated.
    assert "200" in told["statuses"]
    assert set(told["statuses"]) <= {"200", "503", "504", "none"}
    found(lambda: phones.sent_to(number), within_seconds=60)
    heard = staff.get("inboundMessages", channel="CHANNEL_WHATSAPP", pageSize=200)["inboundMessages"]
    assert [message["providerMessageId"] for message in heard].count(told["sid"]) == 1
    ticket = ticket_of(staff, number)
    assert ticket is not None
    assert [message["author"] for message in ticket["messages"]] == ["AUTHOR_CUSTOMER", "AUTHOR_AGENT"]
    assert len(phones.sent_to(number)) == 1


def test_after_stop_nothing_is_sent_until_start(phones: Phones, staff: Staff) -> None:
    number = some_number()
    phones.write(number, ANSWERED)
    found(lambda: phones.sent_to(number))
    phones.write(number, "STOP")

    def opted_out() -> bool:
        (customer,) = staff.get("customers", identifier=number)["customers"]
        return bool(customer["identifiers"][0]["reachability"] == "REACHABILITY_OPTED_OUT")

    found(opted_out)
    before = ticket_of(staff, number)
    assert before is not None
    staff.act(f"{before['name']}:reply", text="One more thing.", requestId=f"after-stop-{number[1:]}")
    found(lambda: (ticket_of(staff, number) or {}).get("state") == "TICKET_STATE_ESCALATED")
    assert len(phones.sent_to(number)) == 1
    phones.write(number, "START")
    found(lambda: not opted_out())


def test_what_twilio_will_not_deliver_any_more_comes_to_a_person_with_the_reason(phones: Phones, staff: Staff) -> None:
    number = some_number()
    phones.write(number, ANSWERED)
    found(lambda: phones.sent_to(number))
    ticket = ticket_of(staff, number)
    assert ticket is not None
    phones.control("window", {"number": number, "secondsAgo": 25 * 3600})
    staff.act(f"{ticket['name']}:reply", text="One more thing.", requestId=f"late-{number[1:]}")

    def parked() -> bool:
        reasons = [entry.get("facts", {}).get("failureReason") for entry in timeline(staff, ticket)]
        return "OUTSIDE_WINDOW" in reasons

    found(parked)
    assert (ticket_of(staff, number) or {})["state"] == "TICKET_STATE_ESCALATED"


def test_a_day_after_they_wrote_the_approved_template_goes_out(mesh: Mesh, phones: Phones, staff: Staff) -> None:
    number = some_number()
    phones.write(number, ANSWERED)
    found(lambda: phones.sent_to(number))
    ticket = ticket_of(staff, number)
    assert ticket is not None

    async def a_day_passes() -> None:
        connection = await asyncpg.connect(mesh.dsn("channels"), timeout=10)
        try:
            await connection.execute(
                "update correspondents set heard_time = heard_time - interval '25 hours' where address = $1", number
            )
        finally:
            await connection.close()

    run_blocking(a_day_passes())
    staff.act(f"{ticket['name']}:reply", text="One more thing.", requestId=f"template-{number[1:]}")
    found(lambda: len(phones.sent_to(number)) == 2)
    sent = phones.sent_to(number)[1]
    assert sent["contentSid"]
    assert ticket["reference"] in str(sent["contentVariables"])
    assert "One more thing." in str(sent["contentVariables"])
