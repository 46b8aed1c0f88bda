"""One turn of a run as the SDK asks a model for it, and models that need no more than that."""

from __future__ import annotations

import abc
import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from agents import Model, ModelResponse
from agents.items import TResponseInputItem, TResponseStreamEvent
from openai.types.responses import Response, ResponseCompletedEvent

_ASKED: Final = inspect.signature(Model.get_response)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a model is given: the items of the run so far, and the names of the tools whose turn it is.

    Whatever else the SDK hands over goes on unread to the model that is asked in the end.
    """

    items: str | list[TResponseInputItem]
    tools: tuple[str, ...]
    _args: tuple[Any, ...]
    _kwargs: dict[str, Any]

    async def asked_of(self, model: Model) -> ModelResponse:
        """The answer of another model to the same turn."""
        return await model.get_response(*self._args, **self._kwargs)


class TurnModel(Model, abc.ABC):
    """A model that is one method, `answer`. The SDK's own signature is read from the SDK, and said nowhere."""

    @abc.abstractmethod
    async def answer(self, turn: Turn) -> ModelResponse:
        """The model's answer to a turn."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """The model's answer."""
        asked = _ASKED.bind(self, *args, **kwargs).arguments
        return await self.answer(Turn(asked["input"], tuple(tool.name for tool in asked["tools"]), args, kwargs))

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """The same answer as one completed event: a run has nothing to show before its ending is decided."""
        answer = await self.get_response(*args, **kwargs)
        response = Response(
            id=answer.response_id or "",
            created_at=0,
            model="",
            object="response",
            output=answer.output,
            parallel_tool_calls=False,
            tool_choice="required",
            tools=[],
        )
        yield ResponseCompletedEvent(response=response, sequence_number=0, type="response.completed")
