"""The models that are served: what each one answers, and how much it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from simulators.openai.errors import no_model

_CREATED: Final = 1_715_367_049


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model: its name, the dated name that answers bear, its window in tokens, and its vectors' dimensions."""

    name: str
    snapshot: str
    context_tokens: int
    kind: Literal["text", "embedding"] = "text"
    dimensions: int = 0
    can_shorten: bool = False

    def body(self) -> dict[str, Any]:
        """As `/v1/models` shows it."""
        return {"id": self.name, "object": "model", "created": _CREATED, "owned_by": "system"}


_MODELS: Final = (
    ServedModel("gpt-4o", "gpt-4o-2024-08-06", 128_000),
    ServedModel("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 128_000),
    ServedModel("gpt-4.1", "gpt-4.1-2025-04-14", 1_047_576),
    ServedModel("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 1_047_576),
    ServedModel("text-embedding-3-small", "text-embedding-3-small", 8192, "embedding", 1536, can_shorten=True),
    ServedModel("text-embedding-3-large", "text-embedding-3-large", 8192, "embedding", 3072, can_shorten=True),
    ServedModel("text-embedding-ada-002", "text-embedding-ada-002-v2", 8192, "embedding", 1536),
)


class Catalogue:
    """All models by name: the usual ones, and others of one's own, which answer texts and read 128 000 tokens."""

    def __init__(self, *others: str) -> None:
        usual = {each.name for each in _MODELS}
        served = (*_MODELS, *(ServedModel(name, name, 128_000) for name in others if name not in usual))
        self._models = {each.name: each for each in served}
        self._models |= {each.snapshot: each for each in served}

    def find(self, name: str, kind: Literal["text", "embedding"]) -> ServedModel:
        """The model of that name or dated name. Raises ApiError 404, also for one of the other kind."""
        model = self._models.get(name)
        if model is None or model.kind != kind:
            raise no_model(name)
        return model

    def get(self, name: str) -> ServedModel:
        """The model of that name, of either kind. Raises ApiError 404."""
        if name not in self._models:
            raise no_model(name)
        return self._models[name]

    def all(self) -> list[ServedModel]:
        """Each model once."""
        return list(dict.fromkeys(self._models.values()))
