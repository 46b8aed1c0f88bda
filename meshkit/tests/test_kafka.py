import ssl

from pydantic import SecretStr

from meshkit.kafka import client_options
from meshkit.settings import ServiceSettings
from meshkit.testing import settings_for


def test_a_plain_broker_needs_an_address_alone() -> None:
    options = client_options(settings_for(ServiceSettings, kafka_bootstrap_servers="kafka:9092"))
    assert options == {"bootstrap_servers": "kafka:9092", "security_protocol": "PLAINTEXT"}


def test_a_broker_that_asks_who_we_are_gets_encryption_name_and_password() -> None:
    options = client_options(
        settings_for(
            ServiceSettings,
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="tickets",
            kafka_sasl_password=SecretStr("secret"),
        )
    )
    assert isinstance(options["ssl_context"], ssl.SSLContext)
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("tickets", "secret")
