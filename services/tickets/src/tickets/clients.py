"""The desk's one neighbour, in the desk's words."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

import grpc

from fte.identity.v1 import customer_pb2, identity_service_pb2, identity_service_pb2_grpc
from meshkit.status import from_rpc_error
from meshkit.timestamps import timestamp
from tickets import wire
from tickets.errors import SenderRefused
from tickets.model import Reached, Sender

_DISPLAY_NAME_CHARACTERS_MAX: Final = 100

SAFE_TO_REPEAT: Final = frozenset(
    {
        "/fte.identity.v1.IdentityService/ResolveCustomer",
        "/fte.identity.v1.IdentityService/MarkIdentifier",
    }
)
"""What identity answers the same however often it is asked."""


class Customers:
    """Who writes to us, as identity knows them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._identity = identity_service_pb2_grpc.IdentityServiceStub(channel)

    async def resolve(self, sender: Sender) -> uuid.UUID:
        """The id of the customer whom a sender is; a sender never seen before becomes one.

        Raises SenderRefused when the identifier cannot exist, and what the call itself raises when identity is away.
        """
        request = identity_service_pb2.ResolveCustomerRequest(
            identifier=customer_pb2.Identifier(type=wire.IDENTIFIER_TYPE[sender.type], value=sender.value),
            display_name=sender.display_name[:_DISPLAY_NAME_CHARACTERS_MAX],
            verified=sender.verified,
        )
        try:
            response = await self._identity.ResolveCustomer(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise SenderRefused from error
            raise from_rpc_error(error).as_failure() or error from error
        return wire.CUSTOMERS.parse(response.customer.name)

    async def mark(self, reached: Reached, since: datetime) -> None:
        """Notes whether the identifier can be reached from then on.

        Raises what the call itself raises when identity is away.
        """
        recipient = reached.recipient
        request = identity_service_pb2.MarkIdentifierRequest(
            identifier=customer_pb2.Identifier(type=wire.IDENTIFIER_TYPE[recipient.type], value=recipient.value),
            reachability=wire.REACHABILITY[reached.reachability],
            change_time=timestamp(since),
        )
        try:
            await self._identity.MarkIdentifier(request)
        except grpc.aio.AioRpcError as error:
            # Identity knows no customer by what it takes for no address: there is nobody to note it of.
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                raise from_rpc_error(error).as_failure() or error from error
