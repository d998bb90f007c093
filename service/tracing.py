"""Traces by OpenTelemetry, if they are wanted: request -> job -> stages.

A request's span has a W3C `traceparent`, which is kept with the job that it submits; whoever does the job
goes on from there, in whichever process. While traces are off, nothing of OpenTelemetry is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Any

from circuits.errors import InputError

_OFF: AbstractContextManager[None] = nullcontext()
_tracer: Any = None
_provider: Any = None


def start(url: str | None, service: str) -> None:
    """Send this process's spans to a collector from now on; without a URL there are none.

    Parameters
    ----------
    url
        Where it takes OTLP over HTTP: `http://host:4318/v1/traces`. What it needs besides, such as headers,
        is in the environment, as OpenTelemetry has it.
    service
        What the process is called in traces.

    Raises
    ------
    InputError
        If OpenTelemetry is not installed.
    """
    global _tracer, _provider
    if url is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise InputError("OpenTelemetry is not installed: pip install 'verinfer[otel]'") from None
    named = Resource.create({"service.name": service, "service.version": version("verinfer")})
    _provider = TracerProvider(resource=named)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    _tracer = _provider.get_tracer("verinfer")


def on() -> bool:
    """Whether there are any."""
    return _tracer is not None


def stop() -> None:
    """Send what is left, and no more."""
    global _tracer, _provider
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


def span(name: str, parent: str | None = None, **attributes: str | int) -> AbstractContextManager[None]:
    """A span around a block. An exception is noted in it by its kind alone: its text may be a tenant's.

    Parameters
    ----------
    parent
        The `traceparent` to go on from; by default the span around.
    """
    return _OFF if _tracer is None else _span(name, parent, attributes)


def current() -> str | None:
    """The `traceparent` of the span around, if there is one."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def going_on(parent: str | None) -> Iterator[None]:
    """Have a block of another thread belong to a span, so that `current` gives that."""
    if _tracer is None or parent is None:
        yield
        return
    from opentelemetry import context

    token = context.attach(_context(parent))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def _span(name: str, parent: str | None, attributes: Mapping[str, str | int]) -> Iterator[None]:
    from opentelemetry.trace import Status, StatusCode

    context = None if parent is None else _context(parent)
    with _tracer.start_as_current_span(
        name, context, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield
        except BaseException as error:
            made.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _context(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})
