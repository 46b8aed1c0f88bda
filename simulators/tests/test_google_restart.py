"""A simulated mailbox ends with its process, and those who knew it before lose no mail by that."""

import pytest

from simulators.google.account import Account, Config
from simulators.google.errors import ApiError
from simulators.google.mailbox import Mailbox

ADDRESS = "support@techcorp.example"


def test_a_history_id_from_before_a_restart_is_stale_and_never_ahead() -> None:
    first = Mailbox(ADDRESS, lambda: 1_800_000_000.0)
    for _ in range(100):
        first.add(b"From: ada@customer.example\r\n\r\nHello\r\n", ["INBOX"])
    again = Mailbox(ADDRESS, lambda: 1_800_000_010.0)
    assert again.history_id > first.history_id
    with pytest.raises(ApiError):
        again.changes_after(first.history_id)


def test_a_watched_mailbox_pushes_without_being_asked_to() -> None:
    assert Account(Config(address=ADDRESS, watched=True)).mailbox.watched(["INBOX"])
    assert not Account(Config(address=ADDRESS)).mailbox.watched(["INBOX"])
