"""Spans: what a request spends its time on, for OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set. Where it is not,
nothing of OpenTelemetry is imported, and a span is one that does nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

from shared.platform.settings import stop

if TYPE_CHECKING:
    from shared.platform.tracer import Tracer

Kind = Literal["server", "client", "producer", "consumer", "internal"]
# Attributes: only what anybody who reads traces may see. No key, token, amount, metadata or text of others.
About = Mapping[str, str | int | float | bool]
_NOTHING_MORE: About = MappingProxyType({})


class Context(Protocol):
    """The W3C trace context that something came with, both parts checked; None where it came without."""

    @property
    def traceparent(self) -> str | None: ...

    @property
    def tracestate(self) -> str | None: ...


class Span:
    """One that does nothing; with an endpoint set, see `tracer`. What is raised within a span marks it as failed."""

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, *raised: object) -> None:
        """Ends the span."""

    def rename(self, name: str) -> None:
        """Gives it another name, one of few."""

    def note(self, about: About) -> None:
        """Adds attributes."""

    def fail(self, why: str) -> None:
        """Marks it as failed; `why` is one of few words, such as a status or the name of an exception."""


NOTHING = Span()
_tracer: "Tracer | None" = None


def begin(endpoint: str, function: str) -> None:
    """From here on this process, which serves the function, has spans, if there is somebody to send them to. Ends its start
    with one clear line where a setting of OpenTelemetry's own is wrong."""
    global _tracer
    if endpoint and _tracer is None:
        try:  # some of its variables are read when it is imported
            from shared.platform.tracer import Tracer

            _tracer = Tracer(function)
        except (ValueError, OSError) as wrong:  # their text may hold the value of a variable
            stop(f"a variable OTEL_* is wrong ({type(wrong).__name__})")


def span(name: str, kind: Kind = "internal", about: About = _NOTHING_MORE, *, parent: Context | None = None) -> Span:
    """A span, to be entered at once: within the current one, and where there is none, one that does nothing. With `parent` it
    is within that, whatever the current one is, or the first of a new trace where the context is empty."""
    return NOTHING if _tracer is None else _tracer.span(name, kind, about, parent)


def carried() -> Mapping[str, str]:
    """The headers that name the current span to whoever is called within it; none where there is no span."""
    return {} if _tracer is None else _tracer.carried()
