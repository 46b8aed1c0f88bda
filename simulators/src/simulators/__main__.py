"""`python -m simulators --twilio-port 7201 --google-port 7202`: the simulators, in one process until it is stopped.
`--openai-port 7203` adds OpenAI.

Each runs when its port is named. The environment says whose providers they are, in the variables that the mesh's
channels read, too: `TWILIO_ACCOUNT_SID`, `TWILIO_AUTH_TOKEN`, `TWILIO_WHATSAPP_FROM`, `TWILIO_CONTENT_SID`;
`GMAIL_CREDENTIALS`, `GMAIL_ADDRESS`, `GMAIL_TOPIC`, `PUBSUB_AUDIENCE`, `PUBSUB_SERVICE_ACCOUNT`; `PUBLIC_URL`, which
webhooks are signed for. `GATEWAY_URL` is where that is reached from here, if not by that address. Of OpenAI's, which
the agent reads: `OPENAI_API_KEY` is the only key taken (any, if there is none), `OPENAI_MODEL` is served besides the
usual models.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulators import google, openai, twilio
from simulators.serving import CannotServe, Door, serve

PUBLIC_URL = "http://127.0.0.1:8080"
GMAIL_WEBHOOK = "/api/v1/webhooks/gmail"
TEMPLATE = "We have news on your request {{1}}: {{2}}"


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Serve until SIGINT or SIGTERM; the exit code, 1 with one sentence on standard error when it cannot be done."""
    parser = argparse.ArgumentParser(prog="simulators", description="Twilio, Google and OpenAI, on this machine.")
    parser.add_argument("--twilio-port", type=int, metavar="PORT", help="where to serve Twilio")
    parser.add_argument("--google-port", type=int, metavar="PORT", help="where to serve Google")
    parser.add_argument("--openai-port", type=int, metavar="PORT", help="where to serve OpenAI")
    asked = parser.parse_args(arguments)
    if asked.twilio_port is None and asked.google_port is None and asked.openai_port is None:
        parser.error("name at least one of --twilio-port, --google-port, --openai-port")
    given = {name: value for name, value in environment.items() if value}
    doors = []
    try:
        if asked.twilio_port is not None:
            doors.append(Door("Twilio", twilio.app(twilio_config(given)), asked.twilio_port))
        if asked.google_port is not None:
            doors.append(Door("Google", google.app(google_config(given)), asked.google_port))
        if asked.openai_port is not None:
            doors.append(Door("OpenAI", openai.app(openai_config(given)), asked.openai_port))
        asyncio.run(serve(doors))
    except (CannotServe, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def twilio_config(environment: Mapping[str, str]) -> twilio.Config:
    """The account that the environment names; what it leaves out has the simulator's own defaults."""
    public_url = environment.get("PUBLIC_URL", PUBLIC_URL)
    default = twilio.Config()
    content_sid = environment.get("TWILIO_CONTENT_SID")
    return twilio.Config(
        account_sid=environment.get("TWILIO_ACCOUNT_SID", default.account_sid),
        auth_token=environment.get("TWILIO_AUTH_TOKEN", default.auth_token),
        whatsapp_from=environment.get("TWILIO_WHATSAPP_FROM", default.whatsapp_from),
        public_url=public_url,
        gateway_url=environment.get("GATEWAY_URL", public_url),
        templates={content_sid: TEMPLATE} if content_sid else {},
    )


def google_config(environment: Mapping[str, str]) -> google.Config:
    """The mailbox that the environment names. Raises ValueError for credentials that are none."""
    public_url = environment.get("PUBLIC_URL", PUBLIC_URL).rstrip("/")
    gateway_url = environment.get("GATEWAY_URL", public_url).rstrip("/")
    default, pushing = google.Config(), google.Pushing()
    credentials = environment.get("GMAIL_CREDENTIALS", "")
    if credentials and not credentials.lstrip().startswith("{"):
        credentials = Path(credentials).read_text()
    return google.Config(
        address=environment.get("GMAIL_ADDRESS", default.address),
        service_account=google.ServiceAccount.from_json(credentials) if credentials else None,
        topic=environment.get("GMAIL_TOPIC", default.topic),
        # What is kept here ends with the process; whoever watched before must not be left without pushes for that.
        watched=True,
        pushing=google.Pushing(
            endpoint=gateway_url + GMAIL_WEBHOOK,
            audience=environment.get("PUBSUB_AUDIENCE", public_url + GMAIL_WEBHOOK),
            account=environment.get("PUBSUB_SERVICE_ACCOUNT", pushing.account),
        ),
    )


def openai_config(environment: Mapping[str, str]) -> openai.Config:
    """The key and the model that the environment names."""
    key, model = environment.get("OPENAI_API_KEY"), environment.get("OPENAI_MODEL")
    return openai.Config(keys=(key,) if key else (), models=(model,) if model else ())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
