"""The command: simulators as a process that the environment configures."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from simulators import google
from simulators.__main__ import main
from simulators.settings import google_config, twilio_config

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators", *arguments], env={**os.environ, **environment}, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_healthy(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            assert httpx.get(f"http://{HOST}:{port}/_control/health").status_code == 200
            return
        except httpx.ConnectError:
            assert time.monotonic() < deadline, "it did not come up"
            time.sleep(0.02)


def test_both_are_served_by_one_small_process_that_ends_when_asked() -> None:
    twilio_port, google_port = free_port(), free_port()
    with started("--twilio-port", str(twilio_port), "--google-port", str(google_port)) as process:
        wait_healthy(twilio_port)
        wait_healthy(google_port)
        assert psutil.Process(process.pid).memory_info().rss < 120 * 1024 * 1024
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_port_that_is_taken_is_named_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        assert main(["--twilio-port", str(port)], {}) == 1
    sentence = capsys.readouterr().err.strip()
    assert str(port) in sentence
    assert "\n" not in sentence


def test_credentials_that_are_none_are_refused_without_showing_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--google-port", "1"], {"GMAIL_CREDENTIALS": '{"private_key": "a secret"}'}) == 1
    assert "client_email" in (sentence := capsys.readouterr().err)
    assert "a secret" not in sentence


def test_webhooks_are_signed_for_the_public_address_and_go_to_the_gateway() -> None:
    environment = {
        "PUBLIC_URL": "https://support.example",
        "GATEWAY_URL": "http://127.0.0.1:9999",
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_CONTENT_SID": "HX1",
        "GMAIL_ADDRESS": "help@support.example",
        "GMAIL_CREDENTIALS": json.dumps(google.ServiceAccount.new("me@example").key_file("http://token")),
    }
    twilio = twilio_config(environment)
    assert (twilio.account_sid, twilio.public_url, twilio.gateway_url, list(twilio.templates)) == (
        "AC1",
        "https://support.example",
        "http://127.0.0.1:9999",
        ["HX1"],
    )
    mailbox = google_config(environment)
    assert mailbox.address == "help@support.example"
    assert mailbox.service_account is not None
    assert mailbox.service_account.email == "me@example"
    assert mailbox.pushing.endpoint == "http://127.0.0.1:9999/api/v1/webhooks/gmail"
    assert mailbox.pushing.audience == "https://support.example/api/v1/webhooks/gmail"
