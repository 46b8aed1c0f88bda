"""Which model answers: the endpoint of the settings, and the local rules when there is none or it fails."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import openai
from agents import Model, ModelResponse, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.exceptions import ModelBehaviorError
from openai.types.responses import ResponseFunctionToolCall

from agent.thinking.turn import Turn, TurnModel

Interface: TypeAlias = Literal["chat_completions", "responses"]

_ARGUMENTS_CHARACTERS_MAX: Final = 64_000
_CALLS_MAX: Final = 8


class RunModel(TurnModel):
    """One run's model: the first of its chain that still answers. A model that fails is not asked again in that run.

    `answered_by` is the name of the model that answered last, empty before any has.
    """

    def __init__(self, chain: Sequence[tuple[str, Model]], *, call_seconds: float) -> None:
        self._chain = list(chain)
        self._call_seconds = call_seconds
        self.answered_by = ""

    async def answer(self, turn: Turn) -> ModelResponse:
        """The answer of the first model that gives a usable one. Raises what the last one raised."""
        while True:
            name, model = self._chain[0]
            try:
                async with asyncio.timeout(self._call_seconds):
                    response = await turn.asked_of(model)
                _require_usable(response)
            # An endpoint can answer with anything, and the SDK's parsing then fails in as many ways.
            except Exception:
                if len(self._chain) == 1:
                    raise
                del self._chain[0]
                continue
            self.answered_by = name
            return response


class Models:
    """The models of the settings, in the order in which they are asked."""

    def __init__(self, chain: Sequence[tuple[str, Model]], *, call_seconds: float) -> None:
        self._chain = tuple(chain)
        self._call_seconds = call_seconds

    def for_run(self) -> RunModel:
        """A model for one run."""
        return RunModel(self._chain, call_seconds=self._call_seconds)


def endpoint_model(name: str, client: openai.AsyncOpenAI, interface: Interface) -> Model:
    """The model of an OpenAI-compatible endpoint, by one of its two interfaces."""
    if interface == "responses":
        return OpenAIResponsesModel(name, client)
    return OpenAIChatCompletionsModel(name, client)


def _require_usable(response: ModelResponse) -> None:
    """Raises ModelBehaviorError for an answer that cannot lead on; gives every call an id of its own."""
    calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
    if not calls:
        # Some servers ignore tool_choice: free text would end the run without an ending.
        raise ModelBehaviorError("the model called no tool")
    if len(calls) > _CALLS_MAX or any(len(call.arguments) > _ARGUMENTS_CHARACTERS_MAX for call in calls):
        raise ModelBehaviorError("the model's calls are too many or too large")
    for call in calls:
        # Some servers send none, or the same for every call.
        call.call_id = f"call_{uuid.uuid4().hex}"
