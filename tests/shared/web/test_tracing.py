"""What ties the steps of a request together is passed on where it is well-formed, and replaced or left out where not."""

import uuid

import pytest

from shared.web.tracing import Trace, read_trace

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_what_is_well_formed_is_passed_on_to_the_letter() -> None:
    trace = read_trace("ride-7", TRACEPARENT, "vendor=opaque, tenant@system=a b")
    assert trace.headers() == {
        "X-Correlation-ID": "ride-7",
        "traceparent": TRACEPARENT,
        "tracestate": "vendor=opaque, tenant@system=a b",
    }
    assert trace.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        TRACEPARENT.upper(),
        f"{TRACEPARENT}-00",
        f"{TRACEPARENT}\n",
        f"ff{TRACEPARENT[2:]}",
        TRACEPARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        TRACEPARENT.replace("00f067aa0ba902b7", "0" * 16),
    ],
)
def test_a_traceparent_that_is_none_is_left_out_and_its_tracestate_with_it(traceparent: str | None) -> None:
    trace = read_trace("not one", traceparent, "vendor=opaque")
    assert trace == Trace(str(uuid.UUID(trace.correlation_id)))
    assert trace.trace_id is None


@pytest.mark.parametrize(
    "state",
    [
        "",
        "no pair",
        "Upper=1",
        "a=b=c",
        "a=\x7f",
        "a=é",
        "a=b\nc=d",
        ",".join(["a=b"] * 33),
        f"a={'b' * 511}",
        "," * 600,
    ],
)
def test_a_tracestate_that_is_none_or_too_long_is_left_out(state: str) -> None:
    assert read_trace("ride-7", TRACEPARENT, state) == Trace("ride-7", TRACEPARENT)
