"""A client that looks at every answer it gets: in form, and against the schema that the service itself publishes."""

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage
from itertools import count
from typing import Any
from urllib.parse import quote

import jsonschema
from jsonschema.protocols import Validator

HOST = "127.0.0.1"
TIMEOUT = 30.0
_keys, _trips = count(1), count(1_000_001)
SENT_SECRETS: list[str] = []
# Headers of every HTTP answer, which a description of an API leaves out.
OF_HTTP = {"connection", "content-length", "content-type", "date", "keep-alive", "server", "transfer-encoding"}


def new_key() -> str:
    """An idempotency key that no other test uses, remembered as a secret that no log may have."""
    key = f"s3cr3t-key-{next(_keys):06d}"
    SENT_SECRETS.append(key)
    return key


def new_trip() -> int:
    """A completed trip that no other test pays for."""
    return next(_trips)


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return self.headers.get("Content-Type", "")

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """The problem document; fails unless it is one of this status and code."""
        found = problem_of(self)
        assert (self.status, found["code"]) == (status, code), self.text
        return found


def problem_of(answer: Answer) -> dict[str, Any]:
    """The problem document of an error; fails unless it has the contract's form."""
    assert answer.type == "application/problem+json", (answer.status, answer.type, answer.body[:300])
    found: dict[str, Any] = answer.json
    assert {"type", "title", "status", "detail", "instance", "code", "correlation_id"} <= set(found), found
    assert found["status"] == answer.status
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", found["code"])
    assert found["instance"].startswith("/")
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", found["correlation_id"])
    assert answer.headers["X-Correlation-ID"]
    assert not re.search(
        r"<html|traceback|psycopg|postgres|select |envoy|upstream|gunicorn|werkzeug", answer.text, re.I
    )
    if answer.status in (429, 503, 502, 504):
        assert int(answer.headers["Retry-After"]) > 0
    return found


def is_compact(text: str) -> bool:
    """Whether a JSON text has no white space but in its strings, and the end of the line that the front door's own have."""
    return not re.search(r"\s", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text).removesuffix("\n"))


@dataclass
class Schemas:
    """What the service's OpenAPI document says of its answers."""

    document: dict[str, Any]
    _validators: dict[tuple[str, ...], Validator] = field(default_factory=dict)

    def check(self, method: str, path: str, answer: Answer) -> None:
        """The status is one that the operation has, and the body is what its schema says."""
        template = self._template(path.split("?")[0])
        operation = self.document["paths"].get(template, {}).get(method.lower().replace("head", "get"))
        if operation is None or answer.status == 405:
            return
        responses = operation["responses"]
        assert str(answer.status) in responses, f"{method} {template} answered {answer.status}, which is not described"
        response = responses[str(answer.status)]
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        self._check_headers(response, answer)
        content = response.get("content", {})
        media = answer.type.split(";")[0]
        assert media in content, f"{method} {template} {answer.status} is {media}, and described as {list(content)}"
        if media.endswith("json") and answer.body:
            self._validator((template, method, str(answer.status), media), content[media]["schema"]).validate(
                answer.json
            )

    def _check_headers(self, response: dict[str, Any], answer: Answer) -> None:
        """An answer has no header that is not described, and all that are promised, with values as described."""
        described = {name.lower(): each["$ref"].rpartition("/")[2] for name, each in response["headers"].items()}
        came = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in OF_HTTP}
        assert came.keys() <= described.keys(), (answer.status, came.keys() - described.keys())
        for name, component in described.items():
            header = self.document["components"]["headers"][component]
            assert name in came or not header.get("required"), (answer.status, name)
            if name in came:
                value = int(came[name]) if header["schema"].get("type") == "integer" else came[name]
                self._validator(("header", component), header["schema"]).validate(value)

    def _template(self, path: str) -> str:
        bare = re.sub(r"^/v1(?=/|$)", "", path) or "/"
        return re.sub(r"^/payments/[^/]+", "/payments/{payment_id}", bare)

    def _validator(self, name: tuple[str, ...], schema: dict[str, Any]) -> Validator:
        if name not in self._validators:
            whole = schema | {"components": self.document["components"]}
            checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
            self._validators[name] = jsonschema.Draft202012Validator(whole, format_checker=checker)
        return self._validators[name]


class Client:
    """Asks the front door; one connection, opened again where the other side closed it."""

    def __init__(self, port: int, schemas: Schemas | None = None) -> None:
        self.port = port
        self._schemas = schemas
        self._connection = HTTPConnection(HOST, port, timeout=TIMEOUT)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request. A body that is not bytes is sent as JSON."""
        given = dict(headers or {})
        if body is not None and not isinstance(body, bytes | Iterator):
            body = json.dumps(body).encode()
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        try:
            self._connection.request(method, path, body, given, encode_chunked=isinstance(body, Iterator))
            reply = self._connection.getresponse()
            answer = Answer(reply.status, reply.headers, reply.read())
        except BaseException:
            self._connection.close()
            raise
        self._look_at(method, path, answer)
        return answer

    def _look_at(self, method: str, path: str, answer: Answer) -> None:
        assert answer.status != 500, answer.text
        assert "X-Correlation-ID" in answer.headers
        if answer.status >= 400 and answer.body and "health" not in path:
            problem_of(answer)
        if answer.type.endswith("json"):
            assert is_compact(answer.text), answer.text
        if self._schemas:  # at the front door, which tells nothing of what is behind it
            assert answer.headers.get("Server", "").lower() not in ("envoy", "gunicorn")
            self._schemas.check(method, path, answer)

    def get(self, path: str, **headers: str) -> Answer:
        """A GET; `accept="text/html"` is the header Accept."""
        return self.call("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def pay(self, key: str | None = None, prefix: str = "", **fields: Any) -> Answer:
        """POST /payments: an explicit amount of a new trip, by card, unless said otherwise; None leaves a field out."""
        body = {"trip_id": new_trip(), "method": "CARD", "amount": 150.00} | fields
        body = {name: value for name, value in body.items() if value is not None}
        return self.call("POST", f"{prefix}/payments", body, {"Idempotency-Key": key or new_key()})

    def refund(self, payment_id: int, key: str | None = None, prefix: str = "", **fields: Any) -> Answer:
        """POST /payments/{payment_id}/refunds."""
        path = f"{prefix}/payments/{payment_id}/refunds"
        return self.call("POST", path, fields, {"Idempotency-Key": key or new_key()})

    def list(self, **filters: object) -> Answer:
        """GET /payments with these parameters; `from_` is `from`."""
        query = "&".join(f"{name.rstrip('_')}={quote(str(value))}" for name, value in filters.items())
        return self.get(f"/payments?{query}")

    def close(self) -> None:
        self._connection.close()


def raw(port: int, sent: bytes, half_close: bool = False) -> bytes:
    """What comes back for these bytes, until the other side closes or has answered and waits."""
    with socket.create_connection((HOST, port), timeout=TIMEOUT) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        came = b""
        while not _whole(came):
            part = connection.recv(65536)
            if not part:
                break
            came += part
        return came


def _whole(came: bytes) -> bool:
    head, end, body = came.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def parse(came: bytes) -> Answer:
    """An answer that was read raw."""
    from email.parser import BytesParser

    head, _, body = came.partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    headers = BytesParser(_class=HTTPMessage).parsebytes(fields + b"\r\n\r\n")
    return Answer(int(status.split()[1]), headers, body)
