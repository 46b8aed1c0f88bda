"""Proto ⇄ model."""

from fte.identity.v1 import customer_pb2 as pb
from identity.errors import InvalidIdentifier
from identity.model import Customer, Identifier, IdentifierType, Reachability, normalise
from meshkit.ids import ResourceName
from meshkit.timestamps import timestamp

CUSTOMERS = ResourceName("customers")

_TYPES = {
    pb.IDENTIFIER_TYPE_EMAIL: IdentifierType.EMAIL,
    pb.IDENTIFIER_TYPE_PHONE: IdentifierType.PHONE,
}
_WIRE_TYPES = {type_: number for number, type_ in _TYPES.items()}
_REACHABILITY = {
    pb.REACHABILITY_REACHABLE: Reachability.REACHABLE,
    pb.REACHABILITY_UNDELIVERABLE: Reachability.UNDELIVERABLE,
    pb.REACHABILITY_OPTED_OUT: Reachability.OPTED_OUT,
}
_WIRE_REACHABILITY = {word: number for number, word in _REACHABILITY.items()}


def identifier_from_wire(message: pb.Identifier, *, verified: bool, phone_region: str | None) -> Identifier:
    """Returns the normalised identifier. Raises InvalidIdentifier."""
    return normalise(_TYPES[message.type], message.value, verified=verified, phone_region=phone_region)


def identifier_from_text(text: str, *, phone_region: str | None) -> Identifier:
    """Returns the identifier that a person typed as a filter: an address if it has an @, else a number."""
    type_ = IdentifierType.EMAIL if "@" in text else IdentifierType.PHONE
    try:
        return normalise(type_, text, phone_region=phone_region)
    except InvalidIdentifier as error:
        raise InvalidIdentifier(error.violations[0].description, field="identifier") from error


def identifier_type_to_wire(type_: IdentifierType) -> pb.IdentifierType.ValueType:
    """Returns the contract's word for a sort of identifier."""
    return _WIRE_TYPES[type_]


def reachability_from_wire(value: pb.Reachability.ValueType) -> Reachability:
    """Returns our word for whether an identifier can be reached."""
    return _REACHABILITY[value]


def customer_to_wire(customer: Customer) -> pb.Customer:
    """Returns the customer as the contract shows it."""
    return pb.Customer(
        name=CUSTOMERS.format(customer.id),
        display_name=customer.display_name,
        identifiers=[
            pb.Identifier(
                type=_WIRE_TYPES[identifier.type],
                value=identifier.value,
                verified=identifier.verified,
                reachability=_WIRE_REACHABILITY[identifier.reachability],
            )
            for identifier in customer.identifiers
        ],
        create_time=timestamp(customer.create_time),
        update_time=timestamp(customer.update_time),
    )
