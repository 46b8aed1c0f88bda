"""Messages, as Twilio's page "Twilio's request to your incoming message webhook URL" describes them."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

import regex

from channels.errors import WebhookUnreadable
from channels.model import (
    ATTACHMENTS_MAX,
    NAME_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Attachment,
    Channel,
    Heard,
    Sender,
    SenderType,
    Suppression,
    clean,
)
from channels.providers.whatsapp.signature import Parameters

# The signature has no limits between names and values: whoever replays a webhook could move the beginning of the next
# name into an id, and have the same message filed again. Shapes that are held to the letter leave no room for that.
_MESSAGE_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_WHATSAPP_ADDRESS = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14})")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_COORDINATE = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,12})?")

# Tabs and line feeds are text; no database and no screen has a place for the other controls.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PLACE_CHARACTERS_MAX = 200

# Whole messages, in any case. Twilio's other words for SMS (END, QUIT, CANCEL, YES) are answers in a conversation: they
# count where Twilio itself says that it took them so, in OptOutType.
_STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "optout", "revoke"})
_START_WORDS = frozenset({"start", "unstop"})
_OPT_OUT_TYPES = {"STOP": Suppression.OPT_OUT, "START": Suppression.OPT_IN}

_KINDS = {"image": "image", "video": "video", "audio": "voice message", "text/vcard": "contact"}


def read_message(parameters: Parameters, own_number: str) -> Heard:
    """The message of a webhook that is proved; the sender's number is verified by that.

    What it holds besides words stands behind them in brackets, so that nobody who reads it takes it for all. Media are
    recorded by type and Twilio's media SID, which opens them together with the message's. Twilio does not say when a
    message was sent. Raises WebhookUnreadable.
    """
    sid = message_sid(parameters)
    number = _WHATSAPP_ADDRESS.fullmatch(parameters.one("From"))
    if number is None:
        raise WebhookUnreadable("From", "must be a WhatsApp address with a number, such as whatsapp:+14155550123")
    name = _line(parameters.one("ProfileName"), NAME_CHARACTERS_MAX)
    words = _words(parameters)
    attachments = _attachments(parameters)
    return Heard(
        channel=Channel.WHATSAPP,
        provider_message_id=sid,
        sender=Sender(SenderType.PHONE, number[1], name, verified=True),
        subject="",
        text=_told(words, _place(parameters), attachments),
        attachments=attachments,
        suppression=_suppression(parameters, words, own=number[1] == own_number),
    )


def message_sid(parameters: Parameters) -> str:
    """The id of the message that a webhook is about. Raises WebhookUnreadable."""
    sid = parameters.one("MessageSid")
    if _MESSAGE_SID.fullmatch(sid) is None:
        raise WebhookUnreadable("MessageSid", "must be SM or MM and 32 hexadecimal digits in lower case")
    return sid


def _words(parameters: Parameters) -> str:
    # A reply by button or list carries what was chosen in a parameter of its own, and mostly as its body too.
    for name in ("Body", "ButtonText", "ListTitle"):
        if words := _text(parameters.one(name)):
            return words
    return ""


def _text(raw: str) -> str:
    return _CONTROLS.sub("", clean(raw)).strip()


def _line(raw: str, characters_max: int) -> str:
    return _cut(" ".join(clean(_CONTROLS.sub(" ", raw)).split()), characters_max)


def _told(words: str, place: str, attachments: tuple[Attachment, ...]) -> str:
    notes = [place] if place else []
    if attachments:
        notes.append(f"[The customer sent {_counted(attachments)}]")
    if not words and not notes:
        # Reactions, polls and whatever WhatsApp comes up with: a person may still be waiting.
        notes.append("[The customer sent a message of a kind that cannot be shown here]")
    behind = "\n".join(notes)
    room = TEXT_CHARACTERS_MAX - len(behind) - 2
    return "\n\n".join(filter(None, (_cut(words, room), behind)))


def _counted(attachments: tuple[Attachment, ...]) -> str:
    kinds = Counter(
        _KINDS.get(attachment.media_type) or _KINDS.get(attachment.media_type.partition("/")[0], "file")
        for attachment in attachments
    )
    counts = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in kinds.items()]
    return " and ".join(filter(None, (", ".join(counts[:-1]), counts[-1])))


def _attachments(parameters: Parameters) -> tuple[Attachment, ...]:
    found = []
    # Those that are there, rather than as many as NumMedia says: a message is not refused for a wrong count.
    for number in range(ATTACHMENTS_MAX):
        address = parameters.one(f"MediaUrl{number}")
        media_type = parameters.one(f"MediaContentType{number}").partition(";")[0].strip().lower()
        if not address and not media_type:
            break
        if _MEDIA_TYPE.fullmatch(media_type) is None:
            media_type = "application/octet-stream"
        found.append(Attachment(_last_segment(address), media_type))
    return tuple(found)


def _last_segment(address: str) -> str:
    try:
        segment = urlsplit(address).path.rpartition("/")[2]
    except ValueError:
        return ""
    return segment if _FILE_NAME.fullmatch(segment) else ""


def _place(parameters: Parameters) -> str:
    latitude, longitude = parameters.one("Latitude"), parameters.one("Longitude")
    if _COORDINATE.fullmatch(latitude) is None or _COORDINATE.fullmatch(longitude) is None:
        return ""
    named = [_line(parameters.one(name), _PLACE_CHARACTERS_MAX) for name in ("Label", "Address")]
    return f"[The customer sent a location: {', '.join(filter(None, (*named, latitude, longitude)))}]"


def _suppression(parameters: Parameters, words: str, *, own: bool) -> Suppression | None:
    if own:
        return Suppression.OWN_MAIL
    if said := _OPT_OUT_TYPES.get(parameters.one("OptOutType").strip().upper()):
        return said
    word = words.strip(" .!\"'").casefold()
    if word in _STOP_WORDS:
        return Suppression.OPT_OUT
    return Suppression.OPT_IN if word in _START_WORDS else None


def _cut(text: str, characters_max: int) -> str:
    """The text up to the last whole character, as a reader sees them, that fits."""
    if len(text) <= characters_max:
        return text
    end = 0
    for cluster in regex.finditer(r"\X", text[: characters_max + 1]):
        if cluster.end() > characters_max:
            break
        end = cluster.end()
    return text[: end or characters_max].rstrip()
