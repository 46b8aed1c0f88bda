"""What the simulated Twilio remembers has an end."""

from datetime import UTC, datetime

from simulators.twilio.messages import INBOUND, Media, Message, Messages, new_sid

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def message(*media: Media) -> Message:
    return Message(
        new_sid("SM"), INBOUND, "whatsapp:+1", "whatsapp:+2", "Hello", "received", NOW, NOW, sent=NOW, media=media
    )


def test_past_the_limit_the_oldest_message_is_forgotten() -> None:
    messages = Messages(limit=2)
    first, second, third = message(), message(), message()
    for one in (first, second, third):
        messages.add(one)
    assert messages.get(first.sid) is None
    assert list(messages.newest_first()) == [third, second]


def test_past_the_limit_the_oldest_files_are_forgotten() -> None:
    messages = Messages(media_bytes_max=10)
    old, new = message(Media("ME1", "image/png", b"12345678")), message(Media("ME2", "image/png", b"12345678"))
    messages.add(old)
    messages.add(new)
    assert old.media == ()
    assert len(new.media) == 1
