"""Events that could not be handled: kept, shown, sent round again or dropped; a customer's message gets one apology."""

from __future__ import annotations

import uuid

from meshkit import deadletters
from meshkit.database import Connection
from meshkit.errors import InvalidArgument
from meshkit.ids import uuid7
from tickets import events, store
from tickets.errors import DeadLetterNotFound
from tickets.model import Author, DeadLetter, DeadLetterState, DeadRecord, IncomingMessage, Message
from tickets.operations.desk import Desk


async def keep_dead_letter(desk: Desk, connection: Connection, letter: DeadLetter, record: DeadRecord) -> None:
    """Keeps the letter in the connection's transaction, until a person decides."""
    await store.add_dead_letter(connection, letter, record)


async def apologise(desk: Desk, connection: Connection, incoming: IncomingMessage, key: str) -> None:
    """Tells the sender, in fixed words and once for each message, that it could not be filed.

    `key` is that of the message's own event, so that the apology keeps its place among what this sender is told.
    """
    apology = Message(
        id=uuid7(),
        author=Author.AGENT,
        text=desk.apology_message,
        create_time=desk.clock.now(),
        reference=incoming.reference,
        apology_for=incoming.event_id,
    )
    if await store.add_apology(connection, apology):
        await desk.outbox.publish(connection, events.apology_requested(key, incoming, apology))


async def show_dead_letter(desk: Desk, letter_id: uuid.UUID) -> DeadLetter:
    """The dead letter. Raises DeadLetterNotFound."""
    async with desk.database.connection() as connection:
        letter = await store.find_dead_letter(connection, letter_id)
    if letter is None:
        raise DeadLetterNotFound
    return letter


async def list_dead_letters(
    desk: Desk, *, state: DeadLetterState | None, topic: str | None, after: store.Place, limit: int
) -> list[DeadLetter]:
    """Dead letters, newest first."""
    async with desk.database.connection() as connection:
        return await store.list_dead_letters(connection, state=state, topic=topic, after=after, limit=limit)


async def redrive_dead_letter(desk: Desk, letter_id: uuid.UUID) -> DeadLetter:
    """The dead letter, sent round again to the consumer that gave it up.

    Raises DeadLetterNotFound, DeadLetterSettled when it was dropped, and InvalidArgument when its headers do not say
    which consumer that was.
    """
    async with desk.database.transaction() as connection:
        before = await _locked(connection, letter_id)
        letter = before.redriven(desk.clock.now())
        if letter is not before:
            record = await store.find_dead_record(connection, letter_id)
            try:
                topic, headers = deadletters.redriven(record.headers)
            except ValueError as error:
                raise InvalidArgument.of(
                    "name", "is of a record that no consumer of ours gave up; it can be dropped, but not redriven"
                ) from error
            await store.settle_dead_letter(connection, letter)
            await desk.outbox.publish_raw(connection, topic, record.key, record.value, headers)
        return letter


async def drop_dead_letter(desk: Desk, letter_id: uuid.UUID) -> DeadLetter:
    """The dead letter, decided not to be needed. Raises DeadLetterNotFound, DeadLetterSettled when it was redriven."""
    async with desk.database.transaction() as connection:
        before = await _locked(connection, letter_id)
        letter = before.dropped(desk.clock.now())
        if letter is not before:
            await store.settle_dead_letter(connection, letter)
        return letter


async def _locked(connection: Connection, letter_id: uuid.UUID) -> DeadLetter:
    letter = await store.lock_dead_letter(connection, letter_id)
    if letter is None:
        raise DeadLetterNotFound
    return letter
