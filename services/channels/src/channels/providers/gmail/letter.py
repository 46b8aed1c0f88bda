"""What a mail of ours looks like: the body is the desk's, greeting, sign-off and reference are the channel's."""

from __future__ import annotations

import html
import re

from channels.model import Content, DeliveryKind, Thread
from channels.providers.base import Letter
from channels.providers.gmail.headers import one_line
from channels.providers.gmail.language import ENGLISH, courtesy_of
from channels.providers.gmail.loops import UNSUBSCRIBE

_PARAGRAPHS = re.compile(r"\n[ \t]*\n+")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?\u2026\u3002\uff01\uff1f])\s+")
_REPLY_PREFIX = re.compile(r"\s*(?:re|aw|sv|vs|antw|antwort|rif|res|odp)\s*(?:\[\d{1,3}\])?\s*:", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*\.?")
_PARTICLES = frozenset(
    {"al", "bin", "da", "de", "del", "den", "der", "di", "dos", "du", "la", "le", "ten", "van", "von"}
)
_NAME_WORDS_MAX = 4
_NAME_CHARACTERS_MAX = 30
_NO_SUBJECT = "Your question"
_SUBJECT_CHARACTERS_MAX = 200
_REFERENCES_CHARACTERS_MAX = 8000


class Letters:
    """Writes mails from one address. `company` signs them; a body has at most `words_max` words in one mail."""

    def __init__(self, *, address: str, company: str, words_max: int) -> None:
        self._address = address
        self._company = company
        self._words_max = words_max

    def compose(self, letter: Letter) -> list[Content]:
        """The mails of a letter, in order: a body past the limit goes on in a second one, and nothing of it is lost."""
        match letter.kind:
            case DeliveryKind.REPLY:
                return self._reply(letter)
            case DeliveryKind.FORM_RECEIPT:
                return [self._notice(letter, *_RECEIPT)]
            case DeliveryKind.ANSWER_NOTICE:
                return [self._notice(letter, *_NOTICE)]

    def _reply(self, letter: Letter) -> list[Content]:
        courtesy = courtesy_of(letter.text)
        name = usable_name(letter.recipient.display_name)
        greeting = courtesy.greeting(name) if name else courtesy.greeting_alone
        bodies = split_words(letter.text, self._words_max)
        subject = reply_subject(letter.subject)
        headers = {"Auto-Submitted": "auto-replied", **_thread_headers(letter.thread)}
        mails = []
        for number, body in enumerate(bodies, 1):
            count = [f"({number}/{len(bodies)})"] if len(bodies) > 1 else []
            signature = f"{courtesy.sign_off}\nThe {self._company} support team"
            paragraphs = [greeting, *count, body, signature, f"Your reference: {letter.reference}"]
            mails.append(_content(paragraphs, subject, headers))
        return mails

    def _notice(self, letter: Letter, subject: str, words: tuple[str, ...]) -> Content:
        """A mail to an address that was typed into a form: whoever typed it, no word of theirs is in it."""
        told = {"reference": letter.reference, "status_url": letter.status_url, "company": self._company}
        headers = {
            # Nobody asked for it by mail, and a machine that answers it would be answered by the cap (RFC 3834).
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": f"<mailto:{self._address}?subject={UNSUBSCRIBE}>",
        }
        paragraphs = [
            ENGLISH.greeting_alone,
            *(paragraph.format(**told) for paragraph in words),
            f"{ENGLISH.sign_off}\nThe {self._company} support team",
            f"Your reference: {letter.reference}",
        ]
        return _content(paragraphs, subject.format(**told), headers)


_UNASKED = (
    "If you did not write to us, somebody entered your email address by mistake. You do not have to do anything. "
    f'To get no more of these emails, answer this one with the subject "{UNSUBSCRIBE}".'
)
_RECEIPT = (
    "We have your message ({reference})",
    (
        "Thank you for writing to us. We have your message and will answer it.",
        "You can read the answer, and write to us again, on this page:\n{status_url}",
        _UNASKED,
    ),
)
_NOTICE = (
    "We have answered your message ({reference})",
    (
        "There is an answer to the message that you sent us.",
        "You can read it, and write to us again, on this page:\n{status_url}",
        _UNASKED,
    ),
)


def reply_subject(subject: str) -> str:
    """The subject as the customer wrote it, led by one "Re:", so that the thread holds together."""
    subject = one_line(subject)[:_SUBJECT_CHARACTERS_MAX].strip() or _NO_SUBJECT
    return subject if _REPLY_PREFIX.match(subject) else f"Re: {subject}"


def usable_name(display_name: str) -> str:
    """The name to greet by, empty where there is none that looks like a person's.

    Whoever writes chooses it, and it stands in a mail of ours: letters only, up to four words, each with a capital
    where its alphabet has them, but for the like of "van".
    """
    _, comma, first = display_name.partition(",")
    words = (first if comma and "," not in first else display_name if not comma else "").split()
    if not 1 <= len(words) <= _NAME_WORDS_MAX or not all(_NAME.fullmatch(word) for word in words):
        return ""
    if not all(word.lower() in _PARTICLES or word[0].isupper() or word.lower() == word.upper() for word in words):
        return ""
    name = words[0]
    return name if name not in _PARTICLES and 2 <= len(name) <= _NAME_CHARACTERS_MAX and not name.endswith(".") else ""


def split_words(text: str, words_max: int) -> list[str]:
    """The text in pieces of at most so many words, cut between paragraphs, else between sentences, else between words.

    The same text comes back in one piece where it is short enough.
    """
    pieces: list[str] = []
    for paragraph in _PARAGRAPHS.split(text.strip()):
        for sentence_break, fitting in _fitting(paragraph, words_max):
            joint = " " if sentence_break else "\n\n"
            if pieces and len(pieces[-1].split()) + len(fitting.split()) <= words_max:
                pieces[-1] = f"{pieces[-1]}{joint}{fitting}"
            else:
                pieces.append(fitting)
    return pieces


def _fitting(paragraph: str, words_max: int) -> list[tuple[bool, str]]:
    """Pieces of a paragraph that are short enough, each with whether it goes on in the line of the one before."""
    if len(paragraph.split()) <= words_max:
        return [(False, paragraph)]
    found: list[str] = []
    for sentence in _SENTENCE_ENDS.split(paragraph):
        words = sentence.split()
        if len(words) <= words_max:
            found.append(sentence)
        else:
            found.extend(" ".join(words[at : at + words_max]) for at in range(0, len(words), words_max))
    return [(index > 0, piece) for index, piece in enumerate(found)]


def _thread_headers(thread: Thread) -> dict[str, str]:
    """What puts the reply in its thread (RFC 5322, 3.6.4)."""
    if not thread.message_id:
        return {}
    # A mail without References is a reply to what its In-Reply-To names.
    earlier = thread.references or ((thread.in_reply_to,) if thread.in_reply_to else ())
    references = [reference for reference in earlier if reference != thread.message_id]
    while references and sum(map(len, references)) > _REFERENCES_CHARACTERS_MAX:
        del references[len(references) // 2]
    return {"In-Reply-To": thread.message_id, "References": " ".join([*references, thread.message_id])}


def _content(paragraphs: list[str], subject: str, headers: dict[str, str]) -> Content:
    rendered = "\n".join(f"<p>{html.escape(paragraph).replace(chr(10), '<br>')}</p>" for paragraph in paragraphs)
    return Content(
        text="\n\n".join(paragraphs) + "\n",
        subject=subject,
        html=f'<!doctype html>\n<html><head><meta charset="utf-8"></head><body>\n{rendered}\n</body></html>\n',
        headers=headers,
    )
