"""What Twilio says later of a message that it took."""

from __future__ import annotations

import pytest
from services.channels.tests.whatsapp.signing import ACCOUNT, CUSTOMER, OWN_NUMBER, SID, STATUS_PATH, ear, signed

from channels.errors import BadSignature, WebhookUnreadable, WrongAccount
from channels.model import DeliveryState, Reachability, Receipt


def callback(**changed: str) -> dict[str, str]:
    return {
        "ChannelToAddress": "+1212555XXXX",
        "ApiVersion": "2010-04-01",
        "MessageStatus": "delivered",
        "SmsSid": SID,
        "SmsStatus": "delivered",
        "ChannelInstallSid": "XE" + "1" * 32,
        "To": f"whatsapp:{CUSTOMER}",
        "From": f"whatsapp:{OWN_NUMBER}",
        "MessageSid": SID,
        "AccountSid": ACCOUNT,
        "ChannelPrefix": "whatsapp",
        **changed,
    }


def receipt(**changed: str) -> Receipt:
    return ear().receipt(*signed(callback(**changed), path=STATUS_PATH))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", DeliveryState.SENT),
        ("accepted", DeliveryState.SENT),
        ("sending", DeliveryState.SENT),
        ("sent", DeliveryState.SENT),
        ("delivered", DeliveryState.DELIVERED),
        ("read", DeliveryState.READ),
        ("Read", DeliveryState.READ),
        ("a word of tomorrow", DeliveryState.SENT),
    ],
)
def test_a_status_says_how_far_a_message_has_come(status: str, state: DeliveryState) -> None:
    assert receipt(MessageStatus=status) == Receipt(SID, state)


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
@pytest.mark.parametrize(
    ("code", "reason", "reachability"),
    [
        ("21610", "OPTED_OUT", Reachability.OPTED_OUT),
        ("63016", "OUTSIDE_WINDOW", None),
        ("63024", "INVALID_NUMBER", Reachability.UNDELIVERABLE),
        ("63003", "INVALID_NUMBER", Reachability.UNDELIVERABLE),
        ("63018", "RATE_LIMITED", None),
        ("63049", "TWILIO_63049", None),
        ("", "NOT_DELIVERED", None),
        ("0", "NOT_DELIVERED", None),
        ("x; DROP", "NOT_DELIVERED", None),
        ("9" * 5000, "NOT_DELIVERED", None),
        ("٦٣٠١٦", "NOT_DELIVERED", None),
    ],
)
def test_a_failure_says_why_and_what_it_tells_of_the_number(
    status: str, code: str, reason: str, reachability: Reachability | None
) -> None:
    said = receipt(MessageStatus=status, ErrorCode=code)

    assert said == Receipt(SID, DeliveryState.FAILED, reason, reachability)


def test_a_code_on_the_way_is_no_failure() -> None:
    assert receipt(MessageStatus="sent", ErrorCode="63016") == Receipt(SID, DeliveryState.SENT)


def test_a_callback_of_the_older_form_is_read() -> None:
    assert receipt(MessageStatus="", SmsStatus="read").state is DeliveryState.READ


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"MessageStatus": "", "SmsStatus": ""}, "MessageStatus"), ({"MessageSid": "SM1"}, "MessageSid")],
)
def test_what_a_callback_lacks_is_named(changed: dict[str, str], field: str) -> None:
    with pytest.raises(WebhookUnreadable, match=field):
        receipt(**changed)


def test_a_receipt_needs_a_signature_for_its_own_path_and_account() -> None:
    body, content_type, _, said = signed(callback(), path="/api/v1/webhooks/whatsapp")

    with pytest.raises(BadSignature):
        ear().receipt(body, content_type, STATUS_PATH, said)
    with pytest.raises(WrongAccount):
        receipt(AccountSid="AC" + "6" * 32)
