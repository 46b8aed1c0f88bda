"""Who stands behind e-mail and WhatsApp: simulators, until there are credentials."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from google.oauth2 import service_account

from local.credentials import Credentials
from local.mesh import Mesh
from local.ports import SERVICES, Ports
from local.providers import Providers, Simulators, healthy

PUBLIC = "https://support.example"


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "secrets", SERVICES)


def test_without_credentials_both_are_simulated(credentials: Credentials) -> None:
    providers = Providers(credentials, Ports.fixed(), {}, PUBLIC)
    assert providers.simulated == {"Twilio": "http://127.0.0.1:7201", "Google": "http://127.0.0.1:7202"}
    told = providers.environment
    assert told["ENABLED_CHANNELS"] == "web_form,email,whatsapp"
    assert (told["TWILIO_API_URL"], told["GMAIL_API_URL"]) == ("http://127.0.0.1:7201", "http://127.0.0.1:7202")
    assert told["PUBSUB_AUDIENCE"] == f"{PUBLIC}/api/v1/webhooks/gmail"
    account = json.loads(Path(told["GMAIL_CREDENTIALS"]).read_text())
    assert account["token_uri"] == "http://127.0.0.1:7202/token"
    # google-auth is published without types for this one.
    assert service_account.Credentials.from_service_account_info(account)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("given", "simulated"),
    [
        ({"TWILIO_ACCOUNT_SID": "AC1"}, ["Google"]),
        ({"GMAIL_CREDENTIALS": "{}"}, ["Twilio"]),
        ({"TWILIO_ACCOUNT_SID": "AC1", "GMAIL_CREDENTIALS": "{}"}, []),
        ({"ENABLED_CHANNELS": "web_form, email"}, ["Google"]),
        ({"ENABLED_CHANNELS": "web_form"}, []),
    ],
)
def test_a_simulator_takes_the_place_of_the_provider_without_credentials(
    credentials: Credentials, given: dict[str, str], simulated: list[str]
) -> None:
    providers = Providers(credentials, Ports.fixed(), given, PUBLIC)
    assert list(providers.simulated) == simulated
    assert ("TWILIO_API_URL" in providers.environment) == ("Twilio" in simulated)
    assert ("GMAIL_API_URL" in providers.environment) == ("Google" in simulated)


def test_only_channels_is_told_a_providers_credentials(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path, environment={"DATABASE_URL": "postgresql://a:b@127.0.0.1/c", "GMAIL_ADDRESS": "me@example"})
    assert mesh.simulators is not None
    assert mesh.environment_of("channels")["GMAIL_ADDRESS"] == "me@example"
    assert mesh.simulators.environment["GMAIL_ADDRESS"] == "me@example"
    token = mesh.environment_of("channels")["TWILIO_AUTH_TOKEN"]
    assert mesh.simulators.environment["TWILIO_AUTH_TOKEN"] == token
    assert mesh.simulators.environment["GATEWAY_URL"] == mesh.url
    for service in SERVICES:
        assert ("TWILIO_AUTH_TOKEN" in mesh.environment_of(service)) == (service == "channels")


def test_with_credentials_for_both_no_simulator_runs(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://a:b@127.0.0.1/c", "TWILIO_ACCOUNT_SID": "AC1", "GMAIL_CREDENTIALS": "{}"}
    mesh = Mesh(tmp_path, environment=given)
    assert mesh.simulators is None
    assert "TWILIO_API_URL" not in mesh.environment_of("channels")


@pytest.fixture
def simulators(credentials: Credentials, tmp_path: Path) -> Iterator[Simulators]:
    ports = Ports.free()
    providers = Providers(credentials, ports, {}, PUBLIC)
    part = Simulators(ports, providers, {**providers.environment, "PUBLIC_URL": PUBLIC}, tmp_path / "simulators.log")
    part.start()
    try:
        yield part
    finally:
        part.stop()


def test_the_simulators_believe_what_channels_is_told(simulators: Simulators) -> None:
    told = simulators.environment
    assert healthy(told["TWILIO_API_URL"])
    listed = httpx.get(
        f"{told['TWILIO_API_URL']}/2010-04-01/Accounts/{told['TWILIO_ACCOUNT_SID']}/Messages.json",
        auth=(told["TWILIO_ACCOUNT_SID"], told["TWILIO_AUTH_TOKEN"]),
    )
    assert listed.status_code == 200
    state = httpx.get(f"{told['GMAIL_API_URL']}/_control/state").json()
    assert state["address"] == told["GMAIL_ADDRESS"]
    assert httpx.get(told["PUBSUB_KEYS_URL"]).json()["keys"]
    simulators.stop()
    assert not healthy(told["TWILIO_API_URL"])


@pytest.mark.parametrize(
    ("given", "simulated"),
    [
        ({}, False),
        ({"SIMULATE_OPENAI": "1"}, True),
        ({"SIMULATE_OPENAI": "1", "OPENAI_API_KEY": "sk-real"}, False),
        ({"SIMULATE_OPENAI": "1", "OPENAI_BASE_URL": "https://models.example/v1"}, False),
    ],
)
def test_the_simulated_openai_is_there_only_when_asked_for_and_never_beside_a_real_one(
    credentials: Credentials, given: dict[str, str], simulated: bool
) -> None:
    providers = Providers(credentials, Ports.fixed(), given, PUBLIC)
    assert ("OpenAI" in providers.simulated) == simulated
    assert bool(providers.model) == simulated
