"""CloudEvents 1.0 as they come over HTTP, in binary or structured mode, with their data as the JSON text that it is."""

import base64
import codecs
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

STRUCTURED = "application/cloudevents+json"
NEEDED = ("id", "source", "type")
TEXTS = (*NEEDED, "subject", "time", "datacontenttype")


class Number(NamedTuple):
    """A JSON number, as it was written."""

    digits: str


class Received(NamedTuple):
    """An event that came. `data` is JSON text to the letter, so that no amount passes through a binary number; `fields` is
    what is in it. `error_code`: the HTTP status for which a Broker of Knative calls it a dead letter."""

    id: str
    type: str
    source: str
    subject: str | None
    time: str | None
    correlation_id: str | None
    traceparent: str | None
    tracestate: str | None
    caller: str | None
    error_code: str | None
    data: str
    fields: Any


def read_event(headers: Mapping[str, str], body: bytes) -> Received:
    """The event in a request. Raises ValueError, with one short line, for anything that is none or whose data is no JSON."""
    named = {name.lower(): value for name, value in headers.items()}
    content_type = _media_type(named.get("content-type"))
    if content_type == STRUCTURED:
        attributes, data = _structured(body)
    elif content_type.startswith("application/cloudevents"):
        raise ValueError("events are taken one by one, in binary mode or as application/cloudevents+json")
    else:
        attributes, data = _binary(named), body
    _refuse_what_is_no_event(attributes)
    text, fields = _json(data)
    code = attributes.get("knativeerrorcode")
    return Received(
        id=attributes["id"],
        type=attributes["type"],
        source=attributes["source"],
        subject=attributes.get("subject"),
        time=attributes.get("time"),
        correlation_id=_if_text(attributes.get("correlationid")),
        traceparent=_if_text(attributes.get("traceparent")),
        tracestate=_if_text(attributes.get("tracestate")),
        caller=_if_text(attributes.get("caller")),
        error_code=_if_text(code.digits if isinstance(code, Number) else code),
        data=text,
        fields=fields,
    )


def _refuse_what_is_no_event(attributes: dict[str, Any]) -> None:
    if attributes.get("specversion") != "1.0":
        raise ValueError("not a CloudEvent of specversion 1.0")
    for name in TEXTS:
        value = attributes.get(name)
        if value is None and name not in NEEDED:
            continue
        if not isinstance(value, str) or not value or _UNFIT.search(value):
            raise ValueError(f"the attribute {name} is missing or no text")
    media_type = _media_type(attributes.get("datacontenttype"))
    if media_type and not media_type.endswith(("/json", "+json")):
        raise ValueError("the data is not JSON")


def _binary(headers: dict[str, str]) -> dict[str, Any]:
    """The attributes, percent-decoded once (HTTP binding 1.0.2, 3.1.3.2). What is no UTF-8 becomes what no text may hold."""
    attributes: dict[str, Any] = {
        name.removeprefix("ce-"): unquote_to_bytes(value.encode("latin-1")).decode("utf-8", "surrogateescape")
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    return attributes | {"datacontenttype": headers.get("content-type")}


def _structured(body: bytes) -> tuple[dict[str, Any], bytes]:
    """The attributes, and the data as its own bytes."""
    attributes: dict[str, Any] = {}
    data = b""
    try:
        for name, value, written in _members(_text(body)):
            if name in attributes:
                raise ValueError("given twice")
            attributes[name] = value
            if name == "data":
                data = written.encode()
        if "data_base64" in attributes:
            if "data" in attributes:
                raise ValueError("given twice")
            data = base64.b64decode(attributes["data_base64"], validate=True)
    except (ValueError, TypeError, RecursionError):
        raise ValueError("not a CloudEvent in the JSON format") from None
    return attributes, data


def _members(text: str) -> Iterator[tuple[str, Any, str]]:
    """Name, value and the value's own text of each member of a JSON object."""
    place = _after("{", text, 0)
    while text[place : place + 1] != "}":
        name, place = _DECODER.raw_decode(text, place)
        if not isinstance(name, str):
            raise ValueError("not a JSON object")
        begin = _after(":", text, place)
        value, end = _DECODER.raw_decode(text, begin)
        yield name, value, text[begin:end]
        place = _blanks(text, end)
        if text[place : place + 1] != "}":
            place = _after(",", text, place)
            if text[place : place + 1] == "}":
                raise ValueError("a comma ends the JSON object")
    if _blanks(text, place + 1) != len(text):
        raise ValueError("something follows the JSON object")


def _after(mark: str, text: str, place: int) -> int:
    """Where the next thing begins behind a mark that must come next."""
    place = _blanks(text, place)
    if text[place : place + 1] != mark:
        raise ValueError("not a JSON object")
    return _blanks(text, place + 1)


def _blanks(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    return found.end() if found else place


def _json(data: bytes) -> tuple[str, Any]:
    """Data as its JSON text, and what is in it."""
    try:
        text = _text(data)
        return text, _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise ValueError("the data is not JSON") from None


def _text(body: bytes) -> str:
    return body.removeprefix(codecs.BOM_UTF8).decode()


def _media_type(content_type: Any) -> str:
    return content_type.partition(";")[0].strip().lower() if isinstance(content_type, str) else ""


def _if_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)
_BLANKS = re.compile(r"[ \t\n\r]*")
# What CloudEvents forbids in a text: control characters and halves of surrogate pairs.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
