"""Customers and identifiers, and when two spellings are one identifier. Pure: no wire, no store."""

from __future__ import annotations

import dataclasses
import enum
import uuid
from datetime import datetime

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from identity.errors import InvalidIdentifier


class IdentifierType(enum.StrEnum):
    """The sorts of identifiers, as they stand in the store."""

    EMAIL = "email"
    PHONE = "phone"


class Reachability(enum.StrEnum):
    """Whether messages reach an identifier, as it stands in the store."""

    REACHABLE = "reachable"
    UNDELIVERABLE = "undeliverable"
    OPTED_OUT = "opted_out"


@dataclasses.dataclass(frozen=True)
class Identifier:
    """One normalised address or number. Two are the same identifier exactly when type and value are equal.

    It counts as reachable until a provider says otherwise.
    """

    type: IdentifierType
    value: str
    verified: bool = False
    reachability: Reachability = Reachability.REACHABLE


@dataclasses.dataclass(frozen=True)
class Customer:
    """A person who has written to us; `identifiers` oldest first."""

    id: uuid.UUID
    display_name: str
    identifiers: tuple[Identifier, ...]
    create_time: datetime
    update_time: datetime

    def learns_from(self, claim: Claim) -> bool:
        """Whether the claim tells something that is not known yet, so that the customer has to be written."""
        known = next(
            (
                identifier
                for identifier in self.identifiers
                if (identifier.type, identifier.value) == (claim.identifier.type, claim.identifier.value)
            ),
            None,
        )
        gains_name = not self.display_name and bool(claim.display_name)
        gains_proof = claim.identifier.verified and not (known and known.verified)
        return known is None or gains_name or gains_proof


@dataclasses.dataclass(frozen=True)
class Claim:
    """Someone writes from this identifier, and calls themselves so; `verified` if a provider vouches for it."""

    identifier: Identifier
    display_name: str


def normalise(
    type_: IdentifierType, value: str, *, verified: bool = False, phone_region: str | None = None
) -> Identifier:
    """Returns the identifier that this spelling stands for.

    E-mail by RFC 5321 and 6531: lower case throughout, since no provider in use tells local parts apart by case, the
    domain in its ASCII form (IDNA). Plus and dot aliases stay apart: whether they are one, only the mailbox's owner
    knows. Phone numbers in E.164; `phone_region` (ISO 3166) is for numbers without a leading `+`.

    Raises InvalidIdentifier when no such address or number could exist.
    """
    match type_:
        case IdentifierType.EMAIL:
            return Identifier(type_, _normalise_email(value), verified)
        case IdentifierType.PHONE:
            return Identifier(type_, _normalise_phone(value, phone_region), verified)


def _normalise_email(value: str) -> str:
    try:
        address = validate_email(value.strip(), check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidIdentifier(
            "is not an e-mail address that could exist; give it as name@domain, at most 254 characters"
        ) from error
    return f"{address.local_part.lower()}@{address.ascii_domain.lower()}"


def _normalise_phone(value: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(value.strip(), region)
    except phonenumbers.NumberParseException as error:
        raise InvalidIdentifier("is not a telephone number; give it in E.164, such as +14155550123") from error
    if not phonenumbers.is_possible_number(number):
        raise InvalidIdentifier("has too few or too many digits for its country; give it in E.164")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
