"""One Gmail mailbox: messages, threads, labels, the history of changes, and the watch on it."""

from __future__ import annotations

import random
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from email.utils import parseaddr

from simulators.google import mime
from simulators.google.errors import ApiError, invalid_argument, not_found

SYSTEM_LABELS = (
    "CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM", "STARRED", "UNREAD",
    "CATEGORY_PERSONAL", "CATEGORY_SOCIAL", "CATEGORY_PROMOTIONS", "CATEGORY_UPDATES", "CATEGORY_FORUMS",
)  # fmt: skip
WATCH_SECONDS = 7 * 86_400
_REPLY_PREFIX = re.compile(r"^\s*((re|aw|fwd?|wg|sv|antw)\s*(\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")


@dataclass(slots=True)
class Message:
    """A mail as it lies in the mailbox: the bytes, and what Gmail knows of them. `time_ms` is Unix milliseconds."""

    id: str
    thread_id: str
    raw: bytes
    headers: tuple[tuple[str, str], ...]
    labels: set[str]
    time_ms: int
    snippet: str
    sequence: int
    history_id: int = 0

    def header(self, name: str) -> str:
        """The first header of that name, unfolded and decoded; empty when there is none."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """All headers of that name, topmost first."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Change:
    """One record of the history. `kind` is messageAdded, messageDeleted, labelAdded or labelRemoved."""

    id: int
    kind: str
    message_id: str
    thread_id: str
    labels: frozenset[str]
    changed_labels: frozenset[str] = frozenset()


@dataclass(slots=True)
class Watch:
    """Where changes are announced, which ones, and until when (Unix milliseconds)."""

    topic: str
    labels: frozenset[str]
    exclude: bool
    expiration_ms: int


@dataclass(slots=True)
class Limits:
    """How much is kept. The oldest mails go first, as if their owner had deleted them; so does the oldest history."""

    messages_max: int = 50_000
    bytes_max: int = 256 * 1024 * 1024
    history_max: int = 200_000


