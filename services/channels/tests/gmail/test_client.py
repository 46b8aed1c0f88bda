"""What the client of the API needs before it can ask anything."""

from __future__ import annotations

import pytest
from services.channels.tests.gmail.mails import OUR_ADDRESS

from channels.providers.gmail.client import GmailClient
from meshkit.settings import SettingsError


@pytest.mark.parametrize("credentials", ["", "/no/such/file", "{", "{}", '{"type": "service_account"}', "[]"])
def test_credentials_that_cannot_be_read_fail_at_start_by_name(credentials: str) -> None:
    with pytest.raises(SettingsError, match="GMAIL_CREDENTIALS") as error:
        GmailClient(credentials=credentials, address=OUR_ADDRESS, api_url="", units_per_second=250, deadline_seconds=5)
    assert credentials == "" or credentials not in str(error.value)
