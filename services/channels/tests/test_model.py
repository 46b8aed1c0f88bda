import re
import unicodedata
from datetime import UTC, datetime

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from channels.errors import UnknownCategory
from channels.model import (
    Form,
    NextMessage,
    Priority,
    clean,
    clean_line,
    client_network,
    key_hash,
    sender_hash,
    sender_key,
)
from meshkit.errors import InvalidArgument

CATEGORIES = ("general", "technical")
DECEPTIVE = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff"
REFERENCE = re.compile(r"TKT-[0-9ABCDEFGHJKMNPQRSTVWXYZ]{6}")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def form(**fields: str) -> Form:
    filled = {"name": "Ada", "email": "ada@techcorp.example", "subject": "Export", "message": "How?"}
    return Form(**{"category": "general", **filled, **fields}, priority=Priority.MEDIUM)


@pytest.mark.parametrize("character", DECEPTIVE)
def test_what_makes_text_read_otherwise_than_it_is_goes(character: str) -> None:
    assert clean(f"pay{character}pal") == "paypal"


@pytest.mark.parametrize("text", ["👩‍👩‍👧", "نمی‌خواهم", "क्‍ष", "שלום\u200f!"])
def test_joiners_and_marks_that_scripts_are_spelt_with_stay(text: str) -> None:
    assert clean(text) == text


def test_line_breaks_become_line_feeds_and_tabs_stay() -> None:
    assert clean("one\r\ntwo\rthree\n\tfour") == "one\ntwo\nthree\n\tfour"


def test_text_is_composed() -> None:
    assert clean("Zoe\u0308") == "Zo\u00eb"


@given(st.text())
def test_clean_text_stays_as_it_is_and_holds_nothing_deceptive(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not set(cleaned) & set(DECEPTIVE)
    assert "\r" not in cleaned
    assert unicodedata.is_normalized("NFC", cleaned)


@given(st.text(st.characters(exclude_characters=[chr(code) for code in range(32)] + ["\x7f"])))
def test_a_line_that_the_contract_lets_through_is_one_line_when_it_is_clean(text: str) -> None:
    assert len(clean_line(text).splitlines()) <= 1
    assert clean_line(clean_line(text)) == clean_line(text)


@pytest.mark.parametrize("blank", [" ", "\u200b", "\u202e\u2069", "\u200d", "\u00a0\u3000", "\ufeff \u2066"])
def test_a_field_of_which_nothing_can_be_seen_is_refused_by_name(blank: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        form(name=blank, subject=blank, message=blank).cleaned(CATEGORIES)
    assert [violation.field for violation in refused.value.violations] == ["name", "subject", "message"]
    with pytest.raises(InvalidArgument, match="text"):
        NextMessage("TKT-7K3Q9V", blank).cleaned()


def test_text_that_grows_past_its_limit_when_composed_is_refused() -> None:
    assert len(form(message="\ufb2c" * 3333).cleaned(CATEGORIES).message) == 9999
    with pytest.raises(InvalidArgument, match="at most 10000") as refused:
        form(message="\ufb2c" * 3334).cleaned(CATEGORIES)
    assert refused.value.violations[0].field == "message"


def test_an_unknown_category_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(UnknownCategory, match="general, technical"):
        form(category="sales").cleaned(CATEGORIES)


def test_forms_that_read_the_same_have_the_same_digest() -> None:
    one = form(name=" Zoë", message="a\r\nb").cleaned(CATEGORIES)
    other = form(name="Zoe\u0308 ", message="a\nb").cleaned(CATEGORIES)
    assert one.digest() == other.digest()


@given(st.sampled_from(["name", "email", "subject", "category", "message", "website"]), st.text(min_size=1))
def test_every_field_counts_in_the_digest(field: str, text: str) -> None:
    changed = form(**{field: f"{getattr(form(), field)}{text}"})
    assert changed.digest() != form().digest()


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Ada@TechCorp.Example", "ada@techcorp.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada+news@techcorp.example", "ada+news@techcorp.example"),
    ],
)
def test_one_mailbox_has_one_key(typed: str, key: str) -> None:
    assert sender_key(typed) == key


@pytest.mark.parametrize("address", ["ada@localhost", "a..b@techcorp.example", "ada@x.test", "ada", "ada@-x.example"])
def test_an_address_that_cannot_exist_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        sender_key(address)
    assert refused.value.violations[0].field == "email"
    assert address not in str(refused.value)


@given(st.from_regex(r"[A-Za-z0-9._+-]{1,70}@[A-Za-z0-9.-]{1,12}\.(com|example|test)", fullmatch=True))
def test_the_quick_way_to_a_key_takes_and_refuses_what_the_whole_check_does(typed: str) -> None:
    try:
        address = validate_email(typed, check_deliverability=False)
    except EmailNotValidError:
        with pytest.raises(InvalidArgument):
            sender_key(typed)
    else:
        assert sender_key(typed) == f"{address.local_part}@{address.ascii_domain}".lower()


@pytest.mark.parametrize("key", ["", "x" * 129, "ü", "a\tb", "a\nb", "\x7f"])
def test_an_idempotency_key_that_is_none_is_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        key_hash("form", key)
    assert refused.value.violations[0].field == "idempotency-key"


def test_a_key_means_something_else_in_another_scope() -> None:
    assert key_hash("form", "k") != key_hash("message", "k")
    assert key_hash("form", "k") == key_hash("form", "k")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unknown", None),
        ("", None),
    ],
)
def test_an_ipv6_household_is_one_network(address: str, network: str | None) -> None:
    assert client_network(address) == network


def test_a_sender_is_counted_under_a_hash_that_needs_the_key() -> None:
    assert sender_hash(b"one", "sender", "a@b.example") != sender_hash(b"other", "sender", "a@b.example")
    assert sender_hash(b"one", "sender", "a") != sender_hash(b"one", "network address", "a")
