"""Messages of customers: what the control API takes, and what Twilio makes of it in its request to the mesh."""

from __future__ import annotations

import json
import mimetypes
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from simulators.twilio.messages import PREFIX, Message

MEDIA_MAX = 10
MEDIA_BYTES_MAX = 16 * 1024 * 1024
TIMES_MAX = 2_000


class Attachment(BaseModel):
    """A file that comes with the message; its content is base64."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    content_type: str = Field(alias="contentType", max_length=100)
    content: Base64Bytes = Field(max_length=MEDIA_BYTES_MAX * 4 // 3 + 4)


class InboundMessage(BaseModel):
    """A message as it is asked for.

    `media` are files that this simulator serves with the account's credentials, `media_urls` lie elsewhere. The same
    webhook is made `times` times at once. `age_seconds` is how long ago it was written, by Twilio's clock. `parameters`
    are put over those that Twilio sends; a null takes one away.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: str = Field(alias="from", pattern=r"^\+[1-9][0-9]{6,14}$")
    body: str = Field(default="", max_length=65_536)
    profile_name: str = Field(default="", alias="profileName", max_length=1_000)
    media_urls: list[Annotated[str, Field(max_length=2_000)]] = Field(
        default=[], alias="mediaUrls", max_length=MEDIA_MAX
    )
    media: list[Attachment] = Field(default=[], max_length=MEDIA_MAX)
    message_sid: str = Field(default="", alias="messageSid", max_length=100)
    button_text: str = Field(default="", alias="buttonText", max_length=1_000)
    button_payload: str = Field(default="", alias="buttonPayload", max_length=1_000)
    latitude: float | None = None
    longitude: float | None = None
    label: str = Field(default="", max_length=1_000)
    address: str = Field(default="", max_length=1_000)
    age_seconds: float = Field(default=0, alias="ageSeconds", ge=0, le=10_000_000)
    times: int = Field(default=1, ge=1, le=TIMES_MAX)
    parameters: dict[str, str | None] = Field(default={}, max_length=100)


def parameters_of(
    inbound: InboundMessage, message: Message, account_sid: str, base_url: str, opt_out_type: str
) -> dict[str, str]:
    """What Twilio tells of a message that came in by WhatsApp."""
    media = _media(inbound, message, account_sid, base_url)
    parameters = {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "Body": message.body or inbound.button_text,
        "ChannelMetadata": json.dumps(
            {"type": "whatsapp", "data": {"context": {"ProfileName": inbound.profile_name, "WaId": inbound.sender[1:]}}}
        ),
        "From": PREFIX + inbound.sender,
        "MessageSid": message.sid,
        "MessageType": _message_type(inbound, media),
        "NumMedia": str(len(media)),
        "NumSegments": "1",
        "ProfileName": inbound.profile_name,
        "ReferralNumMedia": "0",
        "SmsMessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsStatus": "received",
        "To": message.recipient,
        "WaId": inbound.sender.removeprefix("+"),
    }
    for number, (url, content_type) in enumerate(media):
        parameters |= {f"MediaUrl{number}": url, f"MediaContentType{number}": content_type}
    if inbound.button_text:
        parameters |= {"ButtonText": inbound.button_text, "ButtonPayload": inbound.button_payload}
    if inbound.latitude is not None and inbound.longitude is not None:
        parameters |= {"Latitude": str(inbound.latitude), "Longitude": str(inbound.longitude)}
        parameters |= {name: text for name, text in (("Label", inbound.label), ("Address", inbound.address)) if text}
    if opt_out_type:
        parameters["OptOutType"] = opt_out_type
    changed = {**parameters, **inbound.parameters}
    return {name: value for name, value in changed.items() if value is not None}


def media_path(account_sid: str, message_sid: str, media_sid: str) -> str:
    """Where Twilio's API has a file that came with a message."""
    return f"/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}/Media/{media_sid}"


def _media(inbound: InboundMessage, message: Message, account_sid: str, base_url: str) -> list[tuple[str, str]]:
    """Address and type of each file."""
    kept = [(base_url + media_path(account_sid, message.sid, one.sid), one.content_type) for one in message.media]
    return kept + [
        (url, mimetypes.guess_type(urlsplit(url).path)[0] or "application/octet-stream") for url in inbound.media_urls
    ]


def _message_type(inbound: InboundMessage, media: list[tuple[str, str]]) -> str:
    if inbound.button_text:
        return "button"
    if inbound.latitude is not None:
        return "location"
    if not media:
        return "text"
    kind = media[0][1].partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"
