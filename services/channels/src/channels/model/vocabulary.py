"""The words that the contract, the store and the rules share."""

import enum


class Channel(enum.StrEnum):
    """The ways a customer can write to us, as they stand in the store and in ENABLED_CHANNELS."""

    WEB_FORM = "web_form"
    EMAIL = "email"
    WHATSAPP = "whatsapp"


class Priority(enum.StrEnum):
    """How urgent a customer says it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class SenderType(enum.StrEnum):
    """The sorts of identifiers that a sender is known by."""

    EMAIL = "email"
    PHONE = "phone"


class DeliveryState(enum.StrEnum):
    """How far a delivery has come. It only moves forward."""

    CLAIMED = "claimed"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    QUEUED = "queued"
    UNCERTAIN = "uncertain"


class DeliveryKind(enum.StrEnum):
    """What sort of message is on its way."""

    REPLY = "reply"
    FORM_RECEIPT = "form_receipt"
    ANSWER_NOTICE = "answer_notice"


class Suppression(enum.StrEnum):
    """Why a message was taken in and not filed."""

    AUTOMATIC = "automatic"
    OWN_MAIL = "own_mail"
    BOUNCE = "bounce"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    RATE_CAP = "rate_cap"


class Reachability(enum.StrEnum):
    """Whether an address or number can be written to."""

    REACHABLE = "reachable"
    UNDELIVERABLE = "undeliverable"
    OPTED_OUT = "opted_out"


class Condition(enum.StrEnum):
    """How a part of the edge is."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
