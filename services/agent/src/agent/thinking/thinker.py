"""One run of the Agents SDK over one case, within its budgets, and an ending whatever the model does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from typing import Any, Final

import agents
from agents import (
    Agent,
    FunctionToolResult,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    RunErrorHandlerResult,
    Runner,
    ToolsToFinalOutputResult,
)
from agents.run_error_handlers import RunErrorHandlerInput, RunErrorHandlers

from agent.errors import NothingOwed
from agent.model import Outcome
from agent.thinking.case import Case
from agent.thinking.instructions import document
from agent.thinking.meaning import Meaning
from agent.thinking.models import Models, RunModel
from agent.thinking.tools import sdk_tools

# By default the SDK sends what a run says to its vendor, and reports failures, with their texts, to the log.
agents.set_tracing_disabled(True)
agents.set_trace_processors([])
logging.getLogger("openai.agents").setLevel(logging.CRITICAL + 1)

_RUN_CONFIG: Final = RunConfig(
    tracing_disabled=True,
    trace_include_sensitive_data=False,
    # A call of a hidden or made-up tool is the model's mistake to mend, not the end of the run.
    tool_not_found_behavior="return_error_to_model",
    tool_name_collision_policy="error",
)
_MODEL_SETTINGS: Final = ModelSettings(
    temperature=0,
    tool_choice="required",
    parallel_tool_calls=False,
    # The endpoint keeps nothing of what a customer said, as far as we can ask for it.
    store=False,
)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend: `turns` answers of its model, each of at most `output_tokens`, and `seconds` in all."""

    turns: int
    seconds: float
    output_tokens: int | None = None


class Thinker:
    """Brings cases to their ending, at most `runs_max` at once."""

    def __init__(
        self,
        models: Models,
        budget: Budget,
        *,
        runs_max: int,
        instructions: str,
        traced: bool = False,
        meaning: Meaning | None = None,
    ) -> None:
        """Without `meaning`, the patterns of the rules judge by themselves."""
        self.models = models
        self._budget = budget
        self._instructions = instructions
        self._meaning = meaning
        self._settings = replace(_MODEL_SETTINGS, max_tokens=budget.output_tokens)
        self._config = replace(_RUN_CONFIG, tracing_disabled=not traced)
        self._runs = asyncio.Semaphore(runs_max)

    async def think(self, case: Case, model: RunModel | None = None) -> str:
        """Brings the case to its ending. Returns the name of the model that answered last, empty when none was asked.

        Whoever gives the `model`, from `models.for_run()`, can read from it what was used, whatever becomes of the run.
        Raises a Failure when a neighbour was away, and there is no ending yet: the event has to be tried again.
        """
        async with self._runs:
            # Being overtaken is no failure: the case says so, and the desk wants no ending of ours any more.
            with contextlib.suppress(NothingOwed):
                await case.judge_by_rules(self._meaning)
            return "" if case.progress.over else await self._ask_model(case, model or self.models.for_run())

    async def _ask_model(self, case: Case, model: RunModel) -> str:
        summary = "The model ended its work without a decision."
        try:
            async with asyncio.timeout(self._budget.seconds):
                await self._run(case, model)
        except TimeoutError:
            case.note("run", Outcome.FAILED, {"error": "OUT_OF_TIME"})
            summary = "The run's time was up before the model had decided."
        # Whatever a model makes the SDK raise, the customer gets an ending.
        except Exception as error:
            case.note("run", Outcome.FAILED, {"error": type(error).__name__})
            summary = "The model failed."
        if case.failure is not None:
            raise case.failure
        with contextlib.suppress(NothingOwed):
            await case.finish(summary)
        return model.answered_by

    async def _run(self, case: Case, model: RunModel) -> None:
        # One agent for each run: the SDK keeps records on its agents, so a shared one would slow down with each run.
        agent = Agent[Case](
            name="customer-success",
            instructions=self._instructions,
            model=model,
            model_settings=self._settings,
            tools=sdk_tools(),
            tool_use_behavior=_stop_when_over,
            # The choice stays "required" after a call; by default the SDK lets the model end with free text.
            reset_tool_choice=False,
        )
        await Runner.run(
            agent,
            document(case.conversation),
            context=case,
            max_turns=self._budget.turns,
            run_config=self._config,
            error_handlers=_ERROR_HANDLERS,
        )


def _stop_when_over(context: RunContextWrapper[Case], _results: list[FunctionToolResult]) -> ToolsToFinalOutputResult:
    over = context.context.progress.over
    return ToolsToFinalOutputResult(is_final_output=over, final_output="" if over else None)


def _out_of_turns(error: RunErrorHandlerInput[Any]) -> RunErrorHandlerResult:
    case: Case = error.context.context
    case.note("run", Outcome.FAILED, {"error": "OUT_OF_TURNS"})
    return RunErrorHandlerResult(final_output="", include_in_history=False)


_ERROR_HANDLERS: Final[RunErrorHandlers[Case]] = {"max_turns": _out_of_turns}
