import pytest

from meshkit.sql import QueryFileError, load, parse, statements

GOOD = """
-- Queries of the desk.

-- name: find_ticket
-- The ticket with this id,
-- or nothing.
select id, ';' as semicolon from tickets where id = $1; -- one; statement

-- name: count_tickets
-- How many there are.
select count(*) from tickets
"""


def test_queries_are_found_by_attribute_and_by_key() -> None:
    queries = parse(GOOD, origin="desk/store.sql")
    assert queries.find_ticket == queries["find_ticket"]
    assert queries.find_ticket.startswith("select id, ';'")
    assert list(queries) == ["find_ticket", "count_tickets"]
    assert queries.answers["find_ticket"] == "The ticket with this id, or nothing."


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(QueryFileError, match=r"no query named 'find_tickt'; it has: count_tickets, find_ticket"):
        _ = parse(GOOD, origin="desk/store.sql").find_tickt


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\n-- Says.\nselect 1;\n-- name: a\n-- Says.\nselect 2", "a is defined twice"),
        ("-- name: a\nselect 1", "a has no comment"),
        ("-- name: a\n--\nselect 1", "a has no comment"),
        ("-- name: a\n-- Says.\nselect 1; select 2", "a holds 2 statements"),
        ("-- name: a\n-- Says.\n", "a holds 0 statements"),
        ("-- name: findTicket\n-- Says.\nselect 1", "'findTicket' is not a query name"),
        ("select 1;\n-- name: a\n-- Says.\nselect 1", "before the first"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_with_the_mend(text: str, complaint: str) -> None:
    with pytest.raises(QueryFileError, match=f"here/store.sql.*{complaint}"):
        parse(text, origin="here/store.sql")


def test_a_package_without_the_file_is_refused() -> None:
    with pytest.raises(QueryFileError, match=r"meshkit/store\.sql does not exist"):
        load("meshkit")


def test_semicolons_inside_text_bodies_and_comments_end_nothing() -> None:
    script = """
    create function f() returns void language plpgsql as $body$ begin perform 1; end; $body$; -- it's; fine
    /* a; b */ select "odd;name", 'it''s; text';
    """
    assert len(statements(script)) == 2
