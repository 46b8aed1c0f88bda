"""The desk's schema and queries, on the real database."""

from __future__ import annotations

import json
from datetime import timedelta

import asyncpg
import pytest
from services.tickets.tests.conftest import Office, mail

from meshkit.testing import prepare_all
from tickets import store


async def test_every_query_fits_the_schema(office: Office) -> None:
    async with office.service.database.connection() as connection:
        await prepare_all(store.QUERIES, connection)


async def test_a_case_comes_back_as_it_was_saved(office: Office) -> None:
    ticket = await office.form()
    async with office.service.database.transaction() as connection:
        case = await store.lock_case(connection, ticket.reference)
        assert case is not None
        await store.save_case(connection, case)
        assert await store.lock_case(connection, case.ticket.id) == case
        assert await store.find_case_of_conversation(connection, case.conversation.id) == case
        assert await store.find_ticket(connection, ticket.reference) == case.ticket


async def test_an_escalation_comes_back_whole(office: Office) -> None:
    ticket = await office.form()
    await office.escalate(ticket.reference, 1)
    async with office.service.database.connection() as connection:
        found = await store.find_ticket(connection, ticket.reference)
    assert found is not None
    assert found.escalation is not None
    assert found.escalation.create_time == office.clock.now()


async def test_what_is_not_there_is_none(office: Office) -> None:
    nothing = (await office.fetch("select gen_random_uuid() as id"))[0]["id"]
    async with office.service.database.transaction() as connection:
        assert await store.lock_case(connection, nothing) is None
        assert await store.lock_case(connection, "TKT-NONE00") is None
        assert await store.lock_case_of_conversation(connection, nothing) is None
        assert await store.find_case_of_conversation(connection, nothing) is None
        assert await store.find_message(connection, nothing) is None
        assert await store.lock_delivery(connection, nothing) is None
        assert await store.lock_dead_letter(connection, nothing) is None
        assert await store.claim_overdue(connection, nothing, office.clock.now()) is None


async def test_an_answer_before_its_question_is_refused_by_the_table_itself(office: Office) -> None:
    await office.form()
    with pytest.raises(asyncpg.CheckViolationError):
        await office.fetch("update conversations set answered_version = version + 1")


async def test_what_is_overdue_is_found_by_its_index(office: Office) -> None:
    await office.hear(mail("hello"))
    async with office.service.database.transaction() as connection:
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.fetch(f"explain (format json) {store.QUERIES.find_overdue}", office.clock.now(), 5)
    assert "conversations_owed" in json.dumps(json.loads(plan[0][0]))


async def test_an_overdue_case_that_somebody_holds_is_skipped(office: Office) -> None:
    ticket = await office.form()
    later = office.clock.now() + timedelta(minutes=3)
    database = office.service.database
    async with database.transaction() as holder:
        case = await store.lock_case(holder, ticket.reference)
        assert case is not None
        async with database.transaction() as other:
            assert await store.find_overdue(other, later, 5) == [case.conversation.id]
            assert await store.claim_overdue(other, case.conversation.id, later) is None
