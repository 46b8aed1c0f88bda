"""`python -m simulators --twilio-port 7201 --google-port 7202 --openai-port 7203`: all in one process.

It runs until it is stopped. Each is served when its port is named; `simulators.settings` names the variables that say
whose providers they are.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence

from simulators import google, openai, twilio
from simulators.serving import CannotServe, Door, serve
from simulators.settings import environment, google_config, openai_config, twilio_config


def main(arguments: Sequence[str], given: Mapping[str, str]) -> int:
    """Serve until SIGINT or SIGTERM; the exit code, 1 with one sentence on standard error when it cannot be done."""
    parser = argparse.ArgumentParser(prog="simulators", description="Twilio, Google and OpenAI, on this machine.")
    parser.add_argument("--twilio-port", type=int, metavar="PORT", help="where to serve Twilio")
    parser.add_argument("--google-port", type=int, metavar="PORT", help="where to serve Google")
    parser.add_argument("--openai-port", type=int, metavar="PORT", help="where to serve OpenAI")
    asked = parser.parse_args(arguments)
    if asked.twilio_port is None and asked.google_port is None and asked.openai_port is None:
        parser.error("name at least one of --twilio-port, --google-port, --openai-port")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], environment()))
