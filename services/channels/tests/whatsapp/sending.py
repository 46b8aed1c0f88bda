"""A mouth for the tests, and something to say."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from services.channels.tests.whatsapp.signing import ACCOUNT, CUSTOMER, OWN_NUMBER, PUBLIC_URL, TOKEN

from channels.model import Content, Sender, SenderType
from channels.providers.base import Parcel
from channels.providers.whatsapp import WhatsApp

CONTENT_SID = "HX" + "7" * 32
MARCO = Sender(SenderType.PHONE, CUSTOMER, "Marco", verified=True)


def whatsapp(
    *,
    api_url: str = "",
    content_sid: str = CONTENT_SID,
    characters_max: int = 300,
    auth_token: str = TOKEN,
    deadline_seconds: float = 5.0,
) -> WhatsApp:
    """The channel with the tests' account."""
    return WhatsApp(
        account_sid=ACCOUNT,
        auth_token=auth_token,
        own_number=OWN_NUMBER,
        content_sid=content_sid,
        public_url=PUBLIC_URL,
        api_url=api_url,
        characters_max=characters_max,
        messages_per_second=80,
        deadline_seconds=deadline_seconds,
    )


def parcel(
    content: Content | str = "Select Export.\n\nRef. TKT-7K3Q9V",
    *,
    recipient: Sender = MARCO,
    claimed_time: datetime | None = None,
    known_ids: frozenset[str] = frozenset(),
) -> Parcel:
    """A message that was claimed just now, unless it says when."""
    return Parcel(
        delivery_id=uuid.uuid4(),
        number=1,
        count=1,
        recipient=recipient,
        content=Content(content) if isinstance(content, str) else content,
        claimed_time=claimed_time or datetime.now(UTC),
        known_ids=known_ids,
    )
