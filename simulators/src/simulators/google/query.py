"""The part of Gmail's search language that programs use: `in:sent after:1700000000 -from:"a@b.c" rfc822msgid:<x@y>`."""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import getaddresses

from simulators.google.errors import invalid_argument
from simulators.google.mailbox import Message

Matches = Callable[[Message], bool]

# Search by day means midnight in this zone, whatever the mailbox's own is ("Searching for Messages", Gmail API).
_PACIFIC_STANDARD = datetime.timezone(datetime.timedelta(hours=-8))
_UNITS_DAYS = {"d": 1, "m": 30, "y": 365}


@dataclass(frozen=True, slots=True)
class Query:
    """All terms of a search; a mail is found when every one matches."""

    terms: tuple[Matches, ...]

    def finds(self, message: Message) -> bool:
        """Whether the mail is a result."""
        return all(term(message) for term in self.terms)


def parse(text: str, *, now: float, label_names: Mapping[str, str]) -> Query:
    """The search that `q` asks for. Unix seconds in `now` are what `newer_than:` and `older_than:` count from;
    `label_names` are the owner's labels, id to name, for a search goes by names.

    Raises ApiError (400) for an operator or a value that this simulator does not know, where Gmail would search for
    it as text: a test should learn of a misspelt operator.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise invalid_argument("Invalid value for parameter q: a quotation mark is not closed") from None
    return Query(tuple(_term(word, now, label_names) for word in words))


def _term(word: str, now: float, label_names: Mapping[str, str]) -> Matches:
    if word.startswith("-"):
        wanted = _term(word[1:], now, label_names)
        return lambda message: not wanted(message)
    operator, colon, value = word.partition(":")
    if not colon:
        return _text(word)
    match operator.lower():
        case "in" | "label" | "is":
            return _label(value, label_names)
        case "rfc822msgid":
            wanted_id = value.strip("<>").lower()
            return lambda message: message.header("Message-ID").strip(" <>").lower() == wanted_id
        case "after" | "newer":
            earliest = _time(value)
            return lambda message: message.time_ms >= earliest * 1000
        case "before" | "older":
            latest = _time(value)
            return lambda message: message.time_ms < latest * 1000
        case "newer_than":
            earliest = now - _age_seconds(value)
            return lambda message: message.time_ms >= earliest * 1000
        case "older_than":
            latest = now - _age_seconds(value)
            return lambda message: message.time_ms < latest * 1000
        case "from" | "to" | "cc":
            return _address(operator, value)
        case "subject":
            return lambda message: value.lower() in message.header("Subject").lower()
    raise invalid_argument(f"Invalid value for parameter q: the operator {operator[:40]} is not known here")


def _label(value: str, names: Mapping[str, str]) -> Matches:
    wanted = value.upper()
    if wanted == "ANYWHERE":
        return lambda message: True
    if wanted == "READ":
        return lambda message: "UNREAD" not in message.labels
    # Spaces and slashes of a name are written as hyphens in a search.
    return lambda message: any(
        re.sub(r"[ /]", "-", names.get(label, label)).upper() == wanted for label in message.labels
    )


def _address(header: str, value: str) -> Matches:
    wanted = value.lower()

    def matches(message: Message) -> bool:
        return any(wanted in f"{name} <{address}>".lower() for name, address in getaddresses(message.all(header)))

    return matches


def _text(word: str) -> Matches:
    wanted = word.lower()
    return lambda message: wanted in message.header("Subject").lower() or wanted in message.snippet.lower()


def _time(value: str) -> float:
    if value.isascii() and value.isdigit():
        return float(value)
    if match := re.fullmatch(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})", value):
        year, month, day = (int(part) for part in match.groups())
        try:
            return datetime.datetime(year, month, day, tzinfo=_PACIFIC_STANDARD).timestamp()
        except ValueError:
            pass
    raise invalid_argument("Invalid value for parameter q: a time is Unix seconds or yyyy/mm/dd")


def _age_seconds(value: str) -> float:
    if match := re.fullmatch(r"(\d{1,5})([dmy])", value):
        return int(match[1]) * _UNITS_DAYS[match[2]] * 86_400.0
    raise invalid_argument("Invalid value for parameter q: an age is a number with d, m or y")
