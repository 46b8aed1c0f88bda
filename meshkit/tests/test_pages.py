from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import InvalidArgument
from meshkit.pages import PageTokens, page_size

TOKENS = PageTokens("a key of 16 characters or more")


@given(st.lists(st.text(max_size=40), max_size=3), st.text(max_size=40))
def test_a_token_gives_back_its_cursor(cursor: list[str], scope: str) -> None:
    assert TOKENS.decode(TOKENS.encode(cursor, scope=scope), scope=scope) == tuple(cursor)


def test_a_place_comes_back_to_the_microsecond_and_an_empty_token_is_the_first_page() -> None:
    time, identifier = datetime(2026, 11, 21, 3, 0, 0, 123456, tzinfo=UTC), uuid.UUID(int=7)
    token = TOKENS.encode_place(time, identifier, scope="ListTickets")
    assert TOKENS.decode_place(token, scope="ListTickets") == (time, identifier)
    assert TOKENS.decode_place("", scope="ListTickets") is None


def test_numbers_come_back_as_text() -> None:
    assert TOKENS.decode(TOKENS.encode([7, "b"], scope="s"), scope="s") == ("7", "b")


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_is_refused(position: int, bit: int) -> None:
    token = bytearray(TOKENS.encode(["2026-11-21", "id"], scope="ListTickets").encode())
    token[position % len(token)] ^= 1 << bit
    changed = token.decode("latin-1")
    if position % len(token) == len(token) - 1:
        # The last character of unpadded base64 can hold bits that no byte uses.
        return
    with pytest.raises(InvalidArgument, match="page_token"):
        TOKENS.decode(changed, scope="ListTickets")


@pytest.mark.parametrize("token", ["", "a", "!!!!", "ä", "A" * 5000, "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_what_we_did_not_make_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument):
        TOKENS.decode(token, scope="ListTickets")


def test_a_token_of_another_query_is_refused() -> None:
    token = TOKENS.encode(["x"], scope="ListTickets state=OPEN")
    with pytest.raises(InvalidArgument):
        TOKENS.decode(token, scope="ListTickets state=NEW")


def test_a_token_under_another_key_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        TOKENS.decode(PageTokens("another key of enough length").encode(["x"], scope="s"), scope="s")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16"):
        PageTokens("short")


@pytest.mark.parametrize(("requested", "granted"), [(0, 50), (1, 1), (200, 200), (5000, 200)])
def test_page_sizes_have_a_default_and_a_limit(requested: int, granted: int) -> None:
    assert page_size(requested) == granted


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="page_size"):
        page_size(-1)
