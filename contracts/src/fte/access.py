"""Who may call what: the one access table of the mesh, beside the contract it guards.

Every RPC of every contract stands here, with the callers that may use it. A caller is `public` (anyone, without a
token), `staff` (a person with a token of the company's issuer), or a service by its name. What is not in the table is
refused by all. Health and reflection are open everywhere, and need no line.
"""

from collections.abc import Mapping
from typing import Final

PUBLIC: Final = "public"
STAFF: Final = "staff"
TICKETS: Final = "tickets"
AGENT: Final = "agent"

_BY_SERVICE: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "fte.identity.v1.IdentityService": {
        "ResolveCustomer": frozenset({TICKETS}),
        "MarkIdentifier": frozenset({TICKETS}),
        "GetCustomer": frozenset({STAFF}),
        "ListCustomers": frozenset({STAFF}),
    },
    "fte.tickets.v1.TicketsService": {
        # A customer without a token proves the right to one ticket by its status token; the desk checks that itself.
        "GetTicket": frozenset({PUBLIC, STAFF, AGENT}),
        "ListTickets": frozenset({STAFF}),
        "GetConversation": frozenset({STAFF, AGENT}),
        "ListConversations": frozenset({STAFF, AGENT}),
        "GetMessage": frozenset({STAFF, AGENT}),
        "ListMessages": frozenset({STAFF, AGENT}),
        "ListTimelineEntries": frozenset({STAFF}),
        "ListCustomerHistory": frozenset({STAFF, AGENT}),
        "TriageTicket": frozenset({STAFF, AGENT}),
        "CreateMessage": frozenset({STAFF, AGENT}),
        "EscalateTicket": frozenset({STAFF, AGENT}),
        "TakeOverTicket": frozenset({STAFF}),
        "HandBackTicket": frozenset({STAFF}),
        "ResolveTicket": frozenset({STAFF}),
        "GetDeadLetter": frozenset({STAFF}),
        "ListDeadLetters": frozenset({STAFF}),
        "RedriveDeadLetter": frozenset({STAFF}),
        "DropDeadLetter": frozenset({STAFF}),
    },
    "fte.knowledge.v1.KnowledgeService": {
        "SearchPassages": frozenset({STAFF, AGENT}),
        "GetArticle": frozenset({STAFF}),
        "ListArticles": frozenset({STAFF}),
        "GetPassage": frozenset({STAFF, AGENT}),
    },
    "fte.agent.v1.AgentService": {
        "GetRun": frozenset({STAFF}),
        "ListRuns": frozenset({STAFF}),
        "ExplainReply": frozenset({STAFF}),
        "ReplayConversations": frozenset({STAFF}),
        "GetPolicy": frozenset({STAFF}),
        "ListPolicies": frozenset({STAFF}),
        "CreatePolicy": frozenset({STAFF}),
        "ActivatePolicy": frozenset({STAFF}),
        "ValidatePolicy": frozenset({STAFF}),
        "DryRunPolicy": frozenset({STAFF}),
        "GetCosts": frozenset({STAFF}),
    },
    "fte.channels.v1.ChannelsService": {
        "SubmitForm": frozenset({PUBLIC, STAFF}),
        "SubmitMessage": frozenset({PUBLIC, STAFF}),
        # Providers prove themselves by their own signatures and tokens, which channels checks itself.
        "ReceiveWhatsappMessage": frozenset({PUBLIC}),
        "ReceiveWhatsappStatus": frozenset({PUBLIC}),
        "ReceiveGmailPush": frozenset({PUBLIC}),
        "GetHealth": frozenset({PUBLIC, STAFF}),
        "GetChannelMetrics": frozenset({STAFF}),
        "GetInboundMessage": frozenset({STAFF}),
        "ListInboundMessages": frozenset({STAFF}),
        "GetDelivery": frozenset({STAFF}),
        "ListDeliveries": frozenset({STAFF}),
        "RetryDelivery": frozenset({STAFF}),
        "ConfirmDelivery": frozenset({STAFF}),
    },
}

ACCESS: Final[Mapping[str, frozenset[str]]] = {
    f"/{service}/{method}": callers for service, methods in _BY_SERVICE.items() for method, callers in methods.items()
}
"""Full method name, as gRPC sends it, to the callers that may use it."""
