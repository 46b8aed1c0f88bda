"""A mouth for the tests."""

from __future__ import annotations

from services.channels.tests.whatsapp.signing import ACCOUNT, OWN_NUMBER, PUBLIC_URL, TOKEN

from channels.providers.whatsapp import WhatsApp

CONTENT_SID = "HX" + "7" * 32


def whatsapp(
    *,
    api_url: str = "",
    content_sid: str = CONTENT_SID,
    characters_max: int = 300,
    auth_token: str = TOKEN,
    deadline_seconds: float = 5.0,
    public_url: str = PUBLIC_URL,
) -> WhatsApp:
    """The channel with the tests' account."""
    return WhatsApp(
        account_sid=ACCOUNT,
        auth_token=auth_token,
        own_number=OWN_NUMBER,
        content_sid=content_sid,
        public_url=public_url,
        api_url=api_url,
        characters_max=characters_max,
        messages_per_second=80,
        deadline_seconds=deadline_seconds,
    )
