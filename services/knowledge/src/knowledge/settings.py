"""Every knob of knowledge."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from meshkit.settings import ServiceSettings

# Its name without the ending becomes the article's resource name, which the contract limits.
DocumentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,99}\.md$")]
NoDocument = Literal[""]


class ContextSettings(BaseSettings):
    """What is imported, and what turns it into vectors: all that the command needs that makes them ahead."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    context_dir: Path = Field(
        default=Path("context"), description="the folder with the documents that may be quoted to customers"
    )
    context_documents: tuple[DocumentName, ...] = Field(
        default=("company-profile.md", "product-docs.md"),
        max_length=100,
        description=(
            'the files in CONTEXT_DIR that are imported at start, as JSON: ["product-docs.md"]; lower case, digits and '
            "hyphens, ending in .md. Only these: the same folder may hold what no customer should read"
        ),
    )
    context_questions: DocumentName | NoDocument = Field(
        default="customer-questions.md",
        description="the file in CONTEXT_DIR with the questions that customers ask, by section; empty for none",
    )
    context_open_questions: DocumentName | NoDocument = Field(
        default="open-questions.md",
        description=(
            "the file in CONTEXT_DIR with the questions near a section that no document answers, by section; "
            "empty for none"
        ),
    )
    embedding_model: str = Field(
        default="all-minilm-l6-v2", description="what turns texts into vectors; the only one now is all-minilm-l6-v2"
    )
    embedding_threads: int = Field(
        default=1, ge=1, le=64, description="cores that one forward pass may use; the machine is shared"
    )
    embedding_left_out: tuple[str, ...] = Field(
        default=("Planwright", "TechCorp"),
        max_length=100,
        description=(
            "names that passages are embedded without, as JSON: the company's and the product's own stand everywhere, "
            "and would make any question that names them look like one we can answer"
        ),
    )


class Settings(ContextSettings, ServiceSettings):
    """Read from the environment at start; what is missing or wrong fails there by name."""

    embedded_ahead: Path | None = Field(
        default=None,
        description="a file of vectors by python -m knowledge.ranking.ahead; what it lacks is embedded when needed",
    )
    questions_remembered: int = Field(
        default=1024, ge=0, le=100_000, description="questions whose vectors are kept, 1.5 kB each"
    )
