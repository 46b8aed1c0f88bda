from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from meshkit.promises import StatusTokens, decoy_reference, promised_reference, unpromised_reference

# For people: no I, L, O and U.
REFERENCE = re.compile("TKT-[0-9A-HJKMNP-TV-Z]{6}")
TOKENS = StatusTokens("a key of 16 characters or more")


@given(st.text(max_size=40))
def test_a_token_proves_its_reference(reference: str) -> None:
    assert TOKENS.proves(reference, TOKENS.issue(reference))


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_token_proves_no_other_reference(one: str, other: str) -> None:
    assert TOKENS.proves(other, TOKENS.issue(one)) == (one == other)


@pytest.mark.parametrize("token", ["", "A", "ü", "\ud800", "A" * 43, "A" * 9000])
def test_what_we_did_not_issue_proves_nothing(token: str) -> None:
    assert not TOKENS.proves("TKT-7K3Q9V", token)


def test_a_token_under_another_key_proves_nothing() -> None:
    assert not TOKENS.proves("TKT-7K3Q9V", StatusTokens("another key of enough length").issue("TKT-7K3Q9V"))


def test_a_token_carries_256_bits_without_padding() -> None:
    token = TOKENS.issue("TKT-7K3Q9V")
    assert "=" not in token
    assert len(base64.urlsafe_b64decode(token + "=")) == 32


def test_a_secret_setting_is_taken_as_the_key() -> None:
    assert StatusTokens(SecretStr("a key of 16 characters or more")).issue("x") == TOKENS.issue("x")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16"):
        StatusTokens("short")


@pytest.mark.parametrize("draw", [promised_reference, unpromised_reference])
def test_references_can_be_read_out_and_do_not_repeat(draw: Callable[[], str]) -> None:
    # Of so few, two are the same once in seven thousand times; the store draws again.
    references = {draw() for _ in range(100)}
    assert len(references) == 100
    assert all(REFERENCE.fullmatch(reference) for reference in references)


def test_what_is_promised_and_what_is_not_can_never_be_the_same_reference() -> None:
    assert {unpromised_reference()[:5] for _ in range(200)} == {"TKT-Z"}
    assert "TKT-Z" not in {promised_reference()[:5] for _ in range(2000)}


@given(st.binary(min_size=8))
def test_a_decoy_looks_like_a_promised_reference_and_is_the_same_again(digest: bytes) -> None:
    decoy = decoy_reference(digest)
    assert REFERENCE.fullmatch(decoy)
    assert not decoy.startswith("TKT-Z")
    assert decoy_reference(digest) == decoy
