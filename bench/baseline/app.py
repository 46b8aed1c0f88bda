"""The monolith and its form's door: `uvicorn bench.baseline.app:app`.

The checks are those of channels, by the same functions of its model, so that only what is around them differs:
FastAPI and Pydantic in place of the contract, the door and the pipeline.

Two ways with the event, chosen by BASELINE_EVENTS:

- `outbox`: as durable as channels. Its row is committed with the form's, and one of the processes relays it.
- `acked`: 200 after the commit and then Kafka's acknowledgement (acks=all), without an outbox. Often written, and
  weaker: after a crash between the two, the repeat of the request finds its row and is answered 200, and the event is
  never sent; and while Kafka is away no form is taken.

All rows are written by one statement, hence one round trip and one commit. Uvicorn's access
log writes a line for each request, as channels does for each call; there are no metrics.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bench.baseline import webhooks
from bench.baseline.desk import TOPIC, desk, lifespan
from channels import model
from channels.errors import UnknownCategory
from meshkit import promises
from meshkit.errors import InvalidArgument
from meshkit.ids import uuid7

CATEGORIES = ("general", "technical", "billing", "feedback", "bug_report")
KEY_KEPT = timedelta(hours=24)
TRIES_MAX = 8

_CLAIM_AND_FILE = """
with claimed as (
    insert into submissions as known (key_hash, body_hash, reference, receive_time)
    select $1::bytea, $2::bytea, $3::text, $4::timestamptz
    where $1::bytea is not null
    on conflict (key_hash) do update
    set body_hash = excluded.body_hash, reference = excluded.reference, receive_time = excluded.receive_time
    where known.receive_time < $5::timestamptz
    returning true
),
filed as (
    insert into inbound (
        id, channel, provider_message_id, reference, sender, sender_name, subject, category, priority, message,
        receive_time
    )
    select $6::uuid, 'web_form', $7::text, $3::text, $8::text, $9::text, $10::text, $11::text, $12::text, $13::text, $4
    where $1::bytea is null or exists (select 1 from claimed)
    returning true
)
"""
_FILE_ACKED = _CLAIM_AND_FILE + "select true from filed"
_FILE_OUTBOX = (
    _CLAIM_AND_FILE
    + """,
published as (
    insert into outbox (topic, key, value) select $14::text, $15::bytea, $16::bytea from filed
)
select true from filed
"""
)
_FIND = "select body_hash, reference from submissions where key_hash = $1"

_LINE = "^[^\\x00-\\x1f\\x7f]*$"


class Form(BaseModel):
    """The form, held to the limits that stand in the contract."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=_LINE)]
    email: Annotated[str, Field(min_length=3, max_length=254)]
    subject: Annotated[str, Field(min_length=1, max_length=200, pattern=_LINE)]
    category: Annotated[str, Field(max_length=40, pattern="^[a-z][a-z0-9_]*$")]
    priority: Literal["PRIORITY_LOW", "PRIORITY_MEDIUM", "PRIORITY_HIGH"] = "PRIORITY_MEDIUM"
    message: Annotated[str, Field(min_length=1, max_length=10_000, pattern="^[^\\x00]*$")]
    website: Annotated[str, Field(max_length=2000)] = ""


class Promise(BaseModel):
    """The answer to a form."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    reference: str
    status_token: str
    status_url: str


app = FastAPI(lifespan=lifespan)
app.include_router(webhooks.router)


@app.post("/api/v1/support/form")
async def submit_form(form: Form, idempotency_key: Annotated[str | None, Header()] = None) -> Promise:
    """Takes the web form."""
    try:
        filled = model.Form(
            form.name,
            form.email,
            form.subject,
            form.category,
            model.Priority[form.priority.removeprefix("PRIORITY_")],
            form.message,
            form.website,
        ).cleaned(CATEGORIES)
        sender = model.sender_key(filled.email)
        key_hash = None if idempotency_key is None else model.key_hash("form", idempotency_key)
    except (InvalidArgument, UnknownCategory) as error:
        raise HTTPException(
            400, [{"field": each.field, "rule": each.description} for each in error.violations]
        ) from None
    if filled.website:
        return _promise(promises.decoy_reference(key_hash) if key_hash else promises.promised_reference())
    return _promise(await _file(filled, sender, key_hash))


async def _file(form: model.Form, sender: str, key_hash: bytes | None) -> str:
    """The reference it is filed under, or was before under the same key."""
    body_hash, message_id, now = form.digest(), uuid7(), datetime.now(UTC)
    for _ in range(TRIES_MAX):
        reference = promises.promised_reference()
        columns = (
            *(key_hash, body_hash, reference, now, now - KEY_KEPT, message_id, str(message_id)),
            *(sender, form.name, form.subject, form.category, form.priority.value, form.message),
        )
        event = _event(form, sender, message_id, reference, now)
        async with desk.pool.acquire(timeout=5) as connection:
            try:
                if desk.outbox:
                    filed = await connection.fetchval(_FILE_OUTBOX, *columns, TOPIC, sender.encode(), event)
                else:
                    filed = await connection.fetchval(_FILE_ACKED, *columns)
            except asyncpg.UniqueViolationError:
                continue
            if not filed:
                return await _repeated(connection, key_hash, body_hash)
        if not desk.outbox:
            await desk.producer.send_and_wait(TOPIC, event, key=sender.encode())
        return reference
    raise HTTPException(503, "no reference came free for this form; send it again")


def _event(form: model.Form, sender: str, message_id: uuid.UUID, reference: str, now: datetime) -> bytes:
    return json.dumps(
        {
            "inboundMessage": str(message_id),
            "reference": reference,
            "sender": {"email": sender, "name": form.name, "verified": False},
            "subject": form.subject,
            "category": form.category,
            "priority": form.priority.value,
            "text": form.message,
            "receiveTime": now.isoformat(),
        }
    ).encode()


async def _repeated(connection: Any, key_hash: bytes | None, body_hash: bytes) -> str:
    earlier = await connection.fetchrow(_FIND, key_hash)
    if earlier is None:
        raise HTTPException(503, "the idempotency-key was let go of at this moment; send the same again")
    if earlier["body_hash"] != body_hash:
        raise HTTPException(409, "the idempotency-key came before with another body; send that body, or take a new key")
    reference: str = earlier["reference"]
    return reference


def _promise(reference: str) -> Promise:
    token = urlsafe_b64encode(hmac.digest(desk.token_key, reference.encode(), hashlib.sha256)).rstrip(b"=").decode()
    return Promise(reference=reference, status_token=token, status_url=f"{desk.public_url}/status/{reference}#{token}")
