"""Which model answers: the endpoints of the settings in their order, and the local rules when none does.

An endpoint that fails is not asked again in that run; one that fails several times in a row is left alone by all runs
for a while. Past the budget of a run or of the day no endpoint is asked at all, and the local rules and people take
over. A model only proposes calls of tools: asked again, or replaced in the middle of a run, it has no effect twice.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import openai
from agents import Model, ModelResponse, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.exceptions import ModelBehaviorError
from openai.types.responses import ResponseFunctionToolCall
from prometheus_client import Counter

from agent.errors import ModelNotConfigured
from agent.model import Usage
from agent.settings import Price
from agent.thinking.spending import Spending, usage_of
from agent.thinking.turn import Turn, TurnModel
from meshkit import crashpoints, logs
from meshkit.breaker import Breaker, BreakerState

Interface: TypeAlias = Literal["chat_completions", "responses"]

CALLS: Final = Counter(
    "agent_model_calls_total",
    "Calls of models, by model and outcome (ok, away, refused, unusable, shut, over_budget).",
    ("model", "outcome"),
)
TOKENS: Final = Counter("agent_model_tokens_total", "Tokens by model and kind (input, output).", ("model", "kind"))

_ARGUMENTS_CHARACTERS_MAX: Final = 64_000
_CALLS_MAX: Final = 8
_RETRY_AFTER: Final = "retry-after"
_RETRY_SECONDS: Final = 0.25


class ModelSkipped(Exception):
    """The only model that is left may not be asked: the budget is used up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for an endpoint, and how often to try.

    `retries` are further attempts after a 429, a 5xx or a lost connection; an endpoint that asks for a longer wait than
    `retry_wait_seconds_max` is not waited for. After `failures_max` failed calls in a row nobody asks it for
    `shut_seconds`. Past `run_tokens_max` tokens a run asks endpoints no more.
    """

    call_seconds: float = 10.0
    retries: int = 1
    retry_wait_seconds_max: float = 2.0
    failures_max: int = 5
    shut_seconds: float = 10.0
    run_tokens_max: int = 60_000


class Models:
    """The models of the settings, in the order in which they are asked, with what they cost and how they are.

    The last one is asked however it is: there is none behind it. One without a price costs nothing.
    """

    def __init__(
        self,
        chain: Sequence[tuple[str, Model]],
        *,
        call_seconds: float | None = None,
        patience: Patience | None = None,
        prices: Mapping[str, Price] | None = None,
        spending: Spending | None = None,
        breakers: Mapping[str, Breaker] | None = None,
    ) -> None:
        self.patience = patience or (Patience() if call_seconds is None else Patience(call_seconds=call_seconds))
        self.chain = tuple(chain)
        self.prices = dict(prices or {})
        self.spending = spending
        self.breakers = breakers or {
            name: Breaker(failures_max=self.patience.failures_max, open_seconds=self.patience.shut_seconds)
            for name, _ in self.chain
        }

    def for_run(self) -> RunModel:
        """A model for one run."""
        return RunModel(self)

    def only(self, name: str) -> Models:
        """This one model of them, alone. Raises ModelNotConfigured."""
        found = [each for each in self.chain if each[0] == name]
        if not found:
            raise ModelNotConfigured([each for each, _ in self.chain])
        return Models(found, patience=self.patience, prices=self.prices, spending=self.spending, breakers=self.breakers)


class RunModel(TurnModel):
    """One run's model: the first of the chain that may be asked and answers.

    `answered_by` is the name of the model that answered last, empty before any has. `usages` are what each model with
    a price, or whose server counts tokens, has used.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._left = list(models.chain)
        self.answered_by = ""
        self.usages: dict[str, Usage] = {}

    @property
    def usage(self) -> Usage:
        """What all models of the run used."""
        return sum(self.usages.values(), Usage())

    async def answer(self, turn: Turn) -> ModelResponse:
        """The answer of the first model that gives a usable one. Raises what the last one raised."""
        while True:
            name, model = self._left[0]
            is_last = len(self._left) == 1
            try:
                self._require_allowed(name, is_last=is_last)
                response = await self._asked(name, model, turn)
            # An endpoint can answer with anything, and the SDK's parsing then fails in as many ways.
            except Exception:
                if is_last:
                    raise
                del self._left[0]
                continue
            self.answered_by = name
            crashpoints.reached("agent.after_model")
            return response

    def _require_allowed(self, name: str, *, is_last: bool) -> None:
        """Raises ModelSkipped for a model that may not be asked now."""
        spending = self._models.spending
        if name in self._models.prices or name in self.usages:
            used = self.usage
            is_spent = used.input_tokens + used.output_tokens >= self._models.patience.run_tokens_max
            if is_spent or (spending is not None and spending.is_over):
                CALLS.labels(name, "over_budget").inc()
                raise ModelSkipped
        if not is_last and not self._models.breakers[name].take():
            CALLS.labels(name, "shut").inc()
            raise ModelSkipped

    async def _asked(self, name: str, model: Model, turn: Turn) -> ModelResponse:
        patience, breaker = self._models.patience, self._models.breakers[name]
        retries = patience.retries
        while True:
            try:
                async with asyncio.timeout(patience.call_seconds):
                    response = await turn.asked_of(model)
                self._count(name, response)
                _require_usable(response)
            except Exception as error:
                CALLS.labels(name, _outcome(error)).inc()
                wait_seconds = _wait_seconds(error)
                if retries and wait_seconds is not None and wait_seconds <= patience.retry_wait_seconds_max:
                    retries -= 1
                    await asyncio.sleep(wait_seconds)
                    continue
                _tell(breaker, name, error)
                raise
            CALLS.labels(name, "ok").inc()
            breaker.succeeded()
            return response

    def _count(self, name: str, response: ModelResponse) -> None:
        price = self._models.prices.get(name)
        if price is None and not response.usage.total_tokens:
            return
        usage = usage_of(response.usage, price)
        self.usages[name] = self.usages.get(name, Usage()) + usage
        TOKENS.labels(name, "input").inc(usage.input_tokens)
        TOKENS.labels(name, "output").inc(usage.output_tokens)
        if self._models.spending is not None:
            self._models.spending.spent(usage.cost_micros)


