"""Every knob of channels."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, SecretStr, field_validator, model_validator
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
    enabled_channels: Annotated[tuple[Literal["web_form", "email", "whatsapp"], ...], NoDecode] = Field(
        default=("web_form",), description="the channels that are open, comma-separated: web_form, email, whatsapp"
    )
    max_response_lengths: dict[Literal["email", "whatsapp"], PositiveInt] = Field(
        default={"email": 500, "whatsapp": 300},
        description="JSON: the longest reply by e-mail in words, and the longest single WhatsApp message in characters",
    )
    form_mails: bool = Field(
        default=True,
        description="whether a form is confirmed by mail, and its answer announced; needs the channel email",
    )
    form_mails_per_address_hour: HourlyCap = Field(
        default=3, description="mails that forms may cause to one address in each hour; 0 means none at all"
    )
    mails_answered_per_sender_hour: HourlyCap = Field(
        default=10,
        description="mails of one sender, and of one thread, that are filed in each hour; more is taken for two "
        "machines that talk to each other; 0 means no cap",
    )
    send_deadline_seconds: float = Field(
        default=20.0, gt=0, le=120, description="how long one request to a provider may take"
    )
    send_lookup_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="how long after its claim a message of unknown fate is looked up at the provider; longer than "
        "SEND_DEADLINE_SECONDS, so that whoever claimed it has given up by then",
    )
    send_attempts_max: int = Field(
        default=8, ge=1, le=100, description="attempts to send or look up one message before a person decides"
    )

    send_give_up_seconds: float = Field(
        default=4 * 3600.0,
        gt=0,
        le=7 * 86_400,
        description="how long a message waits for a provider that is away or too busy before a person has to look",
    )
    send_concurrency: int = Field(
        default=8, ge=1, le=100, description="messages that are on their way to one provider at once"
    )
    breaker_failures: int = Field(
        default=5, ge=1, le=1000, description="failures in a row after which a provider is not asked for a while"
    )
    breaker_open_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="for how long a provider that failed is not asked at first; up to eight times that later",
    )

    twilio_account_sid: str = Field(default="", description="the account whose webhooks are believed and that sends")
    twilio_auth_token: SecretStr = Field(default=SecretStr(""), description="signs webhooks, and signs us in")
    twilio_auth_token_previous: SecretStr = Field(
        default=SecretStr(""),
        description="the token before, while it is being rotated: webhooks signed with it are taken",
    )
    twilio_whatsapp_from: str = Field(default="", description="our WhatsApp number, such as +14155550100")
    twilio_content_sid: str = Field(
        default="",
        description="the approved template that is sent outside the 24-hour window, with two variables: {{1}} the "
        "ticket's reference, {{2}} the answer on one line; without it a person decides",
    )
    twilio_api_url: str = Field(default="", description="where Twilio's API is; empty for Twilio itself")
    twilio_messages_per_second: float = Field(
        default=80.0, gt=0, le=10_000, description="what Twilio takes from one WhatsApp number"
    )

    gmail_credentials: SecretStr = Field(
        default=SecretStr(""),
        description="a service account's key with domain-wide delegation, as JSON or as the path of a file with it",
    )
    gmail_address: str = Field(default="", description="the mailbox that is read, and the address that answers")
    gmail_topic: str = Field(
        default="", description="the Pub/Sub topic of the mailbox, projects/{project}/topics/{topic}"
    )
    gmail_label: str = Field(default="INBOX", description="the label that a mail must have to be read")
    gmail_api_url: str = Field(default="", description="where Gmail's API is; empty for Google itself")
    gmail_poll_seconds: float = Field(
        default=60.0, gt=0, le=86_400, description="how often the mailbox is looked at without a push"
    )
    gmail_units_per_second: float = Field(
        default=250.0, gt=0, le=100_000, description="Gmail's quota units for one mailbox; sending a mail takes 100"
    )
    pubsub_audience: str = Field(
        default="", description="the audience of the push tokens, as the subscription names it"
    )
    pubsub_service_account: str = Field(default="", description="the account that signs the push tokens")
    pubsub_keys_url: str = Field(
        default="https://www.googleapis.com/oauth2/v3/certs",
        description="where the keys of the push tokens are published",
    )
    company_name: str = Field(
        default="Planwright",
        min_length=1,
        max_length=60,
        pattern=r"^[^\x00-\x1f\x7f<>@,;:\"]+$",
        description="the name that mails are signed with: The {name} support team",
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

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """What a channel cannot be open without is missed at start, by name, and not at the first message."""
        needed = {
            "email": ("gmail_credentials", "gmail_address", "pubsub_audience", "pubsub_service_account"),
            "whatsapp": ("twilio_account_sid", "twilio_auth_token", "twilio_whatsapp_from"),
        }
        for channel in self.enabled_channels:
            for name in needed.get(channel, ()):
                value = getattr(self, name)
                if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                    raise ValueError(f"{name.upper()} is needed while ENABLED_CHANNELS has {channel}")
        if self.send_lookup_seconds <= self.send_deadline_seconds:
            raise ValueError("SEND_LOOKUP_SECONDS must be longer than SEND_DEADLINE_SECONDS")
        return self

    @field_validator("categories", "enabled_channels", "trusted_gateways", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value
