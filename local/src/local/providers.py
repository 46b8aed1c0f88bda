"""Who stands behind mail, WhatsApp and the model: the real provider where there are credentials, else a simulator."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from local.credentials import Credentials
from local.parts import Part
from local.ports import HOST, Ports
from local.processes import Child, spawn

CHANNELS = "web_form,email,whatsapp"
HEALTH_SECONDS = 1
GMAIL_WEBHOOK = "/api/v1/webhooks/gmail"

# Not secret, and the same everywhere: what stands in logs and in the simulators' truth can be told at a glance.
TWILIO_ACCOUNT_SID = "AC00000000000000000000000000000001"
TWILIO_CONTENT_SID = "HX00000000000000000000000000000001"
TWILIO_WHATSAPP_FROM = "+14155550100"
GMAIL_ADDRESS = "support@techcorp.example"
GMAIL_TOPIC = "projects/fte-local/topics/gmail"
PUBSUB_SERVICE_ACCOUNT = "gmail-push@fte-local.iam.gserviceaccount.com"


class Providers:
    """The simulated ones among the providers, and what channels is told of them.

    `TWILIO_ACCOUNT_SID` or `GMAIL_CREDENTIALS` in the operator's environment puts the real one in its simulator's
    place; a provider whose channel is not in `ENABLED_CHANNELS` needs neither. OpenAI is simulated only when
    `SIMULATE_OPENAI` is 1: without a key the agent's own local rules answer, and they are better.
    """

    def __init__(self, credentials: Credentials, ports: Ports, environment: Mapping[str, str], public_url: str) -> None:
        enabled = {name.strip() for name in environment.get("ENABLED_CHANNELS", CHANNELS).split(",")}
        self.twilio_url: str | None = None
        self.google_url: str | None = None
        self.openai_url: str | None = None
        self.environment: dict[str, str] = {"ENABLED_CHANNELS": CHANNELS}
        """What channels is told, unless the operator says otherwise."""
        if "whatsapp" in enabled and "TWILIO_ACCOUNT_SID" not in environment:
            self.twilio_url = f"http://{HOST}:{ports.twilio}"
            self.environment |= {
                "TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT_SID,
                "TWILIO_AUTH_TOKEN": credentials.secret("twilio_auth_token"),
                "TWILIO_WHATSAPP_FROM": TWILIO_WHATSAPP_FROM,
                "TWILIO_CONTENT_SID": TWILIO_CONTENT_SID,
                "TWILIO_API_URL": self.twilio_url,
            }
        if "email" in enabled and "GMAIL_CREDENTIALS" not in environment:
            self.google_url = f"http://{HOST}:{ports.google}"
            self.environment |= {
                "GMAIL_CREDENTIALS": str(credentials.gmail_key_file(f"{self.google_url}/token")),
                "GMAIL_ADDRESS": GMAIL_ADDRESS,
                "GMAIL_TOPIC": GMAIL_TOPIC,
                "GMAIL_API_URL": self.google_url,
                "PUBSUB_AUDIENCE": public_url + GMAIL_WEBHOOK,
                "PUBSUB_SERVICE_ACCOUNT": PUBSUB_SERVICE_ACCOUNT,
                "PUBSUB_KEYS_URL": f"{self.google_url}/oauth2/v3/certs",
            }

        self.model: dict[str, str] = {}
        """What the agent is told, unless the operator says otherwise."""
        if environment.get("SIMULATE_OPENAI") == "1" and not environment.keys() & {"OPENAI_API_KEY", "OPENAI_BASE_URL"}:
            self.openai_url = f"http://{HOST}:{ports.openai}"
            self.model = {
                "OPENAI_API_KEY": credentials.secret("openai_api_key"),
                "OPENAI_BASE_URL": f"{self.openai_url}/v1",
            }

    @property
    def simulated(self) -> Mapping[str, str]:
        """The addresses of the simulators, by provider."""
        addresses = {"Twilio": self.twilio_url, "Google": self.google_url, "OpenAI": self.openai_url}
        return {name: address for name, address in addresses.items() if address is not None}


class Simulators(Part):
    """All simulators in one process; ready when each answers."""

    def __init__(self, ports: Ports, providers: Providers, environment: Mapping[str, str], log: Path) -> None:
        super().__init__("simulators", log)
        self.environment = environment
        self._providers = providers
        self._arguments = [
            *(["--twilio-port", str(ports.twilio)] if providers.twilio_url else []),
            *(["--google-port", str(ports.google)] if providers.google_url else []),
            *(["--openai-port", str(ports.openai)] if providers.openai_url else []),
        ]

    @property
    def addresses(self) -> str:
        """Where they listen, in words."""
        return " and ".join(f"{name} on {url.rpartition(':')[2]}" for name, url in self._providers.simulated.items())

    def _spawn(self) -> Child:
        return spawn(
            self.name,
            [sys.executable, "-m", "simulators", *self._arguments],
            environment=self.environment,
            log=self.log,
            working_directory=self.log.parent,
        )

    def _ready(self) -> bool:
        return all(healthy(url) for url in self._providers.simulated.values())


def healthy(simulator_url: str) -> bool:
    """Whether a simulator answers there."""
    # Not by an operator's proxy: it is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{simulator_url}/_control/health", timeout=HEALTH_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
