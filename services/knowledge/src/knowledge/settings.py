"""Every knob of knowledge."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshkit.settings import ServiceSettings

# Its name without the ending becomes the article's resource name, which the contract limits.
DocumentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,99}\.md$")]
NoDocument = Literal[""]


class Settings(ServiceSettings):
    """Read from the environment at start; what is missing or wrong fails there by name."""

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
    questions_remembered: int = Field(
        default=1024, ge=0, le=100_000, description="questions whose vectors are kept, 1.5 kB each"
    )
