"""Settings fail at start, by name, and never show a value."""

from __future__ import annotations

import pytest

from meshkit.settings import ServiceSettings, SettingsError, load

COMPLETE = {
    "DATABASE_URL": "postgresql://tickets:hidden@127.0.0.1/fte",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "GRPC_PORT": "0",
    "METRICS_PORT": "0",
    "PAGE_TOKEN_KEY": "0123456789abcdef",
    "SERVICE_JWKS": '{"keys": []}',
    "STAFF_JWKS": '{"keys": []}',
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_complete_environment_is_read_with_its_types(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DRAIN_SECONDS", "2.5")
    settings = load(ServiceSettings)
    assert (settings.grpc_port, settings.drain_seconds) == (0, 2.5)
    assert settings.database_url.get_secret_value() == COMPLETE["DATABASE_URL"]


def test_every_missing_and_invalid_variable_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("GRPC_PORT", "seventy")
    environment.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError) as caught:
        load(ServiceSettings)
    text = str(caught.value)
    assert "DATABASE_URL is missing (where the service's own schema is" in text
    assert "GRPC_PORT is not valid" in text
    assert "LOG_LEVEL is not valid" in text


def test_an_error_never_shows_the_value(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PAGE_TOKEN_KEY", "tooshortsecret")
    environment.setenv("GRPC_PORT", "portsecret")
    with pytest.raises(SettingsError) as caught:
        load(ServiceSettings)
    assert "PAGE_TOKEN_KEY is not valid" in str(caught.value)
    assert "secret" not in str(caught.value).replace("secret_", "")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_empty_variable_counts_as_unset(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    environment.setenv("STAFF_JWKS", "")
    with pytest.raises(SettingsError, match="STAFF_JWKS is missing"):
        load(ServiceSettings)


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    settings = load(ServiceSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.grpc_port = 1


def test_contradicting_limits_are_refused_by_name(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_POOL_MIN", "20")
    with pytest.raises(SettingsError, match="DATABASE_POOL_MIN must not be above DATABASE_POOL_MAX"):
        load(ServiceSettings)


def test_the_direct_url_is_the_pooled_one_when_unset(environment: pytest.MonkeyPatch) -> None:
    assert load(ServiceSettings).direct_url() == COMPLETE["DATABASE_URL"]
    environment.setenv("DATABASE_DIRECT_URL", "postgresql://direct/fte")
    assert load(ServiceSettings).direct_url() == "postgresql://direct/fte"


def test_secrets_do_not_show_in_the_settings_own_text(environment: pytest.MonkeyPatch) -> None:
    assert "hidden" not in repr(load(ServiceSettings))
