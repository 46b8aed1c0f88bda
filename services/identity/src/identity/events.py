"""The facts identity publishes."""

from fte.identity.v1.identity_events_pb2 import CustomerCreated
from fte.topics import IDENTITY_CHANGES
from identity.model import Customer
from identity.wire import CUSTOMERS, identifier_type_to_wire
from meshkit.envelope import Event
from meshkit.timestamps import timestamp


def customer_created(customer: Customer) -> Event:
    """Someone wrote to us for the first time. The identifier itself stays with identity."""
    name = CUSTOMERS.format(customer.id)
    (identifier,) = customer.identifiers
    return Event(
        topic=IDENTITY_CHANGES.name,
        key=name,
        subject=name,
        message=CustomerCreated(
            customer=name,
            identifier_type=identifier_type_to_wire(identifier.type),
            verified=identifier.verified,
            create_time=timestamp(customer.create_time),
        ),
    )
