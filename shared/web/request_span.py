"""The span of a request: its method and route, and what came of it."""

from shared.platform import spans
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.routes import LIVENESS, METHODS


def request_span(call: Call, method: str) -> spans.Span:
    """The span that everything of a request happens in; what the call passes on from here names it. A probe has none: it comes
    every few seconds for ever."""
    if call.path == LIVENESS:
        return spans.NOTHING
    return spans.span(_known(method), "server", parent=call.trace)


def ended(span: spans.Span, call: Call, method: str, answer: Answer) -> None:
    """Notes in the span which route it was and what is answered."""
    if span is spans.NOTHING:
        return
    if call.route:
        span.rename(f"{_known(method)} {call.route.template}")
        span.note({"http.route": call.route.template})
    span.note({"http.request.method": _known(method), "http.response.status_code": answer.status, **answer.about})
    if answer.status >= 500:
        span.fail(str(answer.status))


def _known(method: str) -> str:
    """As many names as there are methods that anybody knows, whatever a client makes up."""
    return method if method in METHODS else "_OTHER"
