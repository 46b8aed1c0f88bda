"""Identity's gRPC door: wire in, one operation, wire out."""

from typing import Any

from fte.identity.v1 import customer_pb2, identity_service_pb2
from fte.identity.v1.identity_service_pb2_grpc import IdentityServiceServicer
from identity import wire
from identity.model import Claim
from identity.operations import Operations
from meshkit.pages import PageTokens, page_size
from meshkit.timestamps import moment


class IdentityApi(IdentityServiceServicer):
    """Serves `fte.identity.v1.IdentityService`."""

    def __init__(self, operations: Operations, pages: PageTokens, phone_region: str | None) -> None:
        self._operations = operations
        self._pages = pages
        self._phone_region = phone_region

    async def ResolveCustomer(
        self, request: identity_service_pb2.ResolveCustomerRequest, context: Any
    ) -> identity_service_pb2.ResolveCustomerResponse:
        """Resolves an identifier to its customer."""
        identifier = wire.identifier_from_wire(
            request.identifier, verified=request.verified, phone_region=self._phone_region
        )
        customer, created = await self._operations.resolve_customer(Claim(identifier, request.display_name.strip()))
        return identity_service_pb2.ResolveCustomerResponse(customer=wire.customer_to_wire(customer), created=created)

    async def MarkIdentifier(
        self, request: identity_service_pb2.MarkIdentifierRequest, context: Any
    ) -> identity_service_pb2.MarkIdentifierResponse:
        """Notes whether an identifier can be reached."""
        identifier = wire.identifier_from_wire(request.identifier, verified=False, phone_region=self._phone_region)
        reachability = wire.reachability_from_wire(request.reachability)
        await self._operations.mark_identifier(identifier, reachability, moment(request.change_time))
        return identity_service_pb2.MarkIdentifierResponse()

    async def GetCustomer(
        self, request: identity_service_pb2.GetCustomerRequest, context: Any
    ) -> customer_pb2.Customer:
        """Reads one customer."""
        customer = await self._operations.get_customer(wire.CUSTOMERS.parse(request.name))
        return wire.customer_to_wire(customer)

    async def ListCustomers(
        self, request: identity_service_pb2.ListCustomersRequest, context: Any
    ) -> identity_service_pb2.ListCustomersResponse:
        """Reads a page of customers."""
        if request.identifier:
            identifier = wire.identifier_from_text(request.identifier, phone_region=self._phone_region)
            found = await self._operations.find_customers(identifier)
            return identity_service_pb2.ListCustomersResponse(
                customers=[wire.customer_to_wire(customer) for customer in found]
            )
        scope = "ListCustomers"
        size = page_size(request.page_size)
        after = self._pages.decode_place(request.page_token, scope=scope)
        customers = await self._operations.list_customers(after, size + 1)
        page, more = customers[:size], len(customers) > size
        return identity_service_pb2.ListCustomersResponse(
            customers=[wire.customer_to_wire(customer) for customer in page],
            next_page_token=(self._pages.encode_place(page[-1].create_time, page[-1].id, scope=scope) if more else ""),
        )