def endpoint_model(name: str, client: openai.AsyncOpenAI, interface: Interface) -> Model:
    """The model of an OpenAI-compatible endpoint, by one of its two interfaces."""
    if interface == "responses":
        return OpenAIResponsesModel(name, client)
    return OpenAIChatCompletionsModel(name, client)


def _outcome(error: Exception) -> str:
    if isinstance(error, openai.APIStatusError):
        return "away" if _is_transient(error) else "refused"
    return "away" if isinstance(error, openai.APIConnectionError | TimeoutError) else "unusable"


def _is_transient(error: openai.APIStatusError) -> bool:
    if isinstance(error, openai.RateLimitError):
        # No wait helps an account without money.
        return error.code != "insufficient_quota"
    return error.status_code >= 500


def _wait_seconds(error: Exception) -> float | None:
    """How long to wait before the same call may succeed; None when no wait helps, or the time is up already."""
    if isinstance(error, openai.APIStatusError):
        if not _is_transient(error):
            return None
        asked = error.response.headers.get(_RETRY_AFTER, "")
        if asked.isascii() and asked.isdigit():
            return float(asked)
    elif isinstance(error, openai.APITimeoutError) or not isinstance(error, openai.APIConnectionError):
        return None
    return _RETRY_SECONDS * random.uniform(0.5, 1.5)


def _tell(breaker: Breaker, name: str, error: Exception) -> None:
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        # It is well, and refuses this one conversation: others may still ask it.
        breaker.succeeded()
        return
    was = breaker.state
    breaker.failed()
    if breaker.state is BreakerState.OPEN and was is not BreakerState.OPEN:
        logs.get().warning("model.shut", model=name, seconds=breaker.wait_seconds(), error_type=type(error).__name__)


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
