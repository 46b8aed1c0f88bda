"""What a channel cannot be open without is missed at start, by name."""

from __future__ import annotations

from typing import Any

import pytest

from channels.settings import Settings
from meshkit.settings import SettingsError, load

WHATSAPP = {
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "a telltale token",
    "TWILIO_WHATSAPP_FROM": "+14155550100",
}
EMAIL = {
    "GMAIL_CREDENTIALS": "{}",
    "GMAIL_ADDRESS": "support@techcorp.example",
    "PUBSUB_AUDIENCE": "audience",
    "PUBSUB_SERVICE_ACCOUNT": "push@project.example",
}
BASE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "GRPC_PORT": "0",
    "METRICS_PORT": "0",
    "PAGE_TOKEN_KEY": "a key for tests only",
    "SERVICE_JWKS": '{"keys": []}',
    "STAFF_JWKS": '{"keys": []}',
    "STATUS_TOKEN_KEY": "a key for the tests of channels",
}


def load_with(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in {**BASE, **values}.items():
        monkeypatch.setenv(name, value)
    return load(Settings)


@pytest.mark.parametrize(("channel", "needed"), [("whatsapp", WHATSAPP), ("email", EMAIL)])
def test_a_channel_that_is_open_needs_what_it_works_with(
    monkeypatch: pytest.MonkeyPatch, channel: str, needed: dict[str, str]
) -> None:
    open_channels = f"web_form,{channel}"
    assert load_with(monkeypatch, ENABLED_CHANNELS=open_channels, **needed).enabled_channels == ("web_form", channel)
    for name in needed:
        with pytest.raises(SettingsError) as error:
            load_with(monkeypatch, ENABLED_CHANNELS=open_channels, **{**needed, name: ""})
        assert f"{name} is needed while ENABLED_CHANNELS has {channel}" in str(error.value)
        assert "telltale" not in str(error.value)


def test_a_channel_that_is_not_open_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_with(monkeypatch).enabled_channels == ("web_form",)


def test_nobody_looks_a_message_up_while_it_may_still_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, Any] = {"SEND_DEADLINE_SECONDS": "30", "SEND_LOOKUP_SECONDS": "30"}
    with pytest.raises(SettingsError, match="SEND_LOOKUP_SECONDS must be longer than SEND_DEADLINE_SECONDS"):
        load_with(monkeypatch, **values)
