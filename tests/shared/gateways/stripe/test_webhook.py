"""Who signed a webhook of Stripe's, with Stripe's own package as a second opinion, and what an event is about."""

import json
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gateways.facts import NotSigned
from shared.gateways.stripe.webhook import KINDS, TOLERANCE, event_of, read_event, signed, verify

NOW = 1_764_210_000
SECRET, OTHER = "whsec_s3cr3ts3cr3t", "whsec_0th3r0th3r"
BODY = b'{"id": "evt_1", "object": "event"}'


@pytest.fixture(scope="module")
def stripe() -> Any:
    """Stripe's own package: it is large, and nothing else is to wait for it, nor for its types to be checked."""
    return import_module("stripe")


def accepted(header: str, body: bytes = BODY, *secrets: str, now: float = NOW) -> bool:
    try:
        verify(header, body, secrets or (SECRET,), now)
    except NotSigned:
        return False
    return True


def test_a_webhook_is_known_by_its_signature_of_the_body_to_the_byte() -> None:
    header = signed(SECRET, NOW, BODY)
    assert accepted(header)
    assert not accepted(header, BODY + b" ")
    assert not accepted(header, json.dumps(json.loads(BODY)).replace(" ", "").encode())
    assert not accepted(signed(OTHER, NOW, BODY))
    assert not accepted(header.replace(f"t={NOW}", f"t={NOW + 1}"))


@pytest.mark.parametrize(
    ("age", "taken"),
    [(0, True), (TOLERANCE, True), (-TOLERANCE, True), (TOLERANCE + 1, False), (-TOLERANCE - 1, False)],
)
def test_it_is_of_the_last_five_minutes_and_not_of_the_time_to_come(age: int, taken: bool) -> None:
    assert accepted(signed(SECRET, NOW - int(age), BODY)) == taken


def test_while_secrets_are_rotated_each_is_as_good_as_the_others() -> None:
    both = f"{signed(OTHER, NOW, BODY)},{signed(SECRET, NOW, BODY).partition(',')[2]}"
    assert accepted(both), "Stripe signs with both while it rotates"
    assert accepted(signed(OTHER, NOW, BODY), BODY, SECRET, OTHER)
    assert not accepted(signed(OTHER, NOW, BODY), BODY, SECRET, SECRET)


@pytest.mark.parametrize(
    "header",
    [
        *("", ",", "=", "t", "v1", f"t={NOW}", "v1=00", "t=,v1=", f"t={NOW},v1=", f"t={NOW},v0=00", "t=x,v1=00"),
        *(f"t={NOW},v1=é", "t=-1,v1=00", "t=1e9,v1=00", "t=١,v1=00", f"t={'9' * 5000},v1=00", "t=0,v1=00"),
        signed(SECRET, NOW, BODY).replace("v1=", "v0="),
        signed(SECRET, NOW, BODY).replace("v1=", "V1="),
        signed(SECRET, NOW, BODY).replace(f"t={NOW},", ""),
        signed(SECRET, NOW, BODY)[:-1],
        signed(SECRET, NOW, BODY) + "0",
        signed(SECRET, NOW, BODY).upper().replace("T=", "t=").replace("V1=", "v1="),
    ],
)
def test_any_other_header_is_no_signature(header: str) -> None:
    assert not accepted(header)


@given(
    at=st.integers(NOW - 400, NOW),
    body=st.text(st.characters(exclude_categories=["Cs"])),
    signers=st.lists(st.sampled_from([SECRET, OTHER, "whsec_third3rd"]), max_size=3),
    known=st.sampled_from([SECRET, OTHER]),
    mangle=st.sampled_from(["", "another body", "no time", "another time", "extra"]),
)
def test_stripe_s_own_package_takes_what_we_take_and_nothing_else(
    stripe: Any, at: int, body: str, signers: list[str], known: str, mangle: str
) -> None:
    signatures = [signed(secret, at, body.encode()).partition(",")[2] for secret in signers]
    fields = [*([] if mangle == "no time" else [f"t={at + (mangle == 'another time')}"]), *signatures]
    header = ",".join([*fields, "v0=00", "x"] if mangle == "extra" else fields)
    body += "." if mangle == "another body" else ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: NOW)
        try:
            theirs = stripe.WebhookSignature.verify_header(body, header, known, int(TOLERANCE))
        except stripe.SignatureVerificationError:
            theirs = False
    assert accepted(header, body.encode(), known) == bool(theirs)


