"""The providers' doors of the monolith: Twilio's messages and Pub/Sub's pushes.

The checks are those of channels. Twilio's signature is checked by Twilio's own library, and the message is read by the
function that channels reads it with; the push's token is checked by the class that channels checks it with, memory of
tokens included. What is written is what channels writes, by one statement and in one commit: the message with its
words, when its sender wrote last, and its event in the outbox; of a push, up to where the mailbox has changed.
"""

from __future__ import annotations

import functools
import json
import os
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Header, HTTPException, Request, Response
from twilio.request_validator import RequestValidator

from bench.baseline.desk import TOPIC, desk
from channels.errors import BadToken, WebhookUnreadable
from channels.model import Suppression
from channels.providers.gmail.push import GmailPush
from channels.providers.whatsapp.inbound import read_message
from channels.providers.whatsapp.signature import BODY_BYTES_MAX, Parameters
from meshkit.errors import Unavailable
from meshkit.ids import uuid7

router = APIRouter()

_NO_TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'

_FILE = """
with filed as (
    insert into inbound (
        id, channel, provider_message_id, reference, sender, sender_name, subject, category, priority, message,
        receive_time
    )
    values ($1, 'whatsapp', $2, '', $3, $4, '', '', '', $5, $6)
    on conflict (channel, provider_message_id) do nothing
    returning true
),
heard as (
    insert into correspondents as known (channel, address, heard_time, opted_out)
    select 'whatsapp', $3, $6, $7 = 'opt_out' from filed
    on conflict (channel, address) do update
    set
        heard_time = greatest(known.heard_time, excluded.heard_time),
        opted_out = case when $7 in ('opt_out', 'opt_in') then excluded.opted_out else known.opted_out end
)
insert into outbox (topic, key, value) select $8, $9, $10 from filed where $7 = ''
"""
_NOTE = (
    "update mailboxes set hinted_history_id = greatest(hinted_history_id, $2) where address = $1 and history_id < $2"
)


@functools.cache
def _validator() -> RequestValidator:
    return RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])


@functools.cache
def _push() -> GmailPush:
    return GmailPush(
        audience=os.environ["PUBSUB_AUDIENCE"],
        service_account=os.environ["PUBSUB_SERVICE_ACCOUNT"],
        keys_url=os.environ["PUBSUB_KEYS_URL"],
        mailbox=os.environ["GMAIL_ADDRESS"],
    )


@router.post("/api/v1/webhooks/whatsapp")
async def receive_whatsapp_message(request: Request, x_twilio_signature: Annotated[str, Header()] = "") -> Response:
    """Takes a message that Twilio passes on."""
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise HTTPException(413, f"the body must have at most {BODY_BYTES_MAX} bytes")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise HTTPException(403, "the signature does not fit") from None
    parameters = Parameters()
    for name, value in pairs:
        parameters.setdefault(name, []).append(value)
    query = f"?{request.url.query}" if request.url.query else ""
    if not _validator().validate(f"{desk.public_url}{request.url.path}{query}", parameters, x_twilio_signature):
        raise HTTPException(403, "the signature does not fit")
    try:
        if parameters.one("AccountSid") != os.environ["TWILIO_ACCOUNT_SID"]:
            raise HTTPException(403, "the account is not ours")
        heard = read_message(parameters, os.environ["TWILIO_WHATSAPP_FROM"]).fitted()
    except WebhookUnreadable as error:
        raise HTTPException(
            400, [{"field": each.field, "rule": each.description} for each in error.violations]
        ) from None
    message_id, now, sender = uuid7(), datetime.now(UTC), heard.sender
    event = {
        "inboundMessage": str(message_id),
        "providerMessageId": heard.provider_message_id,
        "sender": {"phone": sender.value, "name": sender.display_name, "verified": sender.verified},
        "text": heard.text,
        "attachments": [{"name": file.file_name, "type": file.media_type} for file in heard.attachments],
        "receiveTime": now.isoformat(),
    }
    columns = (message_id, heard.provider_message_id, sender.value, sender.display_name, heard.text, now)
    suppression: Suppression | str = heard.suppression or ""
    async with desk.pool.acquire(timeout=5) as connection:
        await connection.execute(_FILE, *columns, suppression, TOPIC, sender.value.encode(), json.dumps(event).encode())
    return Response(_NO_TWIML, media_type="text/xml")


@router.post("/api/v1/webhooks/gmail")
async def receive_gmail_push(request: Request, authorization: Annotated[str, Header()] = "") -> dict[str, str]:
    """Takes the hint that the mailbox has changed."""
    try:
        hint = await _push().hint(authorization, await request.body())
    except BadToken:
        raise HTTPException(401, "the token does not prove a push") from None
    except WebhookUnreadable as error:
        raise HTTPException(
            400, [{"field": each.field, "rule": each.description} for each in error.violations]
        ) from None
    except Unavailable:
        raise HTTPException(503, "the keys cannot be fetched now; push again") from None
    if hint is not None:
        async with desk.pool.acquire(timeout=5) as connection:
            await connection.execute(_NOTE, hint.mailbox, hint.history_id)
    return {}
