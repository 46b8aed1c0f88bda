"""What the desk can be told from outside."""

from __future__ import annotations

from pydantic import Field, SecretStr

from meshkit.settings import Seconds, ServiceSettings


class Settings(ServiceSettings):
    """The desk's settings, beside those that all services share."""

    status_token_key: SecretStr = Field(
        min_length=16, description="at least 16 characters, the same as for channels: it signs customers' status tokens"
    )
    identity_address: str = Field(min_length=1, description="where identity serves gRPC: host:port, or a dns:/// name")
    identity_deadline_seconds: Seconds = Field(default=3.0, description="how long identity may take to name a customer")

    incoming_concurrency: int = Field(
        default=32, ge=1, le=1000, description="customers' messages that are handled at the same time"
    )
    answer_overdue_seconds: Seconds = Field(
        default=120.0, description="how long a customer's message may lie without an ending before a person gets it"
    )
    overdue_check_seconds: Seconds = Field(default=5.0, description="how often to look for overdue messages")
    overdue_batch_max: int = Field(
        default=50,
        ge=1,
        le=1000,
        description="overdue messages that one look escalates at most",
    )

    escalation_message: str = Field(
        default=(
            "I could not find a reliable answer, so a colleague will answer you personally. "
            "They have everything you wrote, and you need not repeat any of it."
        ),
        min_length=1,
        max_length=2000,
        description="what a customer is told when the case goes to a person and whoever decided it gave no words",
    )
    apology_message: str = Field(
        default=(
            "We are sorry: your message reached us, but something failed on our side. "
            "It is kept safe, and our support team will look into it personally."
        ),
        min_length=1,
        max_length=2000,
        description="what a customer is told, once, when their message could not be filed",
    )
