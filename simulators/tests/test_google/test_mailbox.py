"""The mailbox by itself: searching, and what it forgets."""

import pytest

from simulators.google import query
from simulators.google.errors import ApiError
from simulators.google.mailbox import Limits, Mailbox
from simulators.google.sending import Truth

NOW = 1_750_000_000.0


def mailbox() -> Mailbox:
    found = Mailbox("support@techcorp.example", clock=lambda: NOW)
    found.add(
        b"From: Ada <ada@mail.example>\r\nSubject: Refund\r\nMessage-ID: <Q1@mail.example>\r\n\r\nPlease", {"INBOX"}
    )
    return found


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("", True),
        ("in:inbox", True),
        ("in:sent", False),
        ("-in:sent", True),
        ("is:unread", False),
        ("is:read", True),
        ("label:INBOX from:ada@mail.example", True),
        ("from:bob", False),
        ('from:"Ada <ada"', True),
        ("rfc822msgid:<q1@mail.example>", True),
        ("rfc822msgid:q1@mail.example", True),
        ("rfc822msgid:q2@mail.example", False),
        (f"after:{int(NOW)}", True),
        (f"after:{int(NOW) + 1}", False),
        (f"before:{int(NOW)}", False),
        ("after:2025/06/14 before:2025/06/16", True),
        ("newer_than:1d", True),
        ("older_than:1d", False),
        ("subject:refund please", True),
        ("subject:invoice", False),
    ],
)
def test_a_search_finds_what_its_terms_say(q: str, found: bool) -> None:
    (message,) = mailbox().messages.values()
    assert query.parse(q, now=NOW, label_names={}).finds(message) is found


@pytest.mark.parametrize("q", ['from:"ada', "after:yesterday", "after:2025/13/01", "newer_than:soon", "form:ada"])
def test_a_search_that_means_nothing_is_refused(q: str) -> None:
    with pytest.raises(ApiError, match="invalidArgument"):
        query.parse(q, now=NOW, label_names={})


def test_a_full_mailbox_forgets_the_oldest_and_says_so_in_its_history() -> None:
    full = Mailbox("support@techcorp.example", limits=Limits(messages_max=3))
    start = full.history_id
    added = [full.add(b"Subject: %d\r\n\r\n" % number, {"INBOX"}).id for number in range(5)]
    assert list(full.messages) == added[2:]
    assert [change.message_id for change in full.changes_after(start) if change.kind == "messageDeleted"] == added[:2]
    assert len(full.threads) == 3


def test_a_truth_that_grew_too_large_counts_what_it_forgot() -> None:
    box, truth = mailbox(), Truth(characters_max=1000)
    for number in range(5):
        truth.record(box.add(b"Subject: %d\r\n\r\n%b" % (number, b"x" * 400), {"SENT"}), ["ada@mail.example"])
    assert [mail["subject"] for mail in truth.all()] == ["3", "4"]
    assert truth.forgotten == 3


def test_a_history_that_grew_too_long_makes_old_ids_stale() -> None:
    full = Mailbox("support@techcorp.example", limits=Limits(history_max=2))
    start = full.history_id
    ids = [full.add(b"Subject: x\r\n\r\n", {"INBOX"}).history_id for _ in range(4)]
    with pytest.raises(ApiError, match="notFound"):
        full.changes_after(start)
    assert [change.id for change in full.changes_after(ids[1])] == ids[2:]


def test_history_ids_rise_with_gaps() -> None:
    box = Mailbox("support@techcorp.example")
    ids = [box.add(b"Subject: x\r\n\r\n", {"INBOX"}).history_id for _ in range(50)]
    assert ids == sorted(set(ids))
    assert ids[-1] - ids[0] > 49