def test_an_event_that_we_sign_is_one_to_stripe_s_own_package(stripe: Any) -> None:
    body = json.dumps(an_event("refund.failed", id="re_1", object="refund", payment_intent="pi_1")).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: NOW)
        event = stripe.Webhook.construct_event(body, signed(SECRET, NOW, body), SECRET)
    read = read_event(body)
    assert read
    assert (read.event_id, read.type, read.object_id) == (event.id, event.type, event.data.object["id"])


def an_event(type_: str, **about: Any) -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "api_version": "2020-08-27", "type": type_, "data": {"object": about}}


ABOUT = {
    "charge": ({"id": "pi_1", "client_secret": "pi_1_secret_2"}, "pi_1", "pi_1"),
    "refund": ({"id": "re_1", "payment_intent": "pi_1", "charge": "ch_1"}, "re_1", "pi_1"),
    "dispute": ({"id": "du_1", "payment_intent": {"id": "pi_1"}}, "du_1", "pi_1"),
    None: ({"id": "pi_1", "payment_intent": "pi_1"}, "pi_1", "pi_1"),
}


@pytest.mark.parametrize("type_", KINDS)
def test_an_event_names_its_object_and_the_charge(type_: str) -> None:
    about, object_id, charge_id = ABOUT[KINDS[type_]]
    event = event_of(an_event(type_, **about))
    assert event
    assert event[:6] == ("evt_1", type_, KINDS[type_], object_id, charge_id, type_ == "payment_intent.succeeded")
    assert "secret_2" not in str(event.said)
    assert event.said["data"]["object"]["id"] == object_id


def test_a_refund_of_a_charge_without_an_intent_names_that() -> None:
    about: dict[str, Any] = {"id": "re_1", "payment_intent": None, "charge": "ch_1"}
    event = event_of(an_event("refund.created", **about))
    assert event
    assert event.charge_id == "ch_1"


@pytest.mark.parametrize(
    "type_", ["customer.created", "balance.available", "v2.core.event", "", "payment_intent.created"]
)
def test_an_event_of_another_type_is_about_nothing_here(type_: str) -> None:
    assert event_of({"type": type_}) is None


@pytest.mark.parametrize(
    "said",
    [
        *(None, [], "event", 1, {}, {"type": 1}, {"type": "refund.created"}),
        {**an_event("refund.created", id="re_1"), "id": None},
        {**an_event("refund.created", id="re_1"), "id": "evt\n1"},
        {**an_event("refund.created", id="re_1"), "data": []},
        an_event("refund.created"),
        an_event("refund.created", id={}),
        an_event("refund.created", id="re_1\0"),
        an_event("refund.created", id="r" * 256),
    ],
)
def test_what_does_not_say_what_it_is_about_is_no_event(said: object) -> None:
    with pytest.raises(ValueError, match=r"^(is not|does not say)"):
        event_of(said)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"\xff", '{"type":"é"}'.encode("utf-16"), b'{"a":1,"a":1}', b"[" * 9999]
)
def test_what_is_no_json_in_utf_8_is_none_either(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^is "):
        read_event(body)


def test_a_byte_order_mark_and_what_cannot_be_stored_do_no_harm() -> None:
    body = json.dumps(an_event("refund.created", id="re_1", odd="\0\ud800", number=10**200)).encode()
    event = read_event(b"\xef\xbb\xbf" + body)
    assert event
    assert event.object_id == "re_1"
