"""Reading CloudEvents: both modes of HTTP, the data to the letter, and nothing but an event or one short line of refusal."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.cloud_event import STRUCTURED, Number, Received, read_event

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "PAY-1.succeeded",
    "type": "com.ridehailing.payment.succeeded.v1",
    "source": "/payment-service",
    "subject": "payments/351",
    "time": "2026-11-24T12:00:00Z",
    "correlationid": "ride-7",
    "traceparent": TRACEPARENT,
}
# Numbers that no binary one holds, one that is too long for Python's own int, and text in several spellings.
DATA = (
    '{ "payment_id":351,"amount":150.00,\n "metadata":{"a":1e400,"b":-0.0,"c":0.1000000000000000055511151231257827,'
    f'"d":{"7" * 5000},"e":"\\u00e9 \\ud83d\\ude00 \\ud800 é","f":[]}}}}'
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def binary(attributes: dict[str, str], data: str = DATA, content_type: str = "application/json") -> Received:
    headers = {f"Ce-{name.title()}": value for name, value in attributes.items()} | {"Content-Type": content_type}
    return read_event(headers, data.encode())


def structured(attributes: dict[str, Any], data: str = DATA, content_type: str = STRUCTURED) -> Received:
    written = json.dumps(attributes, indent=1)
    return read_event({"Content-Type": content_type}, f'\ufeff {written[:-2]}, "data" :\t{data} }}\n'.encode())


def encoded(attributes: dict[str, Any], data: str = DATA, content_type: str = STRUCTURED) -> Received:
    whole = attributes | {"data_base64": base64.b64encode(data.encode()).decode()}
    return read_event({"content-type": content_type}, json.dumps(whole).encode())


Mode = Callable[..., Received]
every_mode = pytest.mark.parametrize("mode", [binary, structured, encoded])


@every_mode
def test_an_event_is_read_alike_in_every_mode_and_its_data_to_the_letter(mode: Mode) -> None:
    event = mode(ATTRIBUTES)
    assert event.data == DATA
    assert event.fields["amount"] == Number("150.00")
    assert (event.id, event.type, event.subject) == (ATTRIBUTES["id"], ATTRIBUTES["type"], ATTRIBUTES["subject"])
    assert (event.time, event.correlation_id, event.traceparent) == (ATTRIBUTES["time"], "ride-7", TRACEPARENT)


@every_mode
def test_what_an_event_need_not_have_may_be_missing(mode: Mode) -> None:
    event = mode({name: ATTRIBUTES[name] for name in ("specversion", "id", "type", "source")}, "7")
    assert (event.subject, event.time, event.correlation_id, event.traceparent, event.fields) == (
        *[None] * 4,
        Number("7"),
    )


@every_mode
@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, "") for name in ("id", "type", "source", "subject", "time", "specversion")), ("specversion", "2.0")],
)
def test_an_attribute_that_is_no_good_is_refused(mode: Mode, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"attribute|specversion"):
        mode(ATTRIBUTES | {name: value})


@every_mode
@pytest.mark.parametrize("name", ["id", "type", "source", "specversion"])
def test_an_attribute_that_is_needed_is_missed(mode: Mode, name: str) -> None:
    with pytest.raises(ValueError, match=r"attribute|specversion"):
        mode({other: value for other, value in ATTRIBUTES.items() if other != name})


@pytest.mark.parametrize("value", [None, 7, True, ["x"], {"a": 1}, "\ud800", "a\nb", "\0", "\x9f"])
@pytest.mark.parametrize("name", ["id", "type", "source", "specversion"])
def test_an_attribute_of_a_structured_event_that_is_no_text_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"attribute|specversion"):
        structured(ATTRIBUTES | {name: value})


@pytest.mark.parametrize("value", [None, 7, True, 1.5, ["x"], {"a": {"b": []}}])
def test_an_extension_may_be_of_any_kind_and_is_not_known_where_it_is_no_text(value: object) -> None:
    event = structured(ATTRIBUTES | {"correlationid": value, "traceparent": value, "tenant": value})
    assert (event.correlation_id, event.traceparent) == (None, None)


def test_headers_are_percent_decoded_once_and_must_be_utf_8() -> None:
    assert binary(ATTRIBUTES | {"id": "a%20%25 %e2%82%ac%zz", "tenant": "\xff"}).id == "a % €%zz"
    assert binary(ATTRIBUTES | {"id": "€".encode().decode("latin-1")}).id == "€"
    with pytest.raises(ValueError, match="the attribute id"):
        binary(ATTRIBUTES | {"id": "%ff"})


@every_mode
@pytest.mark.parametrize(
    "data", ["", "{", "NaN", "[1,Infinity]", '{"a":1}{', "[" * 60_000, '{"a":' * 5000, '"\x01"', "1."]
)
def test_data_that_is_no_json_is_refused(mode: Mode, data: str) -> None:
    with pytest.raises(ValueError, match=r"^(the data is not JSON|not a CloudEvent in the JSON format)$"):
        mode(ATTRIBUTES, data)


@pytest.mark.parametrize("content_type", ["text/xml", "application/jsonp", "application/xml+jso", "json"])
def test_data_of_another_kind_is_refused_in_either_mode(content_type: str) -> None:
    with pytest.raises(ValueError, match="the data is not JSON"):
        binary(ATTRIBUTES, content_type=content_type)
    with pytest.raises(ValueError, match="the data is not JSON"):
        structured(ATTRIBUTES | {"datacontenttype": content_type})


@pytest.mark.parametrize("content_type", ["application/json", "application/vnd.a+json; charset=utf-8", "text/JSON"])
def test_data_that_is_said_to_be_json_in_another_way_is_read(content_type: str) -> None:
    assert binary(ATTRIBUTES, content_type=content_type).data == DATA
    assert structured(ATTRIBUTES | {"datacontenttype": content_type}).data == DATA


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents-batch+json", "application/cloudevents", "application/cloudevents+avro"]
)
def test_batches_and_other_formats_are_refused(content_type: str) -> None:
    with pytest.raises(ValueError, match="one by one"):
        structured(ATTRIBUTES, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{} x",
        b'{"id"}',
        b'{"id":1,}',
        b"{1:2}",
        b'{"id":"a" "b":1}',
        b'{"id":"a"',
        b'{"id":"a","id":"b"}',
        b'{"data":{},"data":{}}',
        b'{"data":{},"data_base64":"e30="}',
        b'{"data_base64":7}',
        b'{"data_base64":"e30"}',
        b'{"data_base64":"\xc3\xa9"}',
        b'{"id":"\xff"}',
        '{"id":"a"}'.encode("utf-16"),
        b'{"a":' * 12_000,
    ],
)
def test_a_body_that_is_no_structured_event_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a CloudEvent in the JSON format$"):
        read_event({"content-type": f"{STRUCTURED}; charset=utf-8"}, body)


def test_a_structured_event_s_content_type_decides_whatever_its_headers_say() -> None:
    whole = json.dumps(ATTRIBUTES | {"data": 1}).encode()
    headers = {"content-type": "Application/CloudEvents+JSON", "ce-id": "other", "ce-specversion": "7"}
    assert read_event(headers, whole).id == ATTRIBUTES["id"]


@given(st.dictionaries(st.text("xyz_0", min_size=1), JSON, max_size=4), JSON)
def test_any_data_of_a_structured_event_is_given_as_it_is_written(more: dict[str, Any], data: object) -> None:
    for written in (json.dumps(data), json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True)):
        assert structured(more | ATTRIBUTES, written).data == written
        assert structured(ATTRIBUTES | more, written).data == written
