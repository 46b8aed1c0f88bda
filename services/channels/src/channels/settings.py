"""Every knob of channels."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from meshkit.settings import ServiceSettings

Slug = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
HourlyCap = Annotated[int, Field(ge=0, le=1_000_000)]


class Settings(ServiceSettings):
    """Read from the environment at start; what is missing or wrong fails there by name."""

    status_token_key: SecretStr = Field(
        min_length=16,
        description="at least 16 characters, the same for channels and tickets: it signs the tokens of status pages",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8080",
        pattern=r"^https?://[^/?#\s]+$",
        description="where customers reach the gateway, scheme and host without a path; status links start with it",
    )
    categories: Annotated[tuple[Slug, ...], NoDecode] = Field(
        default=("general", "technical", "billing", "feedback", "bug_report"),
        min_length=1,
        description="the categories that the form may name: slugs, comma-separated",
    )
    enabled_channels: Annotated[tuple[Literal["web_form"], ...], NoDecode] = Field(
        default=("web_form",), description="the channels that are open, comma-separated: web_form"
    )
    messages_per_sender_hour: HourlyCap = Field(
        default=20, description="messages taken from one e-mail address in each hour; 0 means no cap"
    )
    messages_per_address_hour: HourlyCap = Field(
        default=100,
        description="messages taken from one network address (IPv6: one /64) in each hour; 0 means no cap",
    )
    trusted_gateways: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description=(
            "the networks of our own gateways, comma-separated: only from these is the client's address believed that "
            "a call's headers name; any other caller is its own client"
        ),
    )
    stream_behind_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="how long a fact may wait for Kafka before the stream counts as degraded; six times that: as down",
    )

    @field_validator("categories", "enabled_channels", "trusted_gateways", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value
