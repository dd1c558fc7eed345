"""HTTP/1.1 as it goes over a connection: requests are written, answers are read by llhttp, the parser of Node.js."""

import re
from collections.abc import Mapping

import httptools

# Bytes, as other clients and servers have it: what is longer is no honest answer's head.
LARGEST_HEAD = 64 * 1024

# What may stand neither in the first line nor in a header: it would end it.
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")
_UNFIT_TARGET = re.compile(r"[^\x21-\x7e]")


def written(method: str, host: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request. Raises ValueError where something in it cannot be sent as it is."""
    if _UNFIT_TARGET.search(target):
        raise ValueError("the address holds what cannot be sent")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "User-Agent: payment-service", "Accept-Encoding: identity"]
    for name, value in headers.items():
        if _UNFIT.search(name) or _UNFIT.search(value):
            raise ValueError(f"the header {name!r} holds what cannot be sent")
        lines.append(f"{name}: {value}")
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "\r\n")).encode("latin-1") + (body or b"")


class Incoming:
    """An answer, as far as it has come. The names of its `headers` are in lower case; `body` is as it was sent: compressed,
    where it is. `ends_with_connection`: nothing else says where it ends. `reusable`: the connection may be used again once
    it is `complete`.

    What is sent after it, another answer, is no part of it; nor are fields after its body, which whoever sends it could not
    say before (RFC 9110, 6.5.1: not to be taken for headers)."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.has_head = self.complete = self.reusable = self.ends_with_connection = False
        self._parser = httptools.HttpResponseParser(self)
        self._head = 0  # bytes

    def feed(self, received: bytes) -> None:
        """Takes what came next. Raises ValueError where that is not HTTP."""
        try:
            self._parser.feed_data(received)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.reusable = False
            if not self.complete:
                raise ValueError("the answer is not HTTP") from None
        if not self.has_head:
            self._head += len(received)
            if self._head > LARGEST_HEAD:
                raise ValueError("the head of the answer is too long")

    def on_message_begin(self) -> None:
        """Called by the parser, as all that follow. What comes after an answer, nobody asked for."""
        self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_head:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer: the final one is still to come
            self.headers = {}
            return
        self.status = status
        self.has_head = True
        self.ends_with_connection = not self.headers.keys() & {"content-length", "transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.body += body

    def on_message_complete(self) -> None:
        if self.has_head and not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