@dataclass(slots=True)
class Mailbox:
    """The mailbox of one address. Its methods raise ApiError as Gmail's API answers."""

    address: str
    clock: Callable[[], float] = time.time
    limits: Limits = field(default_factory=Limits)
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)
    user_labels: dict[str, str] = field(default_factory=dict)
    watch: Watch | None = None
    history_id: int = 0
    _history: deque[Change] = field(default_factory=deque)
    _oldest_history_id: int = 0
    _by_message_id: dict[str, str] = field(default_factory=dict)
    _bytes: int = 0
    _sequence: int = 0

    def __post_init__(self) -> None:
        # Ahead of all that the mailbox reached before a restart: who comes back with an id from then learns that it is
        # stale, and would believe one that lies ahead to be up to date.
        self.history_id = self.history_id or int(self.clock() * 1000)
        self._oldest_history_id = self.history_id

    def add(self, raw: bytes, labels: Collection[str], *, thread_id: str | None = None) -> Message:
        """Puts a mail in the mailbox, in the given thread or in one of its own."""
        self._sequence += 1
        # The high half is the time, as in Gmail's own ids; the low half keeps two mailboxes apart.
        identity = f"{int(self.clock() * 1000) << 20 | random.getrandbits(20):016x}"
        while identity in self.messages:
            identity = f"{int(identity, 16) + 1:016x}"
        message = Message(
            id=identity,
            thread_id=thread_id or identity,
            raw=raw,
            headers=mime.headers(raw),
            labels=set(labels),
            time_ms=int(self.clock() * 1000),
            snippet=mime.snippet(raw),
            sequence=self._sequence,
        )
        for label in labels:
            self._know(label)
        self.messages[message.id] = message
        self.threads.setdefault(message.thread_id, []).append(message.id)
        if rfc822_id := message.header("Message-ID").strip():
            self._by_message_id.setdefault(rfc822_id, message.id)
        self._bytes += len(raw)
        self._record("messageAdded", message)
        self._make_room()
        return message

    def thread_for(self, headers: tuple[tuple[str, str], ...], *, among: str | None = None) -> str | None:
        """The thread that a mail with these headers belongs to; None when it starts one.

        Both must hold, as `threadId` of the resource Message says: In-Reply-To or References names a mail of the
        thread, and the subjects match but for "Re:" and the like. `among` restricts the answer to one thread.
        """
        subject = next((value for name, value in headers if name.lower() == "subject"), "")
        references = [
            reference
            for name, value in headers
            if name.lower() in ("in-reply-to", "references")
            for reference in _MESSAGE_ID.findall(value)
        ]
        for reference in reversed(references):
            found = self.messages.get(self._by_message_id.get(reference, ""))
            if found is None or (among is not None and found.thread_id != among):
                continue
            if _bare(found.header("Subject")) == _bare(subject):
                return found.thread_id
        return None

    def get(self, message_id: str) -> Message:
        """The mail of that id. Raises 404, and 400 for what cannot be an id."""
        if not re.fullmatch(r"[0-9a-fA-F]{1,16}", message_id):
            raise invalid_argument("Invalid id value")
        try:
            return self.messages[message_id]
        except KeyError:
            raise not_found() from None

    def thread(self, thread_id: str) -> list[Message]:
        """The mails of a thread, oldest first. Raises 404."""
        if thread_id not in self.threads:
            raise not_found()
        return [self.messages[message_id] for message_id in self.threads[thread_id]]

    def newest_first(self) -> Iterator[Message]:
        """All mails, newest first."""
        return reversed(self.messages.values())

    def relabel(self, message_id: str, add: Collection[str], remove: Collection[str]) -> Message:
        """Changes a mail's labels, and notes that in the history."""
        message = self.get(message_id)
        for label in (*add, *remove):
            if not self.knows(label):
                raise invalid_argument(f"Invalid label: {label[:40]}")
        added, removed = set(add) - message.labels, set(remove) & message.labels
        message.labels = (message.labels | added) - removed
        if added:
            self._record("labelAdded", message, frozenset(added))
        if removed:
            self._record("labelRemoved", message, frozenset(removed))
        return message

    def delete(self, message_id: str) -> None:
        """Removes a mail for good, and notes that in the history."""
        message = self.get(message_id)
        del self.messages[message_id]
        self._bytes -= len(message.raw)
        thread = self.threads[message.thread_id]
        thread.remove(message_id)
        if not thread:
            del self.threads[message.thread_id]
        rfc822_id = message.header("Message-ID").strip()
        if self._by_message_id.get(rfc822_id) == message_id:
            del self._by_message_id[rfc822_id]
        self._record("messageDeleted", message)

    def changes_after(self, start_history_id: int) -> list[Change]:
        """The history after that id, oldest first. Raises 404 for an id that is too old or was never given out."""
        if not self._oldest_history_id <= start_history_id <= self.history_id:
            raise not_found()
        return [change for change in self._history if change.id > start_history_id]

    def expire_history(self) -> int:
        """Forgets all history so far, so that older ids are answered with 404; returns the oldest id that is valid."""
        self._history.clear()
        # A new id, so that even the newest one that anybody holds is now too old.
        self.history_id += random.randrange(1, 40)
        self._oldest_history_id = self.history_id
        return self.history_id

    def knows(self, label: str) -> bool:
        """Whether there is such a label."""
        return label in SYSTEM_LABELS or label in self.user_labels

    def create_label(self, name: str) -> str:
        """A new label of the owner's; returns its id. Raises 409 for a name that is taken."""
        if name in self.user_labels.values() or name.upper() in SYSTEM_LABELS:
            raise ApiError(409, "aborted", "Label name exists or conflicts", "ABORTED")
        if len(self.user_labels) >= 10_000:
            raise invalid_argument("Maximum number of labels exceeded")
        label = f"Label_{len(self.user_labels) + 1}"
        self.user_labels[label] = name
        return label

    def start_watch(self, topic: str, labels: Collection[str], *, exclude: bool) -> Watch:
        """Announces changes from now on, for seven days."""
        expiration_ms = int((self.clock() + WATCH_SECONDS) * 1000)
        self.watch = Watch(topic, frozenset(labels), exclude, expiration_ms)
        return self.watch

    def watched(self, labels: Collection[str]) -> bool:
        """Whether a change of a mail with these labels is to be announced now."""
        if self.watch is None or self.watch.expiration_ms <= self.clock() * 1000:
            return False
        if not self.watch.labels:
            return True
        return bool(self.watch.labels & set(labels)) is not self.watch.exclude

    def _know(self, label: str) -> None:
        if not self.knows(label):
            self.user_labels[label] = label

    def _record(self, kind: str, message: Message, changed: frozenset[str] = frozenset()) -> None:
        # Ids rise, but with gaps: nobody may count on the next one.
        self.history_id += random.randrange(1, 40)
        message.history_id = self.history_id
        labels = frozenset(message.labels)
        self._history.append(Change(self.history_id, kind, message.id, message.thread_id, labels, changed))
        while len(self._history) > self.limits.history_max:
            self._oldest_history_id = self._history.popleft().id

    def _make_room(self) -> None:
        while len(self.messages) > 1 and (
            len(self.messages) > self.limits.messages_max or self._bytes > self.limits.bytes_max
        ):
            self.delete(next(iter(self.messages)))


def _bare(subject: str) -> str:
    return " ".join(_REPLY_PREFIX.sub("", subject).split()).lower()


def address_of(value: str) -> str:
    """The bare address in a header's value, in lower case; empty when there is none."""
    return parseaddr(value)[1].strip().lower()
