import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.errors import InvalidIdentifier
from identity.model import IdentifierType, normalise

EMAIL, PHONE = IdentifierType.EMAIL, IdentifierType.PHONE


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("Ada@TechCorp.Example", "ada@techcorp.example"),
        (" ada@techcorp.example ", "ada@techcorp.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada+work@techcorp.example", "ada+work@techcorp.example"),
        ("a.da@techcorp.example", "a.da@techcorp.example"),
    ],
)
def test_spellings_of_an_address_are_one_and_aliases_stay_apart(spelling: str, address: str) -> None:
    assert normalise(EMAIL, spelling).value == address


@pytest.mark.parametrize("number", ["+1 (212) 555-0101", "+12125550101", "+1.212.555.0101", " +1 212 555 0101"])
def test_spellings_of_a_number_are_one(number: str) -> None:
    assert normalise(PHONE, number).value == "+12125550101"


def test_a_number_without_plus_needs_a_region() -> None:
    assert normalise(PHONE, "(212) 555-0101", phone_region="US").value == "+12125550101"
    with pytest.raises(InvalidIdentifier, match=r"E\.164"):
        normalise(PHONE, "(212) 555-0101")


@pytest.mark.parametrize(
    "value", ["", "ada", "ada@", "ada@localhost", "a b@c.example", "ada@techcorp.example\r\nBcc: x@y.z"]
)
def test_what_is_no_address_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(InvalidIdentifier) as refused:
        normalise(EMAIL, value)
    (violation,) = refused.value.violations
    assert violation.field == "identifier.value"
    assert not value or value not in refused.value.message


@pytest.mark.parametrize("value", ["", "12", "+1", "+999 123", "call me"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidIdentifier):
        normalise(PHONE, value)


@given(st.text(max_size=320), st.sampled_from(IdentifierType))
def test_normalising_is_stable_and_fails_only_as_it_says(value: str, type_: IdentifierType) -> None:
    try:
        once = normalise(type_, value)
    except InvalidIdentifier:
        return
    assert normalise(type_, once.value) == once
