"""A run as OpenTelemetry spans: below its event's trace, with names and tokens, and without anybody's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import agents
import pytest
from agents import ModelResponse
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from agent.model import Ending
from agent.thinking.local_rules import NAME, LocalRulesModel, Thresholds
from agent.thinking.models import Models
from agent.thinking.tracing import SpanBridge
from agent.thinking.turn import Turn, TurnModel
from meshkit import context

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
# A word that a customer may say and the product never does.
WORD = "zebrafish"


class Failing(TurnModel):
    """Quotes what it was asked when it fails."""

    async def answer(self, turn: Turn) -> ModelResponse:
        raise RuntimeError(f"cannot answer {turn.items}")


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    agents.set_trace_processors([SpanBridge(provider.get_tracer("agent"))])
    agents.set_tracing_disabled(False)
    yield exporter
    agents.set_tracing_disabled(True)
    agents.set_trace_processors([])
    provider.shutdown()


def words_of(span: ReadableSpan) -> str:
    return str(span.to_json()).casefold()


async def test_a_run_is_a_tree_of_spans_below_its_events_trace(
    neighbours: Neighbours, spans: InMemorySpanExporter
) -> None:
    filed = neighbours.desk.file(f"{WORD}: how do I reset my password?", subject=WORD)
    with context.entered(context.Call("request-1", TRACEPARENT)):
        run = await neighbours.answers(traced=True).answer(filed)
    assert run.ending is Ending.REPLIED
    finished = spans.get_finished_spans()
    names = [span.name for span in finished]
    assert {"invoke_workflow", "invoke_agent", "execute_tool create_ticket", "execute_tool send_response"} <= set(names)
    assert {f"{span.context.trace_id:032x}" for span in finished if span.context} == {TRACE}
    ids = {span.context.span_id for span in finished if span.context}
    roots = [span for span in finished if span.parent is None or span.parent.span_id not in ids]
    assert [span.name for span in roots] == ["invoke_workflow"]
    for span in finished:
        assert WORD not in words_of(span)
        assert "password" not in words_of(span)


async def test_a_failure_is_told_by_its_status_alone(neighbours: Neighbours, spans: InMemorySpanExporter) -> None:
    models = Models([("failing", Failing()), (NAME, LocalRulesModel(Thresholds()))])
    alone = Models([("failing", Failing())])
    for each in (models, alone):
        await neighbours.answers(models=each, traced=True).answer(neighbours.desk.file(f"{WORD}: my password?"))
    finished = spans.get_finished_spans()
    assert any(span.status.status_code is StatusCode.ERROR for span in finished)
    assert not any(WORD in words_of(span) for span in finished)


async def test_without_an_endpoint_for_traces_nothing_is_traced(
    neighbours: Neighbours, spans: InMemorySpanExporter
) -> None:
    await neighbours.answers().answer(neighbours.desk.file("How do I reset my password?"))
    assert not spans.get_finished_spans()
