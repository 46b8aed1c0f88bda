"""Every knob of the agent."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from meshkit.settings import Seconds, ServiceSettings

Slug = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$", max_length=40)]
Share = Annotated[float, Field(ge=0, le=1)]


class Settings(ServiceSettings):
    """Read from the environment at start; what is missing or wrong fails there by name."""

    tickets_address: str = Field(min_length=1, description="where the desk serves gRPC: host:port")
    knowledge_address: str = Field(min_length=1, description="where knowledge serves gRPC: host:port")
    neighbour_seconds: Seconds = Field(default=5.0, description="how long one call to a neighbour may take")

    runs_max: int = Field(default=32, ge=1, le=1000, description="how many runs may think at once in this process")
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
    categories: tuple[Slug, ...] = Field(
        default=("general", "technical", "billing", "feedback", "bug_report"),
        min_length=1,
        description="the slugs a ticket can be sorted into, as a JSON list",
    )

    grounding_coverage_min: Share = Field(
        default=0.6, description="the share of a sentence's words that one passage must hold to support it"
    )
    local_fit_min: Share = Field(
        default=0.59, description="how well a passage must fit the question before the local model answers from it"
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
        default=10.0, description="how long one answer of the endpoint may take before the local model stands in"
    )
