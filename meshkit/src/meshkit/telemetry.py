"""OpenTelemetry traces, only when there is an endpoint to send them to. The trace context travels in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


@contextmanager
def exporting(service: str, endpoint: str | None) -> Iterator[Tracer | None]:
    """A tracer whose spans go to `endpoint` by OTLP over gRPC while the block runs; None without an endpoint.

    What is still waiting at the end is sent then. A collector that is away costs spans, never calls.
    """
    if endpoint is None:
        yield None
        return
    # Imported here: a service that sends no traces starts without their half second and twenty megabytes.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    # Also for libraries that look for the process's provider by themselves.
    trace.set_tracer_provider(provider)
    try:
        yield provider.get_tracer("meshkit")
    finally:
        provider.shutdown()


def start_span(tracer: Tracer, name: str, traceparent: str | None, *, kind: SpanKind) -> Span:
    """A new span below `traceparent`, or at the root of a new trace."""
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else Context()
    return tracer.start_span(name, context=parent, kind=kind)


def traceparent_of(span: Span) -> str:
    """The W3C header value that makes what follows a child of this span."""
    identity = span.get_span_context()
    return f"00-{identity.trace_id:032x}-{identity.span_id:016x}-{identity.trace_flags:02x}"
