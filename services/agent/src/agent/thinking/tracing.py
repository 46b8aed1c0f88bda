"""What the Agents SDK tells of a run, as OpenTelemetry spans: names, times and tokens, never a word of anybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import agents
from agents.tracing import Span, Trace, TracingProcessor
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from agent.model import Tool
from meshkit import context, telemetry

# The SDK's own bookkeeping: what happens in it belongs to the span around it.
_LEFT_OUT: Final = frozenset({"task", "turn"})
_TOOLS: Final = frozenset(Tool)
# https://opentelemetry.io/docs/specs/semconv/gen-ai/: the attributes' names, and those of the operations.
_TOKENS: Final = {"input_tokens": "gen_ai.usage.input_tokens", "output_tokens": "gen_ai.usage.output_tokens"}


def trace_runs() -> None:
    """From now on the SDK tells the process's tracer of its runs, and nobody else."""
    agents.set_trace_processors([SpanBridge(trace.get_tracer("agent"))])
    agents.set_tracing_disabled(False)


class SpanBridge(TracingProcessor):
    """Makes a span of each span of the SDK, below the event or call that the run serves."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[str, trace.Span] = {}

    def on_trace_start(self, trace: Trace) -> None:
        """A run begins."""
        span = telemetry.start_span(
            self._tracer, "invoke_workflow", context.current().traceparent, kind=SpanKind.INTERNAL
        )
        self._open[trace.trace_id] = span

    def on_trace_end(self, trace: Trace) -> None:
        """A run has ended."""
        span = self._open.pop(trace.trace_id, None)
        if span is not None:
            span.end()

    def on_span_start(self, span: Span[Any]) -> None:
        """A part of a run begins."""
        parent = self._open.get(span.parent_id or "") or self._open.get(span.trace_id)
        if parent is None:
            return
        kind = span.span_data.type
        if kind in _LEFT_OUT:
            self._open[span.span_id] = parent
            return
        name, attributes = _described(kind, span.span_data)
        started = telemetry.start_span(
            self._tracer,
            name,
            telemetry.traceparent_of(parent),
            kind=SpanKind.CLIENT if name.startswith("chat") else SpanKind.INTERNAL,
        )
        started.set_attributes(attributes)
        self._open[span.span_id] = started

    def on_span_end(self, span: Span[Any]) -> None:
        """A part of a run has ended."""
        started = self._open.pop(span.span_id, None)
        if started is None or span.span_data.type in _LEFT_OUT:
            return
        usage = getattr(span.span_data, "usage", None) or {}
        for counted, attribute in _TOKENS.items():
            if isinstance(usage.get(counted), int):
                started.set_attribute(attribute, usage[counted])
        if span.error:
            # Its text may quote anything.
            started.set_status(StatusCode.ERROR)
        started.end(_nanoseconds(span.ended_at))

    def shutdown(self) -> None:
        """Nothing is kept."""
        self._open.clear()

    def force_flush(self) -> None:
        """The process's exporter does that."""


def _described(kind: str, data: Any) -> tuple[str, dict[str, str]]:
    name = str(getattr(data, "name", "") or "")
    match kind:
        case "agent":
            return "invoke_agent", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
        case "function":
            # A made-up tool's name is a model's word: only our own are told.
            known = name if name in _TOOLS else "unknown"
            return f"execute_tool {known}", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": known}
        case "generation" | "response":
            model = str(getattr(data, "model", "") or "")
            return f"chat {model}".strip(), {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
        case _:
            return kind, {}


def _nanoseconds(moment: str | None) -> int | None:
    return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1e9)
