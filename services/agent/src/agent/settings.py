"""Every knob of the agent."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from meshkit.settings import Seconds, ServiceSettings

Slug = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$", max_length=40)]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]
Share = Annotated[float, Field(ge=0, le=1)]


Dollars = Annotated[float, Field(ge=0, le=10_000)]


class Price(BaseModel):
    """What a model costs, in US dollars for a million tokens; cached ones cost as all others where that is unset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None

    @property
    def cached(self) -> float:
        """What a million tokens cost that the endpoint has read before."""
        return self.input if self.cached_input is None else self.cached_input


class Settings(ServiceSettings):
    """Read from the environment at start; what is missing or wrong fails there by name."""

    tickets_address: str = Field(min_length=1, description="where the desk serves gRPC: host:port")
    knowledge_address: str = Field(min_length=1, description="where knowledge serves gRPC: host:port")
    neighbour_seconds: Seconds = Field(default=5.0, description="how long one call to a neighbour may take")

    runs_max: int = Field(default=32, ge=1, le=1000, description="how many runs may think at once in this process")
    meaning_threads: int = Field(
        default=1, ge=1, le=64, description="cores that reading one message's meaning may use; the machine is shared"
    )
    run_seconds: Seconds = Field(default=30.0, description="time budget of a run; past it, a person takes over")
    burst_seconds: float = Field(
        default=3.0,
        ge=0,
        le=30,
        description="how long to wait on WhatsApp whether the customer goes on writing; 0 answers each message at once",
    )
    run_turns_max: int = Field(default=10, ge=4, le=50, description="how often a run may ask its model at most")
    searches_max: int = Field(default=2, ge=1, le=5, description="how often a run may search at most")
    reply_words_max: int = Field(default=300, ge=20, le=1000, description="how many words a reply may have at most")
    reply_hosts: tuple[Host, ...] = Field(
        default=("techcorp.example",),
        min_length=1,
        description="the hosts, with those below them, that links and addresses in a reply may lead to, as a JSON list",
    )
    categories: tuple[Slug, ...] = Field(
        default=("general", "technical", "billing", "feedback", "bug_report"),
        min_length=1,
        description="the slugs a ticket can be sorted into, as a JSON list",
    )

    grounding_coverage_min: Share = Field(
        default=0.67, description="the share of a sentence's words that one passage must hold to support it"
    )
    local_fit_min: Share = Field(
        default=0.5, description="how well a passage must fit the question before the local model answers from it"
    )
    local_words_max: int = Field(default=120, ge=20, le=1000, description="how many words the local model answers in")

    openai_api_key: SecretStr | None = Field(
        default=None, description="key of an OpenAI-compatible endpoint; with it, or a base URL, that model answers"
    )
    openai_base_url: str | None = Field(
        default=None, pattern="^https?://", description="another endpoint of the same make: https://host/v1"
    )
    openai_model: str = Field(
        default="gpt-4o", min_length=1, max_length=100, description="name of the endpoint's model"
    )
    openai_api: Literal["chat_completions", "responses"] = Field(
        default="chat_completions", description="which of the endpoint's two interfaces to speak"
    )
    openai_seconds: Seconds = Field(
        default=10.0, description="how long one answer of an endpoint may take before the next model stands in"
    )
    openai_retries: int = Field(
        default=1, ge=0, le=5, description="further attempts at one answer after a 429, a 5xx or a lost connection"
    )
    openai_output_tokens_max: int = Field(
        default=1000, ge=100, le=100_000, description="how many tokens an endpoint may write in one answer"
    )
    openai_fallback_model: str = Field(
        default="", max_length=100, description="the model that is asked when the first fails; empty for none"
    )
    openai_fallback_base_url: str | None = Field(
        default=None, pattern="^https?://", description="where that one is; the first one's endpoint when unset"
    )
    openai_fallback_api_key: SecretStr | None = Field(
        default=None, description="the key for that endpoint; the first one's when unset and no URL is set either"
    )
    openai_fallback_api: Literal["chat_completions", "responses"] = Field(
        default="chat_completions", description="which of its two interfaces to speak"
    )
    model_breaker_failures: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="failed answers in a row after which nobody asks an endpoint for a while",
    )
    model_breaker_seconds: Seconds = Field(
        default=10.0, description="for how long that is at first; up to eight times that later"
    )

    model_prices: dict[str, Price] = Field(
        # OpenAI's list prices of 2025; whoever has others, or other models, says so.
        default={
            "gpt-4o": Price(input=2.50, cached_input=1.25, output=10.00),
            "gpt-4o-mini": Price(input=0.15, cached_input=0.075, output=0.60),
            "gpt-4.1": Price(input=2.00, cached_input=0.50, output=8.00),
            "gpt-4.1-mini": Price(input=0.40, cached_input=0.10, output=1.60),
            "gpt-4.1-nano": Price(input=0.10, cached_input=0.025, output=0.40),
        },
        description="US dollars for a million tokens by model, as JSON: "
        '{"gpt-4o": {"input": 2.5, "cached_input": 1.25, "output": 10}}; it replaces the whole table',
    )
    run_tokens_max: int = Field(
        default=60_000, ge=1000, le=10_000_000, description="tokens of a run past which no endpoint is asked any more"
    )
    daily_budget_dollars: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000,
        description="what models may cost in a day (UTC), all replicas together; past it the local model and people "
        "take over; 0 means no limit",
    )

    @model_validator(mode="after")
    def _budget_can_be_held(self) -> Self:
        asked = [self.openai_model] if self.openai_api_key or self.openai_base_url else []
        asked += [self.openai_fallback_model] if self.openai_fallback_model else []
        unpriced = [name for name in asked if name not in self.model_prices]
        if self.daily_budget_dollars and unpriced:
            raise ValueError(f"DAILY_BUDGET_DOLLARS needs a price in MODEL_PRICES for: {', '.join(unpriced)}")
        return self

    @model_validator(mode="after")
    def _fallback_has_an_endpoint(self) -> Self:
        has_endpoint = self.openai_api_key or self.openai_base_url or self.openai_fallback_base_url
        if self.openai_fallback_model and not (has_endpoint or self.openai_fallback_api_key):
            raise ValueError("OPENAI_FALLBACK_MODEL needs OPENAI_API_KEY, OPENAI_BASE_URL or one of its own")
        if self.openai_fallback_model == self.openai_model:
            raise ValueError("OPENAI_FALLBACK_MODEL must have another name than OPENAI_MODEL")
        return self
