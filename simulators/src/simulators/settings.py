"""Whose providers the simulators are, as the environment says, in the variables that the mesh's channels read, too.

`TWILIO_ACCOUNT_SID`, `TWILIO_AUTH_TOKEN`, `TWILIO_WHATSAPP_FROM`, `TWILIO_CONTENT_SID`; `GMAIL_CREDENTIALS`,
`GMAIL_ADDRESS`, `GMAIL_TOPIC`, `PUBSUB_AUDIENCE`, `PUBSUB_SERVICE_ACCOUNT`. And of the agent's: `OPENAI_API_KEY`, the
only key that is taken (any, if there is none), and `OPENAI_MODEL`, which is served besides the usual ones.

Webhooks are signed for `PUBLIC_URL`; `GATEWAY_URL` is where that is reached from here, if not by that address. An empty
variable is one that is not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from simulators import google, openai, twilio

PUBLIC_URL = "http://127.0.0.1:8080"
GMAIL_WEBHOOK = "/api/v1/webhooks/gmail"
TEMPLATE = "We have news on your request {{1}}: {{2}}"


def environment() -> Mapping[str, str]:
    """What is set."""
    return {name: value for name, value in os.environ.items() if value}


def twilio_config(given: Mapping[str, str]) -> twilio.Config:
    """The account that the environment names; what it leaves out has the simulator's own defaults."""
    public_url = given.get("PUBLIC_URL", PUBLIC_URL)
    default = twilio.Config()
    content_sid = given.get("TWILIO_CONTENT_SID")
    return twilio.Config(
        account_sid=given.get("TWILIO_ACCOUNT_SID", default.account_sid),
        auth_token=given.get("TWILIO_AUTH_TOKEN", default.auth_token),
        whatsapp_from=given.get("TWILIO_WHATSAPP_FROM", default.whatsapp_from),
        public_url=public_url,
        gateway_url=given.get("GATEWAY_URL", public_url),
        templates={content_sid: TEMPLATE} if content_sid else {},
    )


def google_config(given: Mapping[str, str]) -> google.Config:
    """The mailbox that the environment names. Raises ValueError for credentials that are none."""
    public_url = given.get("PUBLIC_URL", PUBLIC_URL).rstrip("/")
    gateway_url = given.get("GATEWAY_URL", public_url).rstrip("/")
    default, pushing = google.Config(), google.Pushing()
    credentials = given.get("GMAIL_CREDENTIALS", "")
    if credentials and not credentials.lstrip().startswith("{"):
        credentials = Path(credentials).read_text()
    return google.Config(
        address=given.get("GMAIL_ADDRESS", default.address),
        service_account=google.ServiceAccount.from_json(credentials) if credentials else None,
        topic=given.get("GMAIL_TOPIC", default.topic),
        # What is kept here ends with the process; whoever watched before must not be left without pushes for that.
        watched=True,
        pushing=google.Pushing(
            endpoint=gateway_url + GMAIL_WEBHOOK,
            audience=given.get("PUBSUB_AUDIENCE", public_url + GMAIL_WEBHOOK),
            account=given.get("PUBSUB_SERVICE_ACCOUNT", pushing.account),
        ),
    )


def openai_config(given: Mapping[str, str]) -> openai.Config:
    """The key and the model that the environment names."""
    key, model = given.get("OPENAI_API_KEY"), given.get("OPENAI_MODEL")
    return openai.Config(keys=(key,) if key else (), models=(model,) if model else ())
