"""One request, as an operation sees it."""

import codecs
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import flask
from werkzeug.exceptions import ClientDisconnected

from shared.platform import json_text, log
from shared.rules.cells import Cell
from shared.web.access.caller import Caller
from shared.web.idempotency_key import FIELD, HEADER, KeyRejected, read_key
from shared.web.origin import Origin
from shared.web.problems import Problem, invalid
from shared.web.rates.limiter import address_of
from shared.web.routes import Route, bare
from shared.web.tracing import Trace

Request = TypeVar("Request")

# Bytes, the contract's: four times the metadata that a request may have.
LARGEST_BODY = 64 * 1024


class Call:
    """One request, as an operation sees it."""

    def __init__(self, request: flask.Request, trace: Trace) -> None:
        self._request = request
        self.trace = trace
        # As it came: the framework's own `path` takes leading slashes away.
        raw = request.environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
        self.path = bare(raw)
        # Only links within a page depend on it.
        self.slashed = raw.endswith("/")
        # What stands before our paths where this was sent to: a cell's prefix at the front door of all cells. Else empty.
        self.base = ""
        # All cells, where it came through the front door of all.
        self.cells: tuple[Cell, ...] = ()
        self.body_was_read = False
        self.route: Route | None = None
        # Nobody is asked who he is, anywhere.
        self.open = False
        # None where the service is open, and on routes that want nobody's name.
        self.caller: Caller | None = None
        # Headers that tell the caller of its rate, whatever the answer.
        self.rate: Mapping[str, str] = {}
        self.parameters: dict[str, str] = {}

    @property
    def origin(self) -> Origin:
        return Origin(self.trace, self.caller)

    @property
    def address(self) -> str:
        """Where it came from, as who asks without a name is called."""
        return address_of(self._request)

    @property
    def method(self) -> str:
        return self._request.method

    @property
    def headers(self) -> Any:
        return self._request.headers

    @property
    def query(self) -> list[tuple[str, str]]:
        """Every query parameter, in order, repeated ones included."""
        return list(self._request.args.items(multi=True))

    @property
    def cookies(self) -> Mapping[str, str]:
        return self._request.cookies

    def prefers(self, *content_types: str) -> str:
        """Which of the content types the Accept header asks for; the first where it has no wish. Parameters of a type, such
        as a version, do not count."""
        return max(content_types, key=self._quality)

    def _quality(self, content_type: str) -> float:
        accepted = {name.partition(";")[0].strip().lower(): q for name, q in reversed(self._request.accept_mimetypes)}
        family = content_type.partition("/")[0] + "/*"
        return next((accepted[name] for name in (content_type, family, "*/*") if name in accepted), 0.0)

    def body(self) -> bytes:
        """The whole body. Raises Problem payload_too_large above 64 KiB, and unsupported_media_type where it is compressed."""
        try:
            body: bytes = self._request.stream.read(LARGEST_BODY + 1)
        except ClientDisconnected:
            raise invalid(("body", "was cut off")) from None
        except Exception as unreadable:  # gunicorn's own errors, for chunks that are none
            log.log.info("body not read", extra={"why": type(unreadable).__name__})
            raise invalid(("body", "could not be read")) from None
        if len(body) > LARGEST_BODY:
            raise Problem("payload_too_large", "The body must be at most 64 KiB.")
        self.body_was_read = True
        if body and self._is_encoded():
            raise Problem(
                "unsupported_media_type",
                "Send the body as it is, without Content-Encoding: it is not decompressed here.",
                headers={"Accept-Encoding": "identity"},  # RFC 9110, 15.5.16
            )
        return body

    def _is_encoded(self) -> bool:
        codings = self.headers.get("Content-Encoding", "").split(",")
        return any(coding.strip().lower() not in ("", "identity") for coding in codings)

    def json_object(self, *, may_be_empty: bool = False) -> dict[str, Any]:
        """The body as a JSON object. Raises Problem unsupported_media_type, payload_too_large or invalid_request."""
        body = self.body()
        if may_be_empty and body in (b"", codecs.BOM_UTF8):
            return {}
        content_type = self._request.mimetype
        if content_type and content_type != "application/json" and not content_type.endswith("+json"):
            raise Problem("unsupported_media_type", "Send the request as Content-Type: application/json.")
        try:
            value = json_text.read(body)
        except json_text.JsonError as wrong:
            raise invalid((wrong.field or "body", str(wrong))) from None
        if not isinstance(value, dict):
            raise invalid(("body", "must be a JSON object"))
        return value

    def keyed(self, body: dict[str, Any], read: Callable[[dict[str, Any]], Request]) -> tuple[str, Request]:
        """The idempotency key and the request in a body. Raises Problem invalid_request naming what is wrong with either."""
        key, faults = "", []
        try:
            key = read_key(self.headers.get(HEADER), body.get(FIELD))
        except KeyRejected as wrong:
            faults.append((wrong.field, str(wrong)))
        try:
            request = read({name: value for name, value in body.items() if name != FIELD})
        except Problem as problem:
            raise invalid(*faults, *problem.errors) from None
        if faults:
            raise invalid(*faults)
        return key, request
